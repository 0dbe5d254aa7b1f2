/** What makes a mirror stop and ask. */
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { realDisk } from '#sync/disk.ts';
import { eventually } from '../support/eventually.ts';
import { MemoryServer } from '../support/memory-replica.ts';
import { inStep, openMirror } from '../support/mirror.ts';

const folder = 'acme/launch/notes';
const note = `${folder}/plan.md`;

async function many(count: number, disk = realDisk) {
  const server = new MemoryServer();
  const one = await openMirror(server, { disk });
  for (let index = 0; index < count; index += 1) await one.write(`${folder}/n${index}.md`, `${index}\n`);
  await inStep(server, one);
  return { server, one, [Symbol.asyncDispose]: () => one[Symbol.asyncDispose]() };
}

test('S22: many files gone at once stop the mirror; they come back, or are deleted everywhere', async () => {
  await using crowd = await many(40);
  const { server, one } = crowd;
  const removeMost = () => {
    for (let index = 0; index < 30; index += 1) rmSync(join(one.root, `${folder}/n${index}.md`));
  };
  removeMost();
  await eventually('it stops', () => one.mirror.status().state === 'stopped');
  expect(one.mirror.status().reason).toContain('30 of its 40');
  expect(server.all().size).toBe(40);
  await one.mirror.resume('restore');
  await inStep(server, one);
  expect(server.all().size).toBe(40);

  removeMost();
  await eventually('it stops', () => one.mirror.status().state === 'stopped');
  await one.restart();
  await eventually('a restart does not help', () => one.mirror.status().state === 'stopped');
  expect(server.all().size).toBe(40);
  await one.mirror.resume('delete');
  await inStep(server, one);
  expect(server.all().size).toBe(10);
});

test('S22: what was deleted once with leave stops the mirror again when it goes again', async () => {
  await using crowd = await many(40);
  const { server, one } = crowd;
  const names = Array.from({ length: 30 }, (_, index) => `${folder}/n${index}.md`);
  const removeMost = () => {
    for (const name of names) rmSync(join(one.root, name));
  };
  removeMost();
  await eventually('it stops', () => one.mirror.status().state === 'stopped');
  await one.mirror.resume('delete');
  await eventually('they are deleted', () => server.all().size === 10);
  for (const name of names) await one.write(name, 'again\n');
  await inStep(server, one);
  removeMost();
  await eventually('something happens', () => one.mirror.status().state === 'stopped' || server.all().size < 40);
  expect([one.mirror.status().state, server.all().size]).toEqual(['stopped', 40]);
});

test('S22: some files gone at once are deletions', async () => {
  await using crowd = await many(40);
  const { server, one } = crowd;
  for (let index = 0; index < 20; index += 1) rmSync(join(one.root, `${folder}/n${index}.md`));
  await eventually('they are deleted', () => server.all().size === 20);
  await inStep(server, one);
});

// At once for the mirror, which lives in this process: what is gone for a second while the rest is there was deleted.
const losses: Record<string, (root: string) => void> = {
  'the marker': (root) => rmSync(join(root, '.aachat/marker')),
  'everything of ours': (root) => rmSync(join(root, '.aachat'), { recursive: true }),
  'the whole folder': (root) => rmSync(root, { recursive: true }),
  'everything but ours': (root) => rmSync(join(root, 'acme'), { recursive: true }),
  'another folder in its place': (root) => {
    renameSync(root, `${root}.away`);
    mkdirSync(root);
  },
};

test.for(Object.entries(losses))('S22, S24: loses %s, stops, deletes nothing and is restored', async ([, lose]) => {
  await using crowd = await many(3);
  const { server, one } = crowd;
  lose(one.root);
  // Any walk or hint finds out; this one need not wait for the timer.
  await one.mirror.flush(60_000);
  await eventually('it stops', () => one.mirror.status().state === 'stopped');
  expect(server.all().size).toBe(3);
  await one.mirror.resume('restore');
  await inStep(server, one);
  expect(server.all().size).toBe(3);
  expect(server.versions).toBe(3);
  await one.write(note, 'goes on\n');
  await eventually('it goes on', () => server.text(note) === 'goes on\n');
});

test.for(Object.entries(losses))('S22: loses %s, and a person who means it deletes everywhere', async ([, lose]) => {
  await using crowd = await many(3);
  const { server, one } = crowd;
  await using other = await openMirror(server);
  await inStep(server, one, other);
  lose(one.root);
  await one.mirror.flush(60_000);
  await eventually('it stops', () => one.mirror.status().state === 'stopped');
  const missing = [...server.all().keys()].filter((path) => !existsSync(join(one.root, path)));
  await one.mirror.resume('delete');
  await inStep(server, one, other);
  expect(server.all().size).toBe(3 - missing.length);
  await one.restart();
  await inStep(server, one, other);
  expect(server.all().size).toBe(3 - missing.length);
});

test('S22: an answer that a full disk does not take is asked for again, and deletes nothing', async () => {
  let isFull = false as boolean;
  const full = (file: string) => {
    if (isFull && /journal/.test(file)) {
      throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC', syscall: 'write' });
    }
  };
  const files = new Map<number, string>();
  await using crowd = await many(5, {
    ...realDisk,
    openSync(file, flags, mode) {
      const fd = realDisk.openSync(file, flags, mode);
      files.set(fd, file);
      return fd;
    },
    writeSync(fd, bytes, offset) {
      full(files.get(fd) ?? '');
      return realDisk.writeSync(fd, bytes, offset);
    },
  });
  const { server, one } = crowd;
  for (const name of ['.aachat/marker', `${folder}/n1.md`, `${folder}/n2.md`]) rmSync(join(one.root, name));
  await eventually('it stops', () => one.mirror.status().state === 'stopped');
  isFull = true;
  await expect(one.mirror.resume('restore')).rejects.toThrow('ENOSPC');
  expect(one.mirror.status().state).toBe('stopped');
  isFull = false;
  await one.restart();
  expect(one.mirror.status().state).toBe('stopped');
  await one.mirror.resume('restore');
  await inStep(server, one);
  expect([server.all().size, server.versions]).toEqual([5, 5]);
});

test('S22: a folder that is moved away stops the mirror at once', async () => {
  await using crowd = await many(3);
  const { one } = crowd;
  renameSync(one.root, `${one.root}.away`);
  // Before the next walk, which finds out anyway.
  await eventually('it stops', () => one.mirror.status().state === 'stopped');
});
