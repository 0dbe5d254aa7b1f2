/** Waits for a fact instead of sleeping for a time. */
import { setTimeout as sleep } from 'node:timers/promises';

/** Calls `probe` until it returns something truthy; fails with `what` after `limitMs`. */
export async function eventually<T>(
  what: string,
  probe: () => T | Promise<T>,
  limitMs = 150_000,
): Promise<NonNullable<Exclude<T, false>>> {
  const end = Date.now() + limitMs;
  for (;;) {
    const value = await probe();
    if (value) return value as NonNullable<Exclude<T, false>>;
    if (Date.now() > end) throw new Error(`Did not happen within ${limitMs} ms: ${what}`);
    await sleep(25);
  }
}
