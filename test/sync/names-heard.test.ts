import { expect, test } from 'vitest';
import { NamesHeard } from '#sync/names-heard.ts';
import { Queue } from '#sync/queue.ts';

/** Whether a text is believed after these hints, the first of them before it was read. */
async function isBelieved(first: boolean, ...meanwhile: readonly boolean[]): Promise<boolean> {
  const queue = new Queue({ concurrency: 1, work: async () => {}, onRest: () => {} });
  const names = new NamesHeard(queue);
  names.hint('a', first);
  const answer = names.isWhole('a');
  for (const isNamed of meanwhile) names.hint('a', isNamed);
  const isWhole = await answer;
  await queue.close();
  return isWhole;
}

test('S13 a text is believed early only if nothing but its name was heard of', async () => {
  expect(await isBelieved(true)).toBe(true);
  expect(await isBelieved(true, true)).toBe(true);
  expect(await isBelieved(false)).toBe(false);
});

test('S14 what is written while a text is read, or just before, is heard of in time', async () => {
  expect(await isBelieved(true, false)).toBe(false);
  expect(await isBelieved(true, false, true)).toBe(false);
});
