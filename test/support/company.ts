/** People, a team, a project, agents and their sessions: the usual company of a test. */
import { newId } from '#base/id.ts';
import type { Agent, Counters, Message, Project, Run, Session, Signal, Team } from '#contract/entities.ts';
import type { MachineId, ProjectId, TurnId } from '#contract/ids.ts';
import { ROUTES } from '#contract/routes.ts';
import { type Caller, caller, clientId, type Person, type TestServer } from './server.ts';

export const createTeam = async (owner: Caller, slug: string): Promise<Team> =>
  (await owner.call(ROUTES.createTeam, { body: { clientId: clientId(), slug } })).team;

export const createProject = async (
  owner: Caller,
  team: Team,
  name: string,
  options: { hopLimit?: number } = {},
): Promise<Project> =>
  (
    await owner.call(ROUTES.createProject, {
      params: { teamId: team.id },
      body: { clientId: clientId(), name, ...options },
    })
  ).project;

export const createAgent = async (owner: Caller, base: string): Promise<Agent> =>
  (await owner.call(ROUTES.createAgent, { body: { clientId: clientId(), base } })).agent;

export const joinTeam = (owner: Caller, team: Team, login: string, role: 'admin' | 'member' = 'member') =>
  owner.call(ROUTES.addTeamMember, { params: { teamId: team.id }, body: { clientId: clientId(), login, role } });

export const joinProject = (
  admin: Caller,
  project: { id: ProjectId },
  name: string,
  role?: 'admin' | 'collaborator' | 'viewer',
) =>
  admin.call(ROUTES.addMember, {
    params: { projectId: project.id },
    body: { clientId: clientId(), name, ...(role === undefined ? {} : { role }) },
  });

export const leaveProject = (admin: Caller, project: { id: ProjectId }, name: string) =>
  admin.call(ROUTES.removeMember, { params: { projectId: project.id }, body: { clientId: clientId(), name } });

export const send = async (who: Caller, project: { id: ProjectId }, body: string): Promise<Message> =>
  (await who.call(ROUTES.sendMessage, { params: { projectId: project.id }, body: { clientId: clientId(), body } }))
    .message;

/** Hands in a text of `notes/<name>` on top of what the author saw: a document, a digest, or nothing. */
export const push = (
  who: Caller,
  project: { id: ProjectId },
  name: string,
  saw: { readonly digest: string | null } | string | null,
  text: string | null,
  more: { clientId?: string; via?: string } = {},
) => {
  const baseDigest = saw === null || typeof saw === 'string' ? saw : saw.digest;
  const body = { clientId: clientId(), kind: 'notes', name, baseDigest, text, ...more };
  return who.call(ROUTES.pushDocument, { params: { projectId: project.id }, body });
};

export const dmOf = async (owner: Caller, agent: Agent): Promise<Project> =>
  (await owner.call(ROUTES.resolveProject, { query: { name: `dm:${agent.name}` } })).project;

export async function addMachine(owner: Caller, name: string): Promise<MachineId> {
  const machineId = newId<MachineId>();
  await owner.call(ROUTES.putMachine, { params: { machineId }, body: { name } });
  return machineId;
}

export const planSession = async (
  owner: Caller,
  agent: Agent,
  team: Team,
  options: { projects?: ProjectId[]; text?: string } = {},
): Promise<Session> =>
  (
    await owner.call(ROUTES.createSession, {
      body: { clientId: clientId(), agentId: agent.id, teamId: team.id, ...options },
    })
  ).session;

export const openRun = async (
  owner: Caller,
  session: Session,
  machineId: MachineId,
  owes: TurnId | null = null,
): Promise<Run> =>
  (
    await owner.call(ROUTES.openRun, {
      params: { sessionId: session.id },
      body: { clientId: clientId(), machineId, owes },
    })
  ).run;

/** A session that runs, and the caller that acts as its agent. */
export interface LiveSession {
  readonly session: Session;
  readonly run: Run;
  readonly agent: Caller;
}

export async function liveSession(
  server: TestServer,
  owner: Person,
  agent: Agent,
  team: Team,
  machineId: MachineId,
  options: { projects?: ProjectId[] } = {},
): Promise<LiveSession> {
  const planned = await planSession(owner, agent, team, options);
  const run = await openRun(owner, planned, machineId);
  const { session } = await owner.call(ROUTES.setActivity, {
    params: { runId: run.id },
    body: { activity: 'input_ready' },
  });
  const { token } = await owner.call(ROUTES.mintSessionToken, { params: { runId: run.id } });
  return { session, run, agent: caller(server.url, token) };
}

export const waiting = async (owner: Caller, session: Session): Promise<Signal[]> =>
  (await owner.call(ROUTES.listSignals, { params: { sessionId: session.id } })).signals;

export async function startTurn(
  owner: Caller,
  run: Pick<Run, 'id'>,
  project: { id: ProjectId },
  signals: readonly Signal[],
  turnId: TurnId = newId<TurnId>(),
) {
  const body = { turnId, projectId: project.id, signals: signals.map(({ id }) => id) };
  return (await owner.call(ROUTES.startTurn, { params: { runId: run.id }, body })).turn;
}

export const endTurn = async (owner: Caller, run: Run, turnId: TurnId, counters: Counters | null = null) =>
  (
    await owner.call(ROUTES.endTurn, {
      params: { turnId },
      body: { runId: run.id, state: 'ended', stopReason: 'end_turn', counters },
    })
  ).turn;
