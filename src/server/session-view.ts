/** How a session looks from outside, and who is told when it changes. */
import { isoTime } from '#base/time.ts';
import type { Run, Session } from '#contract/entities.ts';
import type { ProjectId, SessionId, StreamId, UserId } from '#contract/ids.ts';
import type { RunRow } from './database/schema.ts';
import type { Tx, View } from './database/store.ts';
import { type SessionWithNames, sessionsWithNames } from './facts.ts';

/** A machine that was not heard of for this long is taken for gone. */
const MACHINE_SILENCE_MS = 2 * 60_000;

/** Heard of before this moment is too long ago. */
export const silentSince = (now: string): string => isoTime(Date.parse(now) - MACHINE_SILENCE_MS);

export const runOf = (row: RunRow): Run => ({
  id: row.id,
  sessionId: row.session_id,
  machineId: row.machine_id,
  machine: row.machine,
  epoch: row.epoch,
  startedAt: row.started_at,
  heartbeatAt: row.heartbeat_at,
  endedAt: row.ended_at,
  reason: row.reason,
});

/** A run of a silent machine is lost from the moment that it should have been heard of, swept or not. */
export function asSeenAt(now: string, row: RunRow): RunRow {
  if (row.ended_at !== null || row.heartbeat_at >= silentSince(now)) return row;
  return { ...row, ended_at: isoTime(Date.parse(row.heartbeat_at) + MACHINE_SILENCE_MS), reason: 'lost' };
}

/** The highest epoch of each session. */
export async function newestRuns({ q }: View, sessions: readonly SessionId[]): Promise<ReadonlyMap<SessionId, RunRow>> {
  if (sessions.length === 0) return new Map();
  const rows = await q
    .selectFrom('runs')
    .selectAll()
    .where('session_id', 'in', sessions)
    .where('epoch', '=', (eb) =>
      eb
        .selectFrom('runs as newer')
        .select((inner) => inner.fn.max('newer.epoch').as('epoch'))
        .whereRef('newer.session_id', '=', 'runs.session_id'),
    )
    .execute();
  return new Map(rows.map((row) => [row.session_id, row]));
}

const coveredProjects = ({ q }: View, sessions: readonly SessionId[]) =>
  q
    .selectFrom('coverage')
    .innerJoin('projects', 'projects.id', 'coverage.project_id')
    .select(['coverage.session_id', 'projects.id', 'projects.name'])
    .where('coverage.session_id', 'in', sessions)
    .orderBy('projects.id')
    .execute();

/** @param shows which covered projects the reader may know of */
export async function sessionsOf(
  view: View,
  rows: readonly SessionWithNames[],
  shows: (session: SessionWithNames, project: ProjectId) => boolean,
): Promise<Session[]> {
  if (rows.length === 0) return [];
  const ids = rows.map(({ id }) => id);
  const [runs, covered] = await Promise.all([newestRuns(view, ids), coveredProjects(view, ids)]);
  const coverage = Map.groupBy(covered, ({ session_id }) => session_id);
  return rows.map((row) => {
    const newest = runs.get(row.id);
    const run = newest === undefined ? null : asSeenAt(view.now, newest);
    const over = run === null || run.ended_at !== null;
    return {
      id: row.id,
      agentId: row.agent_id,
      agent: row.agent,
      teamId: row.team_id,
      team: row.team,
      name: row.name,
      state: over ? 'stopped' : row.state,
      activity: over ? null : row.activity,
      coverageMode: row.coverage_mode,
      parked: row.parked === 1,
      projects: (coverage.get(row.id) ?? []).filter(({ id }) => shows(row, id)).map(({ id, name }) => ({ id, name })),
      parentId: row.parent_id,
      forkedFromId: row.forked_from_id,
      run: run === null ? null : runOf(run),
      createdAt: row.created_at,
      updatedAt: row.updated_at,
    };
  });
}

/** As its owner sees it. */
export const wholeSession = async (view: View, id: SessionId): Promise<Session> =>
  (await sessionAndOwner(view, id)).session;

async function sessionAndOwner(view: View, id: SessionId): Promise<{ session: Session; owner: UserId }> {
  const row = await sessionsWithNames(view).where('sessions.id', '=', id).executeTakeFirstOrThrow();
  const [session] = await sessionsOf(view, [row], () => true);
  if (session === undefined) throw new Error('A session that was just read is gone.');
  return { session, owner: row.owner_id };
}

/**
 * Tells the owner, and the projects that the session covers. A project learns of itself only: who reads it need not
 * know where else the agent works.
 *
 * @param left projects that the session covered until now
 * @returns what its owner is told
 */
export async function emitSession(tx: Tx, id: SessionId, left: readonly ProjectId[] = []): Promise<Session> {
  const { session, owner } = await sessionAndOwner(tx, id);
  const tell = (stream: StreamId, data: Session) =>
    tx.emit({ stream, type: 'session.updated', entityId: id, data: { session: data } });
  tell(owner, session);
  for (const project of new Set([...session.projects.map((covered) => covered.id), ...left])) {
    tell(project, { ...session, projects: session.projects.filter((covered) => covered.id === project) });
  }
  return session;
}
