import { readdir } from 'node:fs/promises';
import { describe, test } from 'vitest';
import { processStart } from '#base/process.ts';
import type { Up } from '#runtime/supervisor.ts';
import { eventually } from '../support/eventually.ts';
import { upScene } from '../support/up.ts';

const only = (up: Up) => {
  const [session] = up.sessions();
  if (session === undefined) throw new Error('There is no session.');
  return session;
};

const isAlive = (pid: number | null): boolean => pid !== null && processStart(pid) !== undefined;

describe('up', () => {
  test('a program that ends before its session is confirmed is started again', async () => {
    await using scene = await upScene('ada');
    // The connection comes when the first program is gone.
    const gate = Promise.withResolvers<void>();
    const token = async () => {
      await gate.promise;
      return scene.owner.token ?? '';
    };
    const up = await scene.start({ token, odd: ['brief', scene.home.root] });
    await eventually('the first one is gone', async () => (await readdir(scene.home.root)).includes('brief.gone'));
    gate.resolve();
    await up.ready;
    await eventually('another one runs', () => only(up).phase === 'running' && isAlive(only(up).pid));
  });
});
