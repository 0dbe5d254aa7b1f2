/** What we tell AIs to run exists: every command of a skill goes through the parser of the program. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { buildChat, buildProgram } from '#cli/program.ts';
import { managedText } from '#runtime/instructions.ts';
import { plainSkill } from '#runtime/skills.ts';
import { commandFacts } from '../support/command.ts';

class Opened extends Error {}
const open = () => Promise.reject(new Opened());
const { facts } = commandFacts([], {});

const skill = (name: string) => readFile(join(facts.skillsDir, name, 'SKILL.md'), 'utf8');

/** Command lines in backquotes, as words: placeholders filled in, optional parts taken, alternatives spelled out. */
function commandsIn(text: string): readonly (readonly string[])[] {
  const spans = [...text.matchAll(/`((?:aachat|chat) [^`]+)`/g)].map(([, span = '']) => span);
  return spans
    .filter((span) => !span.includes('<command>'))
    .flatMap((span) => {
      const [first = '', ...others] = span.split(' | ');
      return [first, ...others.map((verb) => `${first.split(' ')[0]} ${verb}`)];
    })
    .map((line) =>
      line
        .replace(/[[\]]/g, '')
        .replace(/"[^"]*"/g, 'text')
        .replace(/<[^>]*>/g, 'x1y2')
        .split(' '),
    );
}

/** Whether the words are a whole command line; what a chat verb needs besides its name is in its help. */
async function parse(words: readonly string[], inSession: boolean): Promise<unknown> {
  const [program, ...rest] = words;
  const parser = program === 'chat' ? buildChat(facts, open) : buildProgram(facts, open, inSession);
  if (program === 'chat') return parser.commands.some((command) => command.name() === rest[0]) ? new Opened() : words;
  return await parser.parseAsync([...rest], { from: 'user' }).catch((thrown: unknown) => thrown);
}

describe.each([
  ['aachat', false],
  ['aachat-session', true],
])('skill %s', (name, inSession) => {
  test('names commands that exist, with their flags', async () => {
    const commands = commandsIn(await skill(name));
    expect(commands.length).toBeGreaterThan(8);
    for (const words of commands) {
      expect(await parse(words, inSession), words.join(' ')).toBeInstanceOf(Opened);
    }
  });

  test('has a front matter of name and description only, and is short', async () => {
    const text = await skill(name);
    expect(text).toBe(plainSkill(name, text));
    expect(text.length).toBeLessThan(8_000);
  });
});

test('the instructions of a session name commands that an agent may run', async () => {
  const facts = { agent: 'ada.mia', owner: 'mia', sessionId: 'x', team: 'acme', projects: [], agentDir: 'a' };
  const commands = commandsIn(managedText(facts));
  expect(commands.length).toBeGreaterThan(4);
  for (const words of commands) expect(await parse(words, true), words.join(' ')).toBeInstanceOf(Opened);
});

test('a command that does not exist is found', async () => {
  const commands = commandsIn(
    'Run `aachat project send <project> "<text>" --loud` and `aachat shout`, `chat send | yell`.',
  );
  expect(commands).toHaveLength(4);
  const results = await Promise.all(commands.map(async (words) => (await parse(words, false)) instanceof Opened));
  expect(results).toEqual([false, false, true, false]);
});
