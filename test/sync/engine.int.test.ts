/** Mirrors in step: the thinnest path. */
import { expect, test } from 'vitest';
import { MemoryServer } from '../support/memory-replica.ts';
import { inStep, openMirror } from '../support/mirror.ts';

const note = 'acme/launch/notes/plan.md';

test('S1: what is saved in one mirror is in the other', async () => {
  const server = new MemoryServer();
  await using one = await openMirror(server);
  await using other = await openMirror(server);
  await one.write(note, 'hello\n');
  await inStep(server, one, other);
  expect(await other.read(note)).toBe('hello\n');
});
