import { describe, expect, test } from 'vitest';
import type { Budget } from '#contract/budget.ts';
import { DEFAULT_BUDGET } from '#contract/default-budget.ts';
import { type CountedTurn, judge } from '#server/budget.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const NOW = Date.parse('2026-01-02T12:00:00.000Z');

const turn = (agoMs: number, cost: Partial<NonNullable<CountedTurn['counters']>> | null = {}): CountedTurn => ({
  startedAt: NOW - agoMs,
  counters:
    cost === null
      ? null
      : { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0, costMicros: 0, ...cost },
});
const budget = (limits: Partial<Budget>): Budget => ({ ...DEFAULT_BUDGET, ...limits });
const inMs = (ms: number) => new Date(NOW + ms).toISOString();

describe('what a budget leaves', () => {
  test('turns count for an hour, the turn that ends the wait is the one that makes room', () => {
    const turns = [turn(HOUR_MS), turn(50 * MINUTE_MS), turn(30 * MINUTE_MS), turn(10 * MINUTE_MS)];
    expect(judge(budget({ turnsPerHour: 4 }), turns, NOW).exhausted).toBeNull();
    for (const [turnsPerHour, waitMs] of [
      [3, 10 * MINUTE_MS],
      [2, 30 * MINUTE_MS],
      [1, 50 * MINUTE_MS],
    ] as const) {
      expect(judge(budget({ turnsPerHour }), turns, NOW)).toMatchObject({
        used: { turnsPerHour: 3 },
        exhausted: { limit: 'turnsPerHour', retryAt: inMs(waitMs) },
      });
    }
  });

  test('tokens and cost count for a day, and a turn without counters costs nothing', () => {
    const dear = { inputTokens: 1, outputTokens: 2, cacheReadTokens: 3, cacheWriteTokens: 1, costMicros: 10 };
    const turns = [turn(DAY_MS, dear), turn(20 * HOUR_MS, dear), turn(HOUR_MS, null), turn(HOUR_MS, dear)];
    expect(judge(DEFAULT_BUDGET, turns, NOW)).toMatchObject({
      used: { tokensPerDay: 14, costMicrosPerDay: 20 },
      exhausted: null,
    });
    expect(judge(budget({ tokensPerDay: 14 }), turns, NOW).exhausted).toEqual({
      limit: 'tokensPerDay',
      retryAt: inMs(4 * HOUR_MS),
    });
    expect(judge(budget({ costMicrosPerDay: 5 }), turns, NOW).exhausted).toEqual({
      limit: 'costMicrosPerDay',
      retryAt: inMs(23 * HOUR_MS),
    });
  });

  test('of several limits the one that holds longest counts, whichever was reached first', () => {
    const turns = [turn(2 * HOUR_MS, { costMicros: 9 }), turn(MINUTE_MS)];
    const exhausted = (limits: Partial<Budget>) => judge(budget(limits), turns, NOW).exhausted?.limit;
    expect(exhausted({ turnsPerHour: 1, costMicrosPerDay: 9 })).toBe('costMicrosPerDay');
    expect(exhausted({ turnsPerHour: 1, costMicrosPerDay: 10 })).toBe('turnsPerHour');
  });

  test('unlimited is without end, and what was used is still counted', () => {
    const turns = Array.from({ length: 500 }, () => turn(MINUTE_MS, { costMicros: 1_000_000_000 }));
    const none = { turnsPerHour: 'unlimited', tokensPerDay: 'unlimited', costMicrosPerDay: 'unlimited' } as const;
    expect(judge(none, turns, NOW)).toMatchObject({ used: { turnsPerHour: 500 }, exhausted: null });
  });
});
