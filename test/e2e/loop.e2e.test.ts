/** The main job with the built-in agent: everything but the model is real. */
import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { LiveSession, PendingPermission } from '#contract/control.ts';
import type { Project, Session, Turn } from '#contract/entities.ts';
import type { SessionHistory } from '#runtime/session-history.ts';
import { processesOf, upIdentity } from '../support/aachat.ts';
import { eventually } from '../support/eventually.ts';
import { steps, team } from '../support/team.ts';
import { gitIn } from '../support/temp.ts';

interface Status {
  readonly up: {
    readonly pid: number;
    readonly sessions: readonly LiveSession[];
    readonly permissions: readonly PendingPermission[];
    readonly loops: readonly Project[];
  } | null;
}

interface Search {
  readonly hits: readonly { readonly sessionId: string; readonly agent: string }[];
}

describe('the loop', () => {
  test('a mention is answered once, and two agents can ask each other', async () => {
    await using t = await team(['ada', 'bob']);
    const up = await t.up();
    await t.send('@ada ask bob: how many?');
    await t.heard('ada.mia', /^Here is what bob\.mia says/);
    const said = (await t.messages()).map(({ author, hop }) => `${author.name} ${hop}`);
    expect(said).toEqual(['mia 0', 'ada.mia 1', 'bob.mia 2', 'ada.mia 3']);
    // What they did lies on this machine, while they run.
    const { hits } = await t.home.json<Search>('session', 'search', 'how', 'many');
    expect(new Set(hits.map(({ agent }) => agent))).toEqual(new Set(['ada.mia', 'bob.mia']));
    const bob = hits.find(({ agent }) => agent === 'bob.mia')?.sessionId ?? '';
    const local = await eventually('the turn of bob is closed', async () => {
      const shown = await t.home.json<{ local: SessionHistory }>('session', 'show', bob);
      return shown.local.turns.every(({ git }) => git !== null) && shown.local;
    });
    const turn = {
      state: 'ended',
      prompts: 1,
      git: { team: { ref: null, commit: expect.stringMatching(/^\w{40}$/) } },
    };
    expect(local).toMatchObject({ about: { agent: 'bob.mia' }, run: { endedAt: null }, turns: [turn] });
    up.child.kill('SIGINT');
    expect(await up.ended).toBe(130);
    expect(up.output()).toMatch(/sid=[0-9a-f]{8}\s+ws=ada\.mia--[0-9a-f]{8}/);
    expect(await readdir(join(t.home.path, '.run', 'workspaces'))).toEqual([]);
    expect(await readdir(join(t.home.path, '.run', 'leases'))).toEqual([]);
    const left = processesOf(t.home.path).filter(({ command }) => !command.includes('server run'));
    expect(left).toEqual([]);
  });

  test('a second up is refused with pid and hint; down stops the first', async () => {
    await using t = await team(['ada']);
    const up = await t.up('--json');
    const second = await t.home.run('up');
    expect(second.status).toBe(5);
    expect(second.stderr).toContain(`pid ${up.child.pid}`);
    expect(second.stderr).toContain('aachat status');
    const { up: live } = await t.home.json<Status>('status');
    expect(live?.sessions).toMatchObject([{ agent: 'ada.mia', phase: 'running', activity: 'input_ready' }]);
    for (const words of [['down'], ['server', 'stop']]) {
      const refused = await t.home.run(...words);
      expect([words, refused.status, refused.stderr]).toEqual([
        words,
        5,
        expect.stringMatching(/^Sessions are up: ada\.mia \([0-9a-f]{8}, input ready\)\.\n.*--yes/),
      ]);
    }
    expect(up.child.exitCode).toBeNull();
    expect((await t.home.run('down', '--yes')).status).toBe(0);
    expect(await up.ended).toBe(0);
    for (const line of up
      .output()
      .trim()
      .split('\n')
      .filter((text) => text.startsWith('{')))
      JSON.parse(line);
  });

  test('in the background it goes on until down', async () => {
    await using t = await team(['ada']);
    const detached = await t.home.json<{ pid: number }>('up', '--detach');
    await t.send('@ada hello');
    await t.heard('ada.mia', /You said/);
    expect((await t.home.json<Status>('status')).up?.pid).toBe(detached.pid);
    const second = await t.home.run('up', '--detach', '--json');
    expect([second.status, JSON.parse(second.stdout)]).toMatchObject([5, { error: { code: 'CONFLICT' } }]);
    expect((await t.home.run('down', '--yes')).status).toBe(0);
    expect((await t.home.json<Status>('status')).up).toBeNull();
  });

  test('the workspace holds the agent repo and skills, and its git sees nothing of ours', async () => {
    await using t = await team(['ada']);
    await t.up();
    const [workspace = ''] = await readdir(join(t.home.path, '.run', 'workspaces'));
    const path = join(t.home.path, '.run', 'workspaces', workspace);
    expect(await gitIn(path, 'status', '--porcelain')).toBe('');
    expect(await gitIn(path, 'add', '--all', '--dry-run')).toBe('');
    for (const file of [
      '.agents/skills/aachat-session/SKILL.md',
      '.claude/skills/aachat-session/SKILL.md',
      'aachat/agents/ada.mia/identity.md',
    ]) {
      expect((await stat(join(path, file))).isFile()).toBe(true);
    }
  });

  test('a dm with the owner works without a mention', async () => {
    await using t = await team(['ada']);
    await t.up();
    await t.send('are you there?', 'dm:ada');
    await t.heard('ada.mia', /You said: "are you there\?"/, 'dm:ada');
  });

  test('what was said while nothing ran is answered at the next up, once, in the same conversation', async () => {
    await using t = await team(['ada']);
    const first = await t.up();
    await t.send('@ada one');
    await t.heard('ada.mia', /"one"/);
    first.child.kill('SIGTERM');
    expect(await first.ended).toBe(143);
    await t.send('@ada two');
    await t.send('@ada three');
    await t.up();
    await t.heard('ada.mia', /three/);
    expect((await t.messages()).filter(({ author }) => author.kind === 'agent')).toHaveLength(2);
    const { sessions } = await t.home.json<{ sessions: readonly Session[] }>('session', 'list');
    expect(sessions).toHaveLength(1);
    const log = await readFile(join(t.home.path, '.run', 'sessions', sessions[0]?.id ?? '', 'events.jsonl'), 'utf8');
    expect(log.match(/"opened":"(\w+)"/g)).toEqual(['"opened":"new"', '"opened":"resumed"']);
  });

  test('two agents that mention each other for ever are stopped, and a person lets them go on', async () => {
    await using t = await team(['ada', 'bob']);
    const up = await t.up();
    await t.send('@ada ask bob: ping');
    await up.until(/answered each other 6 times/);
    const hops = (await t.messages()).map(({ hop }) => hop);
    expect(Math.max(...hops)).toBe(6);
    const before = hops.length;
    await t.send('@ada ask bob: ping');
    await eventually('somebody answers again', async () => (await t.messages()).length > before + 1);
  });

  test('two agents that only thank each other come to rest, people are told once, and a person wakes them', async () => {
    await using t = await team(['ada', 'bob']);
    const up = await t.up();
    const thanks = async () => (await t.messages()).filter(({ author }) => author.kind === 'agent').length;
    await t.send('@ada ask bob: thanks');
    const told = /In launch ada\.mia and bob\.mia only thank each other: .* until a person says something\./g;
    await up.until(told);
    expect(
      (await t.home.quick<{ project: Project }>('project', 'read', 'launch', '--peek')).project.cooldowns,
    ).toMatchObject([{ agents: ['ada.mia', 'bob.mia'], because: 'acknowledgement' }]);
    const loops = async () => (await t.home.quick<Status>('status')).up?.loops.map(({ name }) => name);
    expect(await loops()).toEqual(['launch']);
    // Both are at rest: whoever is asked now answers at once, and nothing else is said.
    await t.send('are you there?', 'dm:bob');
    await t.heard('bob.mia', /are you there/, 'dm:bob');
    expect(await thanks()).toBe(4);
    await t.send('@ada ask bob: thanks');
    await eventually('they thank each other again', async () => (await thanks()) === 8);
    await up.until(/only thank each other[\s\S]*only thank each other/);
    expect(up.output().match(told)).toHaveLength(2);
    up.child.kill('SIGTERM');
    await up.ended;
    await t.up();
    expect(await loops()).toEqual(['launch']);
    await t.send('enough');
    await eventually('a word of a person is enough', async () => (await loops())?.length === 0);
  });

  test('a launcher killed in the middle of a turn leaves nothing, and the next one finishes the turn under the same id', async () => {
    await using t = await team(['ada']);
    const up = await t.up();
    await t.send(
      `@ada ${steps({ text: 'working' }, { bash: 'test -e started && echo again || { touch started; exec tail -f /dev/null; }' })}`,
    );
    const { sessions } = await t.home.json<{ sessions: readonly Session[] }>('session', 'list');
    const workspace = join(t.home.path, '.run', 'workspaces', `ada.mia--${sessions[0]?.id.slice(-8)}`);
    await eventually('the agent works', () => existsSync(join(workspace, 'started')));
    process.kill(upIdentity(t.home.path).pid, 'SIGKILL');
    await up.ended;
    await t.up();
    await t.heard('ada.mia', /^again$/);
    const turns = await eventually('the turn ends', async () => {
      const shown = await t.home.quick<{ turns: readonly { id: string; state: string }[] }>(
        'session',
        'show',
        sessions[0]?.id ?? '',
      );
      return shown.turns.every(({ state }) => state !== 'open' && state !== 'interrupted') && shown.turns;
    });
    expect(turns).toHaveLength(1);
  });
});

