/** Teams and the people in them. */
import { AachatError } from '#base/errors.ts';
import { newId } from '#base/id.ts';
import type { Party, Team } from '#contract/entities.ts';
import type { ProjectId, TeamId, UserId } from '#contract/ids.ts';
import type { ROUTES } from '#contract/routes.ts';
import { updateCoverage } from './coverage.ts';
import type { PartyId, ProjectRow, TeamRow, UserRow } from './database/schema.ts';
import type { Tx } from './database/store.ts';
import { teamFacts } from './facts.ts';
import { hidden, person, type Reading, type Writing } from './request.ts';
import { partyOf } from './signals.ts';

export const DEFAULT_HOP_LIMIT = 6;

export const teamOf = ({ id, slug, kind, repo, created_at }: TeamRow): Team => ({
  id,
  slug,
  kind,
  repo,
  createdAt: created_at,
});

/** Every person has one, made at the first login. */
export async function createPersonalTeam(tx: Tx, user: UserRow): Promise<void> {
  await insertTeam(tx, `~${user.login}`, 'personal', null, user);
}

async function insertTeam(
  tx: Tx,
  slug: string,
  kind: TeamRow['kind'],
  repo: string | null,
  owner: Pick<UserRow, 'id'>,
): Promise<TeamRow> {
  const team: TeamRow = { id: newId<TeamId>(), slug, kind, repo, created_at: tx.now };
  await tx.q.insertInto('teams').values(team).execute();
  await tx.q
    .insertInto('memberships')
    .values({ team_id: team.id, user_id: owner.id, role: 'owner', joined_at: tx.now })
    .execute();
  const stream: ProjectRow = {
    id: newId<ProjectId>(),
    team_id: team.id,
    name: 'stream',
    kind: 'stream',
    status: 'active',
    description: '',
    hop_limit: DEFAULT_HOP_LIMIT,
    loop_stopped_at: null,
    cooldowns: null,
    agent_id: null,
    created_at: tx.now,
  };
  await tx.q.insertInto('projects').values(stream).execute();
  announceMembership(tx, owner.id, team.id, stream.id);
  return team;
}

/** Tells a person that what they may read has changed. */
export function announceMembership(tx: Tx, userId: UserId, teamId: TeamId, projectId: ProjectId | null): void {
  tx.emit({
    stream: userId,
    type: 'membership.changed',
    entityId: projectId ?? teamId,
    data: { teamId, projectId },
  });
}

export const listTeams: Reading<typeof ROUTES.listTeams> = async ({ q }, { actor, ask }) => {
  ask({ kind: 'own' });
  const teams = await q
    .selectFrom('teams')
    .innerJoin('memberships', 'memberships.team_id', 'teams.id')
    .selectAll('teams')
    .where('memberships.user_id', '=', person(actor).id)
    .orderBy('teams.created_at')
    .orderBy('teams.id')
    .execute();
  return { teams: teams.map(teamOf) };
};

export const createTeam: Writing<typeof ROUTES.createTeam> = async (tx, { actor, body, ask }) => {
  ask({ kind: 'own' });
  if (body.slug.startsWith('~')) {
    throw new AachatError('VALIDATION_ERROR', 'A name that begins with `~` is that of a personal team.', {
      hint: 'Leave the `~` out.',
    });
  }
  const taken = await tx.q.selectFrom('teams').select('id').where('slug', '=', body.slug).executeTakeFirst();
  if (taken !== undefined) {
    throw new AachatError('CONFLICT', `The team name "${body.slug}" is taken.`, { hint: 'Choose another name.' });
  }
  return { team: teamOf(await insertTeam(tx, body.slug, 'organization', body.repo ?? null, person(actor))) };
};

export const setTeamRepo: Writing<typeof ROUTES.setTeamRepo> = async (tx, { actor, params, body, ask }) => {
  const { team, resource } = await teamFacts(tx, actor, params.teamId);
  ask(resource);
  await tx.q.updateTable('teams').set({ repo: body.repo }).where('id', '=', team.id).execute();
  return { team: teamOf({ ...team, repo: body.repo }) };
};

export const listTeamMembers: Reading<typeof ROUTES.listTeamMembers> = async (view, { actor, params, ask }) => {
  const { resource } = await teamFacts(view, actor, params.teamId);
  ask(resource);
  const rows = await view.q
    .selectFrom('memberships')
    .innerJoin('users', 'users.id', 'memberships.user_id')
    .select(['users.id', 'users.login', 'memberships.role'])
    .where('memberships.team_id', '=', params.teamId)
    .orderBy('memberships.joined_at')
    .orderBy('users.id')
    .execute();
  return { members: rows.map(({ id, login, role }) => ({ userId: id, login, role })) };
};

