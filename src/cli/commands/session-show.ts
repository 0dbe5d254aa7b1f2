/** `aachat session show`: a session as the server knows it, and what this machine remembers of it. */

import type { z } from 'zod';
import { isAachatError } from '#base/errors.ts';
import type { CommandContext } from '#cli/context.ts';
import { compact } from '#cli/live-view.ts';
import { clockTime, plain, table } from '#cli/output.ts';
import type { Counters, Session, Signal, Turn } from '#contract/entities.ts';
import { type SessionId, shortId } from '#contract/ids.ts';
import { ROUTES } from '#contract/routes.ts';
import type { SessionHistory, TurnHistory } from '#runtime/session-history.ts';
import type { Relative, SessionIndex } from '#runtime/session-index.ts';
import { findSession, sessionState } from './session.ts';
import { LONG_INDEX } from './session-search.ts';

/** `aachat session show <session>` */
export async function show(context: CommandContext, args: { readonly session: string }): Promise<void> {
  const { http } = await context.connect();
  const { id } = await findSession(context, http, args.session);
  const found = await http.call(ROUTES.getSession, { params: { sessionId: id } }, context.signal);
  const { session, turns, signals } = found;
  const { relatives } = await http.call(ROUTES.getFamily, { params: { sessionId: id } }, context.signal);
  const { local, family: known } = await remembered(context, id);
  const family = familyFrom(relatives, known);
  const totals = local?.totals ?? sum(turns);
  const facts = [
    ['session', session.id],
    ['agent', session.agent],
    ['team', session.team],
    ...(session.name === null ? [] : [['name', session.name]]),
    ['state', sessionState(session)],
    ['projects', session.projects.map(({ name }) => name).join(', ') || '-'],
    ...runFacts(session),
    ...(local?.imported == null ? [] : [['imported', `from ${plain(local.imported.from)}`]]),
    ...(local?.program == null ? [] : [['program', `${local.program}, conversation ${local.conversation}`]]),
    ...(signals.length === 0 ? [] : [['signals', delivery(signals)]]),
    ['turns', `${totals.turns}`],
    ...(totals.turns === 0 ? [] : [['tokens', tokens(totals)]]),
    ...(totals.costMicros === 0 ? [] : [['cost', dollars(totals.costMicros)]]),
  ];
  const past = new Map(local?.turns.map((turn) => [turn.turnId, turn]));
  // What was imported is on this machine only.
  const reported = new Set(turns.map((turn) => turn.id));
  const here = local?.imported == null ? [] : local.turns.filter(({ turnId }) => !reported.has(turnId));
  const before = here.map((turn) => turnRow({ ...turn, id: turn.turnId, hop: 0 }, turn));
  const parts = [
    table(facts),
    table(family.map(familyRow)),
    table([...before, ...turns.map((turn) => turnRow(turn, past.get(turn.id)))]),
    table(waiting(signals)),
  ];
  context.output.result({ ...found, totals, local, family }, parts.filter((part) => part !== '').join('\n\n'));
}

/** Of an agent in its session it is none of the business what this machine knows of others. */
async function remembered(
  { home, inSession, output, signal }: CommandContext,
  id: SessionId,
): Promise<{ readonly local: SessionHistory | null; readonly family: readonly Relative[] }> {
  if (inSession) return { local: null, family: [] };
  const { familyOf, withSessionIndex } = await import('#runtime/session-search.ts');
  const use = async (index: SessionIndex) => ({
    local: index.get(id)?.history ?? null,
    family: await familyOf(home, index, id),
  });
  try {
    return await withSessionIndex(home, use, { signal, onLong: () => output.note(LONG_INDEX) });
  } catch (thrown) {
    // Another process makes the index right now: what the server knows is worth showing without it.
    if (isAachatError(thrown, 'TIMEOUT')) return { local: null, family: [] };
    throw thrown;
  }
}

