/** Time as a value that is passed in, and the waits that every retry uses. */
import { setTimeout as delay } from 'node:timers/promises';

/** Milliseconds since the epoch. Tests pass their own. */
export type Clock = () => number;

/** ISO 8601 in UTC with milliseconds: fixed width, so text order is time order. */
export const isoTime = (ms: number): string => new Date(ms).toISOString();

/** Resolves after `ms`; rejects with the signal's reason when it aborts first. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  await delay(ms, undefined, signal === undefined ? {} : { signal });
}

export interface Timers extends Disposable {
  /** Calls `run` in `delayMs`. What is later than `setTimeout` can wait, about 24 days, is called then. */
  after(delayMs: number, run: () => void): void;
  /** Calls `run` once it is that late, in epoch milliseconds. */
  at(time: number, run: () => void): void;
}

/** Timers stand still while the machine sleeps: who waits for a time of day looks at the clock that often. */
export const LOOK_MS = 60_000;

/** Timers that are cleared together. */
export function createTimers(): Timers {
  const running = new Set<NodeJS.Timeout>();
  const timers: Timers = {
    after(delayMs, run) {
      const timer = setTimeout(
        () => {
          running.delete(timer);
          run();
        },
        Math.min(delayMs, 2 ** 31 - 1),
      );
      running.add(timer);
    },
    at(time, run) {
      const delayMs = Math.min(Math.max(0, time - Date.now()), LOOK_MS);
      timers.after(delayMs, () => (Date.now() < time ? timers.at(time, run) : run()));
    },
    [Symbol.dispose]() {
      for (const timer of running) clearTimeout(timer);
      running.clear();
    },
  };
  return timers;
}

export interface Backoff {
  readonly baseMs: number;
  readonly capMs: number;
}

/**
 * Full-jitter back-off: a random wait below a ceiling that doubles with each attempt.
 *
 * @param attempt 1 for the first retry
 * @returns milliseconds
 * @see https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
export function backoffMs(attempt: number, { baseMs, capMs }: Backoff, random: () => number = Math.random): number {
  return Math.round(random() * Math.min(capMs, baseMs * 2 ** (attempt - 1)));
}
