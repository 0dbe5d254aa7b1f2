/** What is seen of a session that runs here, while it happens: one JSON object per line over the control socket. */
import { z } from 'zod';
import { AttachmentId, LiveSession, PendingPermission, SettledPermission } from './control.ts';
import { SessionId, TurnId } from './ids.ts';
import { route } from './route.ts';

const event = <Type extends string, Shape extends z.ZodRawShape>(type: Type, shape: Shape) =>
  z.object({ type: z.literal(type), at: z.iso.datetime(), ...shape });

const turnId = TurnId.nullable();

export const SessionEvent = z.discriminatedUnion('type', [
  /** First of all: by this id the watcher says that it is still there. */
  event('attached', { attachmentId: AttachmentId }),
  event('state', { session: LiveSession }),
  event('prompt', { turnId: TurnId, text: z.string() }),
  /** A part of what the agent says or thinks, as it comes. */
  event('text', { turnId, messageId: z.string().nullable(), isThought: z.boolean(), text: z.string() }),
  /** A tool call began or moved on; null: as it was said before. */
  event('tool', { turnId, toolCallId: z.string(), title: z.string().nullable(), status: z.string().nullable() }),
  event('asked', { permission: PendingPermission }),
  event('settled', { permission: SettledPermission }),
  event('turn', { turnId: TurnId, state: z.string(), stopReason: z.string() }),
  /** The watcher was too slow for this many events; what holds now follows. */
  event('dropped', { count: z.int().positive() }),
]);
export type SessionEvent = z.infer<typeof SessionEvent>;

/**
 * Shows a session until the caller goes away or `up` ends: what is going on now, then what comes. `reply` is each line.
 * One that steers is refused while another one does in the same workspace, with who that is.
 */
export const attachSession = route({
  method: 'POST',
  path: '/v1/sessions/:sessionId/attach',
  params: z.object({ sessionId: SessionId }),
  /** The process that attaches. */
  body: z.object({ interactive: z.boolean(), holder: z.object({ pid: z.int().positive(), startedAt: z.string() }) }),
  reply: SessionEvent,
});
