/** `aachat doc …`: look at shared documents and their history. Changing them is a matter of files. */
import { AachatError } from '#base/errors.ts';
import { newId } from '#base/id.ts';
import { confirm } from '#cli/ask.ts';
import type { CommandContext } from '#cli/context.ts';
import { resolve, teamSlug } from '#cli/messages.ts';
import { clockTime, indent, plain, table } from '#cli/output.ts';
import { type Page, pageOf, pageText } from '#cli/paging.ts';
import type { HttpClient } from '#client/http.ts';
import type { Document, DocumentConflict, DocumentVersion, VersionKind } from '#contract/documents.ts';
import { DocumentKind, formatDocumentPath } from '#contract/paths.ts';
import { ROUTES } from '#contract/routes.ts';
import { merge } from '#sync/core/merge.ts';
import { unifiedDiff } from '#sync/core/unified-diff.ts';

interface Place {
  readonly project?: string | undefined;
  readonly team?: string | undefined;
}
interface Named extends Place {
  readonly name: string;
}

const PAGE = 2000;

/** `aachat doc list` */
export async function list(
  context: CommandContext,
  args: Place & Page & { readonly kind?: string; readonly deleted?: boolean },
): Promise<void> {
  if (args.kind !== undefined && !DocumentKind.safeParse(args.kind).success) {
    throw new AachatError('USAGE', `"${args.kind}" is no kind of documents.`, { hint: 'aachat doc list --kind notes' });
  }
  const { http } = await context.connect();
  const state = args.deleted === true ? 'all' : 'living';
  const query = { ...(await placeOf(context, http, args)), state, limit: PAGE } as const;
  const all: Document[] = [];
  for (let isCut = true; isCut; ) {
    const last = all.at(-1);
    const after = last === undefined ? {} : { after: last.id };
    const page = await http.call(ROUTES.listDocuments, { query: { ...query, ...after } }, context.signal);
    all.push(...page.documents);
    isCut = page.hasMore;
  }
  const { items: documents, hasMore } = pageOf(
    all
      .filter(({ kind, digest }) => kind === (args.kind ?? kind) && (digest === null) === (args.deleted === true))
      .map((document) => ({ ...document, path: formatDocumentPath(document) }))
      .sort((a, b) => (a.path < b.path ? -1 : 1)),
    args,
  );
  const rows = documents.map(({ path, version, author, via, updatedAt }) => [
    path,
    `v${version}`,
    who(author, via),
    clockTime(updatedAt),
  ]);
  const empty = args.deleted === true ? 'Nothing is deleted.' : 'No documents yet. Each file below aachat/docs is one.';
  context.output.result({ documents, hasMore }, pageText(rows, args, hasMore, empty));
}

/** `aachat doc show <document>` */
export async function show(context: CommandContext, args: Named & { readonly at?: string }): Promise<void> {
  const at = args.at === undefined ? undefined : numberOf(args.at);
  const { http } = await context.connect();
  const document = await find(context, http, args);
  if (at === undefined && document.digest === null) {
    throw new AachatError('NOT_FOUND', `${formatDocumentPath(document)} is deleted.`, {
      hint: `aachat doc restore ${formatDocumentPath(document)} <version>`,
    });
  }
  const digest = at === undefined ? document.digest : (await version(context, http, document, at)).digest;
  const text = await textOf(context, http, document, digest);
  context.output.result({ document, version: at ?? document.version, text }, plain(text).replace(/\n$/, ''));
}

const DEEDS: Record<VersionKind, string> = {
  edited: 'edited',
  merged: 'edited, merged with others',
  overlap: 'edited, partly kept aside',
  deleted: 'deleted',
  restored: 'restored',
  settled: 'took in what was kept aside',
};

/** `aachat doc history <document>` */
export async function history(
  context: CommandContext,
  args: Named & { readonly limit: number; readonly before?: string },
): Promise<void> {
  const before = args.before === undefined ? {} : { before: numberOf(args.before) };
  const { http } = await context.connect();
  const found = await find(context, http, args);
  const { document, versions, hasMore } = await http.call(
    ROUTES.listVersions,
    { params: { documentId: found.id }, query: { limit: args.limit, ...before } },
    context.signal,
  );
  const rows = versions.map(({ number, author, via, createdAt, kind, size, purgedAt }) => [
    `v${number}`,
    clockTime(createdAt),
    who(author, via),
    `${size} B`,
    `${DEEDS[kind]}${purgedAt === null ? '' : ' (text purged)'}`,
  ]);
  const more = hasMore ? `\n(older ones: --before ${versions.at(-1)?.number})` : '';
  context.output.result({ document, versions, hasMore }, `${table(rows)}${more}`);
}

