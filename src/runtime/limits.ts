/**
 * A usage limit, and who may try again when. Pure.
 *
 *   (open) ─limit-reached─► closed ─the time it was said to end─► resuming ─nobody waits any more─► (open)
 *                             └─nobody said when: a while later─► probing ─its turn is answered─► resuming
 *   doubted ─somebody has something to do──────────────────────────►   └─limit-reached─► closed, for longer
 *
 * Those who wait go on in order and one at a time, at uneven distances: together they would hit the next limit at once.
 */

/** undefined: open. Times in epoch milliseconds. */
export type Pause<Id> =
  /** There was one when this machine last tried, which is a while ago: one tries for all. */
  | { readonly kind: 'doubted' }
  | { readonly kind: 'closed'; readonly until: number; readonly isKnown: boolean; readonly failures: number }
  /** Without an answer from the program, one that still works then has found it open. */
  | { readonly kind: 'probing'; readonly by: Id; readonly until: number; readonly failures: number }
  | { readonly kind: 'resuming'; readonly nextAt: number };

const PROBE_BASE_MS = 60_000;
const PROBE_CAP_MS = 30 * 60_000;
/** A program that is refused says so sooner. */
const PROBE_CALM_MS = 3 * 60_000;
/** Shortest distance between two that go on, and how much more it may be. */
const GAP_MS = 1_000;
const JITTER_MS = 2_000;

/**
 * A turn was refused.
 *
 * @param hit.resetsAt when the program said that it ends; null: it did not say
 */
export function limitReached<Id>(
  pause: Pause<Id> | undefined,
  hit: { readonly by: Id; readonly now: number; readonly resetsAt: number | null },
): Pause<Id> {
  const { by, now, resetsAt } = hit;
  if (resetsAt !== null && resetsAt > now) {
    const later = pause?.kind === 'closed' && pause.isKnown ? Math.max(pause.until, resetsAt) : resetsAt;
    return { kind: 'closed', until: later, isKnown: true, failures: 0 };
  }
  // It began before the others were stopped: that tells nothing new.
  if (pause?.kind === 'closed' || (pause?.kind === 'probing' && pause.by !== by)) return pause;
  const failures = (pause?.kind === 'probing' ? pause.failures : 0) + 1;
  const until = now + Math.min(PROBE_CAP_MS, PROBE_BASE_MS * 2 ** (failures - 1));
  return { kind: 'closed', until, isKnown: false, failures };
}

/** A turn came to its end without being refused, or was given up before (`answered: false`). */
export function turnOver<Id>(
  pause: Pause<Id> | undefined,
  turn: { readonly by: Id; readonly now: number; readonly answered: boolean },
): Pause<Id> | undefined {
  if (pause?.kind !== 'probing' || pause.by !== turn.by) return pause;
  if (turn.answered) return { kind: 'resuming', nextAt: turn.now };
  return { kind: 'closed', until: turn.now, isKnown: false, failures: pause.failures };
}

export interface Admission<Id> {
  readonly pause: Pause<Id> | undefined;
  /** Who may go on now. */
  readonly admit: Id | undefined;
  /** When time alone changes something; null: never. */
  readonly nextAt: number | null;
}

/** @param state.waiting first come, first served */
export function admission<Id>(
  pause: Pause<Id> | undefined,
  state: { readonly now: number; readonly waiting: readonly Id[]; readonly random: () => number },
): Admission<Id> {
  const { now, waiting, random } = state;
  const [first] = waiting;
  switch (pause?.kind) {
    case undefined:
      return { pause: undefined, admit: first, nextAt: null };
    case 'closed':
      if (now < pause.until) return { pause, admit: undefined, nextAt: pause.until };
      if (pause.isKnown) return admission({ kind: 'resuming', nextAt: now + Math.round(random() * JITTER_MS) }, state);
      return probe(pause, pause.failures, first, now);
    case 'doubted':
      return probe(pause, 0, first, now);
    case 'probing':
      if (now >= pause.until) return admission({ kind: 'resuming', nextAt: now }, state);
      return { pause, admit: undefined, nextAt: pause.until };
    case 'resuming': {
      if (now < pause.nextAt) return { pause, admit: undefined, nextAt: pause.nextAt };
      if (first === undefined) return { pause: undefined, admit: undefined, nextAt: null };
      const nextAt = now + GAP_MS + Math.round(random() * JITTER_MS);
      return { pause: { kind: 'resuming', nextAt }, admit: first, nextAt };
    }
  }
}

function probe<Id>(pause: Pause<Id>, failures: number, by: Id | undefined, now: number): Admission<Id> {
  if (by === undefined) return { pause, admit: undefined, nextAt: null };
  const until = now + PROBE_CALM_MS;
  return { pause: { kind: 'probing', by, until, failures }, admit: by, nextAt: until };
}
