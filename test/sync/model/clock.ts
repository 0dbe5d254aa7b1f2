/** Time that stands still until a schedule lets it pass. Everything else happens at once and in order. */
import { vi } from 'vitest';

const nextTurn = setImmediate;
/** Far more than anything that makes sense. */
const MOST_TURNS = 100_000;
const START = Date.UTC(2026, 0, 1);

/** Runs with a clock of its own, and with chances that are the same every time. */
export async function withClock<T>(run: () => Promise<T>): Promise<T> {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'performance', 'Date'], now: START });
  let state = 1;
  const random = vi.spyOn(Math, 'random').mockImplementation(() => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  });
  try {
    return await run();
  } finally {
    random.mockRestore();
    vi.useRealTimers();
  }
}

/** Lets everything happen that waits for nothing but its turn. */
export const settle = (): Promise<void> => new Promise((resolve) => nextTurn(resolve));

/** Happens when whoever runs now gives way, as what the system tells of a change does. */
export function soon(run: () => void): void {
  // Asked for by a timer itself, a turn of the fake clock would come a millisecond late.
  queueMicrotask(() => setImmediate(run));
}

export async function pass(ms: number): Promise<void> {
  let isOver = false as boolean;
  setTimeout(() => {
    isOver = true;
  }, ms);
  await settle();
  for (let turns = 0; !isOver; turns += 1) {
    if (turns > MOST_TURNS) throw new Error(`Something happens again and again for ${ms} ms.`);
    vi.advanceTimersToNextTimer();
    await settle();
  }
}

/** Resolves after `ms` of that time; at once if that is 0. */
export async function wait(ms: number): Promise<void> {
  if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
}

/** Sets the clock on the wall, and no other one. */
export function shiftWallClock(ms: number): void {
  vi.setSystemTime(Date.now() + ms);
}

/** Values again and again; nothing to choose from is `none`. */
export function cycle<T>(values: readonly T[], none: T): () => T {
  let next = 0;
  return () => {
    const value = values.length === 0 ? none : (values[next % values.length] as T);
    next += 1;
    return value;
  };
}