/** `aachat doc diff <document> [from] [to]`: by default what the newest version changed. */
export async function diff(
  context: CommandContext,
  args: Named & { readonly from?: string | undefined; readonly to?: string | undefined },
): Promise<void> {
  const [first, second] = [args.from, args.to].map((text) => (text === undefined ? undefined : numberOf(text)));
  const { http } = await context.connect();
  const document = await find(context, http, args);
  const to = second ?? document.version;
  const from = first ?? to - 1;
  const text = async (number: number) => {
    if (number === 0) return '';
    const { digest } = await version(context, http, document, number);
    return digest === null ? '' : await textOf(context, http, document, digest);
  };
  const [before, after] = await Promise.all([text(from), text(to)]);
  const path = formatDocumentPath(document);
  const changes = unifiedDiff(before, after, { names: [`${path} v${from}`, `${path} v${to}`] });
  const shown = changes === '' ? `v${from} and v${to} say the same.` : painted(context, changes);
  context.output.result({ document, from, to, diff: changes }, shown);
}

function painted({ output }: CommandContext, changes: string): string {
  const { green, red, cyan } = output.paint;
  const paint = (line: string) => {
    if (line.startsWith('+')) return green(line);
    if (line.startsWith('-')) return red(line);
    return line.startsWith('@@') ? cyan(line) : line;
  };
  return plain(changes).trimEnd().split('\n').map(paint).join('\n');
}

/** `aachat doc restore <document> <version>` */
export async function restore(context: CommandContext, args: Named & { readonly version: string }): Promise<void> {
  const number = numberOf(args.version);
  const { http } = await context.connect();
  const found = await find(context, http, args);
  const { document } = await http.call(
    ROUTES.restoreDocument,
    { params: { documentId: found.id }, body: { clientId: newId(), version: number } },
    context.signal,
  );
  context.output.result(
    { document },
    document.version === found.version
      ? `${formatDocumentPath(document)} says that already.`
      : `${formatDocumentPath(document)} says again what v${number} said; this is v${document.version}.`,
  );
}

/** `aachat doc conflicts [document]`: those that are open, and of one document what they are about. */
export async function conflicts(
  context: CommandContext,
  args: Place & { readonly name?: string | undefined },
): Promise<void> {
  const { http } = await context.connect();
  const { output, signal } = context;
  const document = args.name === undefined ? undefined : await find(context, http, { ...args, name: args.name });
  const query = document === undefined ? await placeOf(context, http, args) : { document: document.id };
  const open: DocumentConflict[] = [];
  for (let hasMore = true; hasMore; ) {
    const last = open.at(-1);
    const after = last === undefined ? {} : { after: last.id };
    const page = await http.call(ROUTES.listConflicts, { query: { ...query, ...after } }, signal);
    open.push(...page.conflicts);
    hasMore = page.hasMore;
  }
  if (open.length === 0) return output.result({ conflicts: open }, 'Nothing is kept aside.');
  if (document === undefined) {
    const rows = open.map((one) => [
      formatDocumentPath(one),
      `${one.number}`,
      one.author.name,
      clockTime(one.createdAt),
    ]);
    return output.result({ conflicts: open }, `${table(rows)}\nSee one: aachat doc conflicts <document>`);
  }
  const explained = await Promise.all(
    open.map(async (one) => ({ ...one, ...(await sidesOf(context, http, document, one)) })),
  );
  const path = formatDocumentPath(document);
  const settling =
    `Leave the document as it is:  aachat doc conflicts ${path} --settle <number>\n` +
    `Take in what was kept aside:  aachat doc conflicts ${path} --take <number>`;
  output.result({ document, conflicts: explained }, [...explained.map(explanation), settling].join('\n\n'));
}

interface Sides {
  readonly overlaps: readonly { readonly line: number; readonly document: string; readonly keptAside: string }[];
  /** The whole submission against the document, where its beginning is not known. */
  readonly diff: string | null;
}

async function sidesOf(
  context: CommandContext,
  http: HttpClient,
  document: Document,
  conflict: DocumentConflict,
): Promise<Sides> {
  const [head, base, submitted] = await Promise.all([
    document.digest === null ? '' : textOf(context, http, document, document.digest),
    // It may be purged, or never known.
    conflict.baseDigest === null ? undefined : textOf(context, http, document, conflict.baseDigest).catch(notThere),
    textOf(context, http, document, conflict.digest),
  ]);
  const overlaps =
    base === undefined
      ? []
      : merge(base, head, submitted).overlaps.map((overlap) => ({
          line: overlap.line,
          document: overlap.head,
          keptAside: overlap.submitted,
        }));
  const names = ['document', 'kept aside'] as const;
  return { overlaps, diff: overlaps.length > 0 ? null : unifiedDiff(head, submitted, { names }) };
}

function notThere(thrown: unknown): undefined {
  if (!(thrown instanceof AachatError) || thrown.code !== 'NOT_FOUND') throw thrown;
}

function explanation({ number, author, createdAt, overlaps, diff: changes }: DocumentConflict & Sides): string {
  const title = `Conflict ${number}, by ${author.name}, ${clockTime(createdAt)}`;
  const quote = (text: string) => indent(plain(text).trimEnd(), 4);
  if (changes !== null) return `${title}\n${quote(changes)}`;
  const parts = overlaps.map(
    ({ line, document, keptAside }) =>
      `  line ${line}\n  the document says\n${quote(document)}\n  ${author.name} wrote\n${quote(keptAside)}`,
  );
  return [title, ...parts].join('\n');
}

