/**
 * The desk, where requests of agents wait for a person.
 *
 * An answer is bound to the exact request: it carries our id, and a request ends with its turn. First answer wins.
 */
import { AachatError } from '#base/errors.ts';
import { newId } from '#base/id.ts';
import { type Clock, isoTime } from '#base/time.ts';
import type { PendingPermission } from '#contract/control.ts';
import type { PermissionId, SessionId } from '#contract/ids.ts';
import type { PermissionAnswer, PermissionRequest } from './agent.ts';
import { answerFor, type PermissionOutcome } from './permissions.ts';

export interface PermissionDesk {
  /** What waits, oldest first. */
  pending(): readonly PendingPermission[];
  /**
   * Puts a request before people. `answered` resolves with the answer for the agent program.
   *
   * @param signal aborts when the turn ends: the request is answered `cancelled`
   */
  ask(
    from: { readonly sessionId: SessionId; readonly agent: string },
    request: PermissionRequest,
    signal: AbortSignal,
  ): {
    readonly id: PermissionId;
    readonly answered: Promise<{ readonly outcome: PermissionOutcome; readonly answer: PermissionAnswer }>;
  };
  /** @throws AachatError `CONFLICT` when it was answered, expired, or its turn ended */
  answer(
    id: PermissionId,
    allow: boolean,
  ): { readonly permission: PendingPermission; readonly outcome: 'allowed' | 'denied' };
}

/** A question that nobody answers must not hold a turn for ever. */
const LIFETIME_MS = 15 * 60_000;

/** All sessions of one `up` share a desk. `onChange` hears of every request that comes or goes. */
export function createPermissionDesk(options: {
  readonly onChange: () => void;
  readonly clock?: Clock;
  readonly lifetimeMs?: number;
}): PermissionDesk {
  const { onChange, clock = Date.now, lifetimeMs = LIFETIME_MS } = options;
  const waiting = new Map<
    PermissionId,
    { readonly view: PendingPermission; readonly settle: (outcome: PermissionOutcome) => void }
  >();
  return {
    pending: () => [...waiting.values()].map(({ view }) => view),
    ask(from, request, signal) {
      const id = newId<PermissionId>();
      const now = clock();
      const view: PendingPermission = {
        id,
        ...from,
        title: request.title,
        toolKind: request.toolKind,
        options: [...request.options],
        askedAt: isoTime(now),
        expiresAt: isoTime(now + lifetimeMs),
      };
      const { promise, resolve: settle } = Promise.withResolvers<PermissionOutcome>();
      const timer = setTimeout(settle, lifetimeMs, 'expired');
      const cancel = () => settle('cancelled');
      signal.addEventListener('abort', cancel, { once: true });
      if (signal.aborted) cancel();
      waiting.set(id, { view, settle });
      onChange();
      const answered = promise.then((outcome) => {
        clearTimeout(timer);
        signal.removeEventListener('abort', cancel);
        waiting.delete(id);
        onChange();
        return { outcome, answer: answerFor(request, outcome) };
      });
      return { id, answered };
    },
    answer(id, allow) {
      const found = waiting.get(id);
      if (found === undefined) {
        throw new AachatError(
          'CONFLICT',
          'That request is no longer open: it was answered, expired, or its turn ended.',
          {
            hint: 'Run `aachat permission list` to see what waits.',
          },
        );
      }
      waiting.delete(id);
      const outcome = allow ? 'allowed' : 'denied';
      found.settle(outcome);
      return { permission: found.view, outcome };
    },
  };
}
