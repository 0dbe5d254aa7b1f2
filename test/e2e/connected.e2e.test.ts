/** A person's own Claude Code in a connected repository: the real program, with only the LLM's HTTP API scripted. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import type { Message } from '#contract/entities.ts';
import { execute, PROGRAM_LINE, type RunningCommand, scratchHome } from '../support/aachat.ts';
import { fakeAnthropic, script } from '../support/fake-anthropic.ts';
import { team } from '../support/team.ts';
import { gitIn, tempDir, tempRepo } from '../support/temp.ts';

const run = promisify(execFile);
const sdk = createRequire(import.meta.url).resolve('@anthropic-ai/claude-agent-sdk');
const CLAUDE = join(sdk, '..', '..', `claude-agent-sdk-${process.platform}-${process.arch}`, 'claude');

test('Claude Code sees the skill of a connected repo, and its shell speaks to the team in the name of the person', async () => {
  await using home = await scratchHome();
  await using api = await fakeAnthropic();
  await using repo = await tempRepo();
  await using bin = await tempDir();
  await writeFile(join(bin.path, 'aachat'), `#!/bin/sh\nexec ${PROGRAM_LINE} "$@"\n`, {
    mode: 0o755,
  });
  await mkdir(join(bin.path, 'config'));
  const env = {
    ...home.env,
    PATH: `${bin.path}:${home.env['PATH']}`,
    CLAUDE_CONFIG_DIR: join(bin.path, 'config'),
    ANTHROPIC_BASE_URL: api.url,
    ANTHROPIC_API_KEY: 'sk-ant-not-a-real-key',
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    CLAUDE_CODE_MAX_RETRIES: '1',
  };
  await run(join(bin.path, 'aachat'), ['init'], { cwd: repo.path, env });
  await home.json('project', 'create', 'launch');
  const command = 'aachat project send launch "the tests pass" --via claude-code';
  const prompt = script({ tool: 'Bash', input: { command, description: 'tell the team' } }, { text: 'Told.' });
  const flags = ['--print', '--allowedTools', 'Bash(aachat:*)', '--output-format', 'json'];
  const claude = run(CLAUDE, [...flags, '--', `Tell the team. ${prompt}`], { cwd: repo.path, env, timeout: 300_000 });
  claude.child.stdin?.end();
  const { stdout } = await claude;
  expect(JSON.parse(stdout)).toMatchObject({ is_error: false, result: 'Told.' });
  const { messages } = await home.json<{ messages: readonly Message[] }>('project', 'read', 'launch');
  expect(messages).toMatchObject([{ body: 'the tests pass', via: 'claude-code', author: { name: 'mia' } }]);
  const skill = /aachat: The team chat and shared documents of this repository/;
  expect(api.turns()[0]?.raw).toMatch(skill);
  await run(join(bin.path, 'aachat'), ['init', '--uninstall'], { cwd: repo.path, env });
  const again = run(CLAUDE, [...flags, '--', script({ text: 'Nothing.' })], { cwd: repo.path, env, timeout: 300_000 });
  again.child.stdin?.end();
  await again;
  expect(api.turns().at(-1)?.raw).not.toMatch(skill);
});

test('a session of an agent works in a worktree of the connected repo', async () => {
  await using t = await team(['ada']);
  await using repo = await tempRepo({ 'plan.txt': 'of the repo\n' });
  await execute(['init'], { cwd: repo.path, env: t.home.env });
  await t.up();
  const workspaces = join(t.home.path, '.run', 'workspaces');
  const [workspace = ''] = await readdir(workspaces);
  expect(await readFile(join(workspaces, workspace, 'plan.txt'), 'utf8')).toBe('of the repo\n');
  expect((await gitIn(repo.path, 'worktree', 'list')).split('\n')).toHaveLength(1);
  await expect(execute(['init', '--uninstall'], { cwd: repo.path, env: t.home.env })).rejects.toThrow(/aachat down/);
});

test('a workspace that stayed and a repo that went keep nobody from working', async () => {
  await using t = await team(['ada']);
  await using repo = await tempRepo({ 'plan.txt': 'of the repo\n' });
  const init = async (...flags: string[]) =>
    (await execute(['init', ...flags], { cwd: repo.path, env: t.home.env })).stdout;
  const first = await t.up();
  const workspaces = join(t.home.path, '.run', 'workspaces');
  const [name = ''] = await readdir(workspaces);
  const workspace = join(workspaces, name);
  await writeFile(join(workspace, 'work.txt'), 'not committed\n');
  expect(await init()).toContain('in sync');
  const end = async (up: RunningCommand) => {
    up.child.kill('SIGINT');
    await up.ended;
    return up.output();
  };
  expect(await end(first)).toContain('stays: uncommitted changes in work.txt');
  const second = await t.up();
  expect(second.output()).toContain('holds work in');
  expect(await readFile(join(workspace, 'work.txt'), 'utf8')).toBe('not committed\n');
  await rm(join(workspace, 'work.txt'));
  await end(second);
  const third = await t.up();
  expect(await readFile(join(workspace, 'plan.txt'), 'utf8')).toBe('of the repo\n');
  await end(third);
  await rename(repo.path, `${repo.path}.moved`);
  const fourth = await t.up();
  expect(existsSync(repo.path)).toBe(false);
  expect(fourth.output()).toContain('is gone, or was made anew');
  expect((await t.home.run('init', '--uninstall', repo.path)).status).toBe(0);
  await t.send('@ada are you there?');
  await t.heard('ada.mia', /are you there/);
  await end(fourth);
  await rename(`${repo.path}.moved`, repo.path);
});
