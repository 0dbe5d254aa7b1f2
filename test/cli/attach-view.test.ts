import { expect, test } from 'vitest';
import { createAttachView } from '#cli/attach-view.ts';
import type { SessionEvent } from '#contract/attachment.ts';

const paint = { dim: String, yellow: String, red: String, bold: String };
const at = '2026-01-01T00:00:00.000Z';
const turnId = '019a1b2c-3d4e-7f60-8a9b-0c1d2e3f4a5b' as never;
const event = (type: string, more: object): SessionEvent => ({ type, at, turnId, ...more }) as unknown as SessionEvent;
const text = (words: string, isThought = false) => event('text', { text: words, isThought });
const tool = (title: string | null, status: string | null, toolCallId = 'c') =>
  event('tool', { toolCallId, title, status });
const shown = (events: readonly SessionEvent[], steers = true) => {
  const view = createAttachView(paint, steers);
  return events.map((one) => view.show(one)).join('');
};

test('text is written as it comes, and everything else stands on lines of its own', () => {
  const session = { agent: 'ada.mia', phase: 'running', step: 'ready', activity: 'working', problem: null };
  expect(
    shown([
      event('state', { session }),
      event('state', { session: { ...session, tokens: 7 } }),
      event('prompt', { text: 'do it' }),
      text('hm', true),
      text('one '),
      text('two'),
      tool('ls', 'pending'),
      tool(null, 'completed'),
      { ...text('of another message'), messageId: 'm' } as SessionEvent,
      text('three\n'),
      event('turn', { state: 'ended', stopReason: 'end_turn' }),
      event('dropped', { count: 3 }),
    ]),
  ).toBe(
    [
      '— ada.mia working —',
      'turn 2e3f4a5b',
      '    do it',
      'hm',
      'one two',
      'tool: ls',
      'of another message',
      'three',
      'turn 2e3f4a5b ended (end_turn)',
      '(3 events were left out: this was read too slowly; session log has all)',
      '',
    ].join('\n'),
  );
});

test('a question says how it is answered, and later by whom it was', () => {
  const id = '019a1b2c-3d4e-7f60-8a9b-0c1d2e3f4a5b';
  const permission = {
    id,
    agent: 'ada.mia',
    title: 'rm -rf\nbuild',
    expiresAt: at,
    outcome: 'denied',
    by: 'x on laptop',
  };
  const both = [event('asked', { permission }), event('settled', { permission })];
  expect(shown(both)).toMatch(/^ada\.mia asks: rm -rf build\n {2}y allow once {3}n deny .*\ndenied by x on laptop: rm/);
  expect(shown(both, false)).toMatch(/\n {2}aachat permission allow \| deny 2e3f4a5b /);
});

test('of several questions the first one has the keys, and the next one gets them when that is answered', () => {
  const at1 = '019a1b2c-3d4e-7f60-8a9b-0c1d2e3f4a51';
  const ask = (id: string, title: string) => ({
    id,
    agent: 'ada.mia',
    title,
    expiresAt: at,
    outcome: 'allowed',
    by: null,
  });
  const [first, second] = [ask(at1, 'ls'), ask(at1.replace('51', '52'), 'rm')];
  const view = createAttachView(paint, true);
  const show = (type: string, permission: object) => view.show(event(type, { permission }));
  expect(show('asked', first)).toMatch(/^ada\.mia asks: ls\n {2}y allow once/);
  expect(show('asked', second)).toMatch(/^ada\.mia asks: rm\n {2}waits until the one before is answered/);
  expect(show('asked', second)).toBe('');
  expect(view.asks).toMatchObject({ title: 'ls' });
  expect(show('settled', first)).toMatch(/^allowed: ls\nada\.mia asks: rm\n {2}y allow once/);
  expect(view.asks).toMatchObject({ title: 'rm' });
  expect(show('settled', second)).toBe('allowed: rm\n');
  expect(view.asks).toBeUndefined();
});

test('what agents write cannot control the terminal, and long prompts are cut', () => {
  expect(shown([text('a\u001b[2Jb'), tool('x\u001b]52;c;AAAA\u0007\ny', 'failed')])).toBe('ab\ntool failed: x y\n');
  const long = Array.from({ length: 30 }, (_, i) => `line ${i}`).join('\n');
  expect(shown([event('prompt', { text: long })])).toMatch(/line 11\n {4}… 18 more lines\n$/);
});
