import { describe, expect, test } from 'vitest';
import type { LogEvent, LogLine, TurnRecord } from '#runtime/event-log.ts';
import { recover } from '#runtime/recovery.ts';
import { NO_TOKENS, tokensOf } from '#runtime/token-count.ts';

const turnId = '019a1b2c-3d4e-7f60-8a9b-0c1d2e3f4a5b' as never;
const ids = { projectId: 'p' as never, signals: ['s' as never] };
const outcome: TurnRecord = {
  state: 'ended',
  stopReason: 'end_turn',
  text: 'done',
  counters: { inputTokens: 10, outputTokens: 5, cacheReadTokens: 0, cacheWriteTokens: 0, costMicros: 2 },
  lastMessageId: null,
};
const steps: readonly LogEvent[] = [
  { type: 'agent.opened', pid: 1, program: 'p', conversation: 'c1', opened: 'new' },
  { type: 'turn.started', turnId, ...ids },
  { type: 'turn.prompted', turnId, prompt: 'do it' },
  { type: 'turn.finished', turnId, outcome },
  { type: 'turn.posted', turnId, messageId: 'm' as never },
  { type: 'turn.closed', turnId },
];
const lines = (events: readonly LogEvent[]): LogLine[] =>
  events.map((event, index) => ({ seq: index + 1, at: '2026-01-01T00:00:00.000Z', ...event }));

describe('recovery', () => {
  test.for([
    [1, undefined],
    [2, 'started'],
    [3, 'prompted'],
    [4, 'finished'],
    [5, 'posted'],
    [6, undefined],
  ] as const)('killed after %i steps, the turn owes what follows %s', ([count, step]) => {
    expect(recover(lines(steps.slice(0, count))).owed?.step).toBe(step);
  });

  test('remembers the newest conversation and the tokens of all turns', () => {
    const again = { type: 'agent.opened', pid: 2, program: 'p', conversation: 'c2', opened: 'renewed' } as const;
    expect(recover(lines([...steps, again, ...steps.slice(1)]))).toEqual({
      conversation: 'c2',
      introduced: true,
      branch: null,
      owed: null,
      tokens: 30,
      costMicros: 2,
      notices: [],
      program: { origin: 'p', version: undefined },
      epoch: 0,
    });
  });

  test('counts what a turn used that was broken off, however often', () => {
    const update = (value: object): LogEvent => ({ type: 'update', turnId, update: value });
    const used = (tokens: unknown) => update({ sessionUpdate: 'usage_update', used: tokens, size: 200 });
    const tool = update({ sessionUpdate: 'tool_call_update', toolCallId: 't', status: 'completed' });
    const prompted = steps[2] as LogEvent;
    const tries = [used(100), used(110), tool, used(150), prompted, used(160), tool, used('many'), update([])];
    const { owed } = recover(lines([...steps.slice(0, 3), ...tries]));
    expect(tokensOf(owed?.count ?? NO_TOKENS)).toBe(110 + 150 + 160);
    const others = { ...(used(1_000) as object), turnId: null } as LogEvent;
    expect(tokensOf(recover(lines([...steps.slice(0, 3), others])).owed?.count ?? NO_TOKENS)).toBe(0);
  });

  test.for([
    ['was opened', 1, false],
    ['was prompted', 3, false],
    ['answered', 4, true],
  ] as const)('a conversation that %s is introduced: %s', ([, count, introduced]) => {
    const resumed = { type: 'agent.opened', pid: 2, program: 'p', conversation: 'c1', opened: 'resumed' } as const;
    expect(recover(lines([...steps.slice(0, count), resumed])).introduced).toBe(introduced);
    expect(recover(lines([...steps.slice(0, count), { ...resumed, opened: 'renewed' }])).introduced).toBe(false);
  });

  test('a conversation that goes on from an earlier turn is opened anew, and its agent told until it has answered', () => {
    const from = 's1' as never;
    const place = { turnId, conversation: 'c1', messageId: 'm1', isWhole: false, git: { team: null, agent: null } };
    const branched = { type: 'session.branched', from, ...place } as const;
    const forked = { type: 'agent.opened', pid: 2, program: 'p', conversation: 'c2', opened: 'forked' } as const;
    const [, started, prompted, finished] = steps as [LogEvent, LogEvent, LogEvent, LogEvent];
    // What was interrupted is not owed any more.
    const before = recover(lines([...steps, started, prompted, branched]));
    expect(before).toMatchObject({ conversation: null, introduced: false, owed: null });
    expect(before.branch).toMatchObject({ from, ...place, isCarried: false });
    const opened = recover(lines([...steps, branched, forked]));
    expect(opened).toMatchObject({ conversation: 'c2', branch: { isCarried: true }, introduced: false, costMicros: 0 });
    const told = recover(lines([...steps, branched, forked, started, prompted]));
    expect(told.branch).not.toBeNull();
    expect(recover(lines([...steps, branched, forked, started, prompted, finished])).branch).toBeNull();
    const anew = recover(lines([...steps, branched, { ...forked, opened: 'renewed' }]));
    expect(anew).toMatchObject({ conversation: 'c2', branch: { isCarried: false } });
  });

  test('a turn that starts again keeps what it had and counts its attempts', () => {
    const twice = recover(lines([...steps.slice(0, 3), ...steps.slice(1, 3)])).owed;
    expect(twice).toMatchObject({ step: 'prompted', attempts: 2, prompt: 'do it', cause: 'crash' });
  });

  test('a turn that was held says why, until it is prompted again', () => {
    const held = [...steps.slice(0, 3), { type: 'turn.held', turnId, cause: 'limit' } as const];
    expect(recover(lines(held)).owed?.cause).toBe('limit');
    expect(recover(lines([...held, { type: 'turn.prompted', turnId, prompt: 'go on' }])).owed?.cause).toBe('crash');
  });

  test('lines of a newer program are passed over', () => {
    const unknown = { type: 'something.new', turnId } as unknown as LogEvent;
    expect(recover(lines([...steps.slice(0, 3), unknown])).owed?.step).toBe('prompted');
  });

  test('what an edit lost is told once, in the prompt that says how much it tells', () => {
    const first = { type: 'document.lost', path: 'p', conflict: 'p.conflict-1-ada.md' } as const;
    const second = { type: 'document.lost', path: 'q', conflict: null } as const;
    const before = [...steps.slice(0, 2), first, second];
    const left = [{ path: 'q', conflict: null }];
    expect(recover(lines(before)).notices).toEqual([{ path: 'p', conflict: first.conflict }, ...left]);
    expect(recover(lines([...before, { type: 'turn.prompted', turnId, prompt: 'x', told: 1 }])).notices).toEqual(left);
    expect(recover(lines([...before, { type: 'turn.prompted', turnId, prompt: '/compact' }])).notices).toHaveLength(2);
    const noted = [...before, { type: 'note', text: 'Your workspace is new.' }] as const;
    expect(recover(lines([...noted, { type: 'turn.prompted', turnId, prompt: 'x', told: 2 }])).notices).toEqual([
      { note: 'Your workspace is new.' },
    ]);
  });
});
