/** `aachat schema`: no command is left out, and what it prints is JSON Schema. */
import { expect, test } from 'vitest';
import { buildProgram, commandPath, eachCommand } from '#cli/program.ts';
import { OUTPUTS } from '#cli/schemas.ts';
import { commandFacts, run } from '../support/command.ts';

test('every command has a schema, and every schema a command', () => {
  const program = buildProgram(
    commandFacts([], {}).facts,
    () => Promise.reject(new Error('Nothing is opened.')),
    false,
  );
  const found = new Set<string>();
  eachCommand(program, (command) => {
    const isVisible = command.parent?.createHelp().visibleCommands(command.parent).includes(command);
    if (command.commands.length === 0 && isVisible === true) found.add(commandPath(command));
  });
  expect(new Set(Object.keys(OUTPUTS))).toEqual(found);
});

interface Shown {
  readonly data: {
    readonly commands: readonly { readonly command: string; readonly data?: object; readonly line?: object }[];
  };
}

test.each([
  [['session', 'run'], ['session run']],
  [['auth'], ['auth login', 'auth logout', 'auth status', 'auth token']],
  [[], Object.keys(OUTPUTS)],
])('schema %j describes %j', async (words, commands) => {
  const { status, stdout } = await run(['schema', ...words, '--json'], { env: { AACHAT_HOME: '/nowhere/home' } });
  const { data } = JSON.parse(stdout) as Shown;
  expect([status, data.commands.map(({ command }) => command)]).toEqual([0, commands]);
  for (const { data: result, line } of data.commands) {
    expect(result ?? line).toMatchObject({ $schema: expect.stringContaining('json-schema.org') });
  }
});

test('a command that does not exist has none', async () => {
  const { status, stderr } = await run(['schema', 'nope'], { env: { AACHAT_HOME: '/nowhere/home' } });
  expect([status, stderr]).toEqual([4, expect.stringContaining('no command `aachat nope`')]);
});
