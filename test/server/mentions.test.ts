/** Whom a text mentions. */
import { describe, expect, test } from 'vitest';
import type { Party } from '#contract/entities.ts';
import { findMentions } from '#server/mentions.ts';

const person = (name: string): Party => ({ kind: 'user', id: `id-${name}` as never, name });
const agent = (name: string): Party => ({ kind: 'agent', id: `id-${name}` as never, name });

const members = [
  person('ann'),
  person('ann-lee'),
  person('bob'),
  agent('bot.ann'),
  agent('review.ann'),
  agent('review.bob'),
  agent('bob.ann'),
];

const mentioned = (body: string, author = person('carol')) =>
  findMentions(body, members, author).map(({ name }) => name);

describe('findMentions', () => {
  test.for([
    ['@ann hello', ['ann']],
    ['hello @ann', ['ann']],
    ['(@ann)', ['ann']],
    ['@ann, @bob', ['ann', 'bob']],
    ['@ann @ann', ['ann']],
    ['@ANN', ['ann']],
    ['@ann.', ['ann']],
    ['@ann-', ['ann']],
    ['@ann-lee', ['ann-lee']],
    ['@ann-leeds', ['ann']],
    ['@annabel', []],
    ['@ann_b', []],
    ['ann@ann', []],
    ['me@ann.example', []],
    ['@bot', ['bot.ann']],
    ['@bot.ann', ['bot.ann']],
    ['@bot.ann.', ['bot.ann']],
    ['@bot.bob', ['bot.ann']],
    ['@review', []],
    ['@review.bob', ['review.bob']],
    ['@bob', ['bob']],
    ['@bob.ann', ['bob.ann']],
    ['@nobody', []],
    ['@', []],
    ['@@ann', ['ann']],
    ['done.@ann', ['ann']],
    ['こんにちは@annさん', ['ann']],
    ['привет@ann', []],
    ['😀@ann😀', ['ann']],
  ] as const)('%j mentions %j', ([body, expected]) => {
    expect(mentioned(body)).toEqual(expected);
  });

  test('an author never mentions itself', () => {
    expect(mentioned('@ann and @bob', person('ann'))).toEqual(['bob']);
  });
});
