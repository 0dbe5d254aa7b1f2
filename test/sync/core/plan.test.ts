import { expect, test } from 'vitest';
import { type Digest, type Facts, massChange, plan, type Step } from '#sync/core/plan.ts';

const step = (text: string): Step => {
  const [what, ...rest] = text.split(' ');
  const keep = rest.includes('keep');
  if (what === 'write') return { do: 'write', digest: rest[0] ?? '', keep };
  if (what === 'remove') return { do: 'remove', keep };
  return { do: what as 'nothing' | 'wait' | 'adopt' | 'submit' };
};

// Base a or none; on disk the base, an edit e, nothing, or something unreadable (?); the server has the base, the
// edit, another text r, a tombstone (-), or does not list it (!).
const table: Record<'a' | '-', Record<'a' | 'e' | '-' | '?', Record<'a' | 'e' | 'r' | '-' | '!', string>>> = {
  a: {
    a: { a: 'nothing', e: 'write e', r: 'write r', '-': 'remove', '!': 'remove' },
    e: { a: 'submit', e: 'adopt', r: 'submit', '-': 'submit', '!': 'remove keep' },
    '-': { a: 'submit', e: 'submit', r: 'submit', '-': 'adopt', '!': 'adopt' },
    '?': { a: 'wait', e: 'wait', r: 'wait', '-': 'wait', '!': 'wait' },
  },
  '-': {
    a: { a: 'adopt', e: 'submit', r: 'submit', '-': 'submit', '!': 'submit' },
    e: { a: 'submit', e: 'adopt', r: 'submit', '-': 'submit', '!': 'submit' },
    '-': { a: 'write a', e: 'write e', r: 'write r', '-': 'nothing', '!': 'nothing' },
    '?': { a: 'wait', e: 'wait', r: 'wait', '-': 'wait', '!': 'wait' },
  },
};
const digest = (letter: string): Digest | undefined =>
  letter === '-' ? null : letter === '?' || letter === '!' ? undefined : letter;
const cases = Object.entries(table).flatMap(([base, disks]) =>
  Object.entries(disks).flatMap(([disk, remotes]) =>
    Object.entries(remotes).map(([remote, expected]) => ({ base, disk, remote, expected })),
  ),
);

test.for(cases)('S2: base $base, disk $disk, server $remote → $expected', ({ base, disk, remote, expected }) => {
  const facts = { base: digest(base) as Digest, disk: digest(disk), remote: digest(remote) };
  expect(plan({ ...facts, refused: undefined })).toEqual(step(expected));
  // What was refused once says nothing about another text.
  expect(plan({ ...facts, refused: 'other' })).toEqual(step(expected));
});

const refusals: readonly (readonly [base: string, disk: string, remote: string, expected: string])[] = [
  ['a', 'e', 'a', 'wait'],
  ['a', 'e', 'r', 'write r keep'],
  ['a', 'e', '-', 'remove keep'],
  ['a', '-', 'a', 'write a'],
  ['a', '-', 'r', 'write r'],
  ['-', 'e', '!', 'wait'],
  ['-', 'e', '-', 'wait'],
  ['-', 'e', 'r', 'write r keep'],
];

test.for(refusals)('S10: refused with base %s, disk %s, server %s → %s', ([base, disk, remote, expected]) => {
  const facts: Facts = {
    base: digest(base) as Digest,
    disk: digest(disk),
    remote: digest(remote),
    refused: digest(disk),
  };
  expect(plan(facts)).toEqual(step(expected));
});

test('S22: stops without a marker, with an emptied root, or when too many are gone at once', () => {
  const calm = { known: 100, missing: 0, hasMarker: true, isEmpty: false };
  expect(massChange(calm)).toBeUndefined();
  expect(massChange({ ...calm, hasMarker: false })).toContain('marker');
  expect(massChange({ ...calm, known: 1, missing: 1, isEmpty: true })).toContain('emptied');
  expect(massChange({ ...calm, known: 0, isEmpty: true })).toBeUndefined();
  expect(massChange({ ...calm, missing: 30 })).toBeUndefined();
  expect(massChange({ ...calm, missing: 31 })).toContain('31 of its 100');
  expect(massChange({ ...calm, known: 21, missing: 20 })).toBeUndefined();
  expect(massChange({ ...calm, known: 21, missing: 21 })).toContain('21 of its 21');
});
