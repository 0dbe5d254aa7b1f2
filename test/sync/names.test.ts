import { expect, test } from 'vitest';
import { tooLarge } from '#sync/names.ts';

test('S27: one byte too many is told from the limit', () => {
  expect(tooLarge(1024 * 1024)).toBeUndefined();
  expect(tooLarge(1024 * 1024 + 1)).toBe('It has 1025 KiB; a document has at most 1024 KiB.');
});
