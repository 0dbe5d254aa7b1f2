/** What an agent asks is answered from another machine of its owner, and whoever is first decides. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type ScratchHome, scratchHome } from '../support/aachat.ts';
import { eventually } from '../support/eventually.ts';
import { permission, steps, team } from '../support/team.ts';

interface Listed {
  readonly id: string;
  readonly title: string | null;
  readonly machine: string | null;
  readonly toolKind: string;
}

const listed = async (home: ScratchHome): Promise<readonly Listed[]> =>
  (await home.quick<{ permissions: readonly Listed[] }>('permission', 'list')).permissions;

test('from another machine, also across a crash of the server; titles stay where the agent is unless shared', async () => {
  await using t = await team(['ada']);
  const up = await t.up();
  const { code, server } = await t.home.json<{ code: string; server: string }>('server', 'invite', 'mia');
  await using other = await scratchHome({ AACHAT_SERVER: server });
  await other.json('auth', 'login', '--code', code);

  await t.send(`@ada ${steps({ ask: 'secret title' })}`);
  const asked = await permission(t);
  const [seen] = await eventually('the other machine sees it', async () => {
    const all = await listed(other);
    return all.length > 0 && all;
  });
  expect(seen).toMatchObject({ id: asked.id, title: null, toolKind: 'execute', machine: expect.stringMatching(/\S/) });
  expect(await listed(t.home)).toMatchObject([{ id: asked.id, title: 'secret title', machine: null }]);
  expect(await other.json('permission', 'allow', asked.id)).toMatchObject({ outcome: 'allowed', arrived: true });
  await t.heard('ada.mia', /^allowed$/);
  for (const home of [t.home, other]) {
    expect(await home.run('permission', 'deny', asked.id)).toMatchObject({
      status: 5,
      stderr: expect.stringMatching(/allowed already, by aachat permission on \S/),
    });
  }

  await t.send(`@ada ${steps({ ask: 'another' })}`);
  const local = await permission(t);
  await eventually('the other machine sees it', async () => (await listed(other)).some(({ id }) => id === local.id));
  await t.home.json('permission', 'deny', local.id);
  await t.heard('ada.mia', /^refused$/);
  await eventually('the other machine sees it no more', async () => (await listed(other)).length === 0);
  expect(await other.run('permission', 'allow', local.id)).toMatchObject({
    status: 5,
    stderr: expect.stringContaining('denied already'),
  });

  await t.home.json('config', 'set', 'shareTitles', 'on');
  const watch = other.start('watch', '--from', 'now');
  await t.send(`@ada ${steps({ ask: 'rm -rf canary' })}`);
  const shared = await permission(t);
  const told = ({ id, title }: Listed) => id === shared.id && title === 'rm -rf canary';
  await eventually('the other machine is told the title', async () => (await listed(other)).some(told));
  await eventually('so is who watches there', async () => {
    await listed(other);
    return watch.output().includes('"title":"rm -rf canary"');
  });
  watch.child.kill('SIGINT');
  await watch.ended;
  await t.home.json('permission', 'deny', shared.id);
  for (const log of ['.run/up.log', 'server/server.log']) {
    expect(await readFile(join(t.home.path, log), 'utf8')).not.toContain('canary');
  }

  await t.send(`@ada ${steps({ ask: 'a third' }, { text: 'went on' })}`);
  const third = await permission(t);
  const { pid } = JSON.parse(await readFile(join(t.home.path, 'server', 'server.json'), 'utf8')) as { pid: number };
  process.kill(pid, 'SIGKILL');
  const back = await eventually('the server is back', async () => {
    const { status, stdout } = await t.home.run('server', 'status', '--json');
    // The one that was killed may be found still, but does not answer.
    if (status !== 0) return undefined;
    const { data } = JSON.parse(stdout) as { data: { running: boolean; pid: number; url: string } };
    return data.running && data.pid !== pid && data;
  });
  await using later = await scratchHome({ AACHAT_SERVER: back.url });
  const invited = await t.home.json<{ code: string }>('server', 'invite', 'mia');
  await later.json('auth', 'login', '--code', invited.code);
  await eventually('it is seen again', async () => (await listed(later)).some(({ id }) => id === third.id));
  await later.json('permission', 'allow', third.id);
  await t.heard('ada.mia', /^went on$/);

  await t.send(`@ada ${steps({ ask: 'a last one' })}`);
  const last = await permission(t);
  await eventually('it is seen', async () => (await listed(later)).some(({ id }) => id === last.id));
  up.child.kill('SIGTERM');
  await up.ended;
  expect(await listed(later)).toEqual([]);
  expect(await later.run('permission', 'allow', last.id)).toMatchObject({
    status: 5,
    stderr: expect.stringContaining('turn ended before'),
  });
});
