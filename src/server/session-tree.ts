/** Sessions that come from others: forked, spawned, and who came from whom. */
import { sql } from 'kysely';
import { AachatError } from '#base/errors.ts';
import { type ProjectId, type SessionId, shortId } from '#contract/ids.ts';
import type { ROUTES } from '#contract/routes.ts';
import type { AgentRow } from './database/schema.ts';
import type { Tx, View } from './database/store.ts';
import { agentFacts, readableProjects, type SessionWithNames, sessionFacts, sessionsWithNames } from './facts.ts';
import { turnOf } from './messages.ts';
import { hidden, party, person, type Reading, type Writing } from './request.ts';
import { sessionsOf } from './session-view.ts';
import { dmOf, planSession, promptProject } from './sessions.ts';
import { partyOf } from './signals.ts';

export const forkSession: Writing<typeof ROUTES.forkSession> = async (tx, { actor, params, body, ask }) => {
  const { session, resource } = await sessionFacts(tx, actor, params.sessionId);
  ask(resource);
  const { agent } = await agentFacts(tx, actor, session.agent_id);
  const owner = person(actor);
  const projects = await servedBy(tx, session);
  const last = await promptProject(tx, session);
  const place = projects.includes(last) ? last : await dmOf(tx, agent.id);
  const start = { sender: partyOf('user', owner.id, owner.name), hop: 0, projectId: place } as const;
  return {
    session: await planSession(tx, {
      agent,
      teamId: session.team_id,
      name: body.name,
      projects,
      forkedFromId: session.id,
      start: body.text === undefined ? undefined : { ...start, text: body.text },
    }),
  };
};

/** So many children of a session may be at work that it started itself. */
const OPEN_CHILDREN = 8;

export const spawnSession: Writing<typeof ROUTES.spawnSession> = async (tx, { actor, params, body, ask }) => {
  const { session: parent, resource } = await sessionFacts(tx, actor, params.sessionId);
  ask(resource);
  const caller = party(actor);
  const isOwner = caller.kind === 'user';
  await tx.engine.lock(tx.q, 'sessions', [parent.id]);
  const agent = await childAgent(tx, parent, body.agent);
  const served = await servedBy(tx, parent);
  const joined = agent.id === parent.agent_id ? served : await joinedOf(tx, agent, served);
  if (agent.id !== parent.agent_id && joined.length === 0) {
    if (!isOwner) throw hidden('agent');
    throw new AachatError('CONFLICT', `${agent.name} is in none of the projects that this session covers.`, {
      hint: `Add it first: \`aachat project assign <project> --agent ${agent.name}\`.`,
    });
  }
  const last = await promptProject(tx, parent);
  const place = joined.includes(last) ? last : (joined[0] ?? (await dmOf(tx, agent.id)));
  const hop = isOwner ? 0 : (await turnOf(tx, parent.id)).hop;
  if (!isOwner) {
    await guardHops(tx, place, hop);
    await guardChildren(tx, parent.id);
  }
  const sender = partyOf(isOwner ? 'user' : 'agent', caller.id, caller.name);
  const session = await planSession(tx, {
    agent,
    teamId: parent.team_id,
    name: body.name,
    projects: joined,
    parentId: parent.id,
    start: { sender, hop, projectId: place, text: body.text, ...(isOwner ? {} : { fromSessionId: parent.id }) },
  });
  return { session };
};

/** The projects that a session covers, without the dm: that belongs to the agent, not to a session. */
async function servedBy(tx: Tx, session: SessionWithNames): Promise<readonly ProjectId[]> {
  const rows = await tx.q
    .selectFrom('coverage')
    .select('project_id')
    .where('session_id', '=', session.id)
    .where('project_id', '!=', await dmOf(tx, session.agent_id))
    .orderBy('project_id')
    .execute();
  return rows.map(({ project_id }) => project_id);
}

/** An agent of the same owner, by its full name or the part before the owner's. */
async function childAgent({ q }: View, parent: SessionWithNames, name: string | undefined): Promise<AgentRow> {
  const owner = parent.agent.slice(parent.agent.indexOf('.'));
  const full = name === undefined ? parent.agent : name.includes('.') ? name : `${name}${owner}`;
  const agent = await q
    .selectFrom('agents')
    .selectAll()
    .where('name', '=', full)
    .where('owner_id', '=', parent.owner_id)
    .where('removed_at', 'is', null)
    .executeTakeFirst();
  if (agent === undefined) throw hidden('agent');
  return agent;
}

