import { expect, test, vi } from 'vitest';
import { AachatError } from '#base/errors.ts';
import { silentLog } from '#base/log.ts';
import { createTurnLoop } from '#runtime/turn-loop.ts';
import { eventually } from '../support/eventually.ts';

test('what could not be read is known to be behind until it was read', async () => {
  const call = vi.fn().mockRejectedValueOnce(new AachatError('TIMEOUT', 'No answer.'));
  call.mockResolvedValue({ signals: [] });
  const onIdle = vi.fn();
  const loop = createTurnLoop({
    launcher: { http: { call }, log: silentLog },
    booted: { run: { id: 'run' }, session: { id: 'session' } },
    agent: { id: 'agent', name: 'ada' },
    owed: null,
    onIdle,
  } as never);
  loop.wake();
  await eventually('it is behind', () => loop.isBehind);
  loop.wake();
  await eventually('it was read', () => !loop.isBehind);
  expect(onIdle).toHaveBeenCalledTimes(1);
});
