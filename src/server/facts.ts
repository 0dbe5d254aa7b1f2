/** Loads what `authorize` needs to know: what the actor is to a team, a project, an agent or a session. */
import type { AgentId, ProjectId, SessionId, TeamId, UserId } from '#contract/ids.ts';
import { type Actor, projectLevel, type Resource } from './authorize.ts';
import type { AgentRow, ProjectRow, SessionRow, TeamRow } from './database/schema.ts';
import type { View } from './database/store.ts';
import { hidden } from './request.ts';

/** A project with the slug of its team. */
export type ProjectInTeam = ProjectRow & { readonly team: string };
type ProjectResource = Resource & { kind: 'project' };

/** No id is empty, so this joins nothing. */
const NOBODY = '' as UserId;
const personId = (actor: Actor): UserId => (actor.kind === 'user' ? actor.id : NOBODY);

/** Projects together with what `actor` is to each. */
const projectsFor = ({ q }: View, actor: Actor) =>
  q
    .selectFrom('projects')
    .innerJoin('teams', 'teams.id', 'projects.team_id')
    .leftJoin('memberships', (join) =>
      join.onRef('memberships.team_id', '=', 'projects.team_id').on('memberships.user_id', '=', personId(actor)),
    )
    .leftJoin('project_members', (join) =>
      join.onRef('project_members.project_id', '=', 'projects.id').on('project_members.party_id', '=', personId(actor)),
    )
    .leftJoin('agents', 'agents.id', 'projects.agent_id')
    .selectAll('projects')
    .select([
      'teams.slug as team',
      'memberships.role as team_role',
      'project_members.role as project_role',
      'agents.owner_id as dm_owner',
    ]);

type ProjectFactsRow = Awaited<ReturnType<ReturnType<typeof projectsFor>['executeTakeFirstOrThrow']>>;

const resourceOf = (row: ProjectFactsRow, actor: Actor): ProjectResource => ({
  kind: 'project',
  id: row.id,
  of: row.kind,
  teamRole: row.team_role,
  role: row.project_role,
  ownsDm: actor.kind === 'user' && row.dm_owner === actor.id,
});

/** @throws AachatError `NOT_FOUND` */
export async function projectFacts(
  view: View,
  actor: Actor,
  id: ProjectId,
): Promise<{ readonly project: ProjectInTeam; readonly resource: ProjectResource }> {
  const row = await projectsFor(view, actor).where('projects.id', '=', id).executeTakeFirst();
  if (row === undefined) throw hidden('project');
  return { project: row, resource: resourceOf(row, actor) };
}

/** Every project that the actor may read; `member` says whether by being in it, not only by running its team. */
export async function readableProjects(
  view: View,
  actor: Actor,
): Promise<readonly (ProjectInTeam & { readonly member: boolean })[]> {
  if (actor.kind === 'session') {
    if (actor.coverage.size === 0) return [];
    const rows = await projectsFor(view, actor)
      .where('projects.id', 'in', [...actor.coverage])
      .execute();
    return rows.map((row) => ({ ...row, member: true }));
  }
  if (actor.kind !== 'user') return [];
  const rows = await projectsFor(view, actor)
    .where((eb) => eb.or([eb('memberships.role', 'is not', null), eb('agents.owner_id', '=', actor.id)]))
    .execute();
  return rows
    .filter((row) => !['none', 'known'].includes(projectLevel(resourceOf(row, actor))))
    .map((row) => ({ ...row, member: row.kind !== 'project' || row.project_role !== null }));
}

/** @throws AachatError `NOT_FOUND` */
export async function teamFacts(
  { q }: View,
  actor: Actor,
  id: TeamId,
): Promise<{ readonly team: TeamRow; readonly resource: Resource & { kind: 'team' } }> {
  const row = await q
    .selectFrom('teams')
    .leftJoin('memberships', (join) =>
      join.onRef('memberships.team_id', '=', 'teams.id').on('memberships.user_id', '=', personId(actor)),
    )
    .selectAll('teams')
    .select('memberships.role')
    .where('teams.id', '=', id)
    .executeTakeFirst();
  if (row === undefined) throw hidden('team');
  return { team: row, resource: { kind: 'team', role: row.role, personal: row.kind === 'personal' } };
}

/** @throws AachatError `NOT_FOUND`, also for one that was taken out of service */
export async function agentFacts(
  { q }: View,
  actor: Actor,
  id: AgentId,
): Promise<{ readonly agent: AgentRow; readonly resource: Resource & { kind: 'agent' } }> {
  const agent = await q
    .selectFrom('agents')
    .selectAll()
    .where('id', '=', id)
    .where('removed_at', 'is', null)
    .executeTakeFirst();
  if (agent === undefined) throw hidden('agent');
  return { agent, resource: { kind: 'agent', owned: agent.owner_id === personId(actor) } };
}

/** A session with the names that its row only points at. */
export type SessionWithNames = SessionRow & {
  readonly agent: string;
  readonly team: string;
  readonly owner_id: UserId;
};

/** Without those that were removed. */
export const sessionsWithNames = ({ q }: View) =>
  q
    .selectFrom('sessions')
    .innerJoin('agents', 'agents.id', 'sessions.agent_id')
    .innerJoin('teams', 'teams.id', 'sessions.team_id')
    .selectAll('sessions')
    .select(['agents.name as agent', 'agents.owner_id', 'teams.slug as team'])
    .where('sessions.removed_at', 'is', null);

/** @throws AachatError `NOT_FOUND` */
export async function sessionFacts(
  view: View,
  actor: Actor,
  id: SessionId,
): Promise<{ readonly session: SessionWithNames; readonly resource: Resource & { kind: 'session' } }> {
  const session = await sessionsWithNames(view).where('sessions.id', '=', id).executeTakeFirst();
  if (session === undefined) throw hidden('session');
  const owned = session.owner_id === personId(actor);
  const visible = owned || (await coversReadable(view, actor, id));
  return { session, resource: { kind: 'session', id, owned, visible } };
}

async function coversReadable(view: View, actor: Actor, id: SessionId): Promise<boolean> {
  if (actor.kind !== 'user') return false;
  const readable = new Set((await readableProjects(view, actor)).map((project) => project.id));
  const covered = await view.q.selectFrom('coverage').select('project_id').where('session_id', '=', id).execute();
  return covered.some(({ project_id }) => readable.has(project_id));
}
