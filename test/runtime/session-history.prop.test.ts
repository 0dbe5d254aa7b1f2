/** Replay of logs in any order, of any length: the reducers are pure, total, and agree with each other. */

import { expect, test } from 'vitest';
import type { LogEvent, LogLine } from '#runtime/log-events.ts';
import { decode, encode } from '#runtime/log-lines.ts';
import { pastOfLog } from '#runtime/past-turns.ts';
import { RECOVERY } from '#runtime/recovery.ts';
import { HISTORY } from '#runtime/session-history.ts';
import fc from '../support/property.ts';

const id = (kind: string, number: number) => `${kind}${number}` as never;
const turnId = fc.nat({ max: 3 }).map((number) => id('turn', number));
const runId = fc.nat({ max: 2 }).map((number) => id('run', number));
const count = fc.nat({ max: 1_000 });
const counters = fc.record({
  inputTokens: count,
  outputTokens: count,
  cacheReadTokens: count,
  cacheWriteTokens: count,
  costMicros: count,
});
const outcome = fc.record({
  state: fc.constantFrom('ended' as const, 'failed' as const, 'cancelled' as const),
  stopReason: fc.constant('end_turn' as const),
  text: fc.string(),
  counters: fc.option(counters),
  lastMessageId: fc.constant(null),
});
const update = fc.oneof(
  fc.constant({ sessionUpdate: 'tool_call' }),
  fc.jsonValue(),
  fc.constant(null),
) as fc.Arbitrary<unknown>;

/** Every type of event that there is. */
const events: { readonly [Type in LogEvent['type']]: fc.Arbitrary<Omit<Extract<LogEvent, { type: Type }>, 'type'>> } = {
  'run.started': fc.record({ runId, epoch: count }),
  'run.ended': fc.record({ runId, reason: fc.constant('stopped') }),
  'agent.opened': fc.record({
    pid: count,
    program: fc.constant('p'),
    conversation: fc.string(),
    opened: fc.constantFrom('new', 'resumed', 'forked', 'renewed'),
  }),
  'turn.started': fc.record({ turnId, projectId: fc.constant(id('project', 1)), signals: fc.constant([]) }),
  'turn.prompted': fc.record({ turnId, prompt: fc.string(), told: fc.nat({ max: 2 }) }),
  'turn.held': fc.record({ turnId, cause: fc.constantFrom('limit' as const, 'stopped' as const) }),
  'turn.finished': fc.record({ turnId, outcome }),
  'session.branched': fc.record({
    from: fc.constant(id('session', 1)),
    turnId: fc.option(turnId),
    conversation: fc.option(fc.string()),
    messageId: fc.option(fc.string()),
    isWhole: fc.boolean(),
    git: fc.constant({ team: null, agent: null }),
  }),
  'turn.posted': fc.record({ turnId, messageId: fc.constant(id('message', 1)) }),
  'turn.closed': fc.record({ turnId, git: fc.constant({ team: null, agent: null }) }),
  update: fc.record({ turnId: fc.option(turnId), update }),
  'permission.asked': fc.record({
    turnId: fc.option(turnId),
    permissionId: fc.constant(id('permission', 1)),
    title: fc.string(),
    toolKind: fc.constant('execute'),
  }),
  'permission.answered': fc.record({ permissionId: fc.constant(id('permission', 1)), outcome: fc.string() }),
  'document.lost': fc.record({ path: fc.string(), conflict: fc.option(fc.string()) }),
  note: fc.record({ text: fc.string() }),
  imported: fc.record({
    from: fc.string(),
    digest: fc.string(),
    source: fc.option(fc.string()),
    conversation: fc.string(),
    about: fc.constant({ agent: 'ada.mia', team: '~mia', name: null, parentId: null, forkedFromId: null }),
  }),
  problem: fc.record({ message: fc.string(), hint: fc.option(fc.string()) }),
};
const event = fc.oneof(
  ...Object.entries(events).map(([type, rest]) => (rest as fc.Arbitrary<object>).map((facts) => ({ type, ...facts }))),
) as fc.Arbitrary<LogEvent>;
const log = fc
  .array(event, { maxLength: 60 })
  .map((all) => all.map((one, index): LogLine => ({ seq: index + 1, at: '2026-01-01T00:00:00.000Z', ...one })));

const PAST = pastOfLog(id('session', 1));
const replay = (lines: readonly LogLine[]) => [
  lines.reduce(RECOVERY.advance, RECOVERY.initial),
  lines.reduce(HISTORY.advance, HISTORY.initial),
  lines.reduce(PAST.advance, PAST.initial),
];
const frozen = (value: unknown): unknown => {
  if (typeof value !== 'object' || value === null) return value;
  for (const part of Object.values(value)) frozen(part);
  return Object.freeze(value);
};

test('R1 the same lines give the same state, which is never changed in place', () => {
  fc.assert(
    fc.property(log, (lines) => {
      const step = <S>(advance: (state: S, line: LogLine) => S, initial: S) =>
        lines.reduce((state, line) => frozen(advance(state, frozen(line) as LogLine)) as S, frozen(initial) as S);
      expect([
        step(RECOVERY.advance, RECOVERY.initial),
        step(HISTORY.advance, HISTORY.initial),
        step(PAST.advance, PAST.initial),
      ]).toEqual(replay(lines));
    }),
  );
});

test('R1 a state that was stored goes on as if it had not been', () => {
  fc.assert(
    fc.property(log, fc.nat(), (lines, where) => {
      const middle = lines.length === 0 ? 0 : where % lines.length;
      const half = JSON.parse(JSON.stringify(lines.slice(0, middle).reduce(HISTORY.advance, HISTORY.initial)));
      expect(lines.slice(middle).reduce(HISTORY.advance, half)).toEqual(replay(lines)[1]);
    }),
  );
});

test('R1 what is replayed from bytes, cut anywhere, is the state at the last whole line', () => {
  fc.assert(
    fc.property(log, fc.nat(), (lines, where) => {
      const whole = lines.map(encode);
      const bytes = Buffer.from(whole.join(''));
      const { lines: read } = decode(bytes.subarray(0, bytes.length === 0 ? 0 : where % bytes.length));
      const found = read.map(({ line }) => line);
      expect(replay(found)).toEqual(JSON.parse(JSON.stringify(replay(lines.slice(0, found.length)))));
    }),
  );
});

test('R2 types that nobody knows change nothing but the time', () => {
  fc.assert(
    fc.property(log, (lines) => {
      const strange = { type: 'from.the.future', turnId: id('turn', 1) } as never as LogEvent;
      const more = lines.flatMap((line) => [line, { ...line, ...strange }]);
      expect(replay(more)).toEqual(replay(lines));
    }),
  );
});

test('the totals are those of all turns, and what is owed is the newest turn that is not closed', () => {
  fc.assert(
    fc.property(log, (lines) => {
      const recovery = lines.reduce(RECOVERY.advance, RECOVERY.initial);
      const { totals, turns } = lines.reduce(HISTORY.advance, HISTORY.initial);
      expect(recovery.tokens).toBe(totals.inputTokens + totals.outputTokens);
      if (recovery.owed !== null) expect(turns.map((turn) => turn.turnId)).toContain(recovery.owed.turnId);
      expect(totals.turns).toBe(
        new Set(lines.flatMap((line) => (line.type === 'turn.started' ? [line.turnId] : []))).size,
      );
    }),
  );
});
