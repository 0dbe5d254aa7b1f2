import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { Asides } from '#sync/asides.ts';
import { Directory } from '#sync/directory.ts';
import { realDisk } from '#sync/disk.ts';
import { digestOf } from '#sync/file.ts';
import { Journal } from '#sync/journal.ts';
import { tempDir } from '../support/temp.ts';

const path = 'team/project/notes/plan.md';
const bytes = (text: string) => Buffer.from(text);

/** A file that was replaced while a program holds the old one open. */
async function replaced() {
  const dir = await tempDir();
  const directory = new Directory(realDisk, join(dir.path, 'docs'));
  const journal = new Journal(realDisk, directory.journalFile);
  directory.swap(path, directory.stage(path, bytes('old\n')).name, null);
  const fd = openSync(join(directory.root, path), 'r+');
  const { name } = directory.stage(path, bytes('new\n'));
  const digest = digestOf(bytes('old\n'));
  journal.append({ aside: { name, path, digest } });
  directory.swap(path, name, digest);
  const asides = new Asides({ directory, journal, keep: () => {}, onFailure: () => {} });
  return {
    asides,
    file: join(directory.root, '.aachat/aside', name),
    handedIn: () => Array.from(journal.operations.values(), ({ text }) => text),
    kept: () => journal.asides.size,
    type: (text: string) => writeSync(fd, text, 0),
    async [Symbol.asyncDispose]() {
      closeSync(fd);
      await journal.close();
      await dir[Symbol.asyncDispose]();
    },
  };
}

/** The time that asides see; it passes only by hand. */
function passingTime() {
  let now = 1_000_000;
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => now);
  onTestFinished(() => clock.mockRestore());
  return (ms: number) => {
    now += ms;
  };
}

test('S19: one that nobody changes goes after a minute', async () => {
  await using it = await replaced();
  const pass = passingTime();
  for (const ms of [0, 2_000, 30_000]) {
    pass(ms);
    expect([it.asides.check(), it.kept()]).toEqual([[], 1]);
  }
  pass(60_000);
  expect([it.asides.check(), it.kept()]).toEqual([[], 0]);
});

test.for([300, 2_000, 120_000])('S19: a change is handed in when it is looked at again after %d ms', async (ms) => {
  await using it = await replaced();
  const pass = passingTime();
  it.asides.check();
  it.type('OLD\n');
  expect(it.asides.check()).toEqual([]);
  expect([...it.asides.unsettled.keys()]).toEqual([path]);
  pass(ms);
  expect(it.asides.check()).toEqual([path]);
  expect(it.handedIn()).toEqual(['OLD\n']);
  expect(it.asides.unsettled.size).toBe(0);
});

test('S19: a folder that came to lie aside is left alone, and holds up nothing', async () => {
  await using it = await replaced();
  const pass = passingTime();
  rmSync(it.file);
  mkdirSync(it.file);
  writeFileSync(join(it.file, 'inside'), 'mine');
  it.asides.check();
  pass(2_000);
  expect([it.asides.check(), it.asides.unsettled.size, it.kept()]).toEqual([[], 0, 0]);
  expect(readFileSync(join(it.file, 'inside'), 'utf8')).toBe('mine');
});
