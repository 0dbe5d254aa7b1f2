import { PassThrough } from 'node:stream';
import { expect, onTestFinished, test, vi } from 'vitest';
import { openScreen } from '#cli/up-screen.ts';
import type { PendingPermission } from '#contract/control.ts';
import { NO_PAINT } from '../support/command.ts';

const permission = {
  id: '019a1b2c-3d4e-7f60-8a9b-0c1d2e3f4a5c',
  agent: 'ada.mia',
  title: 'Write a',
} as PendingPermission;

test.each([
  ['24 rows and 80 columns', { rows: 24, columns: 80 }],
  ['no rows and columns', { rows: 0, columns: 0 }],
  ['no size', {}],
])('what a key answers is shown on a terminal with %s', async (_, size) => {
  const stdout = Object.assign(new PassThrough(), { isTTY: true }, size);
  const stdin = Object.assign(new PassThrough(), { isTTY: true });
  const answers: boolean[] = [];
  const screen = await openScreen({
    stdout,
    stdin,
    json: false,
    paint: NO_PAINT,
    state: () => ({ sessions: [], permissions: [permission], mirrors: [], connected: true }),
    onAnswer: (_permission, allow) => answers.push(allow),
    onInterrupt: () => {},
  });
  expect(String(stdout.read())).toMatch(/ada\.mia asks: Write a\n.*y allow once/);
  stdin.emit('data', Buffer.from('y'));
  expect(answers).toEqual([true]);
  screen.close();
});

test('a key answers what is on the screen, and nothing that took its place a moment ago', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const stdin = Object.assign(new PassThrough(), { isTTY: true });
  const waiting = ['a', 'b'].map((id) => ({ ...permission, id }) as unknown as PendingPermission);
  const answered: string[] = [];
  const screen = await openScreen({
    stdout: Object.assign(new PassThrough(), { isTTY: true }),
    stdin,
    json: false,
    paint: NO_PAINT,
    state: () => ({ sessions: [], permissions: waiting, mirrors: [], connected: true }),
    onAnswer: ({ id }) => {
      answered.push(id);
      waiting.shift();
      screen.update();
    },
    onInterrupt: () => {},
  });
  const press = (keys: string) => stdin.emit('data', Buffer.from(keys));
  press('yyy');
  vi.advanceTimersByTime(200);
  press('y');
  expect(answered).toEqual(['a']);
  vi.advanceTimersByTime(1_000);
  press('y');
  expect(answered).toEqual(['a', 'b']);
  screen.close();
});
