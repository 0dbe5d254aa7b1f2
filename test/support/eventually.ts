/** Waits for a fact instead of sleeping for a time. */
import { setTimeout as sleep } from 'node:timers/promises';

/** A test that only asks would take the core of those it waits for. */
const REST_PER_PROBE = 5;

/** Calls `probe` until it returns something truthy; fails with `what` after `limitMs`. */
export async function eventually<T>(
  what: string,
  probe: () => T | Promise<T>,
  limitMs = 150_000,
): Promise<NonNullable<Exclude<T, false>>> {
  const end = Date.now() + limitMs;
  for (;;) {
    const asked = performance.now();
    const value = await probe();
    if (value) return value as NonNullable<Exclude<T, false>>;
    if (Date.now() > end) throw new Error(`Did not happen within ${limitMs} ms: ${what}`);
    await sleep(Math.min(Math.max(25, REST_PER_PROBE * (performance.now() - asked)), 250));
  }
}
