import { expect, test, vi } from 'vitest';
import { AachatError } from '#base/errors.ts';
import { silentLog } from '#base/log.ts';
import type { RunId } from '#contract/ids.ts';
import { createActivityReport } from '#runtime/activity-report.ts';

test('a refusal is of the run that was reported for, whichever runs by then', async () => {
  const [first, second] = ['first', 'second'] as unknown as [RunId, RunId];
  let runId = first;
  const { promise, reject } = Promise.withResolvers<never>();
  const [called, stale] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const call = () => {
    called.resolve();
    return promise;
  };
  const onStale = vi.fn(() => stale.resolve());
  const now = () => ({ runId, activity: 'working' as const });
  const report = createActivityReport({ http: { call } as never, log: silentLog, now, onStale });
  report.tell();
  await called.promise;
  runId = second;
  reject(new AachatError('STALE_RUN', 'This run is over.'));
  await stale.promise;
  expect(onStale).toHaveBeenCalledExactlyOnceWith(first);
});
