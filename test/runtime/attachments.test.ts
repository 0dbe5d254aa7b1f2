import { describe, expect, test } from 'vitest';
import type { SessionEvent } from '#contract/attachment.ts';
import { ATTACHMENT_SILENCE_MS } from '#contract/control.ts';
import { createAttachments } from '#runtime/attachments.ts';
import { createSessionWatch, type Happening } from '#runtime/session-watch.ts';

const sessionId = 's' as never;

describe('attachments', () => {
  function scene() {
    let now = 0;
    const dead = new Set<number>();
    const ended: number[] = [];
    const attachments = createAttachments(
      () => {},
      () => now,
      ({ pid }) => !dead.has(pid),
    );
    const open = (pid: number, interactive = true, workspace = 'ws') =>
      attachments.open({
        sessionId,
        workspace,
        interactive,
        holder: { pid, startedAt: 'x' },
        end: () => ended.push(pid),
      });
    const pids = () => attachments.list().map(({ pid }) => pid);
    const pass = (ms: number) => {
      now += ms;
    };
    return { attachments, open, pids, pass, dead, ended };
  }

  test('one steers a workspace; other workspaces, and those who look on, are free', () => {
    const { attachments, open, pids } = scene();
    open(1);
    expect(() => open(2)).toThrow(/pid 1, since 1970-01-01T00:00:00.000Z/);
    open(3, true, 'another');
    open(4, false);
    open(5, false);
    expect([attachments.isSteered(sessionId), attachments.isSteered('other' as never)]).toEqual([true, false]);
    expect(pids()).toEqual([1, 3, 4, 5]);
  });

  test('one that says it is alive stays; one that is silent for two minutes is replaced, and told', () => {
    const { attachments, open, pids, pass, ended } = scene();
    const first = open(1);
    pass(ATTACHMENT_SILENCE_MS - 1);
    attachments.beat(first);
    pass(ATTACHMENT_SILENCE_MS - 1);
    expect(() => open(2)).toThrow(expect.objectContaining({ code: 'CONFLICT' }));
    pass(1);
    expect(pids()).toEqual([]);
    open(2);
    expect([pids(), ended]).toEqual([[2], [1]]);
    expect(() => attachments.beat(first)).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }));
  });

  test('one whose process is gone is replaced at once', () => {
    const { open, pids, dead, ended } = scene();
    open(1);
    dead.add(1);
    open(2);
    expect([pids(), ended]).toEqual([[2], [1]]);
  });
});

describe('the watch of a session', () => {
  const prompt: Happening = { type: 'prompt', turnId: 't' as never, text: 'do it' };
  const text = (words: string, isThought = false): Happening => ({
    type: 'text',
    turnId: 't' as never,
    messageId: null,
    isThought,
    text: words,
  });
  const turn: Happening = { type: 'turn', turnId: 't' as never, state: 'ended', stopReason: 'end_turn' };
  const now = (): readonly Happening[] => [{ type: 'state', session: {} as never }];
  const short = (event: SessionEvent | undefined) =>
    event?.type === 'text' ? event.text : event?.type === 'dropped' ? `${event.count} dropped` : event?.type;

  async function read(events: AsyncGenerator<SessionEvent>, count: number): Promise<readonly unknown[]> {
    const seen: unknown[] = [];
    while (seen.length < count) seen.push(short((await events.next()).value as SessionEvent));
    return seen;
  }

  test('tells who comes late how the turn began, with texts put together', async () => {
    const watch = createSessionWatch(() => 0);
    for (const one of [prompt, text('a'), text('b'), text('c', true)]) watch.tell(sessionId, one);
    const over = new AbortController();
    const events = watch.open(sessionId, now, over.signal);
    expect(await read(events, 4)).toEqual(['prompt', 'ab', 'c', 'state']);
    watch.tell(sessionId, turn);
    expect(await read(events, 1)).toEqual(['turn']);
    over.abort();
    expect((await events.next()).done).toBe(true);
    const later = watch.open(sessionId, now, AbortSignal.abort());
    expect(await read(later, 1)).toEqual(['state']);
    expect((await later.next()).done).toBe(true);
  });

  test('remembers the end of a long turn, and never much', async () => {
    const watch = createSessionWatch(() => 0);
    watch.tell(sessionId, prompt);
    for (let i = 0; i < 1_000; i += 1) watch.tell(sessionId, text(`${i} `.padEnd(1_000, 'x')));
    const [remembered] = await read(watch.open(sessionId, now, AbortSignal.abort()), 1);
    expect(String(remembered).length).toBeLessThanOrEqual(64 * 1024);
    expect(String(remembered)).toMatch(/999 x+$/);
  });

  test('counts what a slow one misses, and then says what holds', async () => {
    const watch = createSessionWatch(() => 0);
    const events = watch.open(sessionId, now, new AbortController().signal);
    expect(await read(events, 1)).toEqual(['state']);
    const words = 'x'.repeat(100 * 1024);
    for (const one of [text(words), text(words, true), text(words), turn]) watch.tell(sessionId, one);
    expect(await read(events, 4)).toEqual([words, words, '2 dropped', 'state']);
    watch.tell(sessionId, text('more'));
    expect(await read(events, 1)).toEqual(['more']);
  });

  test('ends for all when it is closed, with what was said before', async () => {
    const watch = createSessionWatch(() => 0);
    const events = watch.open(sessionId, now, new AbortController().signal);
    await events.next();
    watch.tell(sessionId, turn);
    watch.close();
    expect(await read(events, 1)).toEqual(['turn']);
    expect((await events.next()).done).toBe(true);
  });
});
