import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LOOK_MS } from '#base/time.ts';
import { createLogins } from '#runtime/logins.ts';

const HOUR_MS = 3_600_000;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('a limit that ended while the machine slept is over soon after it wakes', async () => {
  using logins = createLogins({ isShared: () => true, random: () => 0 });
  const onAdmit = vi.fn();
  const login = logins.join({ id: 'key', isRenewed: false }, { onAdmit, onLimit() {}, onMended() {} });
  login.limitReached(Date.now() + 3 * HOUR_MS);
  expect(login.ask()).toBe(false);
  vi.setSystemTime(Date.now() + 4 * HOUR_MS);
  await vi.advanceTimersByTimeAsync(LOOK_MS);
  expect(onAdmit).toHaveBeenCalledTimes(1);
});
