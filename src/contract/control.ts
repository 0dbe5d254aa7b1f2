/** The control socket of a running `up`: HTTP on a unix socket that only its owner can open. */
import { z } from 'zod';
import { Activity, Project } from './entities.ts';
import { AgentName, PermissionId, SessionId, TeamSlug, TurnId } from './ids.ts';
import { PermissionOutcome } from './permissions.ts';
import { route } from './route.ts';

/** What `up` knows about one session, for people: more than the server may know, because it stays here. */
export const LiveSession = z.object({
  sessionId: SessionId,
  name: z.string().nullable(),
  agent: AgentName,
  team: TeamSlug,
  /** Boot step or activity, as shown. */
  phase: z.enum(['booting', 'running', 'stopping', 'stopped', 'failed']),
  step: z.string(),
  activity: Activity.nullable(),
  unread: z.int().nonnegative(),
  tokens: z.int().nonnegative(),
  workspace: z.string(),
  pid: z.int().nullable(),
  /** When it goes on after a limit, if that is known. */
  limitedUntil: z.iso.datetime().nullable(),
  /** What is wrong, and the command that mends it. */
  problem: z.object({ message: z.string(), hint: z.string().nullable() }).nullable(),
});
export type LiveSession = z.infer<typeof LiveSession>;

export const PendingPermission = z.object({
  id: PermissionId,
  sessionId: SessionId,
  agent: AgentName,
  /** Title that the agent program gave; for a shell tool the command line. It leaves this machine only with `shareTitles`. */
  title: z.string(),
  toolKind: z.string(),
  options: z.array(z.object({ id: z.string(), kind: z.string(), name: z.string() })),
  /** Of all that the agent program said about the call. An answer names it. */
  digest: z.string(),
  /** null: the agent works though nobody asked it to. */
  turnId: TurnId.nullable(),
  askedAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
});
export type PendingPermission = z.infer<typeof PendingPermission>;

/** One that nobody can answer any more. */
export const SettledPermission = PendingPermission.extend({
  outcome: PermissionOutcome,
  /** Who answered, and where: `aachat up on laptop`; null: nobody. */
  by: z.string().nullable(),
  at: z.iso.datetime(),
});
export type SettledPermission = z.infer<typeof SettledPermission>;

export const AttachmentId = z.uuidv7().brand<'AttachmentId'>();
export type AttachmentId = z.infer<typeof AttachmentId>;

/** Who looks at a session. */
export const Attachment = z.object({
  id: AttachmentId,
  sessionId: SessionId,
  /** Steers it; there is at most one of those in a workspace. */
  interactive: z.boolean(),
  pid: z.int(),
  since: z.iso.datetime(),
});
export type Attachment = z.infer<typeof Attachment>;

/** One that steers says so this often; after the limit of silence another one may take its place. */
export const ATTACHMENT_BEAT_MS = 30_000;
export const ATTACHMENT_SILENCE_MS = 120_000;

/** A folder that `up` keeps in step with the documents at the server. */
export const MirrorView = z.object({
  /** `home`: the person's own; `repo`: of a connected repository; `session`: in a session's workspace. */
  kind: z.enum(['home', 'repo', 'session']),
  root: z.string(),
  /** `in sync`: every file is as the server last said, but for `problems`. `stopped`: waits for `resume`. `failed`: did not begin. */
  state: z.enum(['in sync', 'syncing', 'offline', 'stopped', 'failed']),
  /** Why it is not in sync. */
  reason: z.string().optional(),
  /** Since when it is offline or stopped. */
  since: z.iso.datetime().optional(),
  /** What waits longest comes first. */
  pending: z.array(z.object({ path: z.string(), since: z.iso.datetime(), why: z.string() })).readonly(),
  problems: z.array(z.object({ path: z.string(), reason: z.string() })).readonly(),
  /** Documents that are shared, but not as the template of their folder asks. */
  faults: z.array(z.object({ path: z.string(), reason: z.string() })).readonly(),
  /** Files that show texts kept aside. */
  conflicts: z.array(z.string()).readonly(),
  /** Texts that had to give way, and where they are now. */
  kept: z.array(z.object({ path: z.string(), file: z.string() })).readonly(),
  /** How a file is replaced. Only by exchange no save is ever lost in that moment; by link, none that is in place. */
  replacesBy: z.enum(['exchange', 'link', 'copy']),
  /** False: the system does not tell of every change, so all files are looked at every 5 s. */
  isWatched: z.boolean().default(true),
});
export type MirrorView = z.infer<typeof MirrorView>;

export const getStatus = route({
  method: 'GET',
  path: '/v1/status',
  reply: z.object({
    pid: z.int(),
    startedAt: z.iso.datetime(),
    server: z.string(),
    connected: z.boolean(),
    /** Every session of the start has come up or failed. */
    ready: z.boolean(),
    sessions: z.array(LiveSession),
    permissions: z.array(PendingPermission),
    attachments: z.array(Attachment),
    mirrors: z.array(MirrorView),
    /** Projects in which agents are kept from waking each other. */
    loops: z.array(Project),
  }),
});

/** What waits, and what was settled in the last hour, oldest first. */
export const listPermissions = route({
  method: 'GET',
  path: '/v1/permissions',
  reply: z.object({ pending: z.array(PendingPermission), settled: z.array(SettledPermission) }),
});

/** First answer wins; a later one gets CONFLICT with who it was and what they said. */
export const answerPermission = route({
  method: 'POST',
  path: '/v1/permissions/:permissionId',
  params: z.object({ permissionId: PermissionId }),
  /** `by`: what the person used, such as `aachat permission`. */
  body: z.object({ allow: z.boolean(), digest: z.string(), by: z.string().max(100) }),
  reply: z.object({ permission: SettledPermission, outcome: z.enum(['allowed', 'denied']) }),
});

/** Says that an attachment is alive. NOT_FOUND: another one took its place. */
export const beatAttachment = route({
  method: 'POST',
  path: '/v1/attachments/:attachmentId/beat',
  params: z.object({ attachmentId: AttachmentId }),
});

/** Ends all sessions and then `up` itself; `force` does not wait for turns. */
export const stopUp = route({
  method: 'POST',
  path: '/v1/stop',
  body: z.object({ force: z.boolean().default(false) }),
});

/** A mirror that stopped because much was gone at once goes on: brings the files back, or deletes them everywhere. */
export const resumeMirror = route({
  method: 'POST',
  path: '/v1/mirrors/resume',
  body: z.object({ root: z.string(), how: z.enum(['restore', 'delete']) }),
});

/** Keeps documents in step in repositories that were connected since the start. */
export const beginMirrors = route({
  method: 'POST',
  path: '/v1/mirrors/begin',
  reply: z.object({ mirrors: z.array(MirrorView) }),
});

export const CONTROL_ROUTES = {
  getStatus,
  listPermissions,
  answerPermission,
  beatAttachment,
  stopUp,
  resumeMirror,
  beginMirrors,
};
