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
  'S24: what was on its way to the server when the folder was lost deletes nothing': calm(
    { do: 'save', place: 1, document: 1, way: 'in place', edit: insert, pausesMs: [] },
    { do: 'pass', ms: 30 },
    { do: 'away', how: 'isReachable', ms: 5 },
    { do: 'lose', place: 1, what: 'root', resume: 'restore', ms: 5 },
    { do: 'save', place: 0, document: 0, way: 'in place', edit: insert, pausesMs: [] },
  ),
  'S25: a save that lands while a new file takes its place, and then an end': calm(
    { do: 'kill', place: 0, ms: 700, at: { nth: 30 } },
    {
      ...{ do: 'save', place: 0, document: 2, way: 'in place', edit: insert, pausesMs: [] },
      at: { call: 'unlinkSync', nth: 1 },
    },
    { do: 'save on server', document: 2, edit: insert },
    { do: 'kill', place: 0, ms: 5, at: { call: 'linkSync', nth: 2 } },
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
  'S7: what is handed in again is answered as before, although its conflict was settled since': {
    places: 3,
    fates: [
      { outMs: 2, backMs: 8 },
      { outMs: 1, backMs: 1 },
      { outMs: 9, backMs: 7 },
      { outMs: 6, backMs: 8 },
      { outMs: 20, backMs: 0, againMs: 1 },
      { outMs: 0, backMs: 7 },
      { outMs: 2, backMs: 0 },
      { outMs: 3, backMs: 0, lost: 'answer' },
    ],
    newsMs: [700],
    lateMs: [700, 700],
    steps: [
      { do: 'touch', place: 2, document: 0 },
      { do: 'save', place: 1, document: 2, way: 'held', edit: { how: 'shrink', at: 5 }, pausesMs: [1100] },
      { do: 'away', how: 'isReachable', ms: 400 },
      { do: 'touch', place: 1, document: 2, at: { call: 'renameSync', nth: 2 } },
      { do: 'save on server', document: 1, edit: { how: 'replace', at: 6 } },
      { do: 'pass', ms: 1500 },
      { do: 'deaf', place: 1, ms: 20000 },
      { do: 'save on server', document: 1, edit: { how: 'cut', at: 6 } },
      { do: 'save on server', document: 1, edit: { how: 'shrink', at: 0 } },
      {
        do: 'save',
        place: 1,
        document: 1,
        way: 'recreate',
        edit: { how: 'cut', at: 4 },
        pausesMs: [320],
        at: { call: 'openSync', nth: 2 },
      },
      {
        do: 'save',
        place: 0,
        document: 0,
        way: 'recreate',
        edit: { how: 'shrink', at: 0 },
        pausesMs: [5],
        at: { nth: 28 },
      },
      { do: 'pass', ms: 1500 },
      { do: 'kill', place: 1, ms: 29 },
      { do: 'full', place: 1, ms: 400 },
      { do: 'settle', place: 2, how: 'save' },
      { do: 'lose', place: 2, what: 'marker', resume: 'restore', ms: 400 },
      { do: 'save', place: 1, document: 0, way: 'recreate', edit: { how: 'cut', at: 4 }, pausesMs: [], at: { nth: 8 } },
    ],
  },
  'S13: a file that is deleted and created, and again before anybody has looked': {
    places: 2,
    fates: [],
    newsMs: [],
    lateMs: [],
    steps: [
      { do: 'save', place: 1, document: 0, way: 'recreate', edit: { how: 'insert', at: 0 }, pausesMs: [700] },
      { do: 'save on server', document: 1, edit: { how: 'insert', at: 0 } },
      {
        do: 'save',
        place: 1,
        document: 0,
        way: 'backup',
        edit: { how: 'insert', at: 0 },
        pausesMs: [1100, 0],
        at: { nth: 58 },
      },
      { do: 'pass', ms: 1100 },
    ],
  },
  'S28: a mirror that stopped in the middle of a look, and could not be resumed at once, looks again': {
    places: 2,
    fates: [],
    newsMs: [],
    lateMs: [],
    steps: [
      { do: 'save', place: 2, document: 2, way: 'append', edit: { how: 'insert', at: 0 }, pausesMs: [] },
      { do: 'lose', place: 2, what: 'marker', resume: 'restore', ms: 1500 },
      { do: 'full', place: 2, ms: 4000 },
    ],
  },
  'S24: what was handed in before the folder was lost is answered when it is restored': {
    places: 2,
    fates: [],
    newsMs: [],
    lateMs: [],
    steps: [
      { do: 'away', how: 'isReachable', ms: 4000 },
      { do: 'save', place: 1, document: 1, way: 'append', edit: { how: 'insert', at: 0 }, pausesMs: [] },
      { do: 'pass', ms: 290 },
      { do: 'lose', place: 1, what: 'root', resume: 'restore', ms: 5 },
    ],
  },
  'S7: what was handed in when the mirror stopped is handed in again when it goes on': {
    places: 2,
    fates: [],
    newsMs: [],
    lateMs: [],
    steps: [
      { do: 'save', place: 0, document: 2, way: 'append', edit: { how: 'insert', at: 0 }, pausesMs: [] },
      { do: 'away', how: 'isReachable', ms: 70000 },
      { do: 'pass', ms: 50 },
      { do: 'lose', place: 2, what: 'root', resume: 'delete', ms: 20000 },
    ],
  },
};

/** Small ones for what must never be done: each fails if one of these is. */
const NEVER: Record<string, Schedule> = {
  'S23: what cannot be looked at is not missing': {
    places: 2,
    fates: [],
    newsMs: [],
    lateMs: [],
    steps: [
      { do: 'lock', place: 1, mode: 0, ms: 20000 },
      { do: 'pass', ms: 4000 },
    ],
  },
  'S7: what is handed in lies in the journal first': {
    places: 2,
    fates: [],
    newsMs: [],
    lateMs: [],
    steps: [
      { do: 'away', how: 'losesAnswers', ms: 4000 },
      { do: 'save', place: 1, document: 0, way: 'over', edit: { how: 'insert', at: 0 }, pausesMs: [990] },
    ],
  },
};

test.for([...Object.entries(FOUND), ...Object.entries(NEVER)])('%s', async ([, schedule]) => {
  expect(await play(schedule)).toEqual([]);
});

/** More calls than a mirror makes to its disk to take a text in and to hand one in. */
const CALLS = 120;

// Two ways of replacing a file: names are exchanged in the first place, and not in the second.
test.for([0, 1])('S25: a base is never ahead of the disk, before whichever call the mirror %i ends', async (place) => {
  for (let nth = 1; nth <= CALLS; nth += 1) {
    const schedule = calm(
      { do: 'kill', place, ms: 5, at: { nth } },
      { do: 'save on server', document: 0, edit: insert },
      { do: 'pass', ms: 10 },
      { do: 'save', place, document: 1, way: 'rename', edit: insert, pausesMs: [] },
      { do: 'pass', ms: 60 },
    );
    expect(await play(schedule), `before call ${nth}`).toEqual([]);
  }
});