export const addTeamMember: Writing<typeof ROUTES.addTeamMember> = async (tx, { actor, params, body, ask }) => {
  const { team, resource } = await teamFacts(tx, actor, params.teamId);
  ask(resource);
  if (team.kind === 'personal') {
    throw new AachatError('CONFLICT', 'A personal team has one member.', {
      hint: 'Use a team that was made for several people.',
    });
  }
  const user = await tx.q.selectFrom('users').selectAll().where('login', '=', body.login).executeTakeFirst();
  if (user === undefined) {
    throw new AachatError('NOT_FOUND', `Nobody here is called "${body.login}".`, {
      hint: 'They must log in once: make a code with `aachat server invite`.',
    });
  }
  const member = { userId: user.id, login: user.login, role: body.role };
  const present = await tx.q
    .selectFrom('memberships')
    .select('role')
    .where('team_id', '=', team.id)
    .where('user_id', '=', user.id)
    .executeTakeFirst();
  if (present?.role === 'owner') {
    throw new AachatError('CONFLICT', `${user.login} owns the team already.`, { hint: 'There is nothing to add.' });
  }
  await tx.q
    .insertInto('memberships')
    .values({ team_id: team.id, user_id: user.id, role: body.role, joined_at: tx.now })
    .onConflict((on) => on.columns(['team_id', 'user_id']).doUpdateSet({ role: body.role }))
    .execute();
  if (present === undefined) await emitStreamMember(tx, 'member.added', team.id, user);
  announceMembership(tx, user.id, team.id, null);
  return { member };
};

/** All people of a team are in its stream. */
async function emitStreamMember(
  tx: Tx,
  type: 'member.added' | 'member.removed',
  teamId: TeamId,
  user: Pick<UserRow, 'id' | 'login'>,
): Promise<void> {
  const stream = await tx.q
    .selectFrom('projects')
    .select('id')
    .where('team_id', '=', teamId)
    .where('kind', '=', 'stream')
    .executeTakeFirstOrThrow();
  emitMember(tx, type, stream.id, partyOf('user', user.id, user.login));
}

export function emitMember(tx: Tx, type: 'member.added' | 'member.removed', stream: ProjectId, party: Party): void {
  tx.emit({ stream, type, entityId: party.id, data: { party } });
}

/** Takes the person out of the team and its projects, together with their agents. */
export const removeTeamMember: Writing<typeof ROUTES.removeTeamMember> = async (tx, { actor, params, ask }) => {
  const { team, resource } = await teamFacts(tx, actor, params.teamId);
  ask({ ...resource, self: params.userId === person(actor).id });
  const user = await tx.q
    .selectFrom('users')
    .innerJoin('memberships', 'memberships.user_id', 'users.id')
    .select(['users.id', 'users.login', 'memberships.role'])
    .where('users.id', '=', params.userId)
    .where('memberships.team_id', '=', team.id)
    .executeTakeFirst();
  if (user === undefined) throw hidden('member');
  if (user.role === 'owner') {
    throw new AachatError('CONFLICT', 'The owner of a team cannot leave it.', { hint: 'A team has one owner.' });
  }
  await tx.q.deleteFrom('memberships').where('team_id', '=', team.id).where('user_id', '=', user.id).execute();
  await emitStreamMember(tx, 'member.removed', team.id, user);
  const agents = await tx.q.selectFrom('agents').select(['id', 'name']).where('owner_id', '=', user.id).execute();
  const parties = new Map<PartyId, Party>([[user.id, partyOf('user', user.id, user.login)]]);
  for (const { id, name } of agents) parties.set(id, partyOf('agent', id, name));
  const left = await tx.q
    .deleteFrom('project_members')
    .where('party_id', 'in', [...parties.keys()])
    .where('project_id', 'in', (eb) =>
      eb.selectFrom('projects').select('id').where('team_id', '=', team.id).where('kind', '=', 'project'),
    )
    .returning(['project_id', 'party_id'])
    .execute();
  for (const { project_id, party_id } of left) {
    const party = parties.get(party_id);
    if (party !== undefined) emitMember(tx, 'member.removed', project_id, party);
  }
  announceMembership(tx, user.id, team.id, null);
  await updateCoverage(
    tx,
    agents.map(({ id }) => id),
  );
  return {};
};