function runFacts({ run }: Session): readonly (readonly string[])[] {
  if (run === null) return [];
  const end = run.reason === null ? '' : `, ended: ${run.reason}`;
  return [['run', `${run.epoch} on ${plain(run.machine)} since ${clockTime(run.startedAt)}${end}`]];
}

/** `3 acted, 1 queued` */
function delivery(signals: readonly Signal[]): string {
  const states = Map.groupBy(signals, ({ state }) => state);
  return [...states].map(([state, those]) => `${those.length} ${state}`).join(', ');
}

const waiting = (signals: readonly Signal[]): readonly (readonly string[])[] =>
  signals
    .filter(({ state }) => state === 'queued')
    .map(({ kind, sender, createdAt }) => ['waits', clockTime(createdAt), `${kind} of ${sender.name}`]);

/** The server knows those of all machines; of those that it was told to forget this machine may know more. */
function familyFrom(
  relatives: z.output<typeof ROUTES.getFamily.reply>['relatives'],
  known: readonly Relative[],
): readonly Relative[] {
  const told = relatives.map(({ level, how, session }): Relative => {
    const { id, agent, name, state } = session;
    return { id, agent, name, state: state === 'stopped' ? 'stopped' : 'running', how, level };
  });
  const forgotten = known.filter(({ id }) => !told.some((relative) => relative.id === id));
  return [...told, ...forgotten].sort((a, b) => a.level - b.level || (a.id < b.id ? -1 : 1));
}

const familyRow = ({ id, agent, name, state, how, level }: Relative): readonly string[] => [
  level < 0
    ? `came from${level < -1 ? `, ${-level} ago` : ''}`
    : `${how ?? 'came'} from it${level > 1 ? `, ${level} on` : ''}`,
  shortId(id),
  agent ?? 'not on this machine',
  agent === null ? '' : state,
  name ?? '',
];

const turnRow = (
  {
    id,
    startedAt,
    state,
    stopReason,
    counters,
    hop,
  }: Pick<Turn, 'id' | 'startedAt' | 'stopReason' | 'counters' | 'hop'> & { readonly state: string },
  local?: TurnHistory,
): readonly string[] => [
  `turn ${shortId(id)}`,
  clockTime(startedAt),
  stopReason === null || stopReason === 'end_turn' ? state : `${state} (${stopReason})`,
  `hop ${hop}`,
  counters === null ? '' : tokens(counters),
  counters === null || counters.costMicros === 0 ? '' : dollars(counters.costMicros),
  local === undefined ? '' : `${local.tools} ${local.tools === 1 ? 'tool' : 'tools'}`,
  place(local),
];

/** `main@c0ffee1`, where the turn left the team's repo. */
function place(local: TurnHistory | undefined): string {
  const state = local?.git?.team;
  if (state == null) return '';
  const branch = state.ref?.replace(/^refs\/heads\//, '');
  return `${branch === undefined ? '' : `${branch}@`}${state.commit.slice(0, 7)}`;
}

/** `1.2k in, 300 out, 9k from cache, 2k to cache` */
function tokens({ inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens }: Counters): string {
  const cached = [
    ...(cacheReadTokens === 0 ? [] : [`${compact(cacheReadTokens)} from cache`]),
    ...(cacheWriteTokens === 0 ? [] : [`${compact(cacheWriteTokens)} to cache`]),
  ];
  return [`${compact(inputTokens)} in`, `${compact(outputTokens)} out`, ...cached].join(', ');
}

const dollars = (micros: number): string => `$${(micros / 1_000_000).toFixed(micros < 10_000 ? 4 : 2)}`;

/** Of the turns that the server shows, for a session that ran elsewhere. */
function sum(turns: readonly Turn[]): SessionHistory['totals'] {
  const of = (name: keyof Counters) => turns.reduce((all, { counters }) => all + (counters?.[name] ?? 0), 0);
  return {
    turns: turns.length,
    inputTokens: of('inputTokens'),
    outputTokens: of('outputTokens'),
    cacheReadTokens: of('cacheReadTokens'),
    cacheWriteTokens: of('cacheWriteTokens'),
    costMicros: of('costMicros'),
  };
}
