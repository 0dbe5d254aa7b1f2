/**
 * Mirrors, a server and people in memory, in any order of events, with kills between any two calls to a disk.
 * `SCHEDULES=10000` asks for more of them by hand.
 */

import { expect, test } from 'vitest';
import fc from '../../support/property.ts';
import { play } from './play.ts';
import { schedules } from './schedule.ts';

const numRuns = Number(process.env['SCHEDULES'] ?? 250);

test('S1 to S30: whatever happens, all places agree and nothing is lost', { timeout: 400_000 + numRuns * 500 }, () =>
  fc.assert(
    fc.asyncProperty(schedules, async (schedule) => {
      expect(await play(schedule)).toEqual([]);
    }),
    { numRuns },
  ),
);
