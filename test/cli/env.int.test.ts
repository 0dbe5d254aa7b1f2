/** Values for what agents declare, at the command line: given, listed by name, forgotten, and never shown. */
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { set } from '#cli/commands/env.ts';
import { openHome } from '#runtime/home.ts';
import { run, testContext } from '../support/command.ts';
import { person } from '../support/person.ts';
import { testServer } from '../support/server.ts';
import { tempDir, writeFiles } from '../support/temp.ts';

const text = (words: string) => [new TextEncoder().encode(words)];
const yaml = (...names: string[]) =>
  `config:\n  env:\n${names.map((name) => `    - {name: ${name}, purpose: x}\n`).join('')}`;

/** Mia, whose agents ada and bob declare names. */
async function scene() {
  const stack = new AsyncDisposableStack();
  const server = stack.use(await testServer());
  const mia = stack.use(await person(server, 'mia'));
  for (const name of ['ada', 'bob']) await mia.data('agent', 'create', name);
  const at = (...parts: string[]) => join(mia.home, ...parts);
  await writeFiles(at('agents', 'ada.mia'), { 'environment.yaml': yaml('GH_TOKEN', 'MAIL_KEY') });
  await writeFiles(at('agents', 'bob.mia'), { 'environment.yaml': yaml('GH_TOKEN', 'LD_PRELOAD') });
  return { mia, at, file: at('.state', 'env.toml'), [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

describe('env', () => {
  test('lists who declares what and what is missing, and never a value', async () => {
    await using it = await scene();
    await it.mia.data('env', 'set', 'GH_TOKEN', 'CANARY-1');
    await it.mia.data('env', 'set', 'GH_TOKEN', 'CANARY-2', '--agent', 'bob');
    await it.mia.data('env', 'set', 'OLD', 'CANARY-3');
    const listed = await it.mia.command(['env', 'list'], { isTerminal: true });
    expect(listed.stdout.split('\n')).toEqual([
      'GH_TOKEN  ada.mia     set',
      'GH_TOKEN  bob.mia     set for this agent',
      'MAIL_KEY  ada.mia     missing: aachat env set MAIL_KEY',
      'OLD       all agents  set, but not declared',
      '',
    ]);
    expect(listed.stderr).toBe(
      'bob.mia: environment.yaml declares 1 names that are reserved or not like NAME_OF_THIS_FORM.\n',
    );
    expect(await it.mia.data('env', 'list', 'ada')).toEqual({
      names: [
        { name: 'GH_TOKEN', agent: 'ada.mia', declared: true, value: 'set' },
        { name: 'MAIL_KEY', agent: 'ada.mia', declared: true, value: 'missing' },
      ],
    });
    expect(JSON.stringify([listed, await it.mia.data('env', 'list')])).not.toContain('CANARY');
  });

  test('takes a value from standard input, and forgets it', async () => {
    await using it = await scene();
    const done = await it.mia.command(['env', 'set', 'KEY'], { stdin: text('line one\nline two\n') });
    expect(done).toMatchObject({ status: 0, stderr: '' });
    expect(done.stdout).not.toContain('line');
    expect(await readFile(it.file, 'utf8')).toBe('KEY = "line one\\nline two"\n');
    expect((await stat(it.file)).mode & 0o777).toBe(0o600);
    await it.mia.data('env', 'unset', 'KEY');
    expect(await readFile(it.file, 'utf8')).toBe('');
    expect(await it.mia.command(['env', 'unset', 'KEY'])).toMatchObject({
      status: 4,
      stderr: expect.stringContaining('aachat env list'),
    });
  });

  test('a value that is typed is not shown', async () => {
    await using dir = await tempDir();
    const { context, stdout, stderr } = testContext({}, { stdin: text('CANARX\u007fY\r') });
    Object.assign(context.stdin, { isTTY: true });
    const home = openHome(dir.path);
    await set({ ...context, home }, { name: 'KEY', value: undefined, agent: undefined });
    expect(await readFile(home.envValues, 'utf8')).toBe('KEY = "CANARY"\n');
    expect(stderr()).toBe('Value of KEY for every agent that declares it (not shown): \n');
    expect(stdout()).not.toContain('CANAR');
  });

  test('a prompt that is left by Ctrl+C sets nothing', async () => {
    await using dir = await tempDir();
    const { context } = testContext({}, { stdin: text('half\u0003') });
    Object.assign(context.stdin, { isTTY: true });
    const home = openHome(dir.path);
    const setting = set({ ...context, home }, { name: 'KEY', value: undefined, agent: undefined });
    await expect(setting).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(stat(home.envValues)).rejects.toThrow('ENOENT');
  });

  test.for([
    [['set', 'gh_token', 'x'], 2, 'NAME_OF_THIS_FORM'],
    [['set', 'AA_TOKEN', 'x'], 2, 'reserved'],
    [['set', 'PATH', 'x'], 2, 'reserved'],
    [['set', 'GIT_SSH_COMMAND', 'x'], 2, 'reserved'],
    [['set', 'KEY', ''], 2, 'aachat env unset KEY'],
    [['set', 'KEY'], 2, 'empty'],
    [['set', 'KEY', 'x', '--agent', 'nobody'], 4, 'aachat agent create'],
    [['list', 'nobody'], 4, 'aachat agent create'],
  ] as const)('%j says what is wrong', async ([words, status, reason]) => {
    await using it = await scene();
    const outcome = await it.mia.command(['env', ...words], { isTerminal: true });
    expect(outcome).toMatchObject({ status, stdout: '', stderr: expect.stringContaining(reason) });
  });

  test('a damaged file is neither overwritten nor quoted', async () => {
    await using it = await scene();
    await writeFile(it.file, 'TOKEN = CANARY\n');
    for (const words of [['list'], ['set', 'KEY', 'x'], ['unset', 'KEY']]) {
      const outcome = await it.mia.command(['env', ...words]);
      expect(outcome.status).toBe(2);
      expect(outcome.stdout + outcome.stderr).toContain('no valid TOML');
      expect(outcome.stdout + outcome.stderr).not.toContain('CANARY');
    }
    expect(await readFile(it.file, 'utf8')).toBe('TOKEN = CANARY\n');
  });

  test('what stays for an agent out of service is said, and can be forgotten', async () => {
    await using it = await scene();
    await it.mia.data('agent', 'save', 'ada');
    await it.mia.data('env', 'set', 'GH_TOKEN', 'x', '--agent', 'ada');
    const done = await it.mia.command(['agent', 'remove', 'ada', '--yes'], { isTerminal: true });
    expect(done.stdout).toContain('aachat env unset GH_TOKEN --agent ada.mia');
    await it.mia.data('env', 'unset', 'GH_TOKEN', '--agent', 'ada.mia');
    expect(await readFile(it.file, 'utf8')).not.toContain('GH_TOKEN');
  });

  test('is refused inside a session before the file is looked at', async () => {
    const outcome = await run(['env', 'list'], { env: { AA_SESSION_ID: 'x', AACHAT_HOME: '/nowhere/home' } });
    expect(outcome).toMatchObject({ status: 3, stderr: expect.stringContaining('belongs to your owner') });
  });
});