async function joinedOf({ q }: View, agent: AgentRow, projects: readonly ProjectId[]): Promise<readonly ProjectId[]> {
  if (projects.length === 0) return [];
  const rows = await q
    .selectFrom('project_members')
    .select('project_id')
    .where('party_id', '=', agent.id)
    .where('project_id', 'in', projects)
    .orderBy('project_id')
    .execute();
  return rows.map(({ project_id }) => project_id);
}

async function guardHops({ q }: View, id: ProjectId, hop: number): Promise<void> {
  const project = await q.selectFrom('projects').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
  if (hop < project.hop_limit) return;
  throw new AachatError('CONFLICT', `No person has spoken for ${hop} hops: no child is started.`, {
    hint: `Say in ${project.name} what is needed; a person has to go on from there.`,
  });
}

async function guardChildren({ q }: View, parent: SessionId): Promise<void> {
  const open = await q
    .selectFrom('sessions')
    .innerJoin('signals', 'signals.session_id', 'sessions.id')
    .select('sessions.id')
    .where('sessions.parent_id', '=', parent)
    .where('sessions.removed_at', 'is', null)
    .where('signals.kind', '=', 'session_start')
    .where('signals.state', 'in', ['queued', 'delivered'])
    .execute();
  if (open.length < OPEN_CHILDREN) return;
  const ids = open.map(({ id }) => shortId(id)).join(', ');
  throw new AachatError('CONFLICT', `${open.length} children of this session have not reported yet: ${ids}.`, {
    hint: 'Wait for a report: it comes to you as a prompt.',
  });
}

/** How far up and down a family is told, and how many of it. */
const FAMILY_LEVELS = 20;
const FAMILY_LIMIT = 500;

export const getFamily: Reading<typeof ROUTES.getFamily> = async (view, { actor, params, ask }) => {
  const { session, resource } = await sessionFacts(view, actor, params.sessionId);
  ask(resource);
  const levels = await levelsOf(view, session.id);
  if (levels.size === 0) return { relatives: [] };
  const rows = await sessionsWithNames(view)
    .where('sessions.id', 'in', [...levels.keys()])
    .execute();
  const owned = (row: SessionWithNames) => actor.kind === 'user' && row.owner_id === actor.id;
  const readable = new Set((await readableProjects(view, actor)).map(({ id }) => id));
  const sessions = await sessionsOf(view, rows, (row, project) => owned(row) || readable.has(project));
  const mine = new Set(rows.filter(owned).map(({ id }) => id));
  return {
    relatives: sessions
      .filter(({ id, projects }) => mine.has(id) || projects.length > 0)
      .map((relative) => ({ level: levels.get(relative.id) ?? 0, how: howOf(relative), session: relative }))
      .sort((a, b) => a.level - b.level || (a.session.id < b.session.id ? -1 : 1)),
  };
};

const howOf = ({ parentId, forkedFromId }: { parentId: SessionId | null; forkedFromId: SessionId | null }) =>
  parentId !== null ? ('spawned' as const) : forkedFromId !== null ? ('forked' as const) : null;

/** Through sessions that were removed, too: what came from them is still family. */
async function levelsOf({ q }: View, id: SessionId): Promise<ReadonlyMap<SessionId, number>> {
  const { rows } = await sql<{ id: SessionId; level: number }>`
    with recursive
      up (id, level) as (
        select cast(${id} as text), 0
        union all
        select coalesce(sessions.parent_id, sessions.forked_from_id), level - 1
          from up join sessions on sessions.id = up.id
          where level > ${sql.lit(-FAMILY_LEVELS)} and coalesce(sessions.parent_id, sessions.forked_from_id) is not null),
      down (id, level) as (
        select cast(${id} as text), 0
        union all
        select child.id, level + 1
          from down join sessions as child on child.parent_id = down.id or child.forked_from_id = down.id
          where level < ${sql.lit(FAMILY_LEVELS)})
    select id, level from (select id, level from up union all select id, level from down) as family
      where level <> 0 order by abs(level), id limit ${sql.lit(FAMILY_LIMIT)}`.execute(q);
  return new Map(rows.map(({ id: relative, level }) => [relative, Number(level)]));
}
