import { describe, expect, test } from 'vitest';
import { linearPattern } from '#runtime/linear-pattern.ts';
import fc from '../support/property.ts';

const { pattern } = fc.letrec<{ pattern: string }>((tie) => ({
  pattern: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(
      'a',
      'b',
      '.',
      '[ab]',
      '[^a]',
      '[\\]-]',
      '\\d',
      '\\.',
      '\\u{1F600}',
      '\\ud83d\\ude00',
      '^',
      '$',
      '\\p{L}',
      '😀',
    ),
    fc.tuple(tie('pattern'), tie('pattern')).map(([a, b]) => `${a}${b}`),
    fc.tuple(tie('pattern'), tie('pattern')).map(([a, b]) => `(${a}|${b})`),
    fc
      .tuple(tie('pattern'), fc.constantFrom('*', '+', '?', '*?', '{2}', '{0,2}', '{1,}', '{0}'))
      .map(([a, sign]) => `(?:${a})${sign}`),
  ),
}));
const text = fc.array(fc.constantFrom('a', 'b', '1', '.', ']', '-', '\n', '😀'), { maxLength: 8 });

/** Looks from the start: with a pattern that has only its end in place, V8 does not find `[^a]$` in an emoji. */
const isIn = (text: string, source: string) => new RegExp(`^[^]*?(?:${source})`, 'u').test(text);

describe('a linear pattern', () => {
  test('matches what a regular expression matches', () => {
    fc.assert(
      fc.property(pattern, text, (source, parts) => {
        const matcher = linearPattern(source);
        fc.pre(typeof matcher !== 'string');
        expect(matcher(parts.join(''))).toBe(isIn(parts.join(''), source));
      }),
      { numRuns: 2_000 },
    );
  });

  test('finds what a regular expression of V8 does not', () => {
    for (const [source, parts] of [
      ['[^a]$', '😀'],
      ['(?:[^a]){2}(?:$)+', '-😀'],
    ] as const) {
      const matcher = linearPattern(source);
      expect([typeof matcher === 'string' ? matcher : matcher(parts), isIn(parts, source)]).toEqual([true, true]);
    }
  });

  test('is a matcher or a reason for every text', () => {
    const source = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 30 }),
      fc.string({ unit: fc.constantFrom(...'(?:[]{}*+|\\^$d19,ab)'), maxLength: 30 }),
    );
    fc.assert(
      fc.property(source, text, (written, parts) => {
        const matcher = linearPattern(written);
        if (typeof matcher === 'string') expect(matcher).toMatch(/\.$/);
        else expect(matcher(parts.join(''))).toBe(isIn(parts.join(''), written));
      }),
      { numRuns: 5_000 },
    );
  });

  test('that would take a regular expression for ever is matched', () => {
    const matcher = linearPattern('^(a+)+(a|aa)*$');
    expect(typeof matcher === 'string' ? matcher : matcher(`${'a'.repeat(4_000)}b`)).toBe(false);
  });

  test.for([
    ['(?=a)', 'A group'],
    ['(?<name>a)', 'A group'],
    ['(a)\\1', 'not matched'],
    ['\\bword', 'not matched'],
    ['(a', 'no regular'],
    ['((a{99}){99}){99}', 'too large'],
    ['((){99999999}){99999999}', 'too large'],
    ['a'.repeat(501), 'longer'],
  ] as const)('%s is refused with a reason', ([source, reason]) => {
    expect(linearPattern(source)).toContain(reason);
  });
});
