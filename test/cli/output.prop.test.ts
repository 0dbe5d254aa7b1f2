import { expect, test } from 'vitest';
import { plain } from '#cli/output.ts';
import fc from '../support/property.ts';

/** Bytes that a terminal acts on. */
const DANGEROUS = /(?![\n\t])[\p{Cc}\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]/u;

test('whatever others write, nothing in it controls the terminal, and cleaning it again changes nothing', () => {
  const piece = fc.constantFrom(
    '\u001b',
    '\u009b',
    '[',
    ']',
    '0;',
    '31m',
    'P',
    '\\',
    '\u0007',
    '\u009c',
    '\u202e',
    'a',
    '\n',
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(piece, fc.string({ unit: 'binary' })), { maxLength: 40, size: 'max' }), (pieces) => {
      const clean = plain(pieces.join(''));
      expect(clean).not.toMatch(DANGEROUS);
      expect(plain(clean)).toBe(clean);
    }),
  );
});