/** `aachat doc conflicts <document> --settle <number>` or `--take <number>` */
export async function settle(
  context: CommandContext,
  args: Place & { readonly name: string | undefined; readonly number: number; readonly take: boolean },
): Promise<void> {
  const { number } = args;
  if (args.name === undefined) {
    throw new AachatError('USAGE', 'Conflicts are counted in each document: say which.', {
      hint: 'aachat doc conflicts <document> --settle <number>',
    });
  }
  const { http } = await context.connect();
  const found = await find(context, http, { ...args, name: args.name });
  const text = args.take ? await keptAside(context, http, found, number) : null;
  const { document, conflict } = await http.call(
    ROUTES.settleConflict,
    { params: { documentId: found.id, number }, body: { clientId: newId(), text } },
    context.signal,
  );
  const path = formatDocumentPath(document);
  const outcome = text === null ? `${path} stays as it is.` : `${path} has it now, as v${document.version}.`;
  context.output.result({ document, conflict }, `Conflict ${conflict.number} is settled: ${outcome}`);
}

async function keptAside(context: CommandContext, http: HttpClient, document: Document, number: number) {
  const query = { document: document.id, limit: 1000 };
  const { conflicts: open } = await http.call(ROUTES.listConflicts, { query }, context.signal);
  const conflict = open.find((one) => one.number === number);
  if (conflict !== undefined) return await textOf(context, http, document, conflict.digest);
  throw new AachatError('NOT_FOUND', `${formatDocumentPath(document)} has no open conflict ${number}.`, {
    hint: `aachat doc conflicts ${formatDocumentPath(document)}`,
  });
}

/** `aachat doc purge <document> <version…>` */
export async function purge(
  context: CommandContext,
  args: Named & { readonly versions: readonly string[]; readonly yes?: boolean },
): Promise<void> {
  const numbers = args.versions.flatMap(range);
  const { http } = await context.connect();
  const document = await find(context, http, args);
  const what = `the text of ${numbers.map((number) => `v${number}`).join(', ')} of ${formatDocumentPath(document)}`;
  await confirm(context, {
    why: `This removes ${what} for ever.`,
    question: 'Remove it?',
    yes: args.yes === true,
  });
  const { versions } = await http.call(
    ROUTES.purgeVersions,
    { params: { documentId: document.id }, body: { clientId: newId(), versions: numbers } },
    context.signal,
  );
  const copies = 'Copies that others made are not reached: a secret that was in it must be changed.';
  context.output.result({ document, versions }, `Removed ${what}. ${copies}`);
}

/** `3`, or `v3` as it is shown. */
function numberOf(text: string): number {
  const [, digits] = /^v?([1-9]\d{0,8})$/.exec(text) ?? [];
  if (digits !== undefined) return Number(digits);
  throw new AachatError('USAGE', `"${text}" is no number of a version.`, {
    hint: 'aachat doc history <document> shows them.',
  });
}

const MOST_VERSIONS = 1000;

/** `3` or `3-7`. */
function range(text: string): readonly number[] {
  const [first = '', last = first, ...more] = text.split('-');
  const from = numberOf(first);
  const length = numberOf(last) - from + 1;
  if (more.length === 0 && length >= 1 && length <= MOST_VERSIONS) return Array.from({ length }, (_, n) => from + n);
  throw new AachatError('USAGE', `"${text}" is no range of versions.`, { hint: 'aachat doc purge <document> 3 5-7' });
}

const who = ({ name }: Document['author'], via: string | null): string => (via === null ? name : `${name} via ${via}`);

async function placeOf(context: CommandContext, http: HttpClient, { project, team }: Place) {
  if (project === undefined) return team === undefined ? {} : { team: teamSlug(team) };
  return { project: (await resolve(context, http, project, team)).id };
}

async function find(context: CommandContext, http: HttpClient, { name, ...place }: Named): Promise<Document> {
  const query = { name, ...(await placeOf(context, http, place)) };
  return (await http.call(ROUTES.resolveDocument, { query }, context.signal)).document;
}

async function version(
  { signal }: CommandContext,
  http: HttpClient,
  document: Document,
  number: number,
): Promise<DocumentVersion> {
  const query = { before: number + 1, limit: 1 };
  const { versions } = await http.call(ROUTES.listVersions, { params: { documentId: document.id }, query }, signal);
  const found = versions.find((one) => one.number === number);
  if (found !== undefined) return found;
  throw new AachatError('NOT_FOUND', `${formatDocumentPath(document)} has no version ${number}.`, {
    hint: `aachat doc history ${formatDocumentPath(document)}`,
  });
}

async function textOf(
  { signal }: CommandContext,
  http: HttpClient,
  document: Document,
  digest: string | null,
): Promise<string> {
  if (digest !== null) {
    return (await http.call(ROUTES.readDocument, { params: { documentId: document.id, digest } }, signal)).text;
  }
  throw new AachatError('NOT_FOUND', 'That version is a deletion: it has no text.', {
    hint: `aachat doc history ${formatDocumentPath(document)}`,
  });
}
