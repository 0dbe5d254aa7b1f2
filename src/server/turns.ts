/** Turns: one prompt until its stop reason, and what it has to read. */
import { AachatError } from '#base/errors.ts';
import { Counters, type Message, type Turn } from '#contract/entities.ts';
import type { ProjectId, SessionId, SignalId, TurnId } from '#contract/ids.ts';
import type { ROUTES } from '#contract/routes.ts';
import { staleRun } from './actor.ts';
import { budgetLeft, noteSpent, overBudget } from './budget.ts';
import { coveredBy } from './coverage.ts';
import type { RunRow, SignalRow, TurnRow } from './database/schema.ts';
import { streamPosition, type Tx, type View } from './database/store.ts';
import { type SessionWithNames, sessionFacts } from './facts.ts';
import { cursorOf, messageOf, moveCursor } from './messages.ts';
import { hidden, type Reading, type Writing } from './request.ts';
import { type ReportingRun, reportingRun, requireNewest } from './runs.ts';
import { moveSignals, signalOf } from './signals.ts';

const signalsOfTurn = ({ q }: View, turn: TurnId): Promise<SignalRow[]> =>
  q.selectFrom('signals').selectAll().where('turn_id', '=', turn).orderBy('created_at').orderBy('id').execute();

const turnOf = (row: TurnRow, signals: readonly SignalId[]): Turn => ({
  id: row.id,
  sessionId: row.session_id,
  runId: row.run_id,
  projectId: row.project_id,
  hop: row.hop,
  state: row.state,
  stopReason: row.stop_reason,
  counters: row.counters === null ? null : Counters.parse(JSON.parse(row.counters)),
  signals: [...signals],
  startedAt: row.started_at,
  endedAt: row.ended_at,
});

async function wholeTurn(view: View, row: TurnRow): Promise<Turn> {
  const signals = await signalsOfTurn(view, row.id);
  return turnOf(
    row,
    signals.map(({ id }) => id),
  );
}

/** The newest `limit` turns of a session, oldest first. */
export async function turnsOf({ q }: View, sessionId: SessionId, limit: number): Promise<readonly Turn[]> {
  const rows = await q
    .selectFrom('turns')
    .selectAll()
    .where('session_id', '=', sessionId)
    .orderBy('started_at', 'desc')
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();
  if (rows.length === 0) return [];
  const taken = await q
    .selectFrom('signals')
    .select(['id', 'turn_id'])
    .where(
      'turn_id',
      'in',
      rows.map(({ id }) => id),
    )
    .orderBy('created_at')
    .orderBy('id')
    .execute();
  return rows
    .map((row) =>
      turnOf(
        row,
        taken.filter(({ turn_id }) => turn_id === row.id).map(({ id }) => id),
      ),
    )
    .reverse();
}

const turnRow = ({ q }: View, id: TurnId): Promise<TurnRow | undefined> =>
  q.selectFrom('turns').selectAll().where('id', '=', id).executeTakeFirst();

export const startTurn: Writing<typeof ROUTES.startTurn> = async (tx, call) => {
  const { turnId, projectId, signals } = call.body;
  const reporting = await reportingRun(tx, call, call.params.runId);
  // Two sessions of one agent cannot both begin its last turn.
  await tx.engine.lock(tx.q, 'agents', [reporting.session.agent_id]);
  await tx.engine.lock(tx.q, 'sessions', [reporting.session.id]);
  // Nor a launcher whose session was taken over, or ended, while it waited for those.
  await requireNewest(tx, reporting.run);
  const known = await turnRow(tx, turnId);
  const left = await budgetLeft(tx, reporting.session.agent_id);
  if (known !== undefined) return { turn: await wholeTurn(tx, await takeUp(tx, known, reporting.run)), left };
  await checkProject(tx, reporting.session, projectId);
  const waiting = await waitingSignals(tx, reporting.session, projectId, signals);
  const refused = waiting.length === 0 ? undefined : await overBudget(tx, reporting.session.agent_id, projectId);
  if (refused !== undefined) return refused;
  await tx.q
    .updateTable('turns')
    .set({ state: 'interrupted', ended_at: tx.now })
    .where('session_id', '=', reporting.session.id)
    .where('state', '=', 'open')
    .execute();
  const taken = await moveSignals(tx, waiting, { state: 'delivered', turn_id: turnId });
  const row = await insertTurn(tx, reporting, turnId, projectId, taken);
  return {
    turn: turnOf(
      row,
      taken.map(({ id }) => id),
    ),
    left,
  };
};

