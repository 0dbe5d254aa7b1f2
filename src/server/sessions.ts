/** Sessions: planned, listed, looked at, spoken to. Their runs are in `runs.ts`, their turns in `turns.ts`. */
import { sql } from 'kysely';
import { AachatError } from '#base/errors.ts';
import { newId } from '#base/id.ts';
import type { Session } from '#contract/entities.ts';
import { type AgentId, type ProjectId, type SessionId, shortId } from '#contract/ids.ts';
import type { ROUTES } from '#contract/routes.ts';
import { coveredBy, updateCoverage } from './coverage.ts';
import type { AgentRow, SessionRow } from './database/schema.ts';
import type { Tx, View } from './database/store.ts';
import { agentFacts, readableProjects, sessionFacts, sessionsWithNames, teamFacts } from './facts.ts';
import { hidden, person, type Reading, type Writing } from './request.ts';
import { finishRun, handBack } from './runs.ts';
import { emitSession, newestRuns, sessionsOf, wholeSession } from './session-view.ts';
import { createSignal, expireQueued, type NewSignal, partyOf, signalOf } from './signals.ts';
import { turnsOf } from './turns.ts';

export const createSession: Writing<typeof ROUTES.createSession> = async (tx, { actor, body, ask }) => {
  const { agent, resource } = await agentFacts(tx, actor, body.agentId);
  ask(resource);
  const projects = body.projects ?? [];
  const [team, dm, joined] = await Promise.all([
    teamFacts(tx, actor, body.teamId),
    dmOf(tx, agent.id),
    joinedOf(tx, agent.id, body.teamId, projects),
  ]);
  if (team.resource.role === null) throw hidden('team');
  checkCoverage(projects, new Set([dm, ...joined]), team.team.slug);
  if (body.sessionId !== undefined) await refuseTaken(tx, body.sessionId);
  const owner = person(actor);
  const first = { sender: partyOf('user', owner.id, owner.name), hop: 0, projectId: projects[0] ?? dm } as const;
  return {
    session: await planSession(tx, {
      id: body.sessionId,
      agent,
      teamId: body.teamId,
      name: body.name,
      projects: body.projects,
      parked: body.parked,
      start: body.text === undefined ? undefined : { ...first, text: body.text },
    }),
  };
};

async function refuseTaken({ q }: View, id: SessionId): Promise<void> {
  const taken = await q.selectFrom('sessions').select('id').where('id', '=', id).executeTakeFirst();
  if (taken !== undefined) throw new AachatError('CONFLICT', `There is a session ${shortId(id)} already.`);
}

/** A session that nobody runs yet. */
export interface PlannedSession {
  /** undefined: a new one. */
  readonly id?: SessionId | undefined;
  readonly agent: Pick<AgentRow, 'id' | 'name'>;
  readonly teamId: SessionRow['team_id'];
  readonly name: string | undefined;
  /** undefined: all of the team that the agent is in, as they come and go. */
  readonly projects: readonly ProjectId[] | undefined;
  /** Nobody starts it until it is resumed. */
  readonly parked?: boolean | undefined;
  readonly parentId?: SessionId;
  readonly forkedFromId?: SessionId;
  /** Its first prompt. */
  readonly start: Pick<NewSignal, 'sender' | 'hop' | 'projectId' | 'text' | 'fromSessionId'> | undefined;
}

/** Writes it down and tells those who can see it. Whether it may be is checked before. */
export async function planSession(tx: Tx, plan: PlannedSession): Promise<Session> {
  const { agent, teamId, name = null, projects, start } = plan;
  const session: SessionRow = {
    id: plan.id ?? newId<SessionId>(),
    agent_id: agent.id,
    team_id: teamId,
    name,
    state: 'stopped',
    activity: null,
    coverage_mode: projects === undefined ? 'auto' : 'explicit',
    parent_id: plan.parentId ?? null,
    forked_from_id: plan.forkedFromId ?? null,
    parked: plan.parked === true ? 1 : 0,
    created_at: tx.now,
    updated_at: tx.now,
    removed_at: null,
  };
  const covered = [...new Set(projects)].map((project_id) => ({ session_id: session.id, project_id }));
  await Promise.all([
    tx.q.insertInto('sessions').values(session).execute(),
    ...(covered.length === 0 ? [] : [tx.q.insertInto('coverage').values(covered).execute()]),
  ]);
  if (start !== undefined) {
    const recipient = partyOf('agent', agent.id, agent.name);
    await createSignal(tx, { ...start, kind: 'session_start', recipient, sessionId: session.id });
  }
  const told = await updateCoverage(tx, [agent.id], [session.id]);
  return told.get(session.id) ?? (await wholeSession(tx, session.id));
}

export async function dmOf({ q }: View, agentId: AgentId): Promise<ProjectId> {
  return (await q.selectFrom('projects').select('id').where('agent_id', '=', agentId).executeTakeFirstOrThrow()).id;
}

