import { expect, test } from 'vitest';
import { AachatError } from '#base/errors.ts';
import { createTextStore } from '#runtime/text-store.ts';

const bytes = (size: number) => new Uint8Array(size);
const never = () => Promise.reject(new Error('It should be there.'));
const fetched = async () => bytes(1);

test('what was not asked for the longest goes first', async () => {
  const texts = createTextStore(10);
  texts.add('a', bytes(4));
  texts.add('b', bytes(4));
  expect(await texts.read('a', never)).toHaveLength(4);
  texts.add('c', bytes(4));
  expect(await texts.read('a', never)).toHaveLength(4);
  expect(await texts.read('c', never)).toHaveLength(4);
  expect(await texts.read('b', fetched)).toHaveLength(1);
});

test('the same text twice counts once, and one that is too long is not kept', async () => {
  const texts = createTextStore(10);
  for (let count = 0; count < 5; count += 1) texts.add('a', bytes(8));
  expect(await texts.read('a', never)).toHaveLength(8);
  texts.add('b', bytes(11));
  expect(await texts.read('b', fetched)).toHaveLength(1);
  texts.add('c', bytes(10));
  expect(await texts.read('c', never)).toHaveLength(10);
});

test('what several ask for at once is fetched once, and a refusal is for whom it was said to', async () => {
  const texts = createTextStore(10);
  let count = 0;
  const slow = async () => {
    count += 1;
    await new Promise((resolve) => setTimeout(resolve, 5));
    return bytes(2);
  };
  const all = await Promise.all([1, 2, 3].map(() => texts.read('a', slow)));
  expect([count, all.map(({ length }) => length)]).toEqual([1, [2, 2, 2]]);
  const refused = texts.read('b', () => Promise.reject(new AachatError('FORBIDDEN', 'No.')));
  const other = texts.read('b', fetched);
  await expect(refused).rejects.toThrow('No.');
  expect(await other).toHaveLength(1);
});
