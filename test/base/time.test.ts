import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createTimers, LOOK_MS } from '#base/time.ts';

const HOUR_MS = 3_600_000;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('what is due at a time of day is due then, and soon after a machine that slept past it wakes', () => {
  using timers = createTimers();
  const run = vi.fn();
  timers.at(Date.now() + HOUR_MS, run);
  vi.advanceTimersByTime(HOUR_MS - 1);
  expect(run).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(run).toHaveBeenCalledTimes(1);

  timers.at(Date.now() + 8 * HOUR_MS, run);
  vi.setSystemTime(Date.now() + 9 * HOUR_MS);
  vi.advanceTimersByTime(LOOK_MS);
  expect(run).toHaveBeenCalledTimes(2);
  vi.advanceTimersByTime(24 * HOUR_MS);
  expect(run).toHaveBeenCalledTimes(2);
});
