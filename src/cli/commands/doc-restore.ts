/** `aachat doc restore …`: one document as it was in a version, or every document of a project as it was at a time. */
import { AachatError, isAachatError } from '#base/errors.ts';
import { newId } from '#base/id.ts';
import { isoTime } from '#base/time.ts';
import { confirm } from '#cli/ask.ts';
import type { CommandContext } from '#cli/context.ts';
import { resolve } from '#cli/messages.ts';
import { clockTime } from '#cli/output.ts';
import type { HttpClient } from '#client/http.ts';
import type { ProjectId } from '#contract/ids.ts';
import { formatDocumentPath } from '#contract/paths.ts';
import type { RouteReply } from '#contract/route.ts';
import { ROUTES } from '#contract/routes.ts';
import { findDocument, numberOf, type Place } from './doc.ts';

/** `aachat doc restore <document> <version>` and `aachat doc restore --project <project> --at <time>` */
export async function restore(
  context: CommandContext,
  args: Place & {
    readonly name?: string | undefined;
    readonly version?: string | undefined;
    readonly at?: string;
    readonly yes?: boolean;
  },
): Promise<void> {
  const { name, version, at, project } = args;
  if (name !== undefined && version !== undefined && at === undefined) {
    return await restoreDocument(context, { ...args, name, version });
  }
  if (name === undefined && project !== undefined && at !== undefined) {
    return await restoreProject(context, { ...args, project, at: pastTime(at) });
  }
  throw new AachatError('USAGE', 'Say a document and a version, or a project and a time.', {
    hint: 'aachat doc restore <document> <version>, or aachat doc restore --project <project> --at 2h',
  });
}

async function restoreDocument(
  context: CommandContext,
  args: Place & { readonly name: string; readonly version: string },
): Promise<void> {
  const number = numberOf(args.version);
  const { http } = await context.connect();
  const found = await findDocument(context, http, args);
  const document = await toVersion(context, http, found, number);
  context.output.result(
    { document },
    document.version === found.version
      ? `${formatDocumentPath(document)} says that already.`
      : `${formatDocumentPath(document)} says again what v${number} said; this is v${document.version}.`,
  );
}

type Past = RouteReply<typeof ROUTES.listPast>['documents'][number];

async function toVersion({ signal }: CommandContext, http: HttpClient, { id }: Past['document'], version: number) {
  const call = { params: { documentId: id }, body: { clientId: newId(), version } };
  return (await http.call(ROUTES.restoreDocument, call, signal)).document;
}

/** Each document by itself, so that whatever interrupts it, the same command goes on. */
async function restoreProject(
  context: CommandContext,
  args: Place & { readonly project: string; readonly at: string; readonly yes?: boolean },
): Promise<void> {
  const { http } = await context.connect();
  const project = await resolve(context, http, args.project, args.team);
  const where = `${project.team}/${project.name}`;
  const past = await listPast(context, http, project.id, args.at);
  const changed = past.filter(({ document, version }) => document.digest !== (version?.digest ?? null));
  // What is deleted first may make room for a name that differs in case only.
  const surplus = changed.filter(({ version }) => (version?.digest ?? null) === null);
  const wanted = changed.filter(({ version }) => (version?.digest ?? null) !== null);
  const unchanged = past.length - changed.length;
  if (changed.length > 0) {
    const deleted = wanted.filter(({ document }) => document.digest === null).length;
    await confirm(context, {
      why:
        `In ${where}, as of ${clockTime(args.at)}: ${wanted.length - deleted} to be changed back, ${deleted} deleted to be ` +
        `brought back, ${surplus.length} to be deleted that were not there; ${unchanged} stay. Every version is kept.`,
      question: 'Do it?',
      yes: args.yes === true,
    });
  }
  const left: { path: string; reason: string }[] = [];
  for (const { document, version } of [...surplus, ...wanted]) {
    const reason = await toPast(context, http, document, version);
    if (reason !== undefined) left.push({ path: formatDocumentPath(document), reason });
  }
  const isLeft = new Set(left.map(({ path }) => path));
  const done = (all: readonly Past[]) => all.filter(({ document }) => !isLeft.has(formatDocumentPath(document))).length;
  const [restored, deleted] = [done(wanted), done(surplus)];
  const lines = [
    `${where} is as it was ${clockTime(args.at)}: ${restored} restored, ${deleted} deleted, ${unchanged} as they were.`,
    ...left.map(({ path, reason }) => `! ${path} stays as it is: ${reason}`),
  ];
  context.output.result({ project, at: args.at, restored, deleted, unchanged, left }, lines.join('\n'));
}

async function listPast({ signal }: CommandContext, http: HttpClient, projectId: ProjectId, at: string) {
  const past: Past[] = [];
  for (let hasMore = true; hasMore; ) {
    const last = past.at(-1)?.document.id;
    const query = { at, limit: 2000, ...(last === undefined ? {} : { after: last }) };
    const page = await http.call(ROUTES.listPast, { params: { projectId }, query }, signal);
    past.push(...page.documents);
    hasMore = page.hasMore;
  }
  return past;
}

/** @returns why the document stays as it is */
async function toPast(
  context: CommandContext,
  http: HttpClient,
  document: Past['document'],
  version: Past['version'],
): Promise<string | undefined> {
  try {
    if (version !== null && version.digest !== null) {
      await toVersion(context, http, document, version.number);
      return undefined;
    }
    const { kind, name, digest, projectId } = document;
    const body = { clientId: newId(), kind, name, baseDigest: digest, text: null };
    const { outcome } = await http.call(ROUTES.pushDocument, { params: { projectId }, body }, context.signal);
    return outcome === 'kept' ? 'Somebody changed it just now.' : undefined;
  } catch (thrown) {
    // Its text was purged, or its name is taken.
    if (isAachatError(thrown, 'VALIDATION_ERROR')) return thrown.message;
    throw thrown;
  }
}

const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };
const DAY = /^\d{4}-\d\d-\d\d$/;

/**
 * A moment that has passed: `30m`, `2h ago`, `2026-11-20`, or any other ISO time, local where it names no zone.
 *
 * @returns ISO 8601 in UTC
 * @throws AachatError `USAGE`
 */
export function pastTime(text: string, now = Date.now()): string {
  const [, amount, unit] = /^(\d{1,6}) ?([mhdw])(?: ago)?$/.exec(text) ?? [];
  const ago = amount === undefined || unit === undefined ? undefined : Number(amount) * (UNITS[unit] ?? 0);
  // Without a time of day JavaScript reads it as UTC.
  const ms = ago === undefined ? isoMs(DAY.test(text) ? `${text}T00:00` : text) : now - ago;
  if (ms <= now) return isoTime(ms);
  throw new AachatError('USAGE', `"${text}" is no time that has passed.`, {
    hint: 'Such as 30m, 2h, 3d, 2026-11-20 or 2026-11-20T14:00.',
  });
}

const isoMs = (text: string): number =>
  /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d/.test(text) ? Date.parse(text.replace(' ', 'T')) : Number.NaN;