/** The same turn again: a repeated report changes nothing, a newer run goes on with what was interrupted. */
async function takeUp({ q }: Tx, turn: TurnRow, run: RunRow): Promise<TurnRow> {
  if (turn.session_id !== run.session_id) {
    throw new AachatError('CONFLICT', 'This turn id belongs to another session.', { hint: 'Choose a new turn id.' });
  }
  if (turn.state !== 'interrupted') return turn;
  const reopened = { state: 'open', run_id: run.id, ended_at: null, stop_reason: null, counters: null } as const;
  await q.updateTable('turns').set(reopened).where('id', '=', turn.id).execute();
  return { ...turn, ...reopened };
}

async function checkProject(tx: Tx, session: SessionWithNames, projectId: ProjectId): Promise<void> {
  if ((await coveredBy(tx, session.id)).has(projectId)) return;
  const dm = await tx.q
    .selectFrom('projects')
    .select('id')
    .where('id', '=', projectId)
    .where('agent_id', '=', session.agent_id)
    .executeTakeFirst();
  if (dm === undefined) throw hidden('project');
}

/**
 * Of `ids` those that still wait and are for this session or for any of its agent's, and whatever said to the agent in
 * the project came since it looked: the turn shows those messages too, so another one must not answer them again.
 */
async function waitingSignals(
  { q, engine }: Tx,
  session: SessionWithNames,
  projectId: ProjectId,
  ids: readonly SignalId[],
): Promise<readonly SignalRow[]> {
  if (ids.length === 0) return [];
  const queued = await q
    .selectFrom('signals')
    .selectAll()
    .where('state', '=', 'queued')
    .where('recipient_id', '=', session.agent_id)
    .where((eb) => eb.or([eb('session_id', '=', session.id), eb('kind', 'in', ['mention', 'dm'])]))
    .where((eb) => eb.or([eb('id', 'in', ids), eb('project_id', '=', projectId)]))
    .orderBy('created_at')
    .orderBy('id')
    .$if(engine.name === 'postgres', (qb) => qb.forUpdate())
    .execute();
  const asked = queued.filter(({ id }) => ids.includes(id));
  // A command for the agent program stands alone.
  if (asked.length === 0 || asked.some(({ text }) => text?.startsWith('/'))) return asked;
  // What is for another living session of the agent is that session's.
  const isOwn = (signal: SignalRow) => signal.session_id === null || signal.session_id === session.id;
  return queued.filter((signal) => ids.includes(signal.id) || (signal.message_id !== null && isOwn(signal)));
}

async function insertTurn(
  tx: Tx,
  { run, session }: ReportingRun,
  turnId: TurnId,
  projectId: ProjectId,
  taken: readonly SignalRow[],
): Promise<TurnRow> {
  const { seq: to } = await streamPosition(tx, projectId);
  const cursor = await cursorOf(tx, session.id, projectId);
  const from = cursor ?? (await firstSignalled(tx, projectId, taken)) ?? to;
  // A command for the agent program stands alone: what is unread in the project stays so.
  const isCommand = taken.some((signal) => signal.sender_kind === 'user' && signal.text?.startsWith('/') === true);
  const row: TurnRow = {
    id: turnId,
    session_id: session.id,
    run_id: run.id,
    project_id: projectId,
    hop: Math.max(0, ...taken.map(({ hop }) => hop)) + 1,
    state: 'open',
    stop_reason: null,
    counters: null,
    from_seq: isCommand ? to : Math.min(from, to),
    to_seq: to,
    fresh: cursor === undefined && !isCommand ? 1 : 0,
    started_at: tx.now,
    ended_at: null,
  };
  await tx.q.insertInto('turns').values(row).execute();
  if (!isCommand) await moveCursor(tx, session.id, projectId, to);
  return row;
}

/** Just before the oldest message that woke the turn. */
async function firstSignalled(
  { q }: View,
  projectId: ProjectId,
  signals: readonly SignalRow[],
): Promise<number | undefined> {
  const ids = signals.flatMap(({ message_id }) => (message_id === null ? [] : [message_id]));
  if (ids.length === 0) return undefined;
  const { seq } = await q
    .selectFrom('messages')
    .select((eb) => eb.fn.min('seq').as('seq'))
    .where('id', 'in', ids)
    .where('project_id', '=', projectId)
    .executeTakeFirstOrThrow();
  return seq === null ? undefined : seq - 1;
}

