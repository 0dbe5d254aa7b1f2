/** A session is removed for good, but never with work in it that is nowhere else. */
import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Session } from '#contract/entities.ts';
import { shortId } from '#contract/ids.ts';
import { steps, team } from '../support/team.ts';
import { gitIn } from '../support/temp.ts';

const WRITES_PLAN = 'mkdir -p aachat/docs/~mia/launch/notes && echo "# Plan" > aachat/docs/~mia/launch/notes/plan.md';

test('session remove refuses what runs and what holds work, and then leaves nothing behind', async () => {
  await using t = await team(['ada']);
  const up = await t.up();
  await t.send(`@ada ${steps({ bash: `echo work > work.txt; ${WRITES_PLAN}; echo done` })}`);
  await t.heard('ada.mia', /done/);
  const sessions = async () => (await t.home.json<{ sessions: readonly Session[] }>('session', 'list')).sessions;
  const [session] = await sessions();
  if (session === undefined) throw new Error('no session');
  const remove = (...flags: string[]) => t.home.run('session', 'remove', shortId(session.id), ...flags);

  expect(await remove('--yes')).toMatchObject({ status: 5, stderr: expect.stringContaining('session stop') });
  up.child.kill('SIGINT');
  await up.ended;
  expect(await remove()).toMatchObject({ status: 5, stderr: expect.stringContaining('--yes') });
  expect(await remove('--yes')).toMatchObject({ status: 5, stderr: expect.stringContaining('work.txt') });

  const workspace = join(t.home.path, '.run', 'workspaces', `ada.mia--${shortId(session.id)}`);
  const plan = join(workspace, 'aachat', 'docs', '~mia', 'launch', 'notes', 'plan.md');
  expect(await readFile(plan, 'utf8')).toBe('# Plan\n');
  await writeFile(plan, '# Plan\nnobody else has this\n');
  await rm(join(workspace, 'work.txt'));
  expect(await remove('--yes')).toMatchObject({ status: 5, stderr: expect.stringContaining('launch/notes/plan.md') });
  await writeFile(plan, '# Plan\n');
  await writeFile(join(workspace, 'kept.txt'), 'published\n');
  const as = ['-c', 'user.name=mia', '-c', 'user.email=mia@example.org'];
  await gitIn(workspace, 'add', 'kept.txt');
  await gitIn(workspace, ...as, 'commit', '--quiet', '-m', 'Keep it');
  expect(await remove('--yes')).toMatchObject({
    status: 5,
    stderr: expect.stringContaining('no branch of the remote'),
  });
  expect(existsSync(join(t.home.path, '.run', 'sessions', session.id, 'events.jsonl'))).toBe(true);
  expect(await sessions()).toMatchObject([{ id: session.id }]);

  await gitIn(workspace, 'push', '--quiet', 'origin', 'HEAD:refs/heads/kept');
  expect(await remove('--yes')).toMatchObject({
    status: 0,
    stdout: expect.stringMatching(/^Removed session .* ada\.mia/),
  });
  expect([existsSync(workspace), existsSync(join(t.home.path, '.run', 'sessions', session.id))]).toEqual([
    false,
    false,
  ]);
  expect(await sessions()).toEqual([]);
  expect((await remove('--yes')).status).toBe(4);

  const again = await t.up();
  const [next] = await sessions();
  expect(next?.id).not.toBe(session.id);
  again.child.kill('SIGKILL');
  await again.ended;
  // The server takes it for running still.
  expect(await t.home.run('session', 'remove', next?.id ?? '', '--yes')).toMatchObject({ status: 0 });
  expect(await sessions()).toEqual([]);
});

test('what a removed session was told to be goes on for those that it started', async () => {
  await using t = await team(['ada']);
  type Made = { readonly session: Session };
  await t.home.quick('agent', 'policy', 'ada', 'full');
  const first = await t.home.quick<Made>(
    'session',
    'run',
    'ada',
    '--project',
    'launch',
    '--policy',
    'read-only',
    'one',
  );
  const child = await t.home.quick<Made>('session', 'spawn', first.session.id, 'two');
  const policy = () => t.home.quick<{ readonly policy: string }>('session', 'policy', child.session.id);
  expect(await policy()).toMatchObject({ policy: 'read-only', own: false });
  await t.home.quick('session', 'remove', first.session.id, '--yes');
  expect(await policy()).toMatchObject({ policy: 'read-only', own: true });
});
