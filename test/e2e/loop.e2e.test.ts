/** The main job with the built-in agent, from its start to each of its ends: everything but the model is real. */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { LiveSession, PendingPermission } from '#contract/control.ts';
import type { Session } from '#contract/entities.ts';
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
      const shown = await t.home.quick<{ local: SessionHistory }>('session', 'show', bob);
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
    const server = () => t.home.quick<{ running: boolean; pid: number }>('server', 'status');
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
