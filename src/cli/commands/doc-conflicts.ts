/** `aachat doc conflicts …`: what was kept aside because others had changed the same lines, shown and settled. */
import { AachatError, isAachatError } from '#base/errors.ts';
import { newId } from '#base/id.ts';
import type { CommandContext } from '#cli/context.ts';
import { clockTime, indent, plain, table } from '#cli/output.ts';
import type { HttpClient } from '#client/http.ts';
import type { Document, DocumentConflict } from '#contract/documents.ts';
import { formatDocumentPath } from '#contract/paths.ts';
import type { RouteInput } from '#contract/route.ts';
import { ROUTES } from '#contract/routes.ts';
import { shellQuote } from '#runtime/shim.ts';
import { merge, mergeBoth } from '#sync/core/merge.ts';
import { unifiedDiff } from '#sync/core/unified-diff.ts';
import { findDocument, type Place, placeOf, textOf } from './doc.ts';

export interface Which extends Place {
  /** Of the document. */
  readonly name: string | undefined;
  readonly number: number | undefined;
}

/** `aachat doc conflicts [document] [number]`: those that are open, and of one document what they are about. */
export async function conflicts(context: CommandContext, args: Which): Promise<void> {
  const { http } = await context.connect();
  const { output } = context;
  const { document, open } = await findOpen(context, http, args);
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
  const you = await yourId(context, http);
  const explained = await Promise.all(
    open.map(async (one) => ({
      ...one,
      isYours: one.author.id === you,
      ...(await sidesOf(context, http, document, one)),
    })),
  );
  const one = open.length === 1 ? `${open[0]?.number}` : '<number>';
  const settling =
    `Settle it for everybody: ${commandFor(document)} ${one} --take mine | theirs | both\n` +
    'Or put what is worth keeping into the document, and delete the file beside it.';
  output.result({ document, conflicts: explained }, [...explained.map(explanation), settling].join('\n\n'));
}

/** A shell would take `~mia` for a folder of that person. */
const commandFor = (place: Document | DocumentConflict): string =>
  `aachat doc conflicts ${shellQuote(formatDocumentPath(place))}`;

async function yourId({ signal }: CommandContext, http: HttpClient): Promise<string> {
  const me = await http.call(ROUTES.getMe, {}, signal);
  return me.kind === 'user' ? me.user.id : me.agent.id;
}

/** What is open of the document, or of all that were not ruled out. @throws AachatError `NOT_FOUND` without that number */
async function findOpen(context: CommandContext, http: HttpClient, args: Which) {
  const { name, number } = args;
  const document = name === undefined ? undefined : await findDocument(context, http, { ...args, name });
  const query = document === undefined ? await placeOf(context, http, args) : { document: document.id };
  const open = await listOpen(context, http, query);
  if (document === undefined || number === undefined) return { document, open };
  const wanted = open.filter((one) => one.number === number);
  if (wanted.length > 0) return { document, open: wanted };
  throw new AachatError('NOT_FOUND', `${formatDocumentPath(document)} has no open conflict ${number}.`, {
    hint: commandFor(document),
  });
}

type Query = RouteInput<typeof ROUTES.listConflicts>['query'];

