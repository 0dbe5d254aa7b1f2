import { RequestError } from '@agentclientprotocol/sdk';
import { expect, test } from 'vitest';
import { countersOf, failureOf } from '#runtime/turn-outcome.ts';

const NONE = { tokens: 0, costMicros: 0 };
const AT = Date.parse('2026-01-01T12:00:00Z');

test.for([
  { code: -32_000, data: undefined, reason: 'auth_required' },
  { code: -32_603, data: { errorKind: 'rate_limit' }, reason: 'rate_limit' },
  { code: -32_603, data: { errorKind: 'server_error' }, reason: 'agent_error' },
  { code: -32_603, data: null, reason: 'agent_error' },
])('$code with $data is $reason, whatever the sentence says', ({ code, data, reason }) => {
  const failure = failureOf(new RequestError(code, 'rate limit, please log in', data), null, NONE);
  expect(failure).toMatchObject({ kind: 'failed', reason, resetsAt: null });
  expect(failure).not.toHaveProperty('text');
});

test('only a limit has a time when it ends', () => {
  const limit = failureOf(new RequestError(-32_603, 'x', { errorKind: 'rate_limit' }), AT, NONE);
  expect(limit).toMatchObject({ resetsAt: AT, hint: expect.stringContaining('2026-01-01T12:00:00.000Z') });
  expect(failureOf(new RequestError(-32_603, 'x'), AT, NONE)).toMatchObject({ resetsAt: null });
});

test('counters are those that the program gave, as whole numbers', () => {
  const usage = { inputTokens: 10, outputTokens: 2.4, cachedReadTokens: 3, cachedWriteTokens: 4, totalTokens: 99 };
  const reply = { stopReason: 'end_turn', usage } as const;
  expect(countersOf(reply, { tokens: 7, costMicros: 5 })).toEqual({
    inputTokens: 10,
    outputTokens: 2,
    cacheReadTokens: 3,
    cacheWriteTokens: 4,
    costMicros: 5,
  });
});

test.for([undefined, null, 'many', { inputTokens: -1, outputTokens: Number.NaN }])(
  'usage %o counts as none',
  (usage) => {
    expect(countersOf({ stopReason: 'end_turn', ...{ usage } } as never, NONE)).toEqual({
      inputTokens: 0,
      outputTokens: 0,
      cacheReadTokens: 0,
      cacheWriteTokens: 0,
      costMicros: 0,
    });
  },
);

test('without them it is what was heard in the turn: also when it failed, but not when it goes on later', () => {
  const spent = { tokens: 700, costMicros: 5 };
  const heard = { inputTokens: 700, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0, costMicros: 5 };
  expect(countersOf({ stopReason: 'cancelled' }, spent)).toEqual(heard);
  expect(failureOf(new RequestError(-32_603, 'x'), null, spent).counters).toEqual(heard);
  expect(failureOf(new RequestError(-32_603, 'x', { errorKind: 'rate_limit' }), AT, spent).counters).toBeNull();
});
