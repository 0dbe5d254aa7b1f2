/** Agents, machines, and the working life of sessions: runs, turns, signals. */
import { z } from 'zod';
import { Budget, BudgetLeft, BudgetState } from '#contract/budget.ts';
import {
  Activity,
  Agent,
  Counters,
  EndReason,
  Machine,
  Message,
  MessageBody,
  RepoUrl,
  Run,
  Session,
  SessionState,
  Signal,
  StopReason,
  Team,
  Turn,
  TurnState,
} from '#contract/entities.ts';
import {
  AgentBase,
  AgentId,
  AgentName,
  ClientId,
  MachineId,
  ProjectId,
  RunId,
  SessionId,
  SignalId,
  TeamId,
  TurnId,
} from '#contract/ids.ts';
import { route } from '#contract/route.ts';

const ofAgent = z.object({ agentId: AgentId });
const ofSession = z.object({ sessionId: SessionId });
const ofRun = z.object({ runId: RunId });
/** Others see it in their lists. */
const SessionTitle = z
  .string()
  .max(100)
  .regex(/^[^\p{Cc}]*[^\s\p{C}][^\p{Cc}]*$/u, 'A name is one line with at least one visible character.');
const ofTurn = z.object({ turnId: TurnId });

/** Makes the agent and its dm with the owner; one that was taken out of service comes back. */
export const createAgent = route({
  method: 'POST',
  path: '/v1/agents',
  body: z.object({ clientId: ClientId, base: AgentBase, repo: RepoUrl.optional() }),
  reply: z.object({ agent: Agent }),
});

/**
 * Takes the agent out of service: it leaves its projects, what it said stays. Its sessions must have ended before.
 * Made again under its name, it comes back as itself.
 */
export const removeAgent = route({
  method: 'DELETE',
  path: '/v1/agents/:agentId',
  params: z.object({ agentId: AgentId }),
});

/** `mine`: owned by the caller. `visible`: also members of projects that the caller may read. */
export const listAgents = route({
  method: 'GET',
  path: '/v1/agents',
  query: z.object({ scope: z.enum(['mine', 'visible']).default('mine') }),
  /** `teams`: where the agent is a member of an active or planned project; its dm does not count. */
  reply: z.object({ agents: z.array(Agent.extend({ teams: z.array(Team) })) }),
});

/** What an agent may use, and has used. */
export const getBudget = route({
  method: 'GET',
  path: '/v1/agents/:agentId/budget',
  params: ofAgent,
  reply: BudgetState,
});

/** Sets limits; what is left out stays. */
export const setBudget = route({
  method: 'PUT',
  path: '/v1/agents/:agentId/budget',
  params: ofAgent,
  body: Budget.partial(),
  reply: BudgetState,
});

/** Says that a machine of the caller is there. */
export const putMachine = route({
  method: 'PUT',
  path: '/v1/machines/:machineId',
  params: z.object({ machineId: MachineId }),
  body: z.object({ name: z.string().min(1).max(100) }),
  reply: z.object({ machine: Machine }),
});

/** Keeps runs alive; `stale` names those that are no longer the newest of their session and must stop. */
export const heartbeat = route({
  method: 'POST',
  path: '/v1/machines/:machineId/heartbeat',
  params: z.object({ machineId: MachineId }),
  body: z.object({ runs: z.array(RunId).max(1000) }),
  reply: z.object({ stale: z.array(RunId) }),
});

/**
 * Plans a session; it begins to live with its first run. Without `projects` it covers all projects of the team where
 * the agent is an active member; with an empty list none: it works on what its owner tells it. With `text` the owner
 * gives it a first prompt, in the first of `projects` (else in the dm), and a running `up` of the owner starts it.
 */
export const createSession = route({
  method: 'POST',
  path: '/v1/sessions',
  body: z.object({
    clientId: ClientId,
    /** Made by a caller who has to note something about the session before it can start. */
    sessionId: SessionId.optional(),
    agentId: AgentId,
    teamId: TeamId,
    projects: z.array(ProjectId).max(100).optional(),
    name: SessionTitle.optional(),
    text: MessageBody.optional(),
    parked: z.boolean().optional(),
  }),
  reply: z.object({ session: Session }),
});

export const listSessions = route({
  method: 'GET',
  path: '/v1/sessions',
  query: z.object({
    agentId: AgentId.optional(),
    teamId: TeamId.optional(),
    projectId: ProjectId.optional(),
    state: SessionState.optional(),
    /** Only those whose id begins or ends with it, or whose name begins with it. */
    called: z.string().min(1).max(100).optional(),
    limit: z.coerce.number().int().min(1).max(200).default(50),
    offset: z.coerce.number().int().min(0).default(0),
  }),
  reply: z.object({ sessions: z.array(Session), hasMore: z.boolean() }),
});

export const getSession = route({
  method: 'GET',
  path: '/v1/sessions/:sessionId',
  params: ofSession,
  reply: z.object({ session: Session, turns: z.array(Turn), signals: z.array(Signal) }),
});

/**
 * Plans a session that goes on from where another one of the agent stands, beside it: it covers the same projects, and
 * messages in them go on waking the other one while that lives.
 */
export const forkSession = route({
  method: 'POST',
  path: '/v1/sessions/:sessionId/forks',
  params: ofSession,
  body: z.object({ clientId: ClientId, name: SessionTitle.optional(), text: MessageBody.optional() }),
  reply: z.object({ session: Session }),
});

