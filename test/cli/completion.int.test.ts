/** What shells complete. Bash is asked itself; the others at least read their script, where they are installed. */
import { spawnSync } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { completionScript } from '#cli/completion.ts';
import { buildProgram } from '#cli/program.ts';
import { commandFacts, run } from '../support/command.ts';
import { tempDir, writeFiles } from '../support/temp.ts';

const program = buildProgram(commandFacts([], {}).facts, () => Promise.reject(new Error('Nothing is opened.')), false);

/** What bash offers for each line, as it asks a completion function. */
function bashOffers(lines: readonly (readonly string[])[]): readonly (readonly string[])[] {
  const asks = lines.map((words) => {
    const quoted = words.map((word) => `'${word}'`).join(' ');
    return `COMP_WORDS=(${quoted}); COMP_CWORD=${words.length - 1}; COMPREPLY=(); _aachat; echo "\${COMPREPLY[*]}"`;
  });
  const { stdout, stderr } = spawnSync(
    'bash',
    ['--norc', '-c', `source /dev/stdin <<< "$SCRIPT"\n${asks.join('\n')}`],
    {
      env: { PATH: process.env['PATH'], SCRIPT: completionScript(program, 'bash') },
      encoding: 'utf8',
    },
  );
  expect(stderr).toBe('');
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.split(' ').filter(Boolean));
}

test('bash completes every command and option of the program, and no hidden one', () => {
  const help = program.createHelp();
  const groups = [program, ...program.commands.filter(({ commands }) => commands.length > 0)];
  const lines = groups.map((group) => (group === program ? ['aachat', ''] : ['aachat', group.name(), '']));
  for (const [index, offered] of bashOffers(lines).entries()) {
    const group = groups[index] ?? program;
    const names = help.visibleCommands(group).flatMap((command) => [command.name(), ...command.aliases()]);
    expect(offered.filter((name) => !name.startsWith('-'))).toEqual(names);
  }
});

test.each([
  [['aachat', 'proj'], ['project']],
  [['aachat', 'project', 'ar'], ['archive']],
  [['aachat', 'project', 'read', 'launch', '--be'], ['--before']],
  [['aachat', '--json', 'session', 'read', '--f'], ['--follow']],
  [
    ['aachat', 'completion', ''],
    ['bash', 'zsh', 'fish', '--json', '--text', '-h', '--help'],
  ],
  // A value is not one of ours: the shell offers files.
  [['aachat', 'watch', '--cursor', ''], []],
  [['aachat', 'server', 'ru'], []],
])('bash offers for %j', (words, offered) => {
  expect(bashOffers([words])).toEqual([offered]);
});

test.each(['zsh', 'fish'] as const)('the script for %s has every command, and it can be read', async (shell) => {
  const script = completionScript(program, shell);
  for (const words of ["'project send'", "'session read'", 'archive', 'reply-to', 'mention you, newest first']) {
    expect(script).toContain(words);
  }
  await using dir = await tempDir();
  await writeFiles(dir.path, { script });
  const { error, stderr } = spawnSync(shell, ['-n', join(dir.path, 'script')], { encoding: 'utf8' });
  if (error === undefined) expect(stderr).toBe('');
  else expect(error).toMatchObject({ code: 'ENOENT' });
});

test('the command prints the script and touches nothing', async () => {
  await using dir = await tempDir();
  const { status, stdout } = await run(['completion', 'bash'], { env: { AACHAT_HOME: join(dir.path, 'home') } });
  expect([status, stdout]).toEqual([0, completionScript(program, 'bash')]);
  expect(await readdir(dir.path)).toEqual([]);
  expect(await run(['completion', 'tcsh'])).toMatchObject({ status: 2, stderr: expect.stringContaining('bash, zsh') });
});
