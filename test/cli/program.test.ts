/** The grammar: every command has help, and an agent in its session has only the commands that are listed here. */
import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { ERROR_STATUS } from '#base/errors.ts';
import { isInSession } from '#cli/in-session.ts';
import { buildChat, buildProgram, commandPath, eachCommand } from '#cli/program.ts';
import { commandFacts, run } from '../support/command.ts';

/** Every verb, and whether an agent may run it inside its session. A new verb must be entered here. */
const VERBS = {
  'agent clone': 'refused',
  'agent budget': 'refused',
  'agent create': 'refused',
  'agent list': 'refused',
  'agent policy': 'refused',
  'agent trust': 'refused',
  'agent remove': 'refused',
  'agent save': 'allowed',
  'agent show': 'refused',
  'auth login': 'refused',
  'auth logout': 'refused',
  'auth status': 'refused',
  'auth token': 'refused',
  completion: 'refused',
  'config list': 'refused',
  'config set': 'refused',
  'config unset': 'refused',
  demo: 'refused',
  'doc conflicts': 'allowed',
  'doc diff': 'allowed',
  'doc history': 'allowed',
  'doc list': 'allowed',
  'doc purge': 'refused',
  'doc resume': 'refused',
  'doc restore': 'refused',
  'doc show': 'allowed',
  doctor: 'refused',
  'env list': 'refused',
  'env set': 'refused',
  'env unset': 'refused',
  down: 'refused',
  find: 'allowed',
  inbox: 'allowed',
  init: 'refused',
  logs: 'refused',
  mentions: 'allowed',
  'permission allow': 'refused',
  'permission deny': 'refused',
  'permission list': 'refused',
  'project archive': 'refused',
  'project assign': 'refused',
  'project create': 'refused',
  'project list': 'allowed',
  'project members': 'allowed',
  'project read': 'allowed',
  'project send': 'allowed',
  'project unassign': 'refused',
  schema: 'refused',
  'server invite': 'refused',
  'server run': 'refused',
  'server start': 'refused',
  'server status': 'refused',
  'server stop': 'refused',
  'session cancel': 'refused',
  'session fork': 'refused',
  'session compact': 'refused',
  'session import': 'refused',
  'session list': 'refused',
  'session log': 'refused',
  'session attach': 'refused',
  'session policy': 'refused',
  'session remove': 'refused',
  'session resume': 'refused',
  'session rewind': 'refused',
  'session run': 'refused',
  'session search': 'refused',
  'session send': 'refused',
  'session show': 'allowed',
  'session spawn': 'allowed',
  'session stop': 'refused',
  status: 'refused',
  up: 'refused',
  watch: 'refused',
} as const;

class Opened extends Error {}
const open = () => Promise.reject(new Opened());

function verbs(program: Command): readonly Command[] {
  const found: Command[] = [];
  eachCommand(program, (command) => {
    if (command.commands.length === 0) found.push(command);
  });
  return found;
}

const { facts } = commandFacts([], {});
const words = (command: Command): readonly string[] => [
  ...commandPath(command).split(' ').filter(Boolean),
  ...command.registeredArguments
    .filter(({ required }) => required)
    .map(({ argChoices: [first = 'x1y2'] = [] }) => first),
];

describe('in a session', () => {
  test('every verb of the grammar is decided', () => {
    expect(new Set(verbs(buildProgram(facts, open, true)).map(commandPath))).toEqual(new Set(Object.keys(VERBS)));
  });

  for (const [verb, decision] of Object.entries(VERBS)) {
    test(`\`${verb}\` is ${decision}${decision === 'refused' ? ' before anything is opened' : ''}`, async () => {
      const program = buildProgram(facts, open, true);
      const command = verbs(program).find((one) => commandPath(one) === verb);
      const running = program.parseAsync([...words(command ?? program)], { from: 'user' });
      if (decision === 'allowed') await expect(running).rejects.toThrow(Opened);
      else await expect(running).rejects.toMatchObject({ code: 'FORBIDDEN', hint: expect.stringContaining('owner') });
    });

    test(`\`${verb}\` is open to a person`, async () => {
      const program = buildProgram(facts, open, false);
      const command = verbs(program).find((one) => commandPath(one) === verb);
      await expect(program.parseAsync([...words(command ?? program)], { from: 'user' })).rejects.toThrow(Opened);
    });
  }

  test.each(['AA_TOKEN_FILE', 'AA_SESSION_ID', 'AACHAT_LEASE'])('%s alone, even empty, marks one', async (name) => {
    expect(isInSession({ [name]: '' })).toBe(true);
    expect(isInSession({ AACHAT_TOKEN: 'x' })).toBe(false);
    const { status, stderr } = await run(['up'], { env: { [name]: '', AACHAT_TOKEN: 'x' } });
    expect(status).toBe(3);
    expect(stderr).toContain('belongs to your owner');
  });

  test('another credential does not help: only the token of the session is looked for', async () => {
    const env = { AA_SESSION_ID: 'x', AACHAT_TOKEN: 'of the person', AACHAT_HOME: '/nowhere/home' };
    const { status, stdout } = await run(['project', 'list', '--json'], { env });
    expect(status).toBe(3);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'UNAUTHORIZED' } });
  });
});

