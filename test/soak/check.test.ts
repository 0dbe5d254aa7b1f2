import { expect, test } from 'vitest';
import { complaints, type Found, remember, type SavedWord, type Version } from './check.ts';
import { planOf } from './plan.ts';

const word = (more: Partial<SavedWord> = {}): SavedWord => ({
  word: 's1r0bo0',
  how: 'bo saved it',
  isSaved: true,
  isTakenBack: false,
  ...more,
});

const version = (submitted: string | null, digest: string | null) => ({ submitted, digest });
const history = (...versions: readonly Version[]) => found({ histories: new Map([['a', versions]]) });

const found = (more: Partial<Found> = {}): Found => ({
  server: new Map([['a.md', 'one\n']]),
  mirrors: new Map([['mia', new Map([['a.md', 'one\n']])]]),
  texts: ['one\n', 'one s1r0bo0\n'],
  histories: new Map([['a', [version('1', '1'), version('2', '3')]]]),
  ...more,
});

test.for([
  { what: 'a word in the history is there', words: [word()], seen: found(), wrong: [] },
  { what: 'a word that is nowhere', words: [word()], seen: found({ texts: [] }), wrong: [/s1r0bo0 is lost: bo saved/] },
  { what: 'a save that failed', words: [word({ isSaved: false })], seen: found({ texts: [] }), wrong: [] },
  { what: 'a word taken back', words: [word({ isTakenBack: true })], seen: found({ texts: [] }), wrong: [] },
  {
    what: 'a piece of a word',
    words: [word()],
    seen: found({ texts: ['s1r0bo0 s1r0b'] }),
    wrong: [/s1r0b was written/],
  },
  {
    what: 'another text in a mirror',
    words: [],
    seen: found({ mirrors: new Map([['mia', new Map([['a.md', 'two\n']])]]), texts: [] }),
    wrong: [/a\.md in the mirror mia/],
  },
  {
    what: 'a missing file and one too many',
    words: [],
    seen: found({ mirrors: new Map([['mia', new Map([['b.md', 'one\n']])]]), texts: [] }),
    wrong: [/a\.md in the mirror mia/, /b\.md in the mirror mia/],
  },
  {
    what: 'a save taken twice',
    words: [word()],
    seen: history(version('1', '1'), version('2', '3'), version('2', '4')),
    wrong: [/^version 3 of a/],
  },
  {
    what: 'a text of the document that nobody saved again',
    words: [word()],
    seen: history(version('1', '1'), version('2', '3'), version('3', '4')),
    wrong: [/^version 3 of a/],
  },
  { what: 'two deletions', words: [word()], seen: history(version(null, null), version(null, null)), wrong: [] },
])('$what', ({ words, seen, wrong }) => {
  const said = complaints(words, seen);
  expect(said).toHaveLength(wrong.length);
  for (const [index, pattern] of wrong.entries()) expect(said[index]).toMatch(pattern);
});

test('what was there at one rest may not be missing at the next, whoever took it out', () => {
  const words = [word({ isTakenBack: true })];
  remember(words, found());
  expect(complaints(words, found({ texts: [] }))).toHaveLength(1);
});

test('a seed always has the same plan, and no other seed has it', () => {
  expect(planOf(17)).toEqual(planOf(17));
  expect(planOf(17)).not.toEqual(planOf(18));
});
