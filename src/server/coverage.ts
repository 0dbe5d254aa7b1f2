/** Which projects a session serves. Kept in rows, because every request of a session's token asks for it. */
import { SESSION_STATES } from '#contract/choices.ts';
import type { Session } from '#contract/entities.ts';
import type { AgentId, ProjectId, SessionId } from '#contract/ids.ts';
import type { SessionRow } from './database/schema.ts';
import type { Tx, View } from './database/store.ts';
import { emitSession } from './session-view.ts';

/** A session as far as the choice of who holds the dm needs it. */
export interface DmCandidate {
  readonly id: SessionId;
  readonly live: boolean;
  readonly mode: Session['coverageMode'];
  /** Its team is the personal one of the agent's owner. */
  readonly personal: boolean;
}

/**
 * The one live session that answers the agent's dm: that of the personal team, else the oldest that covers whatever
 * comes, else the oldest.
 *
 * @param sessions of one agent, oldest first
 */
export function dmHolder(sessions: readonly DmCandidate[]): SessionId | undefined {
  const live = sessions.filter((session) => session.live);
  const open = live.filter(({ mode }) => mode === 'auto');
  return (open.find(({ personal }) => personal) ?? open[0] ?? live[0])?.id;
}

/**
 * Brings the coverage of agents' sessions up to date after a change of members, projects or sessions, and tells the
 * streams. Sessions at rest keep what they had, but never the dm.
 *
 * @param changed sessions that are announced in any case, and updated even at rest
 * @returns those that were announced, as their owners see them
 */
export async function updateCoverage(
  tx: Tx,
  agents: readonly AgentId[],
  changed: readonly SessionId[] = [],
): Promise<ReadonlyMap<SessionId, Session>> {
  const told = new Map<SessionId, Session>();
  if (agents.length === 0) return told;
  // Asked together, answered in this order: what is read is what there is under the lock.
  const [, sessions, dms, joined] = await Promise.all([
    tx.engine.lock(tx.q, 'agents', agents),
    affectedSessions(tx, agents, changed),
    tx.q.selectFrom('projects').select(['id', 'agent_id']).where('agent_id', 'in', agents).execute(),
    joinedProjects(tx, agents),
  ]);
  const covered = await coverageOf(
    tx,
    sessions.map(({ id }) => id),
  );
  const announced = new Set(changed);
  for (const agent of agents) {
    const own = sessions.filter(({ agent_id }) => agent_id === agent);
    const dm = dms.find(({ agent_id }) => agent_id === agent)?.id;
    const holder = dmHolder(own.map(candidate));
    const projects = joined.filter(({ party_id }) => party_id === agent);
    for (const session of own) {
      const old = covered.get(session.id) ?? new Set();
      const wanted = new Set(projects.filter((project) => serves(session, project, old)).map(({ id }) => id));
      if (dm !== undefined && session.id === holder) wanted.add(dm);
      const gone = [...old].filter((id) => !wanted.has(id));
      const come = [...wanted].filter((id) => !old.has(id));
      await change(tx, session.id, gone, come);
      if (gone.length > 0 || come.length > 0 || announced.has(session.id)) {
        told.set(session.id, await emitSession(tx, session.id, gone));
      }
    }
  }
  return told;
}

/** By name, not as all but one: an agent has few of these among many, and an index finds them. */
const LIVE = SESSION_STATES.filter((state) => state !== 'stopped');

/** Those that may gain or lose something, oldest first. */
const affectedSessions = ({ q }: View, agents: readonly AgentId[], changed: readonly SessionId[]) =>
  q
    .selectFrom('sessions')
    .innerJoin('teams', 'teams.id', 'sessions.team_id')
    .selectAll('sessions')
    .select('teams.kind as team_kind')
    .where('agent_id', 'in', agents)
    .where((eb) =>
      eb.or([eb('state', 'in', LIVE), ...(changed.length === 0 ? [] : [eb('sessions.id', 'in', changed)])]),
    )
    .orderBy('sessions.created_at')
    .orderBy('sessions.id')
    .execute();

type Affected = Awaited<ReturnType<typeof affectedSessions>>[number];

const candidate = ({ id, state, coverage_mode, team_kind }: Affected): DmCandidate => ({
  id,
  live: state !== 'stopped',
  mode: coverage_mode,
  personal: team_kind === 'personal',
});

async function change({ q }: Tx, id: SessionId, gone: readonly ProjectId[], come: readonly ProjectId[]): Promise<void> {
  if (gone.length > 0) {
    await q.deleteFrom('coverage').where('session_id', '=', id).where('project_id', 'in', gone).execute();
  }
  if (come.length > 0) {
    await q
      .insertInto('coverage')
      .values(come.map((project_id) => ({ session_id: id, project_id })))
      .execute();
  }
}

type Joined = Awaited<ReturnType<typeof joinedProjects>>[number];

const joinedProjects = ({ q }: View, agents: readonly AgentId[]) =>
  q
    .selectFrom('projects')
    .innerJoin('project_members', 'project_members.project_id', 'projects.id')
    .select(['projects.id', 'projects.team_id', 'projects.status', 'project_members.party_id'])
    .where('project_members.party_id', 'in', agents)
    .where('projects.kind', '=', 'project')
    .execute();

/** An explicit session never grows; leaving a project takes it away from both kinds. */
function serves(session: SessionRow, project: Joined, old: ReadonlySet<ProjectId>): boolean {
  if (session.coverage_mode === 'explicit') return old.has(project.id);
  return project.team_id === session.team_id && (project.status === 'active' || project.status === 'planning');
}

export async function coveredBy(view: View, sessionId: SessionId): Promise<ReadonlySet<ProjectId>> {
  return (await coverageOf(view, [sessionId])).get(sessionId) ?? new Set();
}

/** @returns nothing for those that cover nothing */
async function coverageOf(
  { q }: View,
  sessions: readonly SessionId[],
): Promise<ReadonlyMap<SessionId, ReadonlySet<ProjectId>>> {
  if (sessions.length === 0) return new Map();
  const rows = await q
    .selectFrom('coverage')
    .select(['session_id', 'project_id'])
    .where('session_id', 'in', sessions)
    .execute();
  const covered = new Map<SessionId, Set<ProjectId>>();
  for (const [id, own] of Map.groupBy(rows, ({ session_id }) => session_id)) {
    covered.set(id, new Set(own.map(({ project_id }) => project_id)));
  }
  return covered;
}
