/** Runs: one period of running of a session on one machine. Only the newest one may report. */
import { AachatError, isAachatError } from '#base/errors.ts';
import { newId } from '#base/id.ts';
import type { EndReason } from '#contract/entities.ts';
import { type AgentId, type RunId, type SessionId, shortId, type TurnId } from '#contract/ids.ts';
import type { ROUTES } from '#contract/routes.ts';
import { staleRun } from './actor.ts';
import { machineRow } from './agents.ts';
import { updateCoverage } from './coverage.ts';
import type { RunRow } from './database/schema.ts';
import type { Tx, View } from './database/store.ts';
import { agentFacts, type SessionWithNames, sessionFacts } from './facts.ts';
import { cancelPermissions } from './permission-view.ts';
import { type Call, hidden, type Writing } from './request.ts';
import { asSeenAt, emitSession, newestRuns, runOf, silentSince, wholeSession } from './session-view.ts';
import { expireQueued, moveSignals, signalOf } from './signals.ts';
import type { Tokens } from './tokens.ts';

export const openRun: Writing<typeof ROUTES.openRun> = async (tx, { actor, params, body, ask }) => {
  const { session: known, resource } = await sessionFacts(tx, actor, params.sessionId);
  ask(resource);
  const machine = await machineRow(tx, body.machineId);
  if (machine === undefined || machine.user_id !== known.owner_id) throw hidden('machine');
  await tx.engine.lock(tx.q, 'agents', [known.agent_id]);
  // Looked at again: they may have been taken out of service meanwhile, and the session stopped.
  await agentFacts(tx, actor, known.agent_id);
  const { session } = await sessionFacts(tx, actor, params.sessionId);
  if (session.parked === 1) {
    throw new AachatError('CONFLICT', `Session ${shortId(session.id)} of ${session.agent} was stopped.`, {
      hint: `Let it go on with \`aachat session resume ${shortId(session.id)}\`.`,
    });
  }
  const previous = (await newestRuns(tx, [session.id])).get(session.id);
  const elsewhere = await runElsewhere(tx, session, machine.id);
  if (elsewhere !== undefined) {
    throw new AachatError('CONFLICT', `${session.agent} runs on ${elsewhere.machine} already.`, {
      hint: `It goes on here when that ends (\`aachat down\` there), or ${elsewhere.machine} is silent for two minutes.`,
      details: { machine: elsewhere.machine },
    });
  }
  if (previous !== undefined) await finishRun(tx, previous, 'superseded');
  await handBack(tx, session, body.owes);
  const run: RunRow = {
    id: newId<RunId>(),
    session_id: session.id,
    machine_id: machine.id,
    machine: machine.name,
    epoch: (previous?.epoch ?? 0) + 1,
    started_at: tx.now,
    heartbeat_at: tx.now,
    ended_at: null,
    reason: null,
  };
  await tx.q.insertInto('runs').values(run).execute();
  await setState(tx, session.id, 'starting', null, 0);
  const told = await updateCoverage(tx, [session.agent_id], [session.id]);
  return { run: runOf(run), session: told.get(session.id) ?? (await wholeSession(tx, session.id)) };
};

/** A living run on another machine: of this session, or of one that would answer the same messages. */
async function runElsewhere(
  { q, now }: View,
  session: SessionWithNames,
  machineId: RunRow['machine_id'],
): Promise<RunRow | undefined> {
  return q
    .selectFrom('runs')
    .innerJoin('sessions', 'sessions.id', 'runs.session_id')
    .selectAll('runs')
    .where('runs.ended_at', 'is', null)
    .where('runs.heartbeat_at', '>=', silentSince(now))
    .where('runs.machine_id', '!=', machineId)
    .where((eb) =>
      eb.or([
        eb('sessions.id', '=', session.id),
        ...(session.coverage_mode === 'auto'
          ? [
              eb.and([
                eb('sessions.agent_id', '=', session.agent_id),
                eb('sessions.team_id', '=', session.team_id),
                eb('sessions.coverage_mode', '=', 'auto'),
              ]),
            ]
          : []),
      ]),
    )
    .executeTakeFirst();
}

const setState = (
  { q, now }: View,
  id: SessionId,
  state: SessionWithNames['state'],
  activity: SessionWithNames['activity'],
  parked?: 0 | 1,
) =>
  q
    .updateTable('sessions')
    .set({ state, activity, updated_at: now, ...(parked === undefined ? {} : { parked }) })
    .where('id', '=', id)
    .execute();

