/** Who is in a project. */
import { AachatError } from '#base/errors.ts';
import type { Member, Party } from '#contract/entities.ts';
import type { AgentId, ProjectId, UserId } from '#contract/ids.ts';
import type { ROUTES } from '#contract/routes.ts';
import type { Actor } from './authorize.ts';
import { updateCoverage } from './coverage.ts';
import type { AgentRow, ProjectRow } from './database/schema.ts';
import type { View } from './database/store.ts';
import { type ProjectInTeam, projectFacts } from './facts.ts';
import type { Reading, Writing } from './request.ts';
import { silentSince } from './session-view.ts';
import { partyOf } from './signals.ts';
import { announceMembership, emitMember } from './teams.ts';

type MemberParty = Pick<Member, 'party' | 'role'>;

/** People first, then agents, each in the order in which they came. A stream has all people of its team. */
export async function membersOf({ q }: View, project: ProjectRow): Promise<readonly MemberParty[]> {
  if (project.kind === 'stream') {
    const people = await q
      .selectFrom('memberships')
      .innerJoin('users', 'users.id', 'memberships.user_id')
      .select(['users.id', 'users.login'])
      .where('memberships.team_id', '=', project.team_id)
      .orderBy('memberships.joined_at')
      .orderBy('users.id')
      .execute();
    return people.map(({ id, login }) => ({ party: partyOf('user', id, login), role: 'collaborator' }));
  }
  const rows = await q
    .selectFrom('project_members')
    .leftJoin('users', 'users.id', 'project_members.party_id')
    .leftJoin('agents', 'agents.id', 'project_members.party_id')
    .select(['party_kind', 'party_id', 'role', 'users.login', 'agents.name'])
    .where('project_id', '=', project.id)
    .orderBy('party_kind', 'desc')
    .orderBy('joined_at')
    .orderBy('party_id')
    .execute();
  return rows.map(({ party_kind, party_id, role, login, name }) => ({
    party: partyOf(party_kind, party_id, login ?? name ?? ''),
    role,
  }));
}

export const listMembers: Reading<typeof ROUTES.listMembers> = async (view, { actor, params, ask }) => {
  const { project, resource } = await projectFacts(view, actor, params.projectId);
  ask(resource);
  const sessions = await view.q
    .selectFrom('sessions')
    .innerJoin('coverage', 'coverage.session_id', 'sessions.id')
    .select(['sessions.id', 'sessions.agent_id', 'sessions.state', 'sessions.activity'])
    .where('coverage.project_id', '=', project.id)
    .where('sessions.state', '!=', 'stopped')
    // Those of a silent machine are lost, swept or not.
    .where((eb) =>
      eb.exists(
        eb
          .selectFrom('runs')
          .select('runs.id')
          .whereRef('runs.session_id', '=', 'sessions.id')
          .where('runs.ended_at', 'is', null)
          .where('runs.heartbeat_at', '>=', silentSince(view.now)),
      ),
    )
    .orderBy('sessions.created_at')
    .execute();
  const members = await membersOf(view, project);
  return {
    members: members.map((member) => ({
      ...member,
      sessions: sessions
        .filter(({ agent_id }) => agent_id === member.party.id)
        .map(({ id, state, activity }) => ({ id, state, activity })),
    })),
  };
};

/** A party that can be named in a team: one of its people, or an agent of one of them. */
interface Named {
  readonly party: Party;
  /** Owner of an agent; the person itself. */
  readonly ownerId: UserId;
}

