/**
 * What can be in the log of a session, as schemas, and the version of it. The rules are in `SPEC.md`; a test holds the
 * version to the schemas.
 */
import { z } from 'zod';
import { Counters, StopReason } from '#contract/entities.ts';
import { MessageId, PermissionId, ProjectId, RunId, SessionId, SignalId, TurnId } from '#contract/ids.ts';

/**
 * Raised when an older program would misread what a newer one writes. A new type, or a new optional field, is not such
 * a change: readers skip what they do not know.
 *
 * History
 *   1  first version
 *   2  counters tell what was read from a cache from what was written to it; who answered a permission request, and
 *      a digest of what it was about; a turn can stop because of the budget
 */
export const LOG_VERSION = 2;

const { object, literal, string, int, unknown } = z;

/** How a turn came out. `text` is what will be posted; empty: nothing. */
export const TurnRecord = object({
  state: z.enum(['ended', 'failed', 'cancelled']),
  stopReason: StopReason,
  text: string(),
  counters: Counters.nullable(),
  /** Where a later rewind can cut the conversation. */
  lastMessageId: string().nullable(),
});
export type TurnRecord = z.infer<typeof TurnRecord>;

/** The files of a worktree as they were, outside its branch (`snapshot.ts`). */
export const Snapshot = object({
  commit: string(),
  /** Files that were left out because they are too large. */
  left: int(),
});
export type Snapshot = Readonly<z.infer<typeof Snapshot>>;

/** Where a repo of the workspace stood. */
export const GitState = object({
  /** Branch that was checked out; null: none. */
  ref: string().nullable(),
  /** Newest commit of the remote's default branch that the work stands on; null: it has none in common. */
  base: string().nullable(),
  commit: string(),
  /** Absent: none could be taken. */
  snapshot: Snapshot.optional(),
});
export type GitState = Readonly<z.infer<typeof GitState>>;

/** Of the team's repo and the agent's own, as the agent left them. */
export const Repos = object({ team: GitState.nullable(), agent: GitState.nullable() });
export type Repos = Readonly<z.infer<typeof Repos>>;

/** Where a conversation goes on from: the end of a turn of this session, or of the one that it was forked from. */
export const Branch = object({
  from: SessionId,
  /** null: from its beginning. */
  turnId: TurnId.nullable(),
  /** In the agent program's own store; null: there is none that holds this turn. */
  conversation: string().nullable(),
  /** The last message that is kept of that conversation; null: the program gave it no id. */
  messageId: string().nullable(),
  /** Nothing came after the turn: all of the conversation is kept. */
  isWhole: z.boolean(),
  git: Repos,
  /** The files were put back as they were then. */
  files: z.boolean().optional(),
});
export type Branch = Readonly<z.infer<typeof Branch>>;

export const DocumentNotice = object({
  path: string(),
  /** Path of the file with the agent's text; null: it was a deletion, and the document is back. */
  conflict: string().nullable(),
});
export type DocumentNotice = Readonly<z.infer<typeof DocumentNotice>>;

/** What the next prompt has to tell the agent. */
export type Notice = DocumentNotice | { readonly note: string };

export const SessionFacts = object({
  agent: string(),
  team: string(),
  name: string().nullable(),
  parentId: SessionId.nullable(),
  forkedFromId: SessionId.nullable(),
});
export type SessionFacts = Readonly<z.infer<typeof SessionFacts>>;

/** A file beside the log, because it would be too long for a line of it. */
export const Output = object({ file: string(), bytes: int() });
export type Output = z.infer<typeof Output>;

export const LogEvent = z.discriminatedUnion('type', [
  object({
    type: literal('run.started'),
    runId: RunId,
    epoch: int(),
    /** What the session is, as the server said it then. */
    about: SessionFacts.optional(),
  }),
  /** The lines from here to the first run are of a conversation that was held elsewhere, with their own times. */
  object({
    type: literal('imported'),
    from: string(),
    /** Of the whole file. */
    digest: string(),
    /** What the conversation was called there. */
    source: string().nullable(),
    /** The copy of it to go on from, in the agent program's own store. */
    conversation: string(),
    about: SessionFacts,
  }),
  object({
    type: literal('agent.opened'),
    pid: int(),
    program: string(),
    /** What the program calls itself. */
    version: string().optional(),
    /** What the conversation was held with until now, where that was another program or version. */
    before: string().optional(),
    conversation: string(),
    opened: string(),
  }),
  object({
    type: literal('turn.started'),
    turnId: TurnId,
    projectId: ProjectId,
    signals: z.array(SignalId).readonly(),
  }),
  /** Written before the prompt is sent: from here on the agent may have seen it. */
  object({
    type: literal('turn.prompted'),
    turnId: TurnId,
    prompt: string(),
    /** How many of the oldest `document.lost` and `note` it told the agent about. */
    told: int().optional(),
  }),
  /** Broken off on purpose, to be taken up again. */
  object({ type: literal('turn.held'), turnId: TurnId, cause: z.enum(['limit', 'login', 'stopped']) }),
  object({
    type: literal('turn.finished'),
    turnId: TurnId,
    outcome: TurnRecord,
  }),
  /** From here on the session goes on from that turn; what came after it is taken back. */
  Branch.extend({ type: literal('session.branched') }),
  object({ type: literal('turn.posted'), turnId: TurnId, messageId: MessageId }),
  /** With how the agent left the files. */
  object({ type: literal('turn.closed'), turnId: TurnId, git: Repos.optional() }),
  /** As the agent program said it; where `whole` is set, long texts are cut and that file has them. */
  object({ type: literal('update'), turnId: TurnId.nullable(), update: unknown(), whole: Output.optional() }),
  object({
    type: literal('permission.asked'),
    turnId: TurnId.nullable(),
    permissionId: PermissionId,
    title: string(),
    toolKind: string(),
    /** Of all that the agent program said about the call. */
    digest: string().optional(),
  }),
  object({
    type: literal('permission.answered'),
    permissionId: PermissionId,
    outcome: string(),
    /** Who answered, and where; null: nobody. */
    by: string().nullable().optional(),
  }),
  /** An edit of the agent is not in the document, or not all of it: the next prompt says so. */
  DocumentNotice.extend({ type: literal('document.lost') }),
  /** Something is not as the agent left it: the next prompt says so. */
  object({ type: literal('note'), text: string() }),
  object({ type: literal('problem'), message: string(), hint: string().nullable() }),
  object({ type: literal('run.ended'), runId: RunId, reason: string() }),
]);
export type LogEvent = z.infer<typeof LogEvent>;

/** `seq` counts from 1 without a gap; `v` is the version, without it 1. */
export type LogLine = LogEvent & { readonly v?: number; readonly seq: number; readonly at: string };

/** A line as this version has it. */
export function modernize(line: LogLine): LogLine {
  if ((line.v ?? 1) >= 2 || line.type !== 'turn.finished') return line;
  const { counters } = line.outcome as { readonly counters: { readonly cachedTokens?: number } | null };
  if (counters?.cachedTokens === undefined) return line;
  const { cachedTokens, ...rest } = counters;
  const split = { ...rest, cacheReadTokens: cachedTokens, cacheWriteTokens: 0 } as Counters;
  return { ...line, outcome: { ...line.outcome, counters: split } };
}
