import { expect, onTestFinished, test, vi } from 'vitest';
import { createSessionProcess } from '#runtime/session-process.ts';

test('a calm minute is one of the process that runs, and not of those before it', () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const send = vi.fn();
  const places = { take: () => true, release() {}, look() {} };
  const process = createSessionProcess({ places, send, onClosed: async () => {} } as never);
  const open = () => process.opened({} as never, { closed: new AbortController().signal } as never);
  open();
  vi.advanceTimersByTime(40_000);
  process.release();
  open();
  vi.advanceTimersByTime(40_000);
  expect(send).not.toHaveBeenCalled();
  vi.advanceTimersByTime(20_000);
  expect(send).toHaveBeenCalledExactlyOnceWith({ kind: 'settled' });
  process.release();
});