/**
 * Starts a child of a session: of the same agent, or of another one of its owner, in the projects of the parent that
 * this agent is in. The end of its first turn is told to the parent, as a prompt. From inside a session the hop guard
 * applies, and another agent has to be in one of the projects.
 */
export const spawnSession = route({
  method: 'POST',
  path: '/v1/sessions/:sessionId/children',
  params: ofSession,
  body: z.object({
    clientId: ClientId,
    text: MessageBody,
    /** Its full name, or the part before the owner's. */
    agent: z.union([AgentName, AgentBase]).optional(),
    name: SessionTitle.optional(),
  }),
  reply: z.object({ session: Session }),
});

/** What a session came from (`level` below 0) and what came from it, of what the reader may see. */
export const getFamily = route({
  method: 'GET',
  path: '/v1/sessions/:sessionId/family',
  params: ofSession,
  reply: z.object({
    relatives: z.array(
      z.object({
        level: z.int(),
        /** How it came from the one before it; null: it did not come from another one. */
        how: z.enum(['spawned', 'forked']).nullable(),
        session: Session,
      }),
    ),
  }),
});

/** Forgets a session that does not run: no list has it, nothing starts it again, what still waited for it expires. */
export const removeSession = route({ method: 'DELETE', path: '/v1/sessions/:sessionId', params: ofSession });

/**
 * Starts a run: `stopped → starting`, epoch + 1. Refused with the other machine's name while that machine runs the
 * session, or any auto-coverage session of the same agent and team, and was heard of in the last 2 minutes.
 */
export const openRun = route({
  method: 'POST',
  path: '/v1/sessions/:sessionId/runs',
  params: ofSession,
  body: z.object({
    clientId: ClientId,
    machineId: MachineId,
    /** The turn that this machine goes on with; what any other left unanswered waits again. */
    owes: TurnId.nullable(),
  }),
  reply: z.object({ run: Run, session: Session }),
});

/** Reports what the run does; the first report makes the session `running`. The answer is the confirmation. */
export const setActivity = route({
  method: 'POST',
  path: '/v1/runs/:runId/activity',
  params: ofRun,
  body: z.object({ activity: Activity }),
  reply: z.object({ session: Session }),
});

export const endRun = route({
  method: 'POST',
  path: '/v1/runs/:runId/end',
  params: ofRun,
  body: z.object({ reason: EndReason }),
  reply: z.object({ session: Session }),
});

/** A token that acts as the agent, for this run and the coverage of its session only. 15 minutes. */
export const mintSessionToken = route({
  method: 'POST',
  path: '/v1/runs/:runId/token',
  params: ofRun,
  reply: z.object({ token: z.string(), expiresAt: z.iso.datetime() }),
});

/** What waits for this session, oldest first: addressed to it, or to its agent in a project that it covers. */
export const listSignals = route({
  method: 'GET',
  path: '/v1/sessions/:sessionId/signals',
  params: ofSession,
  reply: z.object({ signals: z.array(Signal) }),
});

/**
 * Speaks to the session itself: a prompt, a cancel of its turn, a stop; or, while it does not run, a resume, by which a
 * running `up` of the owner starts it, else the next one.
 */
export const signalSession = route({
  method: 'POST',
  path: '/v1/sessions/:sessionId/signals',
  params: ofSession,
  body: z.discriminatedUnion('kind', [
    z.object({ clientId: ClientId, kind: z.literal('prompt'), text: MessageBody }),
    z.object({ clientId: ClientId, kind: z.literal('cancel') }),
    z.object({ clientId: ClientId, kind: z.literal('stop') }),
    z.object({ clientId: ClientId, kind: z.literal('resume') }),
  ]),
  reply: z.object({ signal: Signal }),
});

/** Says that a signal without a turn was dealt with, or came too late. */
export const closeSignal = route({
  method: 'POST',
  path: '/v1/runs/:runId/signals/:signalId/close',
  params: ofRun.extend({ signalId: SignalId }),
  body: z.object({ state: z.enum(['acted', 'expired']) }),
  reply: z.object({ signal: Signal }),
});

/**
 * Reports a turn before its prompt is sent. Queued signals among `signals` become delivered and belong to the turn;
 * others are left out (somebody else took them). `turnId` makes it idempotent. A turn that a crash interrupted is
 * reported again by the new run under its old id and keeps what it had. Once the agent's budget is used up, a new turn is
 * refused with `BUDGET_EXCEEDED` and the moment to try again; its signals go on waiting.
 */
export const startTurn = route({
  method: 'POST',
  path: '/v1/runs/:runId/turns',
  params: ofRun,
  body: z.object({ turnId: TurnId, projectId: ProjectId, signals: z.array(SignalId).max(200) }),
  /** `left`: a turn that uses more than this is to be cancelled. */
  reply: z.object({ turn: Turn, left: BudgetLeft }),
});

/**
 * What a turn has to read in its project: unread messages up to the moment it started (`messages`), and up to ten
 * earlier ones if the session is new there (`context`). `omitted` counts unread ones that were left out as too old.
 */
export const getTurnMessages = route({
  method: 'GET',
  path: '/v1/turns/:turnId/messages',
  params: ofTurn,
  reply: z.object({
    context: z.array(Message),
    messages: z.array(Message),
    omitted: z.int(),
    signals: z.array(Signal),
  }),
});

export const endTurn = route({
  method: 'POST',
  path: '/v1/turns/:turnId/end',
  params: ofTurn,
  body: z.object({
    runId: RunId,
    state: TurnState.exclude(['open']),
    stopReason: StopReason.nullable(),
    counters: Counters.nullable(),
  }),
  reply: z.object({ turn: Turn }),
});
