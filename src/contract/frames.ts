/**
 * Frames of the event socket (`/v1/events`): JSON text, one object each.
 *
 *   server: hello → client: auth → server: ready → client: subscribe → server: batch… live batch…
 *
 * The log is the truth, the socket is a hint: a reader applies a batch only if `from` is the last position that it
 * knows, drops what is lower, and subscribes again at a gap.
 */
import { z } from 'zod';
import { Document, DocumentConflict } from './documents.ts';
import { Message, PairCooldown, Party, Project, Session, Signal } from './entities.ts';
import { PermissionId, ProjectId, Seq, StreamId, TeamId } from './ids.ts';
import { Permission } from './permissions.ts';

export const EVENT_SOCKET_PATH = '/v1/events';

const event = <Type extends string, Data extends z.ZodType>(type: Type, data: Data) =>
  z.object({ seq: Seq, at: z.iso.datetime(), type: z.literal(type), data });

/** Streams of projects carry the first group, streams of users the second; `session.updated` is in both. */
export const StreamEvent = z.discriminatedUnion('type', [
  event('message.created', z.object({ message: Message })),
  event('member.added', z.object({ party: Party })),
  event('member.removed', z.object({ party: Party })),
  event('loop.stopped', z.object({ project: Project })),
  event('pair.cooled', z.object({ project: Project, cooldown: PairCooldown })),
  /** The agent has used up its budget: what is said to it waits. `cancelled`: a turn ran past it, and was cut off. */
  event('budget.reached', z.object({ agent: Party, retryAt: z.iso.datetime(), cancelled: z.boolean() })),
  /** A version was added; the text is read by its digest. */
  event('document.changed', z.object({ document: Document })),
  /** Something was kept aside, or settled. */
  event('document.conflict', z.object({ conflict: DocumentConflict })),
  event('session.updated', z.object({ session: Session })),
  event('signal.created', z.object({ signal: Signal })),
  event('signal.updated', z.object({ signal: Signal })),
  /** An agent of the person has other limits. */
  event('budget.changed', z.object({ agent: Party })),
  /** An agent of the person asks before it acts. */
  event('permission.asked', z.object({ permission: Permission })),
  /** Somebody answered, or it came out in another way. */
  event('permission.answered', z.object({ permission: Permission })),
  /** The person, or an agent of theirs, joined or left, or a project began or came to rest. */
  event('membership.changed', z.object({ teamId: TeamId, projectId: ProjectId.nullable() })),
]);
export type StreamEvent = z.infer<typeof StreamEvent>;
export type EventType = StreamEvent['type'];

/** Longer titles are cut where they begin; the server drops those that are not. */
export const TITLE_LIMIT = 500;

/**
 * What a person's sockets say to each other: the server hands them to the other sockets of the same person, and keeps
 * and logs nothing of them. A hint: they reach only sockets at the same server process, and too many are dropped.
 */
const RELAYED = [
  /** What an agent of the person wants to do, for a shell tool the command line. Only if the person switched it on. */
  z.object({ type: z.literal('permission_title'), permissionId: PermissionId, title: z.string().nullable() }),
  /** Who has titles of open requests says them; null: that person has not switched it on. */
  z.object({ type: z.literal('permission_titles_wanted') }),
] as const;
export const RelayedFrame = z.discriminatedUnion('type', RELAYED);
export type RelayedFrame = z.infer<typeof RelayedFrame>;
export type PermissionTitle = Extract<RelayedFrame, { type: 'permission_title' }>;

export const UpFrame = z.discriminatedUnion('type', [
  z.object({ type: z.literal('auth'), token: z.string(), protocol: z.int() }),
  /** Before the token expires, on the same socket. */
  z.object({ type: z.literal('auth_refresh'), token: z.string() }),
  z.object({
    type: z.literal('subscribe'),
    /** `after`: the last position that the reader has; null: only what comes from now on. */
    streams: z.array(z.object({ stream: StreamId, after: Seq.nullable() })).max(1000),
  }),
  z.object({ type: z.literal('unsubscribe'), streams: z.array(StreamId).max(1000) }),
  ...RELAYED,
]);
export type UpFrame = z.infer<typeof UpFrame>;

export const DownFrame = z.discriminatedUnion('type', [
  z.object({ type: z.literal('hello'), protocol: z.int(), heartbeatMs: z.int(), serverTime: z.iso.datetime() }),
  z.object({ type: z.literal('ready') }),
  /** Everything after `from` up to `to` that the reader may see. */
  z.object({ type: z.literal('batch'), stream: StreamId, from: Seq, to: Seq, events: z.array(StreamEvent) }),
  /** The reader has all there is; what follows is live. */
  z.object({ type: z.literal('live'), stream: StreamId, seq: Seq }),
  /** The cursor is too old, or from another life of the server: read over HTTP and go on from `seq`. */
  z.object({ type: z.literal('reset'), stream: StreamId, seq: Seq }),
  /** There is no such stream for this reader, or no longer. */
  z.object({ type: z.literal('denied'), stream: StreamId }),
  /** The server goes away on purpose; come back after this many milliseconds. */
  z.object({ type: z.literal('reconnect'), afterMs: z.int() }),
  ...RELAYED,
]);
export type DownFrame = z.infer<typeof DownFrame>;

/** The server pings this often; a reader that hears nothing for `SILENCE_LIMIT_MS` takes the socket for dead. */
export const HEARTBEAT_MS = 20_000;
export const SILENCE_LIMIT_MS = 45_000;

/** Close codes of the server. The 44xx ones must not be retried as they are. */
export const CLOSE = {
  goingAway: 1012,
  overloaded: 1013,
  unauthorized: 4401,
  malformed: 4400,
  protocol: 4426,
} as const;