async function listOpen({ signal }: CommandContext, http: HttpClient, query: Query) {
  const open: DocumentConflict[] = [];
  for (let hasMore = true; hasMore; ) {
    const last = open.at(-1);
    const after = last === undefined ? {} : { after: last.id };
    const page = await http.call(ROUTES.listConflicts, { query: { ...query, ...after } }, signal);
    open.push(...page.conflicts);
    hasMore = page.hasMore;
  }
  return open;
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
  const { head, base, submitted } = await textsOf(context, http, document, conflict);
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

async function textsOf(context: CommandContext, http: HttpClient, document: Document, conflict: DocumentConflict) {
  const [head, base, submitted] = await Promise.all([
    document.digest === null ? '' : textOf(context, http, document, document.digest),
    // It may be purged, or never known.
    conflict.baseDigest === null ? undefined : textOf(context, http, document, conflict.baseDigest).catch(notThere),
    textOf(context, http, document, conflict.digest),
  ]);
  return { head, base, submitted };
}

function notThere(thrown: unknown): undefined {
  if (!isAachatError(thrown, 'NOT_FOUND')) throw thrown;
}

type Explained = DocumentConflict & Sides & { readonly isYours: boolean };

function explanation({ number, author, createdAt, overlaps, diff: changes, isYours }: Explained): string {
  const title = `Conflict ${number}, by ${author.name}, ${clockTime(createdAt)}`;
  const quote = (text: string) => indent(plain(text).trimEnd(), 4);
  const [document, aside] = isYours ? ['--take theirs', '--take mine'] : ['--take mine', '--take theirs'];
  if (changes !== null)
    return `${title}\n  - the document (${document}), + ${author.name} (${aside})\n${quote(changes)}`;
  const parts = overlaps.map(
    (overlap) =>
      `  line ${overlap.line}\n  the document says (${document})\n${quote(overlap.document)}\n` +
      `  ${author.name} wrote (${aside})\n${quote(overlap.keptAside)}`,
  );
  return [title, ...parts].join('\n');
}

/**
 * `aachat doc conflicts [document] [number] --take mine | theirs | both`. What was kept aside is yours if you handed it in;
 * otherwise it is theirs, and what the document says is yours.
 */
export async function settle(
  context: CommandContext,
  args: Which & { readonly take: 'mine' | 'theirs' | 'both' },
): Promise<void> {
  const { http } = await context.connect();
  const conflict = onlyOne((await findOpen(context, http, args)).open);
  const query = { name: formatDocumentPath(conflict) };
  const { document: found } = await http.call(ROUTES.resolveDocument, { query }, context.signal);
  const isYours = conflict.author.id === (await yourId(context, http));
  const side = args.take === 'both' ? 'both' : (args.take === 'mine') === isYours ? 'aside' : 'document';
  const text = side === 'document' ? null : await textWith(context, http, { document: found, conflict, side });
  const { document, conflict: settled } = await http.call(
    ROUTES.settleConflict,
    { params: { documentId: conflict.documentId, number: conflict.number }, body: { clientId: newId(), text } },
    context.signal,
  );
  const outcome = {
    document: 'it stays as it is',
    aside: `it has what ${conflict.author.name} wrote, as v${document.version}`,
    both: `it has both texts, as v${document.version}`,
  }[side];
  const path = formatDocumentPath(document);
  context.output.result(
    { document, conflict: settled },
    `Conflict ${conflict.number} of ${path} is settled: ${outcome}.`,
  );
}

function onlyOne(open: readonly DocumentConflict[]): DocumentConflict {
  const [conflict, ...others] = open;
  if (conflict === undefined) {
    throw new AachatError('NOT_FOUND', 'Nothing is kept aside.', { hint: 'There is nothing to settle.' });
  }
  if (others.length === 0) return conflict;
  const all = open.map((one) => `${one.number} of ${formatDocumentPath(one)} by ${one.author.name}`);
  throw new AachatError('AMBIGUOUS_NAME', `Several are open: ${all.slice(0, MOST_NAMED).join(', ')}.`, {
    hint: `Say which: ${commandFor(conflict)} ${conflict.number} --take mine | theirs | both`,
  });
}

const MOST_NAMED = 10;

/** What is handed in to settle it: what was kept aside, alone or with what the document says there. */
async function textWith(
  context: CommandContext,
  http: HttpClient,
  which: { readonly document: Document; readonly conflict: DocumentConflict; readonly side: 'aside' | 'both' },
): Promise<string> {
  const { document, conflict, side } = which;
  const { head, base, submitted } = await textsOf(context, http, document, conflict);
  return side === 'aside' || document.digest === null ? submitted : mergeBoth(base, head, submitted);
}