test('--text chooses what is printed, and is no text of a message', async () => {
  const { status, stderr } = await run(['project', 'send', 'launch', 'hello', '--text'], {
    env: { AACHAT_HOME: '/nowhere/home', AACHAT_SERVER: 'http://127.0.0.1:1' },
  });
  expect(stderr).not.toContain('bug in aachat');
  expect(status).not.toBe(70);
});

describe('help', () => {
  const programs = { aachat: buildProgram(facts, open, false), chat: buildChat(facts, open) };
  for (const [name, program] of Object.entries(programs)) {
    for (const command of verbs(program).filter((one) => !isHidden(one))) {
      test(`\`${name} ${commandPath(command)}\` says what it does, with an example`, async () => {
        let text = '';
        command.configureOutput({
          writeOut: (part) => {
            text += part;
          },
        });
        expect(command.description()).not.toBe('');
        command.outputHelp();
        expect(text).toMatch(new RegExp(`Example:\\n.*${name} ${commandPath(command)}`));
        expect([...command.registeredArguments, ...command.options].filter(isUndescribed)).toEqual([]);
      });
    }
  }

  const groups = programs.aachat.commands.filter(({ commands }) => commands.length > 0);
  test.each(groups.map((group) => [group.name()]))(
    '`aachat %s` says what it is about, with an example',
    async (name) => {
      const { stdout } = await run([name, '--help']);
      expect(stdout).toMatch(new RegExp(`^Usage: aachat ${name} .*\\n\\n\\S[^]*Example:\\n  aachat ${name} `));
    },
  );

  test('is asked for with status 0, and is text also where stdout is no terminal', async () => {
    for (const argv of [['--help'], ['project', '--help'], ['project', 'send', '--help']]) {
      const { status, stdout } = await run(argv);
      expect(status).toBe(0);
      expect(stdout).toContain('Usage: aachat');
    }
  });

  test('says what each exit status means, and no other', async () => {
    const { stdout } = await run(['--help']);
    const [, table = ''] = /Exit status:\n(.*?)\n\n/s.exec(stdout) ?? [];
    const shown = table.split('\n').map((line) => Number(/^ {2}(\d+) +\S/.exec(line)?.[1]));
    const used = new Set([0, 1, ...Object.values(ERROR_STATUS).map(({ exit }) => exit)]);
    expect(shown).toEqual([...used].toSorted((a, b) => a - b));
  });

  test('does not show verbs that nobody types', async () => {
    expect((await run(['server', '--help'])).stdout).not.toMatch(/^ +run/m);
  });
});

const isUndescribed = ({ description }: { readonly description: string }): boolean => description === '';

function isHidden(command: Command): boolean {
  return !(command.parent?.createHelp().visibleCommands(command.parent).includes(command) ?? true);
}

describe('a mistake on the command line', () => {
  test.each([
    [['projct', 'list'], /unknown command 'projct'/i, /Did you mean project/],
    [['project', 'lst'], /unknown command 'lst'/i, /Did you mean list/],
    [['project', 'send', '--stdn', 'x'], /unknown option '--stdn'/i, /Did you mean --stdin/],
    [['project', 'send'], /missing required argument 'project'/i, /--help/],
    [['agent', 'budget', 'ada', '--turns-per-hour', '0'], /whole number from 1, or unlimited/i, /--help/],
    [['agent', 'budget', 'ada', '--tokens-per-day', '1e6'], /whole number from 1, or unlimited/i, /--help/],
    [['agent', 'budget', 'ada', '--cost-per-day', '-1'], /US dollars such as 20/i, /--help/],
    [['project', 'read', 'x', '--limit', 'many'], /whole number from 1 to 200/i, /--help/],
    [['project', 'assign', 'x', 'noa', '--role', 'king'], /admin, collaborator, viewer/, /--help/],
    [['project', 'unassign', 'x', 'noa', '--role', 'admin'], /unknown option '--role'/i, /--help/],
    [['config', 'set', 'toString', 'x'], /server, team, agent/, /--help/],
    [['doc', 'conflicts', 'plan', 'v1'], /whole number from 1 on/, /--help/],
    [['doc', 'conflicts', 'plan', '--take', 'ours'], /mine, theirs, both/, /--help/],
    [['inbox', 'too', 'much'], /too many arguments/i, /--help/],
    [['project'], /command is missing/i, /--help/],
    [[], /command is missing/i, /--help/],
  ])('%j is explained, with status 2', async (argv, message, hint) => {
    const { status, stderr, stdout } = await run(argv);
    expect(status).toBe(2);
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(hint);
    expect(stderr).not.toMatch(/^\s+at /m);
    expect(stdout).toBe('');
  });

  test('with --json is one object', async () => {
    const { status, stdout } = await run(['project', 'lst', '--json']);
    expect(status).toBe(2);
    expect(JSON.parse(stdout)).toEqual({
      error: { code: 'USAGE', message: "Unknown command 'lst'.", hint: expect.stringContaining('list') },
    });
  });

  test('the second name always answers in JSON', async () => {
    const { status, stdout } = await run(['send'], { name: 'chat', isTerminal: true });
    expect(status).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'USAGE' } });
  });

  test('a place to read from is a number, and nothing is asked for without one', async () => {
    const { status, stdout } = await run(['read', 'launch', '--since-seq', 'many'], { name: 'chat' });
    expect(status).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({ error: { message: expect.stringContaining('whole number from 0 on') } });
  });

  test('the version is asked for with status 0', async () => {
    expect(await run(['--version'])).toEqual({ status: 0, stdout: '0.0.0-test\n', stderr: '' });
  });
});
