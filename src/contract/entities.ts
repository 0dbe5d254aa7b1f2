/** What travels: the nouns of the product, as the server shows them. Wire fields are camelCase, times ISO 8601 UTC. */
import { z } from 'zod';
import { PROJECT_ROLES, PROJECT_STATUSES, SESSION_STATES } from './choices.ts';
import {
  AgentId,
  AgentName,
  Login,
  MachineId,
  MessageId,
  ProjectId,
  ProjectName,
  RunId,
  Seq,
  SessionId,
  SignalId,
  TeamId,
  TeamSlug,
  TurnId,
  UserId,
} from './ids.ts';

const At = z.iso.datetime();

export const User = z.object({ id: UserId, login: Login, createdAt: At });
export type User = z.infer<typeof User>;

/** Access token: 15 minutes. Refresh token: opaque, single use, replaced by each refresh. */
export const Tokens = z.object({ accessToken: z.string(), refreshToken: z.string(), expiresAt: At });
export type Tokens = z.infer<typeof Tokens>;

export const TeamKind = z.enum(['personal', 'organization']);
export const TeamRole = z.enum(['owner', 'admin', 'member']);
export type TeamRole = z.infer<typeof TeamRole>;

/**
 * Address of a git repository. It never carries a credential: those are minted for one git operation and dropped.
 */
export const RepoUrl = z
  .string()
  .min(1)
  .max(1024)
  .regex(/^[^\s-][^\s]*$/, 'A repository is a URL or an absolute path without spaces.')
  .refine(
    (text) => !/^https?:\/\/[^/]*@/.test(text) && !/^[a-z+]+:\/\/[^/@]*:[^/@]*@/.test(text),
    'A repository address must not hold a token or password.',
  );

export const Team = z.object({
  id: TeamId,
  slug: TeamSlug,
  kind: TeamKind,
  /** The repo that sessions work in; null: an empty local one. */
  repo: RepoUrl.nullable(),
  createdAt: At,
});
export type Team = z.infer<typeof Team>;

export const TeamMember = z.object({ userId: UserId, login: Login, role: TeamRole });
export type TeamMember = z.infer<typeof TeamMember>;

export const ProjectKind = z.enum(['stream', 'project', 'dm']);
export const ProjectStatus = z.enum(PROJECT_STATUSES);
export type ProjectStatus = z.infer<typeof ProjectStatus>;
export const ProjectRole = z.enum(PROJECT_ROLES);
export type ProjectRole = z.infer<typeof ProjectRole>;

/** Two agents that said nothing new to each other and, until a moment, wake each other only with something new. */
export const PairCooldown = z.object({
  agents: z.tuple([AgentName, AgentName]),
  because: z.enum(['acknowledgement', 'repetition']),
  until: At,
});
export type PairCooldown = z.infer<typeof PairCooldown>;

export const Project = z.object({
  id: ProjectId,
  teamId: TeamId,
  team: TeamSlug,
  name: ProjectName,
  kind: ProjectKind,
  status: ProjectStatus,
  description: z.string(),
  /** Answers of agents to agents in a row before mentions are suppressed. */
  hopLimit: z.int().positive(),
  /** Set when the limit was reached; a message from a person clears it. */
  loopStoppedAt: At.nullable(),
  /** Also those that are over; a message from a person clears them. */
  cooldowns: z.array(PairCooldown),
  createdAt: At,
});
export type Project = z.infer<typeof Project>;

/** Who says or receives something. `name` is a login or a full agent name. */
export const Party = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('user'), id: UserId, name: Login }),
  z.object({ kind: z.literal('agent'), id: AgentId, name: AgentName }),
]);
export type Party = z.infer<typeof Party>;

export const Agent = z.object({
  id: AgentId,
  name: AgentName,
  ownerId: UserId,
  /** Where its git repository is; null while it lives on its owner's machine only. */
  repo: RepoUrl.nullable(),
  createdAt: At,
});
export type Agent = z.infer<typeof Agent>;

/** Longest body, in UTF-16 code units. Longer text belongs into a document. */
export const MESSAGE_LIMIT = 32_000;
export const MessageBody = z
  .string()
  .max(MESSAGE_LIMIT, `A message has at most ${MESSAGE_LIMIT} characters; put longer text into a document.`)
  .refine((text) => text.trim() !== '', 'A message needs some text.')
  .refine((text) => !text.includes('\0'), 'A message is text; this has NUL bytes.');

/** Which tool wrote in a person's name. Informational: the rights are the person's. */
export const Via = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,39}$/, '`--via` names a tool, such as `claude-code`.');

export const Message = z.object({
  id: MessageId,
  projectId: ProjectId,
  seq: Seq,
  author: Party,
  via: Via.nullable(),
  body: z.string(),
  mentions: z.array(Party),
  replyTo: MessageId.nullable(),
  turnId: TurnId.nullable(),
  hop: z.int().nonnegative(),
  createdAt: At,
});
export type Message = z.infer<typeof Message>;