export const addMember: Writing<typeof ROUTES.addMember> = async (tx, { actor, params, body, ask }) => {
  const { project, resource } = await projectFacts(tx, actor, params.projectId);
  const found = await namedInTeam(tx, project, body.name);
  ask({ ...resource, subject: found instanceof AachatError ? 'other' : subjectOf(actor, found) });
  if (found instanceof AachatError) throw found;
  const { party, ownerId } = found;
  const role = party.kind === 'agent' ? null : (body.role ?? 'collaborator');
  const previous = await memberRow(tx, project.id, party);
  await tx.q
    .insertInto('project_members')
    .values({ project_id: project.id, party_kind: party.kind, party_id: party.id, role, joined_at: tx.now })
    .onConflict((on) => on.columns(['project_id', 'party_id']).doUpdateSet({ role }))
    .execute();
  if (previous === undefined || previous.role !== role) {
    emitMember(tx, 'member.added', project.id, party);
    announceMembership(tx, ownerId, project.team_id, project.id);
    if (party.kind === 'agent') await updateCoverage(tx, [party.id]);
  }
  return { member: { party, role, sessions: [] } };
};

export const removeMember: Writing<typeof ROUTES.removeMember> = async (tx, { actor, params, body, ask }) => {
  const { project, resource } = await projectFacts(tx, actor, params.projectId);
  const found = await namedInTeam(tx, project, body.name);
  ask({ ...resource, subject: found instanceof AachatError ? 'other' : subjectOf(actor, found) });
  if (found instanceof AachatError) throw found;
  const { party, ownerId } = found;
  const previous = await memberRow(tx, project.id, party);
  if (previous === undefined) {
    throw new AachatError('NOT_FOUND', `${party.name} is not in ${project.name}.`, {
      hint: `Run \`aachat project members ${project.name}\` to see who is.`,
    });
  }
  await tx.q
    .deleteFrom('project_members')
    .where('project_id', '=', project.id)
    .where('party_id', '=', party.id)
    .execute();
  emitMember(tx, 'member.removed', project.id, party);
  announceMembership(tx, ownerId, project.team_id, project.id);
  if (party.kind === 'agent') await updateCoverage(tx, [party.id]);
  return { member: { party, role: previous.role, sessions: [] } };
};

const memberRow = ({ q }: View, projectId: ProjectId, party: Party) =>
  q
    .selectFrom('project_members')
    .select('role')
    .where('project_id', '=', projectId)
    .where('party_id', '=', party.id)
    .executeTakeFirst();

function subjectOf(actor: Actor, { party, ownerId }: Named): 'self' | 'own-agent' | 'other' {
  if (actor.kind !== 'user' || ownerId !== actor.id) return 'other';
  return party.kind === 'user' ? 'self' : 'own-agent';
}

/** An error is a value here, so that who may not add anybody does not learn who exists. */
async function namedInTeam({ q }: View, project: ProjectInTeam, name: string): Promise<Named | AachatError> {
  const people = await q
    .selectFrom('memberships')
    .innerJoin('users', 'users.id', 'memberships.user_id')
    .select(['users.id', 'users.login'])
    .where('memberships.team_id', '=', project.team_id)
    .where('users.login', '=', name)
    .execute();
  const [user] = people;
  if (user !== undefined) return { party: partyOf('user', user.id, user.login), ownerId: user.id };
  const agents: AgentRow[] = await q
    .selectFrom('agents')
    .innerJoin('memberships', 'memberships.user_id', 'agents.owner_id')
    .selectAll('agents')
    .where('memberships.team_id', '=', project.team_id)
    .where('agents.removed_at', 'is', null)
    .where((eb) => eb.or([eb('agents.name', '=', name), eb('agents.base', '=', name)]))
    .orderBy('agents.name')
    .execute();
  const [agent] = agents;
  if (agent === undefined) {
    return new AachatError('NOT_FOUND', `The team ${project.team} has no person or agent called "${name}".`, {
      hint: 'Your agents: `aachat agent list`. A person must be in the team first.',
    });
  }
  if (agents.length > 1) {
    const names = agents.map((each) => each.name).join(', ');
    return new AachatError('AMBIGUOUS_NAME', `"${name}" may be any of ${names}.`, { hint: 'Use the full name.' });
  }
  return { party: partyOf('agent', agent.id as AgentId, agent.name), ownerId: agent.owner_id };
}
