/** Sessions with the built-in agent: what they ask before they act, how they are started, ended and taken up again. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { PendingPermission } from '#contract/control.ts';
import type { Session, Turn } from '#contract/entities.ts';
import { eventually } from '../support/eventually.ts';
import { steps, team } from '../support/team.ts';

interface Status {
  readonly up: { readonly permissions: readonly PendingPermission[] } | null;
}

describe('asking first', () => {
  test('a request shows in up and in permission list, and is answered once', async () => {
    await using t = await team(['ada']);
    const up = await t.up();
    await t.send(`@ada ${steps({ ask: 'rm -rf build' })}`);
    const [asked] = await eventually('a request waits', async () => {
      const { permissions } = await t.home.quick<{ permissions: readonly PendingPermission[] }>('permission', 'list');
      return permissions.length > 0 && permissions;
    });
    await up.until(/ada\.mia asks: rm -rf build/);
    const id = asked?.id.slice(-8) ?? '';
    expect((await t.home.run('permission', 'allow', id)).status).toBe(0);
    await t.heard('ada.mia', /^allowed$/);
    expect(await t.home.run('permission', 'deny', id)).toMatchObject({
      status: 5,
      stderr: expect.stringMatching(/allowed already, by aachat permission on \S/),
    });
    await t.send(`@ada ${steps({ ask: 'again' })}`);
    const again = await eventually(
      'another waits',
      async () => (await t.home.quick<Status>('status')).up?.permissions[0],
    );
    await t.home.json('permission', 'deny', again.id);
    await t.heard('ada.mia', /^refused$/);
  });

  test('a session keeps to a policy of its own, whatever its agent may', async () => {
    await using t = await team(['ada']);
    await t.up();
    const edit = steps({ edit: 'aachat/docs/~mia/launch/notes/x.md', ask: true, content: 'x' }, { text: 'tried' });
    const flags = ['--project', 'launch', '--policy', 'read-only', '--json'];
    const ran = await t.home.run('session', 'run', 'ada', edit, ...flags);
    const id = (JSON.parse(ran.stdout) as { data: { session: { id: string } } }).data.session.id;
    await t.heard('ada.mia', /^tried$/);
    const workspace = join(t.home.path, '.run', 'workspaces', `ada.mia--${id.slice(-8)}`);
    expect(existsSync(workspace)).toBe(true);
    expect(existsSync(join(workspace, 'aachat/docs/~mia/launch/notes/x.md'))).toBe(false);
    expect((await t.home.run('session', 'policy', id, '--text')).stdout).toMatch(/: read-only\.\n$/);
    expect((await t.home.run('session', 'policy', id, 'agent', '--text')).stdout).toMatch(
      /: ask, as its agent, from its next turn on\./,
    );
    const hang = edit.replace('tried', 'wrote').replace(']', ',{"hang":true}]');
    await t.home.json('session', 'send', id, hang);
    await eventually('it may write', () => existsSync(join(workspace, 'aachat/docs/~mia/launch/notes/x.md')));
    expect((await t.home.run('agent', 'policy', 'ada', 'accept-edits', '--text')).stdout).toMatch(
      new RegExp(`A turn that runs ends with the one that it began with \\(${id.slice(-8)}\\): aachat session cancel`),
    );
  });

  test('edits of shared documents and of its own repo need no question; read-only refuses all', async () => {
    await using t = await team(['ada']);
    const first = await t.up();
    await t.send(
      `@ada ${steps({ edit: 'aachat/docs/~mia/launch/notes/x.md', ask: true, content: 'x' }, { edit: 'aachat/agents/ada.mia/memory/a.md', ask: true, content: 'y' }, { text: 'written' })}`,
    );
    await t.heard('ada.mia', /^written$/);
    first.child.kill('SIGINT');
    await first.ended;
    expect(first.output()).toContain('stays: uncommitted changes in memory/a.md');
    await t.home.json('agent', 'policy', 'ada', 'read-only');
    await t.up();
    await t.send(
      `@ada ${steps({ ask: 'touch x' }, { edit: 'aachat/agents/ada.mia/memory/b.md', ask: true, content: 'z' })}`,
    );
    await t.heard('ada.mia', /^refused$/);
  });
});

describe('sessions', () => {
  test('run starts a fresh one, send speaks to it, cancel ends its turn, stop ends it', async () => {
    await using t = await team(['ada']);
    await t.up();
    const { session } = await t.home.json<{ session: Session }>(
      'session',
      'run',
      'ada',
      '--project',
      'launch',
      steps({ text: 'fresh start' }),
    );
    await t.heard('ada.mia', /^fresh start$/);
    await t.home.json('session', 'send', session.id.slice(-8), steps({ text: 'second' }));
    await t.heard('ada.mia', /^second$/);
    await t.home.json('session', 'send', session.id, steps({ hang: true }));
    const activity = async () => (await t.home.quick<{ session: Session }>('session', 'show', session.id)).session;
    await eventually('it works', async () => (await activity()).activity === 'working');
    await t.home.json('session', 'cancel', session.id);
    await eventually('it is ready again', async () => (await activity()).activity === 'input_ready');
    await t.home.json('session', 'stop', session.id);
    await eventually('it has stopped', async () => (await activity()).state === 'stopped');
    const refused = await t.home.run('session', 'compact', session.id);
    expect([refused.status, refused.stderr]).toEqual([5, expect.stringContaining('has no command for that')]);
    const log = await t.home.run('session', 'log', session.id, '--text');
    expect(log.stdout).toMatch(/says:\n +fresh start\n.*ended \(end_turn\)/);
  });

  test('the turn of an agent that is deaf to a cancel ends with its process, once, and the next one is answered', async () => {
    const deaf = [process.execPath, fileURLToPath(new URL('../support/odd-agent.ts', import.meta.url)), 'stubborn'];
    await using t = await team(['ada'], { AACHAT_AGENT: deaf.join(' ') });
    await t.up();
    const [one] = (await t.home.json<{ sessions: Session[] }>('session', 'list')).sessions;
    const shown = () => t.home.quick<{ session: Session; turns: Turn[] }>('session', 'show', one?.id ?? '');
    await t.send('@ada HANG');
    await eventually('it works', async () => (await shown()).session.activity === 'working');
    await t.home.json('session', 'cancel', one?.id ?? '');
    await t.send('@ada hello');
    await t.heard('ada.mia', /^answer$/);
    const { turns } = await eventually('both are over', async () => {
      const now = await shown();
      return now.turns.every(({ state }) => state !== 'open') ? now : undefined;
    });
    expect(turns.map(({ state }) => state)).toEqual(['cancelled', 'ended']);
  });

  test('a session of `run` comes back with the next up; one that was stopped waits for a resume', async () => {
    await using t = await team(['ada']);
    const up = await t.up();
    const start = async (name: string) =>
      (await t.home.json<{ session: Session }>('session', 'run', 'ada', '--name', name, steps({ text: name }))).session;
    const [kept, stopped] = [await start('kept'), await start('stopped')];
    await t.heard('ada.mia', /^kept$/, 'dm:ada.mia');
    await t.heard('ada.mia', /^stopped$/, 'dm:ada.mia');
    const state = async ({ id }: Session) =>
      (await t.home.quick<{ session: Session }>('session', 'show', id)).session.state;
    await t.home.json('session', 'stop', stopped.id);
    await eventually('it has stopped', async () => (await state(stopped)) === 'stopped');
    await t.home.json('down', '--yes');
    await up.ended;
    const second = await t.up();
    expect([await state(kept), await state(stopped)]).toEqual(['running', 'stopped']);
    await t.home.json('session', 'send', 'stopped', steps({ text: 'meanwhile' }));
    const resumed = await t.home.run('session', 'resume', 'stop');
    expect(resumed.stdout).toMatch(/^Session [0-9a-f]{8} of ada\.mia is resumed\. It is starting\.\n$/);
    await t.heard('ada.mia', /^meanwhile$/, 'dm:ada.mia');
    // In the same `up` too, and by the next one.
    const stop = async () => {
      await t.home.json('session', 'stop', 'stopped');
      await eventually('it has stopped', async () => (await state(stopped)) === 'stopped');
    };
    await stop();
    await t.home.json('session', 'resume', 'stopped');
    await eventually('it runs', async () => (await state(stopped)) === 'running');
    expect((await t.home.run('session', 'resume', '--agent', 'ada')).stdout).toContain('runs already');
    await stop();
    await t.home.json('down', '--yes');
    await second.ended;
    expect((await t.home.run('session', 'resume', 'stopped')).stdout).toContain('with the next `aachat up`');
    await t.up();
    expect(await state(stopped)).toBe('running');
    const { stdout } = await t.home.run('session', 'log', 'stopped', '--json');
    expect(stdout.match(/"opened":"(\w+)"/g)?.map((text) => text.slice(10, -1))).toEqual([
      'new',
      'resumed',
      'resumed',
      'resumed',
    ]);
    expect((await t.messages('dm:ada.mia')).filter(({ body }) => body === 'meanwhile')).toHaveLength(1);
  });
});
