/** The main job with the real Claude Code behind its real adapter; only the LLM's HTTP API is scripted. */
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readIfExists } from '#base/fs.ts';
import { newId } from '#base/id.ts';
import { createLog } from '#base/log.ts';
import type { Turn } from '#contract/entities.ts';
import { ROUTES } from '#contract/routes.ts';
import { upIdentity } from '../support/aachat.ts';
import { claudeUser } from '../support/claude.ts';
import { eventually } from '../support/eventually.ts';
import { type FakeAnthropic, fakeAnthropic, script } from '../support/fake-anthropic.ts';
import { agentsOf } from '../support/orphans.ts';
import { testServer } from '../support/server.ts';
import { tap } from '../support/tap.ts';
import { liveSession, permission, sessionOf, type Team, team, workspaceOf } from '../support/team.ts';

const KEY = 'sk-ant-CANARY-KEY-000000000000';

interface ClaudeTeam extends Team {
  readonly api: FakeAnthropic;
}

async function claudeTeam(
  agents: readonly string[],
  env: Readonly<Record<string, string>> = { ANTHROPIC_API_KEY: KEY },
): Promise<ClaudeTeam> {
  const api = await fakeAnthropic();
  const t = await team(agents, {
    AACHAT_AGENT: 'claude',
    ...claudeUser(api.url),
    ...env,
  });
  return {
    ...t,
    api,
    [Symbol.asyncDispose]: async () => {
      await t[Symbol.asyncDispose]();
      await api[Symbol.asyncDispose]();
    },
  };
}

/** Everything below a folder, as one text; what is written meanwhile may come and go. */
async function everything(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const texts = files.map(async ({ parentPath, name }) => (await readIfExists(join(parentPath, name))) ?? '');
  return (await Promise.all(texts)).join('\n');
}

