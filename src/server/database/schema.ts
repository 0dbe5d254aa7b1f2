/**
 * The rows, as both engines hold them. Ids and times are text (ISO 8601 UTC with milliseconds, so text order is time
 * order), numbers are integers, lists of small facts are JSON text, and there are no booleans.
 */
import type { Kysely, Transaction } from 'kysely';
import type { VersionKind } from '#contract/documents.ts';
import type {
  Activity,
  CoverageMode,
  EndReason,
  ProjectKind,
  ProjectRole,
  ProjectStatus,
  SessionState,
  SignalKind,
  SignalState,
  StopReason,
  TeamKind,
  TeamRole,
  TurnState,
} from '#contract/entities.ts';
import type { EventType } from '#contract/frames.ts';
import type {
  AgentId,
  ConflictId,
  DocumentId,
  MachineId,
  MessageId,
  PermissionId,
  ProjectId,
  RunId,
  SessionId,
  SignalId,
  StreamId,
  TeamId,
  TurnId,
  UserId,
} from '#contract/ids.ts';
import type { Permission } from '#contract/permissions.ts';

export type PartyId = UserId | AgentId;
/** Whose reading position it is: a person's, or a session's. */
export type ReaderId = UserId | SessionId;

export interface UserRow {
  id: UserId;
  login: string;
  created_at: string;
}
export interface TeamRow {
  id: TeamId;
  slug: string;
  kind: typeof TeamKind._output;
  repo: string | null;
  created_at: string;
}
export interface MembershipRow {
  team_id: TeamId;
  user_id: UserId;
  role: TeamRole;
  joined_at: string;
}
export interface ProjectRow {
  id: ProjectId;
  team_id: TeamId;
  name: string;
  kind: typeof ProjectKind._output;
  status: typeof ProjectStatus._output;
  description: string;
  hop_limit: number;
  loop_stopped_at: string | null;
  /** JSON: the pairs of agents that said nothing new to each other, with the end of each cooldown; null: none. */
  cooldowns: string | null;
  /** The agent of a dm. */
  agent_id: AgentId | null;
  created_at: string;
}
export interface ProjectMemberRow {
  project_id: ProjectId;
  party_kind: 'user' | 'agent';
  party_id: PartyId;
  /** Agents have none. */
  role: ProjectRole | null;
  joined_at: string;
}
export interface AgentRow {
  id: AgentId;
  base: string;
  name: string;
  owner_id: UserId;
  repo: string | null;
  /** JSON: the limits that its owner has set; null: none. */
  budget: string | null;
  /** JSON: for each project, when it was last told that the budget is used up. */
  budget_told: string | null;
  created_at: string;
  /** Out of service since then; its name stays its own. */
  removed_at: string | null;
}
export interface MachineRow {
  id: MachineId;
  user_id: UserId;
  name: string;
  heartbeat_at: string;
}
export interface SessionRow {
  id: SessionId;
  agent_id: AgentId;
  team_id: TeamId;
  name: string | null;
  state: SessionState;
  activity: Activity | null;
  coverage_mode: typeof CoverageMode._output;
  parent_id: SessionId | null;
  forked_from_id: SessionId | null;
  /** 1: nothing but a resume starts it. */
  parked: number;
  created_at: string;
  updated_at: string;
  /** Set when it was removed: its turns stay, and nobody is shown it. */
  removed_at: string | null;
}
export interface RunRow {
  id: RunId;
  session_id: SessionId;
  machine_id: MachineId;
  machine: string;
  epoch: number;
  started_at: string;
  heartbeat_at: string;
  ended_at: string | null;
  reason: EndReason | null;
}
export interface CoverageRow {
  session_id: SessionId;
  project_id: ProjectId;
}
export interface TurnRow {
  id: TurnId;
  session_id: SessionId;
  run_id: RunId;
  project_id: ProjectId;
  hop: number;
  state: TurnState;
  stop_reason: StopReason | null;
  counters: string | null;
  /** The turn reads messages with `from_seq < seq <= to_seq`. */
  from_seq: number;
  to_seq: number;
  /** 1 if the session had not read in the project before: then a little of what was said earlier is shown. */
  fresh: number;
  started_at: string;
  ended_at: string | null;
}
export interface MessageRow {
  id: MessageId;
  project_id: ProjectId;
  seq: number;
  author_kind: 'user' | 'agent';
  author_id: PartyId;
  author_name: string;
  via: string | null;
  body: string;
  /** JSON: the parties. */
  mentions: string;
  reply_to: MessageId | null;
  turn_id: TurnId | null;
  hop: number;
  created_at: string;
}
export interface MentionRow {
  message_id: MessageId;
  party_id: PartyId;
  project_id: ProjectId;
}
export interface SignalRow {
  id: SignalId;
  kind: SignalKind;
  state: SignalState;
  sender_kind: 'user' | 'agent';
  sender_id: PartyId;
  sender_name: string;
  recipient_kind: 'user' | 'agent';
  recipient_id: PartyId;
  recipient_name: string;
  session_id: SessionId | null;
  project_id: ProjectId | null;
  message_id: MessageId | null;
  turn_id: TurnId | null;
  hop: number;
  text: string | null;
  from_session_id: SessionId | null;
  created_at: string;
}
export interface CursorRow {
  reader_id: ReaderId;
  project_id: ProjectId;
  seq: number;
}
export interface DocumentRow {
  id: DocumentId;
  project_id: ProjectId;
  kind: string;
  name: string;
  /** `foldName(name)`: one living document of each in a project and kind. */
  folded: string;
  version: number;
  /** Of the newest version; null: deleted. */
  digest: string | null;
  size: number;
  author_kind: 'user' | 'agent';
  author_id: PartyId;
  author_name: string;
  via: string | null;
  created_at: string;
  updated_at: string;
}
export interface TextRow {
  document_id: DocumentId;
  digest: string;
  text: string;
}
export interface VersionRow {
  document_id: DocumentId;
  number: number;
  kind: VersionKind;
  author_kind: 'user' | 'agent';
  author_id: PartyId;
  author_name: string;
  via: string | null;
  base_digest: string | null;
  submitted_digest: string | null;
  digest: string | null;
  size: number;
  created_at: string;
  purged_at: string | null;
}
export interface ConflictRow {
  id: ConflictId;
  document_id: DocumentId;
  number: number;
  /** That merged the rest of the submission. */
  version: number;
  author_kind: 'user' | 'agent';
  author_id: PartyId;
  author_name: string;
  base_digest: string | null;
  digest: string;
  size: number;
  created_at: string;
  settled_at: string | null;
}
/** Of a request of an agent, only what its owner's other machines need to answer it. */
export interface PermissionRow {
  id: PermissionId;
  session_id: SessionId;
  run_id: RunId;
  turn_id: TurnId | null;
  tool_kind: Permission['toolKind'];
  /** JSON. */
  option_kinds: string;
  digest: string;
  asked_at: string;
  expires_at: string;
  state: Permission['state'];
  /** What a person said; while the state is `open`, the launcher has not taken it yet. */
  answer: 'allowed' | 'denied' | null;
  answered_by: string | null;
  answered_at: string | null;
  settled_at: string | null;
}
export interface StreamRow {
  id: StreamId;
  /** Number of the newest event. */
  seq: number;
  /** Events up to this number are gone. */
  floor: number;
}
export interface EventRow {
  stream_id: StreamId;
  seq: number;
  at: string;
  type: EventType;
  entity_id: string;
  data: string;
}
export interface TokenRow {
  hash: string;
  family_id: string;
  parent_hash: string | null;
  user_id: UserId;
  created_at: string;
  expires_at: string;
  used_at: string | null;
  revoked_at: string | null;
}
export interface LoginCodeRow {
  hash: string;
  kind: 'bootstrap' | 'invite';
  /** Whom it logs in; null: a new person who chooses. */
  login: string | null;
  expires_at: string;
  used_at: string | null;
}
export interface CommandRow {
  author_id: PartyId;
  client_id: string;
  digest: string;
  reply: string;
  at: string;
}
export interface SettingRow {
  name: string;
  value: string;
}

export interface Schema {
  users: UserRow;
  teams: TeamRow;
  memberships: MembershipRow;
  projects: ProjectRow;
  project_members: ProjectMemberRow;
  agents: AgentRow;
  machines: MachineRow;
  sessions: SessionRow;
  runs: RunRow;
  coverage: CoverageRow;
  turns: TurnRow;
  messages: MessageRow;
  mentions: MentionRow;
  signals: SignalRow;
  cursors: CursorRow;
  documents: DocumentRow;
  texts: TextRow;
  versions: VersionRow;
  conflicts: ConflictRow;
  permissions: PermissionRow;
  streams: StreamRow;
  events: EventRow;
  tokens: TokenRow;
  login_codes: LoginCodeRow;
  commands: CommandRow;
  settings: SettingRow;
}

/** Where a query runs: outside a transaction, or inside one. */
export type Queries = Kysely<Schema> | Transaction<Schema>;
