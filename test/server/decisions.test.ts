/** The small decisions of the platform: who is woken, who holds the dm, what is searched for. */
import { describe, expect, test } from 'vitest';
import { wordQuery } from '#base/words.ts';
import type { Party } from '#contract/entities.ts';
import { type DmCandidate, dmHolder } from '#server/coverage.ts';
import { wakesOf } from '#server/signals.ts';

const ann: Party = { kind: 'user', id: 'ann' as never, name: 'ann' };
const bot: Party = { kind: 'agent', id: 'bot' as never, name: 'bot.ann' };
const echo: Party = { kind: 'agent', id: 'echo' as never, name: 'echo.ann' };

describe('wakesOf', () => {
  const message = { author: bot, mentions: [echo, ann], dmSides: [], hop: 2, hopLimit: 2 };

  test('at the limit an agent no longer wakes agents, but still people', () => {
    expect(wakesOf(message)).toEqual([
      { party: echo, kind: 'mention', suppressed: true },
      { party: ann, kind: 'mention', suppressed: false },
    ]);
  });

  test('below the limit, and from a person at any time, everybody is woken', () => {
    expect(wakesOf({ ...message, hop: 1 }).every(({ suppressed }) => !suppressed)).toBe(true);
    expect(wakesOf({ ...message, author: ann, mentions: [echo] })).toEqual([
      { party: echo, kind: 'mention', suppressed: false },
    ]);
  });

  test('in a dm the other side gets one signal, mentioned or not', () => {
    expect(wakesOf({ ...message, author: ann, mentions: [bot], dmSides: [ann, bot], hop: 0 })).toEqual([
      { party: bot, kind: 'dm', suppressed: false },
    ]);
  });
});

describe('dmHolder', () => {
  const session = (id: string, changes: Partial<DmCandidate> = {}): DmCandidate => ({
    id: id as never,
    live: true,
    mode: 'auto',
    personal: false,
    ...changes,
  });
  test.for([
    ['nobody if nothing lives', [session('a', { live: false })], undefined],
    ['the oldest', [session('a'), session('b')], 'a'],
    ['that of the personal team', [session('a'), session('b', { personal: true })], 'b'],
    [
      'one that covers whatever comes before one that was given its projects',
      [session('a', { mode: 'explicit' }), session('b')],
      'b',
    ],
    ['the one that there is', [session('a', { mode: 'explicit' })], 'a'],
  ] as const)('is %s', ([, sessions, holder]) => {
    expect(dmHolder(sessions)).toBe(holder);
  });
});

describe('wordQuery', () => {
  test.for([
    ['two words', { words: ['two'], prefix: 'words' }],
    ['two words ', { words: ['two', 'words'], prefix: undefined }],
    ['Ｆｕｌｌ', { words: [], prefix: 'full' }],
    ['東京都', { words: ['東京', '京都'], prefix: undefined }],
    ['東', { words: ['東'], prefix: undefined }],
    ['a東京b', { words: ['a', '東京'], prefix: 'b' }],
    ['?!', undefined],
  ] as const)('of %j is %j', ([typed, query]) => {
    expect(wordQuery(typed)).toEqual(query);
  });
});
