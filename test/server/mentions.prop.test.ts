/** What must hold for the mentions and the words of every text. */

import { expect, test } from 'vitest';
import { indexedWords, wordQuery } from '#base/words.ts';
import type { Party } from '#contract/entities.ts';
import { findMentions } from '#server/mentions.ts';
import fc from '../support/property.ts';

const name = fc.constantFrom('a', 'ab', 'abc', 'a-b', 'b');
const party = fc.oneof(
  name.map((login): Party => ({ kind: 'user', id: `u-${login}` as never, name: login })),
  fc
    .tuple(name, name)
    .map(([base, owner]): Party => ({ kind: 'agent', id: `g-${base}.${owner}` as never, name: `${base}.${owner}` })),
);
const members = fc.uniqueArray(party, { selector: ({ id }) => id, maxLength: 6 });
const piece = fc.constantFrom('@', 'a', 'b', 'c', '-', '.', ' ', 'あ', 'é', '_', '\n', '😀');
const text = fc.array(piece, { maxLength: 16 }).map((pieces) => pieces.join(''));
const carol: Party = { kind: 'user', id: 'u-carol' as never, name: 'carol' };

test('only members are mentioned, each once, and each has its name after an @ in the text', () => {
  fc.assert(
    fc.property(text, members, (body, known) => {
      const found = findMentions(body, known, carol);
      expect(new Set(found).size).toBe(found.length);
      for (const one of found) {
        expect(known).toContain(one);
        const base = one.name.split('.')[0] ?? '';
        expect(body.includes(`@${one.name}`) || body.includes(`@${base}`)).toBe(true);
      }
    }),
  );
});

test('a full name that stands alone is always found', () => {
  fc.assert(
    fc.property(text, members, fc.nat(), (before, known, pick) => {
      const one = known[pick % Math.max(1, known.length)];
      fc.pre(one !== undefined);
      expect(findMentions(`${before} @${one.name} `, known, carol)).toContain(one);
    }),
  );
});

test('the order of members makes no difference', () => {
  fc.assert(
    fc.property(text, members, (body, known) => {
      expect(findMentions(body, known.toReversed(), carol)).toEqual(findMentions(body, known, carol));
    }),
  );
});

test('a text is found by each of its own parts that a space ends, and words are safe to quote', () => {
  const letters = fc.array(fc.constantFrom('a', 'B', '7', 'é', '東', '京', 'タ', 'ー', ' ', '-', "'", '"', '*'), {
    minLength: 1,
    maxLength: 12,
  });
  fc.assert(
    fc.property(letters, (pieces) => {
      const body = pieces.join('');
      const words = new Set(indexedWords(body));
      for (const word of words) expect(word).toMatch(/^[\p{L}\p{N}\p{M}ー]+$/u);
      const query = wordQuery(`${body} `);
      for (const word of query?.words ?? []) expect(words.has(word)).toBe(true);
    }),
  );
});