/** Which of the projects are of the team, with the agent in them. */
async function joinedOf(
  { q }: View,
  agentId: AgentId,
  teamId: SessionRow['team_id'],
  projects: readonly ProjectId[],
): Promise<readonly ProjectId[]> {
  if (projects.length === 0) return [];
  const joined = await q
    .selectFrom('project_members')
    .innerJoin('projects', 'projects.id', 'project_members.project_id')
    .select('projects.id')
    .where('project_members.party_id', '=', agentId)
    .where('projects.team_id', '=', teamId)
    .where('projects.id', 'in', projects)
    .execute();
  return joined.map(({ id }) => id);
}

/** A session serves projects of its team that its agent is in, or the dm. */
function checkCoverage(projects: readonly ProjectId[], known: ReadonlySet<ProjectId>, team: string): void {
  if (projects.every((id) => known.has(id))) return;
  throw new AachatError('NOT_FOUND', `The agent is not in all of these projects of ${team}.`, {
    hint: 'Add it first: `aachat project assign <project> --agent <agent>`.',
  });
}

export const listSessions: Reading<typeof ROUTES.listSessions> = async (view, { actor, query, ask }) => {
  ask({ kind: 'own' });
  const { agentId, teamId, projectId, state, called, limit, offset } = query;
  const reader = person(actor);
  const readable = new Set((await readableProjects(view, actor)).map(({ id }) => id));
  const covering = (projects: readonly ProjectId[]) =>
    view.q.selectFrom('coverage').select('session_id').where('project_id', 'in', projects);
  const rows = await sessionsWithNames(view)
    .where((eb) =>
      eb.or([
        eb('agents.owner_id', '=', reader.id),
        ...(readable.size === 0 ? [] : [eb('sessions.id', 'in', covering([...readable]))]),
      ]),
    )
    .$if(agentId !== undefined, (qb) => qb.where('sessions.agent_id', '=', agentId as AgentId))
    .$if(teamId !== undefined, (qb) => qb.where('sessions.team_id', '=', teamId as SessionRow['team_id']))
    .$if(projectId !== undefined, (qb) => qb.where('sessions.id', 'in', covering([projectId as ProjectId])))
    .$if(state !== undefined, (qb) => qb.where('sessions.state', '=', state as SessionRow['state']))
    .$if(called !== undefined, (qb) => qb.where('sessions.id', 'in', calledIds(view, called ?? '')))
    .$if(projectId !== undefined && !readable.has(projectId as ProjectId), (qb) =>
      qb.where('agents.owner_id', '=', reader.id),
    )
    .orderBy('sessions.updated_at', 'desc')
    .orderBy('sessions.id', 'desc')
    .offset(offset)
    .limit(limit + 1)
    .execute();
  const sessions = await sessionsOf(
    view,
    rows.slice(0, limit),
    (session, project) => session.owner_id === reader.id || readable.has(project),
  );
  return { sessions, hasMore: rows.length > limit };
};

/** Each way to call a session by itself, so that each has its index. */
function calledIds({ q, engine }: View, text: string) {
  const ids = () => q.selectFrom('sessions').select('id');
  const named = ids().where((eb) => engine.hasPrefix(eb.ref('name'), text));
  const digits = text.toLowerCase().replaceAll('-', '');
  if (!/^[0-9a-f]+$/.test(digits)) return named;
  const plain = sql<string>`replace(id, '-', '')`;
  const ends = ids()
    .$if(digits.length >= SHORT_ID, (qb) => qb.where(LAST_DIGITS, '=', digits.slice(-SHORT_ID)))
    .where(plain, 'like', `%${digits}`);
  const begins = ids()
    .where((eb) => engine.hasPrefix(eb.ref('id'), dashed(digits)))
    .where(plain, 'like', `${digits}%`);
  return named.union(ends).union(begins);
}

const SHORT_ID = 8;
/** As the index has it. */
const LAST_DIGITS = sql<string>`substr(id, 29)`;

/** With the dashes where an id has them. */
const dashed = (digits: string): string =>
  [digits.slice(0, 8), digits.slice(8, 12), digits.slice(12, 16), digits.slice(16, 20), digits.slice(20, 32)]
    .filter((part) => part !== '')
    .join('-');

/** How much of its past a session shows. */
const SHOWN_TURNS = 50;
const SHOWN_SIGNALS = 100;

