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
import { merge } from '#sync/core/merge.ts';
import { unifiedDiff } from '#sync/core/unified-diff.ts';
import { findDocument, type Place, placeOf, textOf } from './doc.ts';

/** `aachat doc conflicts [document]`: those that are open, and of one document what they are about. */
export async function conflicts(
  context: CommandContext,
  args: Place & { readonly name?: string | undefined },
): Promise<void> {
  const { http } = await context.connect();
  const { output } = context;
  const document =
    args.name === undefined ? undefined : await findDocument(context, http, { ...args, name: args.name });
  const query = document === undefined ? await placeOf(context, http, args) : { document: document.id };
  const open = await listOpen(context, http, query);
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
  if (!isAachatError(thrown, 'NOT_FOUND')) throw thrown;
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
  const found = await findDocument(context, http, { ...args, name: args.name });
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
  const open = await listOpen(context, http, { document: document.id });
  const conflict = open.find((one) => one.number === number);
  if (conflict !== undefined) return await textOf(context, http, document, conflict.digest);
  throw new AachatError('NOT_FOUND', `${formatDocumentPath(document)} has no open conflict ${number}.`, {
    hint: `aachat doc conflicts ${formatDocumentPath(document)}`,
  });
}
