/** `aachat doc …`: look at shared documents and their history. Changing them is a matter of files. */
import { AachatError } from '#base/errors.ts';
import { newId } from '#base/id.ts';
import { confirm } from '#cli/ask.ts';
import type { CommandContext } from '#cli/context.ts';
import { resolve, teamSlug } from '#cli/messages.ts';
import { clockTime, plain, table } from '#cli/output.ts';
import { type Page, pageOf, pageText } from '#cli/paging.ts';
import type { HttpClient } from '#client/http.ts';
import type { Document, DocumentVersion, VersionKind } from '#contract/documents.ts';
import { DocumentKind, formatDocumentPath } from '#contract/paths.ts';
import { ROUTES } from '#contract/routes.ts';
import { unifiedDiff } from '#sync/core/unified-diff.ts';

export interface Place {
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
  const document = await findDocument(context, http, args);
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
  const found = await findDocument(context, http, args);
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
  const document = await findDocument(context, http, args);
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

/** `aachat doc purge <document> <version…>` */
export async function purge(
  context: CommandContext,
  args: Named & { readonly versions: readonly string[]; readonly yes?: boolean },
): Promise<void> {
  const numbers = args.versions.flatMap(range);
  const { http } = await context.connect();
  const document = await findDocument(context, http, args);
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
export function numberOf(text: string): number {
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

/** What a list of documents is narrowed to. */
export async function placeOf(context: CommandContext, http: HttpClient, { project, team }: Place) {
  if (project === undefined) return team === undefined ? {} : { team: teamSlug(team) };
  return { project: (await resolve(context, http, project, team)).id };
}

/** The document that a person means. */
export async function findDocument(
  context: CommandContext,
  http: HttpClient,
  { name, ...place }: Named,
): Promise<Document> {
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

/** @throws AachatError `NOT_FOUND` for the digest of a deletion */
export async function textOf(
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
