/**
 * What the server keeps of a request of an agent that waits for a person. Never its title, its arguments or a path. A
 * title travels only if its owner switched that on, past the server, to the owner's sockets (`frames.ts`).
 */
import { z } from 'zod';
import { AachatError } from '#base/errors.ts';
import { AgentName, PermissionId, RunId, SessionId, TurnId } from './ids.ts';

const At = z.iso.datetime();

/** Closed lists, because an agent program says these words: free text could hold anything. */
export const ToolKind = z.enum([
  'read',
  'edit',
  'delete',
  'move',
  'search',
  'execute',
  'think',
  'fetch',
  'switch_mode',
  'other',
]);
export const OptionKind = z.enum(['allow_once', 'allow_always', 'reject_once', 'reject_always']);
/** Of all that the agent program said about the call. */
export const PermissionDigest = z.string().regex(/^[0-9a-f]{64}$/, 'A digest has 64 hexadecimal digits.');
/** Who answers, and where: `aachat permission on laptop`. */
export const AnsweredBy = z.string().min(1).max(200);

/** `expired`: nobody answered in time, which is a no. `cancelled`: its turn ended first. */
export const PermissionOutcome = z.enum(['allowed', 'denied', 'expired', 'cancelled']);
export type PermissionOutcome = z.infer<typeof PermissionOutcome>;

export const Permission = z.object({
  id: PermissionId,
  sessionId: SessionId,
  agent: AgentName,
  runId: RunId,
  /** Name of the machine where the agent waits. */
  machine: z.string(),
  turnId: TurnId.nullable(),
  toolKind: ToolKind,
  optionKinds: z.array(OptionKind),
  digest: PermissionDigest,
  askedAt: At,
  expiresAt: At,
  state: z.enum(['open', ...PermissionOutcome.options]),
  /** What a person said. While the state is `open`, the machine where the agent waits has not taken it yet. */
  answer: z.object({ outcome: z.enum(['allowed', 'denied']), by: AnsweredBy, at: At }).nullable(),
});
export type Permission = z.infer<typeof Permission>;

/** What somebody is told whose answer does not count. */
export function tooLate(
  settled: { readonly outcome: PermissionOutcome; readonly by: string | null } | undefined,
): AachatError {
  const hint = 'Run `aachat permission list` to see what waits.';
  if (settled === undefined) return new AachatError('NOT_FOUND', 'No such request waits.', { hint });
  const how = {
    allowed: `It was allowed already, by ${settled.by}.`,
    denied: `It was denied already, by ${settled.by}.`,
    expired: 'It expired: nobody answered in time, and the agent was told no.',
    cancelled: 'Its turn ended before anybody answered.',
  }[settled.outcome];
  return new AachatError('CONFLICT', `That request is no longer open. ${how}`, { hint });
}
