/** Schedules that found something once, as small as they could be made. */
import { expect, test } from 'vitest';
import { play } from './play.ts';
import type { Schedule, Step } from './schedule.ts';

const insert = { how: 'insert', at: 0 } as const;
const calm = (...steps: readonly Step[]): Schedule => ({ places: 2, fates: [], newsMs: [], lateMs: [], steps });

const FOUND: Record<string, Schedule> = {
  'S24: a file in a folder that was made anew began from nothing, also when the mirror is told to go on': calm(
    { do: 'lose', place: 0, what: 'root', resume: 'restore', ms: 5 },
    { do: 'save', place: 0, document: 0, way: 'in place', edit: insert, pausesMs: [] },
  ),
  'S14: a save that begins when an earlier one is read': calm(
    { do: 'save', place: 0, document: 2, way: 'in place', edit: insert, pausesMs: [0, 1], at: { nth: 1 } },
    { do: 'save', place: 0, document: 2, way: 'in place', edit: insert, pausesMs: [] },
    { do: 'pass', ms: 5 },
  ),
  'S14: news of the server comes while a save is half done': calm(
    { do: 'save on server', document: 0, edit: insert },
    { do: 'save', place: 0, document: 0, way: 'in place', edit: { how: 'insert', at: 5 }, pausesMs: [0, 12] },
  ),
  'S30: that a conflict was opened is heard after it was settled, and after a listing': {
    places: 3,
    fates: [],
    newsMs: [0, 0, 1100, 24],
    lateMs: [],
    steps: [
      { do: 'save', place: 2, document: 0, way: 'backup', edit: { how: 'cut', at: 2 }, pausesMs: [] },
      { do: 'save', place: 1, document: 0, way: 'backup', edit: { how: 'replace', at: 3 }, pausesMs: [0, 120, 0] },
      { do: 'pass', ms: 27 },
      { do: 'pass', ms: 11 },
      { do: 'save', place: 2, document: 0, way: 'append', edit: { how: 'insert', at: 0 }, pausesMs: [] },
      { do: 'pass', ms: 400 },
      { do: 'settle', place: 0, how: 'save' },
    ],
  },
};

test.for(Object.entries(FOUND))('%s', async ([, schedule]) => {
  expect(await play(schedule)).toEqual([]);
});
