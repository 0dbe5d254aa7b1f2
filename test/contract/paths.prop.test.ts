import { expect, test } from 'vitest';
import {
  DocumentKind,
  DocumentName,
  foldName,
  formatConflictPath,
  formatDocumentPath,
  parseConflictPath,
  parseDocumentPath,
} from '#contract/paths.ts';
import fc from '../support/property.ts';

const slug = fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,62}$/);
const base = fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,38}$/);
const project = fc.oneof(
  slug,
  fc.tuple(base, base).map(([agent, owner]) => `dm:${agent}.${owner}`),
);
const kind = fc.stringMatching(/^[a-z][a-z0-9_-]{0,31}$/).filter((text) => DocumentKind.safeParse(text).success);
const name = fc
  .oneof(
    fc.constant('_template'),
    fc.string({ unit: 'binary', maxLength: 12 }),
    fc.stringMatching(/^[a-zA-Z0-9ßé東._ -]{1,64}$/),
  )
  .filter((text) => DocumentName.safeParse(text).success);
const path = fc.record({
  team: fc.tuple(fc.constantFrom('', '~'), slug).map((parts) => parts.join('')),
  project,
  kind,
  name,
});

test('what is written is read back, document or conflict, and never taken for the other', () => {
  fc.assert(
    fc.property(path, fc.integer({ min: 1, max: 999_999_999 }), base, (document, number, who) => {
      const text = formatDocumentPath(document);
      expect(parseDocumentPath(text)).toEqual(document);
      expect(parseConflictPath(text)).toBeUndefined();
      const conflict = formatConflictPath({ document, number, who });
      expect(parseConflictPath(conflict)).toEqual({ document, number, who });
      expect(() => parseDocumentPath(conflict)).toThrow('belong to aachat');
      expect(Buffer.byteLength(conflict.split('/').at(-1) ?? '')).toBeLessThanOrEqual(255);
    }),
  );
});

test('any text is read as what it says, or refused', () => {
  const part = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 6 }),
    slug,
    fc.constantFrom('..', '.', '', 'a.md', '~a'),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 5 }), (parts) => {
      const text = parts.join('/');
      let parsed: ReturnType<typeof parseDocumentPath>;
      try {
        parsed = parseDocumentPath(text);
      } catch (thrown) {
        expect(thrown).toMatchObject({ code: 'VALIDATION_ERROR' });
        return;
      }
      expect(formatDocumentPath(parsed)).toBe(text);
    }),
  );
});

test('folding again changes nothing, and case does not matter', () => {
  fc.assert(
    fc.property(name, (text) => {
      expect(foldName(foldName(text))).toBe(foldName(text));
      expect(foldName(text.toUpperCase())).toBe(foldName(text));
    }),
    { numRuns: 500 },
  );
});
