/** The form of a unified diff; `diff.int.test.ts` shows that git applies it. */
import { expect, test } from 'vitest';
import { splitLines } from '#sync/core/diff.ts';
import { unifiedDiff } from '#sync/core/unified-diff.ts';

const lines = (...numbers: readonly (number | string)[]) => numbers.map((line) => `${line}\n`).join('');

test('changes that are near share a hunk, others have their own', () => {
  const [before, after] = [lines(1, 2, 3, 4, 5, 6, 7, 8), lines(1, 'two', 3, 4, 6, 7, 8, 9)];
  const [first, second] = ['@@ -1,6 +1,5 @@\n 1\n-2\n+two\n 3\n 4\n-5\n 6\n', '@@ -8,1 +7,2 @@\n 8\n+9\n'];
  expect(unifiedDiff(before, after, { context: 1 })).toBe(`--- before\n+++ after\n${first}${second}`);
});

test('a missing last newline shows, and a text may be empty', () => {
  expect(unifiedDiff('', 'a', { names: ['/dev/null', 'b'] })).toBe(
    '--- /dev/null\n+++ b\n@@ -0,0 +1,1 @@\n+a\n\\ No newline at end of file\n',
  );
  expect(unifiedDiff('a\r\n', '')).toBe('--- before\n+++ after\n@@ -1,1 +0,0 @@\n-a\r\n');
});

test('equal texts have no diff', () => {
  expect(unifiedDiff('a\n', 'a\n')).toBe('');
});

test('lines keep their newlines, and only \\n ends one', () => {
  expect(splitLines('a\r\n\rb\u{2028}c\n\nd')).toEqual(['a\r\n', '\rb\u{2028}c\n', '\n', 'd']);
});
