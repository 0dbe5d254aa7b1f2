import { expect, test } from 'vitest';
import { createTextStore } from '#runtime/text-store.ts';

const bytes = (size: number) => new Uint8Array(size);

test('what was not asked for the longest goes first', () => {
  const texts = createTextStore(10);
  texts.add('a', bytes(4));
  texts.add('b', bytes(4));
  expect(texts.get('a')).toHaveLength(4);
  texts.add('c', bytes(4));
  expect([texts.get('a')?.length, texts.get('b'), texts.get('c')?.length]).toEqual([4, undefined, 4]);
});

test('the same text twice counts once, and one that is too long is not kept', () => {
  const texts = createTextStore(10);
  for (let count = 0; count < 5; count += 1) texts.add('a', bytes(8));
  expect(texts.get('a')).toHaveLength(8);
  texts.add('b', bytes(11));
  expect([texts.get('a'), texts.get('b')]).toEqual([undefined, undefined]);
  texts.add('c', bytes(10));
  expect(texts.get('c')).toHaveLength(10);
});