export const SignalKind = z.enum(['mention', 'dm', 'session_start', 'prompt', 'cancel', 'stop', 'resume']);
export type SignalKind = z.infer<typeof SignalKind>;
export const SignalState = z.enum(['queued', 'delivered', 'acted', 'expired', 'suppressed']);
export type SignalState = z.infer<typeof SignalState>;

/** A wake hint for one recipient; the receiver reads the canonical state before acting. */
export const Signal = z.object({
  id: SignalId,
  kind: SignalKind,
  state: SignalState,
  sender: Party,
  recipient: Party,
  /** The session that it is meant for; null: any session of the recipient that covers the project. */
  sessionId: SessionId.nullable(),
  projectId: ProjectId.nullable(),
  messageId: MessageId.nullable(),
  turnId: TurnId.nullable(),
  hop: z.int().nonnegative(),
  /** What was said to the session itself, for `prompt` and `session_start`: by its owner, or by another session. */
  text: z.string().nullable(),
  /** The session that said it: the parent of a child that starts, or a child that reports. */
  fromSessionId: SessionId.nullable(),
  createdAt: At,
});
export type Signal = z.infer<typeof Signal>;

export const SessionState = z.enum(SESSION_STATES);
export type SessionState = z.infer<typeof SessionState>;
export const Activity = z.enum(['input_ready', 'working', 'awaiting_permission', 'limited', 'stalled', 'hibernated']);
export type Activity = z.infer<typeof Activity>;

/** `asked`: a person stopped this session; `stopped`: its launcher ended. */
export const EndReason = z.enum(['asked', 'stopped', 'failed', 'lost', 'superseded']);
export type EndReason = z.infer<typeof EndReason>;

/** One period of running; reports are accepted from the highest epoch only. */
export const Run = z.object({
  id: RunId,
  sessionId: SessionId,
  machineId: MachineId,
  machine: z.string(),
  epoch: z.int().positive(),
  startedAt: At,
  heartbeatAt: At,
  endedAt: At.nullable(),
  reason: EndReason.nullable(),
});
export type Run = z.infer<typeof Run>;

export const CoverageMode = z.enum(['auto', 'explicit']);

export const Session = z.object({
  id: SessionId,
  agentId: AgentId,
  agent: AgentName,
  teamId: TeamId,
  team: TeamSlug,
  name: z.string().nullable(),
  state: SessionState,
  activity: Activity.nullable(),
  coverageMode: CoverageMode,
  /** Nothing but a `resume` of its owner starts it. */
  parked: z.boolean(),
  projects: z.array(z.object({ id: ProjectId, name: ProjectName })),
  parentId: SessionId.nullable(),
  forkedFromId: SessionId.nullable(),
  /** The newest run, ended or not. */
  run: Run.nullable(),
  createdAt: At,
  updatedAt: At,
});
export type Session = z.infer<typeof Session>;

/** Plain numbers that a turn cost; the only thing about its inside that the server learns. */
export const Counters = z.object({
  inputTokens: z.int().nonnegative(),
  outputTokens: z.int().nonnegative(),
  /** Input that the provider had kept from before, and input that it kept for later: counted by itself, not again above. */
  cacheReadTokens: z.int().nonnegative(),
  cacheWriteTokens: z.int().nonnegative(),
  /** Millionths of a US dollar, as estimated by the agent program. */
  costMicros: z.int().nonnegative(),
});
export type Counters = z.infer<typeof Counters>;

/** With those that a cache saved. */
export const allTokens = (counters: Counters): number =>
  counters.inputTokens + counters.outputTokens + counters.cacheReadTokens + counters.cacheWriteTokens;

export const TurnState = z.enum(['open', 'ended', 'failed', 'cancelled', 'interrupted']);
export type TurnState = z.infer<typeof TurnState>;
/** Why a turn stopped, in the words of ACP, or the class of its failure. */
export const StopReason = z.enum([
  'end_turn',
  'max_tokens',
  'max_turn_requests',
  'refusal',
  'cancelled',
  'auth_required',
  'rate_limit',
  'agent_error',
  'agent_exited',
  /** It ran past what was left of the agent's budget, and was cancelled. */
  'budget_exceeded',
]);
export type StopReason = z.infer<typeof StopReason>;

export const Turn = z.object({
  id: TurnId,
  sessionId: SessionId,
  runId: RunId,
  projectId: ProjectId,
  hop: z.int().nonnegative(),
  state: TurnState,
  stopReason: StopReason.nullable(),
  counters: Counters.nullable(),
  signals: z.array(SignalId),
  startedAt: At,
  endedAt: At.nullable(),
});
export type Turn = z.infer<typeof Turn>;

export const Machine = z.object({ id: MachineId, userId: UserId, name: z.string(), heartbeatAt: At });
export type Machine = z.infer<typeof Machine>;

/** A member of a project. Agents have no role; their live sessions are shown instead. */
export const Member = z.object({
  party: Party,
  role: ProjectRole.nullable(),
  sessions: z.array(z.object({ id: SessionId, state: SessionState, activity: Activity.nullable() })),
});
export type Member = z.infer<typeof Member>;