describe('the platform', () => {
  test('one that died comes back while up runs, and one that was stopped does not', async () => {
    await using t = await team(['ada']);
    await t.up();
    const server = () => t.home.json<{ running: boolean; pid: number }>('server', 'status');
    const { pid } = await server();
    process.kill(pid, 'SIGKILL');
    const again = await eventually('another one runs', async () => {
      // The one that was killed may be found still, but does not answer.
      const now = await server().catch(() => undefined);
      return now?.running === true && now.pid !== pid ? now : undefined;
    });
    await t.send('@ada hello');
    await t.heard('ada.mia', /^You said: "hello"/);
    const out = await t.home.run('auth', 'logout');
    expect([out.status, out.stderr]).toEqual([5, expect.stringContaining('aachat down')]);
    await t.home.json('server', 'stop', '--yes');
    await eventually('it is gone', () => existsSync(`/proc/${again.pid}`) === false);
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    expect(await server()).toMatchObject({ running: false });
  });
});

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
      /: ask, as its agent, from its next start on\.\nIt runs with the one that it started with/,
    );
    expect((await t.home.run('agent', 'policy', 'ada', 'accept-edits', '--text')).stdout).toMatch(
      new RegExp(`What runs keeps the one that it started with \\(.*${id.slice(-8)}.*session stop`),
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

describe('inside a session', () => {
  test('commands act as the agent, control verbs are refused, and save publishes its repo', async () => {
    await using t = await team(['ada']);
    await t.up();
    const shell = async (command: string) => {
      const marker = `done-${Math.abs(command.split('').reduce((sum, c) => sum * 31 + c.charCodeAt(0), 7) % 1e9)}`;
      await t.send(`@ada ${steps({ bash: `(${command}) 2>&1; echo ${marker}` })}`);
      return (await t.heard('ada.mia', new RegExp(marker))).body;
    };
    const told = await shell(
      'echo "$AA_AGENT $AA_SESSION_ID"; echo "$AA_WS_DIR $PWD"; ls "$AA_AGENT_DIR" "$AA_TOKEN_FILE"',
    );
    expect(told).toMatch(/^ada\.mia [0-9a-f-]{36}$/m);
    expect(told).toMatch(/^(\/\S+) \1$/m);
    expect(told).toMatch(/^identity\.md$/m);
    expect(told).toMatch(/sessions\/[0-9a-f-]{36}\/token$/m);
    expect(await shell('aachat project send launch "from my shell"')).toMatch(/^Sent [0-9a-f]{8} to launch/);
    await t.heard('ada.mia', /^from my shell$/);
    expect(await shell('chat members launch')).toContain('ada.mia');
    expect(await shell('chat unread --peek')).toContain('"you":"ada.mia"');
    expect(await shell('aachat find shell')).toContain('from my shell');
    for (const verb of [
      'up',
      'down',
      'auth status',
      'config list',
      'permission list',
      'server status',
      'agent policy ada full',
      'project create x',
      'session list --help; aachat session stop 1234',
    ]) {
      expect(await shell(`aachat ${verb}; echo status=$?`)).toContain('status=3');
    }
    expect(await shell('env -u AA_TOKEN_FILE aachat inbox; echo status=$?')).toContain('status=3');
    await shell('echo fact > "$AA_AGENT_DIR/memory/fact.md" && aachat agent save -m "a fact"');
    expect(await gitIn(join(t.home.path, 'repos', 'ada.mia.git'), 'log', '-1', '--format=%an %s', 'main')).toBe(
      'ada.mia a fact',
    );
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
