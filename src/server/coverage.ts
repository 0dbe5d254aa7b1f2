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
  await tx.engine.lock(tx.q, 'agents', agents);
  for (const agent of agents) {
    for (const session of await updateAgent(tx, agent, new Set(changed))) told.set(session.id, session);
  }
  return told;
}

/** By name, not as all but one: an agent has few of these among many, and an index finds them. */
const LIVE = SESSION_STATES.filter((state) => state !== 'stopped');

async function updateAgent(tx: Tx, agentId: AgentId, changed: ReadonlySet<SessionId>): Promise<readonly Session[]> {
  const { q } = tx;
  const sessions = await q
    .selectFrom('sessions')
    .innerJoin('teams', 'teams.id', 'sessions.team_id')
    .selectAll('sessions')
    .select('teams.kind as team_kind')
    .where('agent_id', '=', agentId)
    .where((eb) =>
      eb.or([eb('state', 'in', LIVE), ...(changed.size === 0 ? [] : [eb('sessions.id', 'in', [...changed])])]),
    )
    .orderBy('sessions.created_at')
    .orderBy('sessions.id')
    .execute();
  if (sessions.length === 0) return [];
  const dm = await q.selectFrom('projects').select('id').where('agent_id', '=', agentId).executeTakeFirst();
  const holder = dmHolder(
    sessions.map(({ id, state, coverage_mode, team_kind }) => ({
      id,
      live: state !== 'stopped',
      mode: coverage_mode,
      personal: team_kind === 'personal',
    })),
  );
  const joined = await joinedProjects(tx, agentId);
  const told: Session[] = [];
  for (const session of sessions) {
    const old = await coveredBy(tx, session.id);
    const wanted = new Set(joined.filter((project) => serves(session, project, old)).map(({ id }) => id));
    if (dm !== undefined && session.id === holder) wanted.add(dm.id);
    const gone = [...old].filter((id) => !wanted.has(id));
    const come = [...wanted].filter((id) => !old.has(id));
    if (gone.length > 0) {
      await q.deleteFrom('coverage').where('session_id', '=', session.id).where('project_id', 'in', gone).execute();
    }
    if (come.length > 0) {
      await q
        .insertInto('coverage')
        .values(come.map((project_id) => ({ session_id: session.id, project_id })))
        .execute();
    }
    if (gone.length > 0 || come.length > 0 || changed.has(session.id))
      told.push(await emitSession(tx, session.id, gone));
  }
  return told;
}

type Joined = Awaited<ReturnType<typeof joinedProjects>>[number];

const joinedProjects = ({ q }: View, agentId: AgentId) =>
  q
    .selectFrom('projects')
    .innerJoin('project_members', 'project_members.project_id', 'projects.id')
    .select(['projects.id', 'projects.team_id', 'projects.status'])
    .where('project_members.party_id', '=', agentId)
    .where('projects.kind', '=', 'project')
    .execute();

/** An explicit session never grows; leaving a project takes it away from both kinds. */
function serves(session: SessionRow, project: Joined, old: ReadonlySet<ProjectId>): boolean {
  if (session.coverage_mode === 'explicit') return old.has(project.id);
  return project.team_id === session.team_id && (project.status === 'active' || project.status === 'planning');
}

export async function coveredBy({ q }: View, sessionId: SessionId): Promise<ReadonlySet<ProjectId>> {
  const rows = await q.selectFrom('coverage').select('project_id').where('session_id', '=', sessionId).execute();
  return new Set(rows.map(({ project_id }) => project_id));
}
