/** The main job with the real OpenCode, as the agent's repo wants it; only the LLM's HTTP API is scripted. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { AGENTS_PATH, HAS_OPENCODE, OPENCODE_ENV, opencodeUser } from '../support/agents.ts';
import { eventually } from '../support/eventually.ts';
import { type FakeAnthropic, fakeAnthropic, script } from '../support/fake-anthropic.ts';
import { permission, sessionOf, type Team, team, workspaceOf } from '../support/team.ts';
import { gitIn, tempDir, writeFiles } from '../support/temp.ts';

interface OpencodeTeam extends Team {
  readonly api: FakeAnthropic;
}

async function opencodeTeam(): Promise<OpencodeTeam> {
  const api = await fakeAnthropic();
  const t = await team([], { PATH: AGENTS_PATH, ...OPENCODE_ENV });
  await opencodeUser(join(t.home.path, '..', 'person'), api.url);
  await t.home.json('agent', 'create', 'ada', '--runtime', 'opencode');
  await t.home.json('project', 'assign', 'launch', '--agent', 'ada');
  return {
    ...t,
    api,
    [Symbol.asyncDispose]: async () => {
      await t[Symbol.asyncDispose]();
      await api[Symbol.asyncDispose]();
    },
  };
}

const said = async (t: Team): Promise<readonly string[]> =>
  (await t.messages()).filter(({ author }) => author.kind === 'agent').map(({ body }) => body);

const bash = (command: string) => ({ tool: 'bash', input: { command, description: 'run' } });
const write = (filePath: string, content: string) => ({ tool: 'write', input: { filePath, content } });

describe.runIf(HAS_OPENCODE)('with the real OpenCode', () => {
  test('a message becomes tool calls and an answer; edits are asked for, allowed and denied', async () => {
    await using t = await opencodeTeam();
    await t.up();
    const path = join(await workspaceOf(t), 'plan.txt');
    await t.send(
      `@ada write it ${script({ say: 'I will write.', ...write(path, 'one\n') }, { tool: 'read', input: { filePath: path } }, { text: 'The plan has one line.' })}`,
    );
    const first = await permission(t);
    expect(first).toMatchObject({ agent: 'ada.mia', toolKind: 'edit', title: path });
    await t.home.json('permission', 'allow', first.id);
    await t.heard('ada.mia', /^The plan has one line\.$/);
    expect(await readFile(path, 'utf8')).toBe('one\n');

    await t.send(`@ada again ${script(bash('rm plan.txt'), { text: 'It was refused.' })}`);
    const second = await permission(t);
    expect(second).toMatchObject({ toolKind: 'execute', title: 'rm plan.txt' });
    await t.home.json('permission', 'deny', second.id);
    await t.heard('ada.mia', /^It was refused\.$/);
    expect(await readFile(path, 'utf8')).toBe('one\n');
    expect(await said(t)).toEqual(['The plan has one line.', 'It was refused.']);
  });

  test('its shell has aachat, which needs no question and acts as the agent; identity and skill reach the model', async () => {
    await using t = await opencodeTeam();
    const up = await t.up();
    await t.send(
      `@ada tell them ${script(bash('aachat project send launch "from the shell"'), { tool: 'read', input: { filePath: '.agents/skills/aachat-session/SKILL.md' } }, { text: 'Told.' })}`,
    );
    await t.heard('ada.mia', /^from the shell$/);
    await t.heard('ada.mia', /^Told\.$/);
    const request = t.api.turns()[0]?.raw ?? '';
    for (const text of ['You are a careful colleague', 'aachat-session', '[aachat] Turn', '<aachat-managed>'])
      expect(request).toContain(text);
    expect(t.api.turns().at(-1)?.raw).toContain('# Working in an aachat session');
    expect(up.output()).not.toMatch(/refused the mode/);
  });

  test('under a policy it does what that allows, and secrets stay out of reach under any', async () => {
    await using t = await opencodeTeam();
    await t.home.json('agent', 'policy', 'ada', 'full');
    await t.up();
    const token = join(t.home.path, '.run', 'tokens', 'user.jwt');
    expect(existsSync(token)).toBe(true);
    const secret = (await readFile(token, 'utf8')).trim();
    await t.send(`@ada go ${script(write('made.txt', 'x'), bash('cp made.txt copied.txt'), { text: 'Made.' })}`);
    await t.heard('ada.mia', /^Made\.$/);
    expect(existsSync(join(await workspaceOf(t), 'copied.txt'))).toBe(true);
    await t.send(`@ada peek ${script({ tool: 'read', input: { filePath: token } }, { text: 'Not mine.' })}`);
    await t.heard('ada.mia', /^Not mine\.$/);
    expect(t.api.requests.some(({ raw }) => raw.includes(secret))).toBe(false);
  });

  test('a cancelled turn posts nothing, the next one works, and after a new start the conversation goes on', async () => {
    await using t = await opencodeTeam();
    const up = await t.up();
    await t.send(`@ada the word is MARMALADE ${script({ hang: true })}`);
    const { id } = await sessionOf(t);
    await eventually('the API was asked', () => t.api.turns().length > 0);
    await t.home.json('session', 'cancel', id);
    await eventually('it is ready', async () => (await sessionOf(t)).activity === 'input_ready');
    await t.send(`@ada ${script({ text: 'Still here.' })}`);
    await t.heard('ada.mia', /^Still here\.$/);
    await t.home.json('down', '--yes');
    await up.ended;
    await t.up();
    await t.send(`@ada ${script({ text: 'Again here.' })}`);
    await t.heard('ada.mia', /^Again here\.$/);
    expect(t.api.turns().at(-1)?.raw).toContain('MARMALADE');
    expect(await readFile(join(t.home.path, '.run', 'up.log'), 'utf8')).toContain('"opened":"resumed"');
    expect(await said(t)).toEqual(['Still here.', 'Again here.']);
  });

  test('settings for it in the repo of the team keep it from starting, until the agent is trusted', async () => {
    await using t = await opencodeTeam();
    // Brings the repo of the team about, without starting ada.
    await t.home.quick('agent', 'create', 'bob', '--runtime', 'scripted');
    const first = await t.up('--agent', 'bob');
    await t.home.json('down', '--yes');
    await first.ended;
    await using clone = await tempDir();
    await gitIn(clone.path, 'clone', '--quiet', join(t.home.path, 'repos', 'personal-mia.git'), '.');
    await writeFiles(clone.path, { 'opencode.json': '{"instructions":["RULES.md"]}', 'RULES.md': 'RULES-OF-THE-REPO' });
    await gitIn(clone.path, 'add', '.');
    await gitIn(clone.path, 'commit', '--quiet', '--message=settings');
    await gitIn(clone.path, 'push', '--quiet', 'origin', 'HEAD');

    const up = t.home.start('up');
    await up.until(/would obey: opencode\.json/);
    await t.home.json('agent', 'trust', 'ada');
    await t.home.json('down', '--yes');
    await up.ended;
    await t.up();
    await t.send(`@ada ${script({ text: 'Trusted.' })}`);
    await t.heard('ada.mia', /^Trusted\.$/);
    expect(t.api.turns().at(-1)?.raw).toContain('RULES-OF-THE-REPO');
  });
});