export const getSession: Reading<typeof ROUTES.getSession> = async (view, { actor, params, ask }) => {
  const { session: row, resource } = await sessionFacts(view, actor, params.sessionId);
  ask(resource);
  const whole = resource.owned || actor.kind === 'session';
  const readable = new Set((await readableProjects(view, actor)).map(({ id }) => id));
  const [session] = await sessionsOf(view, [row], (_, project) => whole || readable.has(project));
  if (session === undefined) throw hidden('session');
  const turns = await turnsOf(view, row.id, SHOWN_TURNS);
  const signals = await view.q
    .selectFrom('signals')
    .selectAll()
    .where((eb) =>
      eb.or([
        eb('session_id', '=', row.id),
        eb('turn_id', 'in', view.q.selectFrom('turns').select('turns.id').where('turns.session_id', '=', row.id)),
      ]),
    )
    // Others see of it what they sent themselves.
    .$if(!whole, (qb) => qb.where('sender_id', '=', person(actor).id))
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(SHOWN_SIGNALS)
    .execute();
  return {
    session,
    turns: turns.filter((turn) => whole || readable.has(turn.projectId)),
    signals: signals.map(signalOf).reverse(),
  };
};

export const removeSession: Writing<typeof ROUTES.removeSession> = async (tx, { actor, params, ask }) => {
  const { session, resource } = await sessionFacts(tx, actor, params.sessionId);
  ask(resource);
  await tx.engine.lock(tx.q, 'agents', [session.agent_id]);
  const { state } = await wholeSession(tx, session.id);
  if (state !== 'stopped') {
    throw new AachatError('CONFLICT', `This session of ${session.agent} runs.`, {
      hint: `Stop it first: aachat session stop ${shortId(session.id)}`,
    });
  }
  // That of a machine which fell silent has not ended yet, and must not come back.
  const last = (await newestRuns(tx, [session.id])).get(session.id);
  if (last !== undefined) await finishRun(tx, last, 'asked');
  await handBack(tx, session, null);
  await expireQueued(tx, session.id, ['session_start', 'prompt', 'resume']);
  const removal = { state: 'stopped', activity: null, removed_at: tx.now } as const;
  await tx.q.updateTable('sessions').set(removal).where('id', '=', session.id).execute();
  return {};
};

export const listSignals: Reading<typeof ROUTES.listSignals> = async (view, { actor, params, ask }) => {
  const { session, resource } = await sessionFacts(view, actor, params.sessionId);
  ask(resource);
  const covered = [...(await coveredBy(view, session.id))];
  const rows = await view.q
    .selectFrom('signals')
    .leftJoin('sessions as addressed', 'addressed.id', 'signals.session_id')
    .selectAll('signals')
    .where('signals.recipient_id', '=', session.agent_id)
    .where('signals.state', '=', 'queued')
    .where((eb) =>
      eb.or([
        eb('signals.session_id', '=', session.id),
        // What was for a session that no longer lives is for whoever covers the project now.
        ...(covered.length === 0
          ? []
          : [
              eb.and([
                eb('signals.kind', 'in', ['mention', 'dm']),
                eb('signals.project_id', 'in', covered),
                eb.or([eb('signals.session_id', 'is', null), eb('addressed.state', '=', 'stopped')]),
              ]),
            ]),
      ]),
    )
    .orderBy('signals.created_at')
    .orderBy('signals.id')
    .execute();
  return { signals: rows.map(signalOf) };
};

export const signalSession: Writing<typeof ROUTES.signalSession> = async (tx, { actor, params, body, ask }) => {
  const { session, resource } = await sessionFacts(tx, actor, params.sessionId);
  ask(resource);
  const owner = person(actor);
  const prompt = body.kind === 'prompt';
  const resume = body.kind === 'resume';
  const { state } = await wholeSession(tx, session.id);
  // A session at rest has nothing to cancel or stop, and one that runs nothing to resume; a prompt waits.
  const late = !prompt && resume !== (state === 'stopped');
  if (resume && !late) {
    await tx.q.updateTable('sessions').set({ parked: 0 }).where('id', '=', session.id).execute();
    await emitSession(tx, session.id);
  }
  const signal = await createSignal(tx, {
    kind: body.kind,
    state: late ? 'expired' : 'queued',
    sender: partyOf('user', owner.id, owner.name),
    recipient: partyOf('agent', session.agent_id, session.agent),
    sessionId: session.id,
    projectId: prompt ? await promptProject(tx, session) : null,
    hop: 0,
    ...(body.kind === 'prompt' ? { text: body.text } : {}),
  });
  return { signal };
};

/** Where a prompt to the session itself belongs: where it worked last, else the first project it covers, else the dm. */
export async function promptProject(tx: Tx, session: SessionRow): Promise<ProjectId> {
  const covered = await coveredBy(tx, session.id);
  const last = await tx.q
    .selectFrom('turns')
    .select('project_id')
    .where('session_id', '=', session.id)
    .orderBy('started_at', 'desc')
    .orderBy('id', 'desc')
    .executeTakeFirst();
  if (last !== undefined && covered.has(last.project_id)) return last.project_id;
  const dm = await dmOf(tx, session.agent_id);
  return [...covered].sort().find((id) => id !== dm) ?? dm;
}