/** Ends a run and what cannot outlive it: its open turns, and commands that nobody took. */
export async function finishRun(tx: Tx, run: RunRow, reason: EndReason): Promise<void> {
  const { q, now } = tx;
  if (run.ended_at === null) {
    await q.updateTable('runs').set({ ended_at: now, reason }).where('id', '=', run.id).execute();
  }
  await q
    .updateTable('turns')
    .set({ state: 'interrupted', ended_at: now })
    .where('run_id', '=', run.id)
    .where('state', '=', 'open')
    .execute();
  await expireQueued(tx, run.session_id, ['cancel', 'stop']);
  await cancelPermissions(tx, [run.id]);
}

/**
 * Turns that were broken off where nobody can go on with them, on another machine or in a log that is gone: what they
 * were for waits again, unless the answer had been posted.
 */
export async function handBack(tx: Tx, session: SessionWithNames, owes: TurnId | null): Promise<void> {
  const { q } = tx;
  const stranded = await q
    .selectFrom('turns')
    .leftJoin('commands', (join) =>
      join.onRef('commands.client_id', '=', 'turns.id').on('commands.author_id', '=', session.agent_id),
    )
    .select(['turns.id', 'commands.client_id as posted'])
    .where('session_id', '=', session.id)
    .where('state', '=', 'interrupted')
    .execute();
  for (const { id, posted } of stranded) {
    if (id === owes) continue;
    const signals = await q
      .selectFrom('signals')
      .selectAll()
      .where('turn_id', '=', id)
      .where('state', '=', 'delivered')
      .execute();
    const end =
      posted === null
        ? ({ state: 'failed', stop_reason: 'agent_exited' } as const)
        : ({ state: 'ended', stop_reason: 'end_turn' } as const);
    await q.updateTable('turns').set(end).where('id', '=', id).execute();
    await moveSignals(tx, signals, posted === null ? { state: 'queued', turn_id: null } : { state: 'acted' });
  }
}

export interface ReportingRun {
  readonly run: RunRow;
  readonly session: SessionWithNames;
}

/** A report is also a sign of life; writing that down more often than this would be waste. */
const HEARTBEAT_PRECISION_MS = 10_000;

/**
 * The run that a launcher reports for. Hearing from a run that was given up as lost brings it back.
 *
 * @throws AachatError `NOT_FOUND`, or `STALE_RUN` if it is over
 */
export async function reportingRun(tx: Tx, call: Pick<Call<never>, 'actor' | 'ask'>, id: RunId): Promise<ReportingRun> {
  const { run, session } = await runFacts(tx, call, id);
  await requireNewest(tx, run);
  await seen(tx, run, session);
  return { run, session };
}

async function runFacts(view: View, { actor, ask }: Pick<Call<never>, 'actor' | 'ask'>, id: RunId) {
  const run = await view.q.selectFrom('runs').selectAll().where('id', '=', id).executeTakeFirst();
  if (run === undefined) throw hidden('run');
  const { session, resource } = await sessionFacts(view, actor, run.session_id);
  ask(resource);
  return { run, session };
}

/** @throws AachatError `STALE_RUN` when the session has a newer run by now, or this one was ended */
export async function requireNewest(view: View, { id, session_id }: RunRow): Promise<void> {
  const newest = (await newestRuns(view, [session_id])).get(session_id);
  if (newest?.id !== id || (newest.ended_at !== null && newest.reason !== 'lost')) throw staleRun();
}

async function seen(tx: Tx, known: RunRow, session: SessionWithNames): Promise<void> {
  const { q, now } = tx;
  if (known.ended_at === null && Date.parse(now) - Date.parse(known.heartbeat_at) < HEARTBEAT_PRECISION_MS) return;
  // Who ends it at this moment, or takes it for lost, comes first: what is read under the lock counts.
  await tx.engine.lock(q, 'runs', [known.id]);
  const run = await q.selectFrom('runs').selectAll().where('id', '=', known.id).executeTakeFirstOrThrow();
  if (run.ended_at !== null) {
    await tx.engine.lock(q, 'agents', [session.agent_id]);
    await requireNewest(tx, run);
  }
  // Before anything is written: a heartbeat goes on with the other runs of its machine.
  const wasLost = asSeenAt(now, run).ended_at !== null;
  if (wasLost && (await runElsewhere(tx, session, run.machine_id)) !== undefined) throw staleRun();
  await q
    .updateTable('runs')
    .set({ heartbeat_at: now, ended_at: null, reason: null })
    .where('id', '=', run.id)
    .execute();
  if (run.ended_at === null) return;
  await setState(tx, session.id, 'running', 'input_ready');
  await updateCoverage(tx, [session.agent_id], [session.id]);
}