describe('with the real Claude Code', () => {
  test('a message becomes tool calls and an answer; edits are asked for, allowed and denied', async () => {
    await using t = await claudeTeam(['ada']);
    await t.up();
    const path = join(await workspaceOf(t), 'plan.txt');
    const write = (content: string) => ({ tool: 'Write', input: { file_path: path, content } });
    await t.send(
      `@ada write it ${script({ say: 'I will write.', ...write('one\n') }, { tool: 'Bash', input: { command: 'wc -l < plan.txt', description: 'count' } }, { text: 'The plan has one line.' })}`,
    );
    const first = await permission(t);
    expect(first).toMatchObject({ agent: 'ada.mia', toolKind: 'edit' });
    await t.home.json('permission', 'allow', first.id);
    await t.heard('ada.mia', /^The plan has one line\.$/);
    expect(await readFile(path, 'utf8')).toBe('one\n');
    await t.send(`@ada again ${script(write('two\n'), { text: 'It was refused.' })}`);
    await t.home.json('permission', 'deny', (await permission(t)).id);
    await t.heard('ada.mia', /^It was refused\.$/);
    expect(await readFile(path, 'utf8')).toBe('one\n');
    const agentSaid = (await t.messages()).filter(({ author }) => author.kind === 'agent');
    expect(agentSaid.map(({ body }) => body)).toEqual(['The plan has one line.', 'It was refused.']);
  });

  test('its shell has aachat, which needs no question and acts as the agent; identity and skill reach the model', async () => {
    await using t = await claudeTeam(['ada']);
    await t.up();
    await t.send(
      `@ada tell them ${script({ tool: 'Bash', input: { command: 'aachat project send launch "from the shell"', description: 'send' } }, { text: 'Told.' })}`,
    );
    await t.heard('ada.mia', /^from the shell$/);
    await t.heard('ada.mia', /^Told\.$/);
    const request = t.api.turns()[0]?.raw ?? '';
    expect(request).toContain('You are a careful colleague');
    expect(request).toContain('aachat-session');
    expect(request).toContain('[aachat] Turn');
  });

  test('two agents in two processes mention each other and stop at the limit', async () => {
    await using t = await claudeTeam(['ada', 'bob']);
    const up = await t.up();
    // Each answer carries the script of the next one, further than the limit lets them go.
    const endless = Array.from({ length: 9 }).reduce<string>((text) => `@ada @bob go on ${script({ text })}`, 'over');
    await t.send(endless);
    await up.until(/answered each other 6 times/);
    expect(Math.max(...(await t.messages()).map(({ hop }) => hop))).toBeLessThanOrEqual(6);
  });

  test('its conversation is compacted in a turn of its own, which posts nothing and reads nothing', async () => {
    await using t = await claudeTeam(['ada']);
    await t.up();
    const { id } = await sessionOf(t);
    for (const word of ['one', 'two', 'three']) {
      await t.send(`@ada ${word} ${script({ text: `Said ${word}.` })}`);
      await t.heard('ada.mia', new RegExp(`^Said ${word}\\.$`));
    }
    await t.send('Nobody is meant by this: HORIZON.');
    const before = (await t.messages()).length;
    expect((await t.home.run('session', 'compact', id)).stdout).toContain('as a turn of its own');
    const turns = await eventually('it is over', async () => {
      const shown = await t.home.quick<{ turns: readonly Turn[] }>('session', 'show', id);
      return shown.turns.length === 4 && shown.turns.every(({ state }) => state !== 'open') && shown.turns;
    });
    expect(turns.map(({ state }) => state)).toEqual(['ended', 'ended', 'ended', 'ended']);
    expect(await t.messages()).toHaveLength(before);
    const log = await t.home.run('session', 'log', id, '--text');
    expect(log.stdout).toMatch(/turn [0-9a-f]{8}\n +\/compact\n/);
    // What was unread stays so: the next turn brings it.
    await t.send(`@ada and now? ${script({ text: 'Still here.' })}`);
    await t.heard('ada.mia', /^Still here\.$/);
    const last = t.api.turns().at(-1)?.raw ?? '';
    expect([last.includes('HORIZON'), last.includes('Said one.')]).toEqual([true, false]);
  });

  test('a cancelled turn posts nothing, and the next one works', async () => {
    await using t = await claudeTeam(['ada']);
    await t.up();
    await t.send(`@ada ${script({ hang: true })}`);
    const { id } = await sessionOf(t);
    await eventually('it works', async () => (await sessionOf(t)).activity === 'working');
    await eventually('the API was asked', () => t.api.turns().length > 0);
    await t.home.json('session', 'cancel', id);
    await eventually('it is ready', async () => (await sessionOf(t)).activity === 'input_ready');
    await t.send(`@ada ${script({ text: 'Still here.' })}`);
    await t.heard('ada.mia', /^Still here\.$/);
    expect((await t.messages()).filter(({ author }) => author.kind === 'agent')).toHaveLength(1);
  });

  test('a launcher killed in mid-turn is followed by one that resumes the conversation and finishes the turn', async () => {
    await using t = await claudeTeam(['ada']);
    const up = await t.up();
    const flag = join(await workspaceOf(t), 'started');
    await t.send(
      `@ada ${script({ tool: 'Bash', input: { command: 'aachat inbox --json; touch started; tail -f /dev/null', description: 'wait' } }, { text: 'Finished.' })}`,
    );
    await t.home.json('permission', 'allow', (await permission(t)).id);
    await eventually('the command runs', () => existsSync(flag));
    process.kill(upIdentity(t.home.path).pid, 'SIGKILL');
    await up.ended;
    await t.up();
    // The same script is found again behind the word about the interruption; its command asks once more.
    await t.home.json('permission', 'deny', (await permission(t)).id);
    await t.heard('ada.mia', /^Finished\.$/);
    const last = t.api.turns().at(-1)?.raw ?? '';
    expect(last).toContain('was interrupted');
    const { id } = await sessionOf(t);
    const turns = await eventually('the turn ends', async () => {
      const shown = await t.home.quick<{ turns: readonly Turn[] }>('session', 'show', id);
      return shown.turns.every(({ state }) => state !== 'open' && state !== 'interrupted') && shown.turns;
    });
    expect(turns.map(({ state }) => state)).toEqual(['ended']);
  });

  test('an adapter killed while its Claude Code runs a command leaves neither, and the next one finishes the turn', async () => {
    await using t = await claudeTeam(['ada']);
    await t.up();
    const flag = join(await workspaceOf(t), 'started');
    const command = 'touch started; setsid tail -f /dev/null & exec tail -f /dev/null';
    await t.send(`@ada ${script({ tool: 'Bash', input: { command, description: 'wait' } }, { text: 'Finished.' })}`);
    await t.home.json('permission', 'allow', (await permission(t)).id);
    await eventually('the command runs', () => existsSync(flag));
    const { pid } = await liveSession(t);
    const before = agentsOf(t.home.path).map((one) => one.pid);
    process.kill(pid ?? 0, 'SIGKILL');
    const next = await permission(t);
    const left = agentsOf(t.home.path).filter((one) => before.includes(one.pid));
    const isLauncher = ({ command: line }: { readonly command: string }) => / up |aachat-guard/.test(`${line} `);
    expect(left.filter((one) => !isLauncher(one))).toEqual([]);
    await t.home.json('permission', 'deny', next.id);
    await t.heard('ada.mia', /^Finished\.$/);
  });

  test('without a login the session says how to log in, and nothing is posted', async () => {
    await using t = await claudeTeam(['ada'], { ANTHROPIC_API_KEY: '' });
    const up = await t.up();
    await t.send('@ada hello');
    await up.until(/not logged in/);
    await up.until(/\/login/);
    expect((await t.messages()).filter(({ author }) => author.kind === 'agent')).toEqual([]);
  });

  test('a limit error is a state, never a message', async () => {
    await using t = await claudeTeam(['ada']);
    const up = await t.up();
    await t.send(`@ada ${script({ status: 429, error: 'rate_limit_error', message: 'CANARY limit sentence' })}`);
    await up.until(/usage limit/);
    await eventually('it is limited', async () => (await sessionOf(t)).activity === 'limited');
    expect((await t.messages()).filter(({ author }) => author.kind === 'agent')).toEqual([]);
  });

  test('key, thoughts, tool output and the agent repo are nowhere at the server, on the way to it, or in its log', async () => {
    const log: string[] = [];
    await using server = await testServer({ log: createLog({ level: 'debug', write: (line) => void log.push(line) }) });
    await using between = await tap(server.url);
    const mia = await server.login('mia');
    await using t = await claudeTeam(['ada'], {
      ANTHROPIC_API_KEY: KEY,
      AACHAT_SERVER: between.url,
      AACHAT_TOKEN: mia.token ?? '',
    });
    await t.up();
    const repo = join(await workspaceOf(t), 'aachat', 'agents', 'ada.mia');
    const planted = script(
      {
        think: 'CANARY-THOUGHT',
        say: 'CANARY-BETWEEN words',
        tool: 'Write',
        input: { file_path: join(repo, 'memory', 'CANARY-FILE.md'), content: 'CANARY-CONTENT' },
      },
      { tool: 'Read', input: { file_path: join(repo, 'identity.md') } },
      { think: 'CANARY-DOUBT', text: 'Looked.' },
    );
    // The message itself travels: it spells the canaries so that only the model reads them.
    await t.send(`@ada look ${planted.replaceAll('CANARY', 'CAN\\u0041RY')}`);
    await t.heard('ada.mia', /^Looked\.$/);
    // The log tells of what is refused.
    await mia.fetch(ROUTES.sendMessage, { params: { projectId: newId() }, body: { clientId: newId(), body: 'x' } });

    const places = {
      data: await everything(server.dataDir),
      traffic: between.traffic(),
      log: log.join(''),
    };
    for (const [place, text] of Object.entries(places)) {
      for (const canary of [KEY, 'CANARY', 'careful colleague'])
        expect(text.includes(canary), `${canary} in ${place}`).toBe(false);
    }
    // Each search can find: what was posted, what the client said on its socket, what the log is for, what stayed here.
    expect(places.data).toContain('Looked.');
    expect(places.traffic).toContain('"body":"Looked."');
    expect(places.traffic).toMatch(/"type":"subscribe"/);
    expect(places.log).toContain('request.failed');
    const local = await everything(join(t.home.path, '.run', 'sessions'));
    for (const canary of ['THOUGHT', 'DOUBT', 'BETWEEN', 'CONTENT', 'FILE'])
      expect(local).toContain(`CANARY-${canary}`);
    expect(local).toContain('careful colleague');
  });
});