/** A prompt has room for about this much; the rest can be read with `aachat project read`. */
const UNREAD_MESSAGES = 50;
const UNREAD_BYTES = 64 * 1024;
const CONTEXT_MESSAGES = 10;

export const getTurnMessages: Reading<typeof ROUTES.getTurnMessages> = async (view, { actor, params, ask }) => {
  const turn = await turnRow(view, params.turnId);
  if (turn === undefined) throw hidden('turn');
  const { session, resource } = await sessionFacts(view, actor, turn.session_id);
  ask(resource);
  const signals = await signalsOfTurn(view, turn.id);
  const unread = view.q
    .selectFrom('messages')
    .where('project_id', '=', turn.project_id)
    .where('seq', '>', turn.from_seq)
    .where('seq', '<=', turn.to_seq)
    .where('author_id', '!=', session.agent_id);
  const newest = await unread.selectAll().orderBy('seq', 'desc').limit(UNREAD_MESSAGES).execute();
  const { total } = await unread.select((eb) => eb.fn.countAll<number>().as('total')).executeTakeFirstOrThrow();
  const shown = withinBytes(newest.map(messageOf));
  // What the turn was woken for is always shown, however old it is.
  const missing = signals.flatMap(({ message_id }) =>
    message_id === null || shown.some(({ id }) => id === message_id) ? [] : [message_id],
  );
  const woken =
    missing.length === 0
      ? []
      : await view.q
          .selectFrom('messages')
          .selectAll()
          .where('id', 'in', missing)
          .where('project_id', '=', turn.project_id)
          .execute();
  const unreadWoken = woken.filter(({ seq }) => seq > turn.from_seq).length;
  const context = turn.fresh === 0 ? [] : await contextBefore(view, turn);
  return {
    context,
    messages: [...woken.map(messageOf), ...shown].sort((a, b) => a.seq - b.seq),
    omitted: Number(total) - shown.length - unreadWoken,
    signals: signals.map(signalOf),
  };
};

/** @param messages newest first; the newest one is always kept */
function withinBytes(messages: readonly Message[]): readonly Message[] {
  let bytes = 0;
  const end = messages.findIndex((message, index) => {
    bytes += Buffer.byteLength(message.body);
    return index > 0 && bytes > UNREAD_BYTES;
  });
  return end === -1 ? messages : messages.slice(0, end);
}

async function contextBefore({ q }: View, turn: TurnRow): Promise<Message[]> {
  const rows = await q
    .selectFrom('messages')
    .selectAll()
    .where('project_id', '=', turn.project_id)
    .where('seq', '<=', turn.from_seq)
    .orderBy('seq', 'desc')
    .limit(CONTEXT_MESSAGES)
    .execute();
  return rows.map(messageOf).reverse();
}

export const endTurn: Writing<typeof ROUTES.endTurn> = async (tx, call) => {
  const { runId, state, stopReason, counters } = call.body;
  const { run, session } = await reportingRun(tx, call, runId);
  // As for its beginning: what it used counts before the next one of this agent may begin.
  await tx.engine.lock(tx.q, 'agents', [session.agent_id]);
  const turn = await turnRow(tx, call.params.turnId);
  if (turn === undefined || turn.session_id !== run.session_id) throw hidden('turn');
  if (turn.state !== 'open') return { turn: await wholeTurn(tx, turn) };
  if (turn.run_id !== run.id) throw staleRun();
  const ended = {
    state,
    stop_reason: stopReason,
    counters: counters === null ? null : JSON.stringify(counters),
    ended_at: tx.now,
  };
  await tx.q.updateTable('turns').set(ended).where('id', '=', turn.id).execute();
  const signals = await signalsOfTurn(tx, turn.id);
  // An interrupted turn goes on later, under the same id and with the same signals.
  if (state !== 'interrupted') {
    await moveSignals(
      tx,
      signals.filter((signal) => signal.state === 'delivered'),
      { state: 'acted' },
    );
  }
  if (counters !== null) {
    await noteSpent(tx, session.agent_id, turn.project_id, stopReason === 'budget_exceeded');
  }
  return { turn: await wholeTurn(tx, { ...turn, ...ended }) };
};