export const setActivity: Writing<typeof ROUTES.setActivity> = async (tx, call) => {
  const { session } = await reportingRun(tx, call, call.params.runId);
  const { activity } = call.body;
  if (session.state !== 'running' || session.activity !== activity) {
    await setState(tx, session.id, 'running', activity);
    await emitSession(tx, session.id);
  }
  return { session: await wholeSession(tx, session.id) };
};

export const endRun: Writing<typeof ROUTES.endRun> = async (tx, call) => {
  const { session } = await runFacts(tx, call, call.params.runId);
  await tx.engine.lock(tx.q, 'agents', [session.agent_id]);
  // Looked at again: a newer one may have taken its place meanwhile.
  const { run } = await runFacts(tx, call, call.params.runId);
  if (run.ended_at === null) {
    await finishRun(tx, run, call.body.reason);
    // Those that cover whatever comes are an agent's presence: they come back with the next `up`.
    const parks = call.body.reason === 'asked' && session.coverage_mode === 'explicit';
    await setState(tx, session.id, 'stopped', null, parks ? 1 : 0);
    await updateCoverage(tx, [session.agent_id], [session.id]);
  } else if (run.reason === 'lost') {
    await finishRun(tx, run, 'lost');
  }
  return { session: await wholeSession(tx, session.id) };
};

export const mintSessionToken =
  (tokens: Tokens): Writing<typeof ROUTES.mintSessionToken> =>
  async (tx, call) => {
    const { run, session } = await reportingRun(tx, call, call.params.runId);
    return tokens.signSession(session.agent_id, session.id, run.id);
  };

export const heartbeat: Writing<typeof ROUTES.heartbeat> = async (tx, { actor, params, body, ask }) => {
  const { q, now } = tx;
  const machine = await machineRow(tx, params.machineId);
  ask({ kind: 'machine', owned: actor.kind === 'user' && machine?.user_id === actor.id });
  await q.updateTable('machines').set({ heartbeat_at: now }).where('id', '=', params.machineId).execute();
  const stale: RunId[] = [];
  for (const id of body.runs) if (!(await beat(tx, id, params.machineId, actor))) stale.push(id);
  return { stale };
};

/** @returns whether the run may go on */
async function beat(tx: Tx, id: RunId, machineId: RunRow['machine_id'], actor: Call<never>['actor']): Promise<boolean> {
  const run = await tx.q.selectFrom('runs').selectAll().where('id', '=', id).executeTakeFirst();
  if (run === undefined || run.machine_id !== machineId) return false;
  const { session } = await sessionFacts(tx, actor, run.session_id);
  try {
    await requireNewest(tx, run);
    await seen(tx, run, session);
    return true;
  } catch (thrown) {
    if (isAachatError(thrown, 'STALE_RUN')) return false;
    throw thrown;
  }
}

export const closeSignal: Writing<typeof ROUTES.closeSignal> = async (tx, call) => {
  const { run, session } = await reportingRun(tx, call, call.params.runId);
  const row = await tx.q
    .selectFrom('signals')
    .selectAll()
    .where('id', '=', call.params.signalId)
    .where('recipient_id', '=', session.agent_id)
    .executeTakeFirst();
  if (row === undefined || (row.session_id !== null && row.session_id !== run.session_id)) throw hidden('signal');
  const open = row.state === 'queued' || row.state === 'delivered';
  const [moved] = open ? await moveSignals(tx, [row], { state: call.body.state }) : [];
  return { signal: signalOf(moved ?? row) };
};

/** Takes runs of silent machines for lost, so that everybody sees it and the dm goes to a session that lives. */
export async function sweepLostRuns(tx: Tx): Promise<number> {
  const { q, now } = tx;
  const lost = await q
    .updateTable('runs')
    .set({ ended_at: now, reason: 'lost' })
    .where('ended_at', 'is', null)
    .where('heartbeat_at', '<', silentSince(now))
    .returning(['id', 'session_id'])
    .execute();
  if (lost.length === 0) return 0;
  await cancelPermissions(
    tx,
    lost.map(({ id }) => id),
  );
  const ids = lost.map(({ session_id }) => session_id);
  const sessions = await q
    .updateTable('sessions')
    .set({ state: 'stopped', activity: null, updated_at: now })
    .where('id', 'in', ids)
    .returning(['id', 'agent_id'])
    .execute();
  const agents = new Set<AgentId>(sessions.map(({ agent_id }) => agent_id));
  await updateCoverage(tx, [...agents].sort(), ids);
  return lost.length;
}
