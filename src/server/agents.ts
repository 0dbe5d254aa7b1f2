/** Agents and the machines that they run on. */
import { AachatError } from '#base/errors.ts';
import { newId } from '#base/id.ts';
import type { Agent, Machine } from '#contract/entities.ts';
import type { AgentId, MachineId, ProjectId, UserId } from '#contract/ids.ts';
import type { ROUTES } from '#contract/routes.ts';
import type { AgentRow, MachineRow, ProjectRow } from './database/schema.ts';
import type { Tx, View } from './database/store.ts';
import { readableProjects } from './facts.ts';
import { person, type Reading, type Writing } from './request.ts';
import { announceMembership, DEFAULT_HOP_LIMIT, teamOf } from './teams.ts';

export const agentOf = ({ id, name, owner_id, repo, created_at }: AgentRow): Agent => ({
  id,
  name,
  ownerId: owner_id,
  repo,
  createdAt: created_at,
});

export const createAgent: Writing<typeof ROUTES.createAgent> = async (tx, { actor, body, ask }) => {
  ask({ kind: 'own' });
  const { q, now } = tx;
  const owner = person(actor);
  const name = `${body.base}.${owner.name}`;
  const known = await q.selectFrom('agents').selectAll().where('name', '=', name).executeTakeFirst();
  if (known !== undefined && known.removed_at !== null) {
    return { agent: agentOf(await revive(tx, { ...known, repo: body.repo ?? null, removed_at: null })) };
  }
  if (known !== undefined) {
    throw new AachatError('CONFLICT', `You have an agent "${body.base}" already.`, {
      hint: 'Run `aachat agent list`, or choose another name.',
    });
  }
  const agent: AgentRow = {
    id: newId<AgentId>(),
    base: body.base,
    name,
    owner_id: owner.id,
    repo: body.repo ?? null,
    budget: null,
    budget_told: null,
    created_at: now,
    removed_at: null,
  };
  await q.insertInto('agents').values(agent).execute();
  const team = await q
    .selectFrom('teams')
    .innerJoin('memberships', 'memberships.team_id', 'teams.id')
    .select('teams.id')
    .where('teams.kind', '=', 'personal')
    .where('memberships.user_id', '=', owner.id)
    .executeTakeFirstOrThrow();
  const dm = newId<ProjectId>();
  await q
    .insertInto('projects')
    .values({
      id: dm,
      team_id: team.id,
      name: `dm:${name}`,
      kind: 'dm',
      status: 'active',
      description: '',
      hop_limit: DEFAULT_HOP_LIMIT,
      loop_stopped_at: null,
      cooldowns: null,
      agent_id: agent.id,
      created_at: now,
    })
    .execute();
  await q
    .insertInto('project_members')
    .values([
      { project_id: dm, party_kind: 'user', party_id: owner.id, role: 'collaborator', joined_at: now },
      { project_id: dm, party_kind: 'agent', party_id: agent.id, role: null, joined_at: now },
    ])
    .execute();
  announceMembership(tx, owner.id, team.id, dm);
  return { agent: agentOf(agent) };
};

/** It is the same one again: what it said before is its own. */
async function revive(tx: Tx, agent: AgentRow): Promise<AgentRow> {
  const { q, now } = tx;
  await q.updateTable('agents').set({ repo: agent.repo, removed_at: null }).where('id', '=', agent.id).execute();
  const dm = await setDm(tx, agent.id, 'active');
  await q
    .insertInto('project_members')
    .values({ project_id: dm.id, party_kind: 'agent', party_id: agent.id, role: null, joined_at: now })
    .execute();
  announceMembership(tx, agent.owner_id, dm.team_id, dm.id);
  return agent;
}

/** Opens or closes the dm of an agent. */
export const setDm = ({ q }: Tx, agentId: AgentId, status: ProjectRow['status']) =>
  q
    .updateTable('projects')
    .set({ status })
    .where('agent_id', '=', agentId)
    .returning(['id', 'team_id'])
    .executeTakeFirstOrThrow();

export const listAgents: Reading<typeof ROUTES.listAgents> = async (view, { actor, query, ask }) => {
  ask({ kind: 'own' });
  const owner = person(actor);
  const readable = query.scope === 'mine' ? [] : (await readableProjects(view, actor)).map(({ id }) => id);
  const agents = await view.q
    .selectFrom('agents')
    .selectAll()
    .where('removed_at', 'is', null)
    .where((eb) =>
      eb.or([
        eb('owner_id', '=', owner.id),
        ...(readable.length === 0
          ? []
          : [
              eb(
                'id',
                'in',
                eb
                  .selectFrom('project_members')
                  .select((inner) => inner.ref('party_id').$castTo<AgentId>().as('id'))
                  .where('project_id', 'in', readable)
                  .where('party_kind', '=', 'agent'),
              ),
            ]),
      ]),
    )
    .orderBy('created_at')
    .orderBy('id')
    .execute();
  const teams = await teamsOfAgents(
    view,
    agents.map(({ id }) => id),
    owner.id,
  );
  return { agents: agents.map((agent) => ({ ...agentOf(agent), teams: teams(agent) })) };
};

/** Teams where an agent has work. Of other people's agents only those that the reader is in. */
async function teamsOfAgents({ q }: View, agents: readonly AgentId[], reader: UserId) {
  if (agents.length === 0) return () => [];
  const rows = await q
    .selectFrom('teams')
    .innerJoin('projects', 'projects.team_id', 'teams.id')
    .innerJoin('project_members', 'project_members.project_id', 'projects.id')
    .leftJoin('memberships', (join) =>
      join.onRef('memberships.team_id', '=', 'teams.id').on('memberships.user_id', '=', reader),
    )
    .selectAll('teams')
    .select(['project_members.party_id', 'memberships.role'])
    .distinct()
    .where('project_members.party_id', 'in', agents)
    .where('projects.kind', '=', 'project')
    .where('projects.status', 'in', ['active', 'planning'])
    .orderBy('teams.created_at')
    .orderBy('teams.id')
    .execute();
  return (agent: AgentRow) =>
    rows
      .filter(({ party_id, role }) => party_id === agent.id && (role !== null || agent.owner_id === reader))
      .map((row) => teamOf(row));
}

const machineOf = ({ id, user_id, name, heartbeat_at }: MachineRow): Machine => ({
  id,
  userId: user_id,
  name,
  heartbeatAt: heartbeat_at,
});

export const putMachine: Writing<typeof ROUTES.putMachine> = async ({ q, now }, { actor, params, body, ask }) => {
  const known = await machineRow({ q }, params.machineId);
  const asking = actor.kind === 'user' ? actor.id : undefined;
  ask({ kind: 'machine', owned: known === undefined || known.user_id === asking });
  const machine: MachineRow = {
    id: params.machineId,
    user_id: person(actor).id,
    name: body.name,
    heartbeat_at: now,
  };
  await q
    .insertInto('machines')
    .values(machine)
    .onConflict((on) => on.column('id').doUpdateSet({ name: machine.name, heartbeat_at: now }))
    .execute();
  return { machine: machineOf(machine) };
};

export const machineRow = ({ q }: Pick<View, 'q'>, id: MachineId): Promise<MachineRow | undefined> =>
  q.selectFrom('machines').selectAll().where('id', '=', id).executeTakeFirst();
