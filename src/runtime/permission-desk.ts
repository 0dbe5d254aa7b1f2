/**
 * The desk, where requests of agents wait for a person. One per `up`: whoever answers, here or on another machine, the
 * answer counts when it arrives here.
 *
 * An answer is bound to the exact request: it carries our id and the digest of what the agent wants to do, and a
 * request ends with its turn. First answer wins, and later ones are told who was first.
 */
import { AachatError } from '#base/errors.ts';
import { newId } from '#base/id.ts';
import { type Clock, createTimers, isoTime } from '#base/time.ts';
import type { PendingPermission, SettledPermission } from '#contract/control.ts';
import type { PermissionId, SessionId, TurnId } from '#contract/ids.ts';
import { type PermissionOutcome, tooLate } from '#contract/permissions.ts';
import type { PermissionAnswer, PermissionRequest } from './agent.ts';
import { answerFor } from './permissions.ts';

export interface Answer {
  readonly allow: boolean;
  /** Of the request as the person saw it. */
  readonly digest: string;
  /** Who answers, and where: `aachat up on laptop`. */
  readonly by: string;
}

export interface PermissionDesk {
  /** What waits, oldest first. */
  pending(): readonly PendingPermission[];
  /** What does not wait any more, for a while, oldest first. */
  settled(): readonly SettledPermission[];
  /**
   * Puts a request before people. `answered` resolves with the answer for the agent program.
   *
   * @param signal aborts when the turn ends: the request is answered `cancelled`
   */
  ask(
    from: { readonly sessionId: SessionId; readonly agent: string; readonly turnId: TurnId | null },
    request: PermissionRequest,
    signal: AbortSignal,
  ): {
    readonly id: PermissionId;
    readonly answered: Promise<{ readonly settled: SettledPermission; readonly answer: PermissionAnswer }>;
  };
  /** @throws AachatError `CONFLICT` when it was answered, expired, or its turn ended; `NOT_FOUND` when that is long ago */
  answer(id: PermissionId, answer: Answer): SettledPermission & { readonly outcome: 'allowed' | 'denied' };
}

/** Something came to the desk, or left it. */
export type DeskChange =
  | { readonly kind: 'asked'; readonly permission: PendingPermission }
  | { readonly kind: 'settled'; readonly permission: SettledPermission };

/** Who comes too late is told so for this long, by a desk that remembers this many. */
const MEMORY_MS = 60 * 60_000;
const MEMORY = 200;

/**
 * All sessions of one `up` share a desk.
 *
 * @param options.lifetimeMs how long a request waits before it counts as denied
 */
export function createPermissionDesk(options: {
  readonly lifetimeMs: number;
  readonly onChange: (change: DeskChange) => void;
  readonly clock?: Clock;
}): PermissionDesk {
  const { onChange, lifetimeMs, clock = Date.now } = options;
  const waiting = new Map<
    PermissionId,
    { readonly view: PendingPermission; readonly settle: (outcome: PermissionOutcome, by: string | null) => void }
  >();
  const past = new Map<PermissionId, SettledPermission>();

  function remembered(): readonly SettledPermission[] {
    for (const [id, { at }] of past) {
      if (past.size <= MEMORY && clock() - Date.parse(at) < MEMORY_MS) break;
      past.delete(id);
    }
    return [...past.values()];
  }

  return {
    pending: () => [...waiting.values()].map(({ view }) => view),
    settled: remembered,
    ask(from, request, signal) {
      const id = newId<PermissionId>();
      const now = clock();
      const view: PendingPermission = {
        id,
        ...from,
        title: request.title,
        toolKind: request.toolKind,
        options: [...request.options],
        digest: request.digest,
        askedAt: isoTime(now),
        expiresAt: isoTime(now + lifetimeMs),
      };
      const { promise, resolve } = Promise.withResolvers<SettledPermission>();
      const timers = createTimers();
      const settle = (outcome: PermissionOutcome, by: string | null) => {
        if (!waiting.delete(id)) return;
        timers[Symbol.dispose]();
        signal.removeEventListener('abort', cancel);
        const settled = { ...view, outcome, by, at: isoTime(clock()) };
        past.set(id, settled);
        onChange({ kind: 'settled', permission: settled });
        resolve(settled);
      };
      const cancel = () => settle('cancelled', null);
      timers.at(Date.now() + lifetimeMs, () => settle('expired', null));
      signal.addEventListener('abort', cancel, { once: true });
      waiting.set(id, { view, settle });
      onChange({ kind: 'asked', permission: view });
      if (signal.aborted) cancel();
      const answered = promise.then((settled) => ({ settled, answer: answerFor(request, settled.outcome) }));
      return { id, answered };
    },
    answer(id, { allow, digest, by }) {
      const found = waiting.get(id);
      if (found === undefined) throw tooLate(remembered().find((settled) => settled.id === id));
      if (found.view.digest !== digest) {
        throw new AachatError('CONFLICT', 'That answer is for another request than the one that waits.', {
          hint: 'Run `aachat permission list` to see what waits.',
        });
      }
      const outcome = allow ? 'allowed' : 'denied';
      found.settle(outcome, by);
      return { ...found.view, outcome, by, at: isoTime(clock()) };
    },
  };
}
