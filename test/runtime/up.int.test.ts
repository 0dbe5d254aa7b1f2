import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { AachatError } from '#base/errors.ts';
import { exists } from '#base/fs.ts';
import { processStart } from '#base/process.ts';
import type { HttpClient } from '#client/http.ts';
import { ROUTES } from '#contract/routes.ts';
import type { Up } from '#runtime/supervisor.ts';
import { eventually } from '../support/eventually.ts';
import { type UpScene, upScene } from '../support/up.ts';

const only = (up: Up) => {
  const [session] = up.sessions();
  if (session === undefined) throw new Error('There is no session.');
  return session;
};

const isAlive = (pid: number | null): boolean => pid !== null && processStart(pid) !== undefined;

async function openRuns({ http, agents }: UpScene) {
  const lists = agents.map(({ id }) => http.call(ROUTES.listSessions, { query: { agentId: id } }));
  return (await Promise.all(lists)).flatMap(({ sessions }) => sessions).filter(({ run }) => run?.endedAt === null);
}

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
    await eventually('the first one has opened its conversation', () => only(up).step === 'confirm');
    await writeFile(join(scene.home.root, 'brief.end'), '');
    await eventually('the first one is gone', async () => (await readdir(scene.home.root)).includes('brief.gone'));
    gate.resolve();
    await up.ready;
    await eventually('another one runs', () => only(up).phase === 'running' && isAlive(only(up).pid));
  });

  test('a folder that git cannot judge stays, and all else ends', async () => {
    await using scene = await upScene('ada');
    const up = await scene.start();
    await up.ready;
    const { workspace, pid } = only(up);
    const [, gitDir = ''] = /^gitdir: (.*)\n$/.exec(await readFile(join(workspace, '.git'), 'utf8')) ?? [];
    await writeFile(join(gitDir, 'index'), 'no index');
    await up.stop(false);
    expect(up.report()).toMatchObject([{ phase: 'stopped', kept: [expect.stringContaining(`${workspace} stays: `)] }]);
    expect(await exists(workspace)).toBe(true);
    expect(isAlive(pid)).toBe(false);
    expect(await openRuns(scene)).toEqual([]);
    expect(await exists(scene.home.upFile)).toBe(false);
  });

  test('a start that fails leaves nothing running', async () => {
    await using scene = await upScene('ada', 'bob');
    const running = Promise.withResolvers<void>();
    let lists = 0;
    const http: HttpClient = {
      async call(route, input, signal) {
        const isSecond = route.path === ROUTES.listSessions.path && route.method === 'GET' && ++lists === 2;
        if (isSecond) {
          await running.promise;
          throw new AachatError('INTERNAL', 'The server failed.');
        }
        const reply = await scene.http.call(route, input, signal);
        if (route.path === ROUTES.openRun.path) running.resolve();
        return reply;
      },
    };
    // Nothing plans once more before the connection stands.
    await expect(scene.start({ http, token: () => new Promise(() => {}) })).rejects.toMatchObject({ code: 'INTERNAL' });
    expect(await openRuns(scene)).toEqual([]);
    expect(await readdir(scene.home.leases)).toEqual([]);
    expect(await exists(scene.home.controlSocket)).toBe(false);
  });
});
