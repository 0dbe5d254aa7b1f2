import { describe, expect, test } from 'vitest';
import { AachatError } from '#base/errors.ts';
import { clockTime, createOutput, plain, table } from '#cli/output.ts';
import { commandFacts } from '../support/command.ts';

/** What a hostile message may hold, and what of it a terminal may see. */
const PAYLOADS: readonly (readonly [name: string, text: string, shown: string])[] = [
  ['a window title (OSC 0)', 'a\u001b]0;owned\u0007b', 'ab'],
  ['a window title that ends with ST', 'a\u001b]2;owned\u001b\\b', 'ab'],
  ['the clipboard (OSC 52)', 'a\u001b]52;c;cm0gLXJmIC8=\u0007b', 'ab'],
  ['a link (OSC 8)', '\u001b]8;;http://evil.invalid\u0007bank\u001b]8;;\u0007', 'bank'],
  ['a notification (OSC 9)', 'a\u001b]9;hello\u0007b', 'ab'],
  ['colours (SGR)', '\u001b[31mred\u001b[0m', 'red'],
  ['hidden text (SGR 8)', '\u001b[8mhidden\u001b[28m', 'hidden'],
  ['a cleared screen', 'a\u001b[2J\u001b[Hb', 'ab'],
  ['a question for the cursor (CSI 6n)', 'a\u001b[6nb', 'ab'],
  ['a question for the device (CSI c)', 'a\u001b[cb', 'ab'],
  ['the cursor moved up over earlier lines', 'a\u001b[5A\u001b[2Kforged', 'aforged'],
  ['bracketed paste switched off', 'a\u001b[?2004lb', 'ab'],
  ['the alternate screen', 'a\u001b[?1049hb', 'ab'],
  ['a lone CSI of one byte', 'a\u009b31mred', 'ared'],
  ['a lone OSC of one byte', 'a\u009d0;title\u009cb', ''],
  ['a device control string', 'a\u001bPq#0\u001b\\b', ''],
  ['an unterminated OSC', 'a\u001b]0;rest', ''],
  ['a reset of the terminal', 'a\u001bcb', ''],
  ['a carriage return over the line', 'all good\rforged  ', 'all good\nforged  '],
  ['backspaces', 'no\b\byes', 'noyes'],
  ['a bell and a NUL', 'a\u0007\u0000b', 'ab'],
  ['text that reads in another order', 'a\u202egnp.exe\u202c', 'agnp.exe'],
  ['isolated and marked text', '\u2066a\u2069\u200fb\u061c', 'ab'],
  ['a sequence hidden in another', '\u001b\u001b[31m[31mred', ''],
];

/** Bytes that a terminal acts on. */
const DANGEROUS = /(?![\n\t])[\p{Cc}\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]/u;

describe('text that others wrote', () => {
  test.each(PAYLOADS)('%s cannot reach the terminal', (_, text, shown) => {
    const clean = plain(text);
    expect(clean).not.toMatch(DANGEROUS);
    if (shown !== '') expect(clean).toBe(shown);
  });

  test('keeps letters of every script, line ends and tabs', () => {
    const text = 'Grüße, Привет, 你好, שלום 👩‍💻\n\tif (a[0] < b) return `x`;\n';
    expect(plain(text)).toBe(text);
  });
});

describe('a result', () => {
  const hostile = 'a\u009b31m\u202eb\u001b]0;x\u0007\u007f';
  const printed = (json: boolean, isTerminal: boolean, env = {}) => {
    const { facts, stdout, stderr } = commandFacts([], { isTerminal });
    return { output: createOutput({ stdout: facts.stdout, stderr: facts.stderr, json, env }), stdout, stderr };
  };

  test('is text, or one object', () => {
    const [text, json] = [printed(false, true), printed(true, true)];
    for (const { output } of [text, json]) output.result({ id: 1 }, 'One.');
    expect(text.stdout()).toBe('One.\n');
    expect(json.stdout()).toBe('{"data":{"id":1}}\n');
  });

  test('in JSON holds what others wrote exactly, and shows a terminal none of it', () => {
    const { output, stdout } = printed(true, true);
    output.result({ body: hostile }, '');
    expect(stdout()).not.toMatch(DANGEROUS);
    expect(JSON.parse(stdout())).toEqual({ data: { body: hostile } });
  });

  test('that is an error has code, message and hint', () => {
    const error = new AachatError('NOT_FOUND', 'No project x.', { hint: 'Run `aachat project list`.' });
    const [text, json] = [printed(false, true), printed(true, false)];
    for (const { output } of [text, json]) output.error(error);
    expect(text.stderr()).toBe('No project x.\nRun `aachat project list`.\n');
    expect(text.stdout()).toBe('');
    expect(JSON.parse(json.stdout())).toEqual({
      error: { code: 'NOT_FOUND', message: 'No project x.', hint: 'Run `aachat project list`.' },
    });
  });

  test('an error that quotes others is clean as well', () => {
    const { output, stderr } = printed(false, true);
    output.error(new AachatError('CONFLICT', hostile, { hint: hostile }));
    expect(stderr()).not.toMatch(DANGEROUS);
  });

  test('has colours only on a terminal that wants them', () => {
    const red = (isTerminal: boolean, env = {}) => printed(false, isTerminal, env).output.paint.red('x') !== 'x';
    expect(red(true)).toBe(true);
    expect(red(false)).toBe(false);
    expect(red(true, { NO_COLOR: '1' })).toBe(false);
    expect(red(true, { TERM: 'dumb' })).toBe(false);
    expect(red(false, { FORCE_COLOR: '1' })).toBe(true);
    expect(red(true, { FORCE_COLOR: '0' })).toBe(false);
    expect(red(false, { FORCE_COLOR: '1', NO_COLOR: '1' })).toBe(false);
  });

  test('is said beside without colours, where that goes into a file', () => {
    const { facts, stderr } = commandFacts([], { isTerminal: true });
    const file = Object.assign(facts.stderr, { isTTY: false });
    const output = createOutput({ stdout: facts.stdout, stderr: file, json: false, env: {} });
    output.note(output.paint.bold('Starting'));
    expect(stderr()).toBe('Starting\n');
  });
});

test('a table lines up, and a cell cannot break out of its row', () => {
  const rows = [
    ['ada.mia', 'running', 'a\nforged  row\u001b[2J'],
    ['b', 'stopped', ''],
  ];
  expect(table(rows)).toBe('ada.mia  running  a forged row\nb        stopped');
});

test('a time of today is a clock time, others have their day', () => {
  const now = new Date(2026, 0, 2, 18, 0);
  expect(clockTime(new Date(2026, 0, 2, 14, 5).toISOString(), now)).toBe('14:05');
  expect(clockTime(new Date(2026, 0, 1, 14, 5).toISOString(), now)).toBe('2026-01-01 14:05');
});
