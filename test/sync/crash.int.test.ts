/** A mirror that is killed at any moment, and saves that race our replacements. */
import { once } from 'node:events';
import { mkdir, open, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import { newId } from '#base/id.ts';
import { type Disk, realDisk } from '#sync/disk.ts';
import { exchange } from '#sync/exchange.ts';
import { eventually } from '../support/eventually.ts';
import { MemoryServer } from '../support/memory-replica.ts';
import { inStep, openMirror } from '../support/mirror.ts';
import { startMirrorProcess } from '../support/mirror-process.ts';
import { saveInPlace } from '../support/save.ts';
import { tempDir } from '../support/temp.ts';

/** Numbers that look random and are the same in every run. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
}

test('S25, S7: killed at random moments nothing is lost, and nothing happens twice', async () => {
  const random = randomFrom(4_711);
  const server = new MemoryServer();
  await using dir = await tempDir();
  await using other = await openMirror(server, { who: 'other' });
  const [root, kept] = [join(dir.path, 'docs'), join(dir.path, 'kept')];
  const paths = Array.from({ length: 6 }, (_, index) => `acme/launch/notes/n${index}.md`);
  const words: (readonly [path: string, word: string])[] = [];

  /** Adds a line with a word of its own to what the file has, by rename or in place. */
  const save = async (folder: string, path: string) => {
    const file = join(folder, path);
    const before = await readFile(file, 'utf8').catch(() => '');
    const word = `w${words.length}`;
    const lines = before.split('\n');
    lines.splice(random(lines.length), 0, word);
    await mkdir(dirname(file), { recursive: true });
    const isRename = random(2) === 0;
    if (isRename || before === '') {
      await writeFile(`${file}.tmp.1.ab`, lines.join('\n'));
      await rename(`${file}.tmp.1.ab`, file);
    } else await saveInPlace(file, lines.join('\n'));
    words.push([path, word]);
  };
  for (const path of paths) await save(other.root, path);

  for (let round = 0; round < 25; round += 1) {
    const running = startMirrorProcess(server, root, kept);
    // A start takes a while, and the moments after it are the interesting ones.
    const isUp = once(running.child, 'message');
    await isUp;
    const saves = random(6);
    for (let count = 0; count < saves; count += 1) {
      await save(random(2) === 0 ? root : other.root, paths[random(paths.length)] ?? '');
      await sleep(random(40));
    }
    await sleep(random(60));
    await running[Symbol.asyncDispose]();
    if (random(2) === 0) await save(root, paths[random(paths.length)] ?? '');
  }

  await using last = await openMirror(server, { who: 'child', root });
  await inStep(server, other, last);
  for (const [path, word] of words) {
    const known = [...server.history(path), ...server.openConflicts(path)].join('\n').split('\n');
    expect(known, `${word} of ${path}`).toContain(word);
  }
  expect(server.versions).toBeLessThanOrEqual(words.length);
  expect(last.mirror.status().problems).toEqual([]);
});

test('S25: stopped between any two steps of a replacement, the next start ends it', async () => {
  const path = 'acme/launch/notes/plan.md';
  // Each of them stands for a process that ended right after that step.
  for (const steps of [1, 2, 3, 4]) {
    const server = new MemoryServer();
    await using other = await openMirror(server, { who: 'other' });
    await using one = await openMirror(server);
    await other.write(path, 'first\n');
    await inStep(server, one, other);
    await one.restart(async () => {
      await other.write(path, 'second\n');
      await other.mirror.flush(60_000);
      const { Directory } = await import('#sync/directory.ts');
      const { Journal } = await import('#sync/journal.ts');
      const directory = new Directory(realDisk, one.root);
      const journal = new Journal(realDisk, directory.journalFile);
      const entry = journal.entries.get(path);
      const [document] = (await server.replica('one').list()).documents;
      if (entry?.base == null || document?.digest == null) throw new Error('not there yet');
      const staged = directory.stage(path, Buffer.from('second\n'));
      const { name } = staged;
      if (steps > 1) {
        const aside = { name, path, digest: entry.base };
        journal.append({ path, entry: { ...entry, writing: { ...staged, digest: document.digest } }, aside });
      }
      if (steps === 3) expect(exchange(join(one.root, '.aachat/tmp', name), join(one.root, path))).toBe(true);
      if (steps === 4) expect(directory.swap(path, name, entry.base)).toBe(true);
      await journal.close();
      // Meanwhile the document went on, and says again what it said before.
      await other.write(path, 'third\n');
      await other.mirror.flush(60_000);
    });
    await inStep(server, one, other);
    expect(server.versions).toBe(3);
    expect(await one.read(path)).toBe('third\n');
  }
});

test('S25: ended right after a removal, the next start does not take it for a deletion by hand', async () => {
  const server = new MemoryServer();
  const path = 'acme/launch/notes/plan.md';
  const bo = server.replica('bo');
  let isEnded = false as boolean;
  const ended = () => {
    if (isEnded) throw new Error('This process has ended.');
  };
  const disk: Disk = {
    ...realDisk,
    renameSync(from, to) {
      ended();
      realDisk.renameSync(from, to);
      isEnded = from.endsWith(path);
    },
    lstatSync(file, options) {
      ended();
      return realDisk.lstatSync(file, options);
    },
    writeSync(fd, bytes, offset) {
      ended();
      return realDisk.writeSync(fd, bytes, offset);
    },
  };
  await using one = await openMirror(server, { disk });
  await one.write(path, 'one\n');
  await one.write('acme/launch/notes/other.md', 'other\n');
  await inStep(server, one);
  const baseDigest = (await bo.list()).documents.find((document) => document.path === path)?.digest ?? null;
  await bo.push({ path, opId: newId(), baseDigest, bytes: null });
  await eventually('it ended', () => isEnded);
  await one.restart(async () => {
    await bo.push({ path, opId: newId(), baseDigest: null, bytes: Buffer.from('one\n') });
    isEnded = false;
  });
  await inStep(server, one);
  expect(await one.read(path)).toBe('one\n');
});

test.each([
  ['another', 'text\n', 1],
  ['the same', '', 2],
])('S25: a file is empty at the next start, in %s run of the machine', async (boot, expected, versions) => {
  const path = 'acme/launch/notes/plan.md';
  const server = new MemoryServer();
  await using other = await openMirror(server, { who: 'other' });
  await using one = await openMirror(server);
  await other.write(path, 'text\n');
  await inStep(server, one, other);
  await one.restart(async () => {
    await writeFile(join(one.root, path), '');
    const journal = join(one.root, '.aachat/journal');
    const text = await readFile(journal, 'utf8');
    if (boot === 'another') await writeFile(journal, text.replace(/"boot":"[^"]*"/, '"boot":"before"'));
  });
  await eventually('it is decided', async () => (await one.mirror.flush(60_000)).state === 'in sync');
  await inStep(server, one, other);
  expect(await one.read(path)).toBe(expected);
  expect(server.versions).toBe(versions);
});

test('S19: a save in place that races a replacement is not lost', async () => {
  const server = new MemoryServer();
  await using one = await openMirror(server, { who: 'mia' });
  const path = 'acme/launch/notes/plan.md';
  const file = join(one.root, path);
  await one.write(path, 'start\n');
  await inStep(server, one);
  const replica = server.replica('bo');
  const words: string[] = [];
  const kept = () => [...server.history(path), ...server.openConflicts(path)].join('\n').split('\n');
  for (let round = 0; round < 150; round += 1) {
    const [document] = (await replica.list()).documents;
    const base = document?.digest ?? null;
    const bytes = Buffer.from(`${server.text(path)}bo${round}\n`);
    const word = `mia${round}`;
    const pushed = replica.push({ path, opId: newId(), baseDigest: base, bytes });
    // Around the moment at which the mirror replaces the file.
    await sleep(round % 4);
    await writeFile(file, `${await readFile(file, 'utf8')}${word}\n`);
    words.push(word);
    await pushed;
  }
  await one.mirror.flush(60_000);
  await inStep(server, one);
  const known = new Set(kept());
  expect(words.filter((word) => !known.has(word))).toEqual([]);
});

test('S19: a program that goes on writing to the file it opened before', async () => {
  const server = new MemoryServer();
  await using one = await openMirror(server, { who: 'mia' });
  await using other = await openMirror(server, { who: 'bo' });
  const path = 'acme/launch/notes/plan.md';
  await one.write(path, 'one\ntwo\nthree\n');
  await inStep(server, one, other);
  const handle = await open(join(one.root, path), 'r+');
  await other.write(path, 'one\ntwo\nthree of bo\n');
  await eventually('it was replaced', async () => (await one.read(path))?.includes('bo'));
  await handle.write('ONE\ntwo\nthree\n', 0);
  await handle.close();
  await one.mirror.flush(60_000);
  await inStep(server, one, other);
  expect(server.text(path)).toBe('ONE\ntwo\nthree of bo\n');
});

test('S7: what was handed in before an end is handed in again with the same id, whatever was saved since', async () => {
  const server = new MemoryServer();
  await using one = await openMirror(server);
  const path = 'acme/launch/notes/plan.md';
  await one.write(path, 'one\n');
  await inStep(server, one);
  server.losesAnswers = true;
  await one.write(path, 'one\ntwo\n');
  await eventually('its answer was lost', () => one.mirror.status().state === 'offline' && server.versions === 2);
  await one.restart(async () => {
    server.losesAnswers = false;
    await server.replica('bo').push({
      path,
      opId: newId(),
      baseDigest: (await server.replica('bo').list()).documents[0]?.digest ?? null,
      bytes: Buffer.from('zero\none\n'),
    });
    await one.write(path, 'one\ntwo\nthree\n');
  });
  await inStep(server, one);
  // Bo took `two` out. Handed in anew with the base of then, it would have come back.
  expect(server.history(path)).toHaveLength(5);
  expect(server.text(path)).toBe('zero\none\nthree\n');
});

test('S25: a mirror that was stopped while a program still writes does nothing more', async () => {
  const server = new MemoryServer();
  const calls: string[] = [];
  const disk = new Proxy(realDisk, {
    get(target, name: keyof typeof realDisk) {
      calls.push(name);
      return target[name];
    },
  });
  await using one = await openMirror(server, { who: 'mia', disk });
  await using other = await openMirror(server, { who: 'bo' });
  const path = 'acme/launch/notes/plan.md';
  await one.write(path, 'one\ntwo\n');
  await inStep(server, one, other);
  await using handle = await open(join(one.root, path), 'r+');
  await other.write(path, 'one\ntwo of bo\n');
  await eventually('it was replaced', async () => (await one.read(path))?.includes('bo'));
  // What changed just now is not believed: for the mirror it stays just now.
  const clock = vi.spyOn(performance, 'now').mockReturnValue(performance.now());
  onTestFinished(() => clock.mockRestore());
  await handle.write('ONE\n', 0);
  const { pending } = await one.mirror.flush(0);
  expect(pending).toMatchObject([{ path }]);
  await one.mirror.stop();
  const before = calls.length;
  // Longer than between two looks at what lies aside.
  await sleep(1_000);
  expect(calls.slice(before)).toEqual([]);
});

test('S25: a mirror that is stopped in the middle of a walk reads no other folder', async () => {
  const server = new MemoryServer();
  let read = 0;
  let onRead = () => {};
  const disk: Disk = {
    ...realDisk,
    readdirSync(path, options) {
      read += 1;
      onRead();
      return realDisk.readdirSync(path, options);
    },
  };
  await using one = await openMirror(server, { disk });
  for (const kind of ['notes', 'tasks']) await one.write(`acme/launch/${kind}/plan.md`, `${kind}\n`);
  await inStep(server, one);
  const stopped = new Promise<void>((resolve) => {
    onRead = () => {
      read = 0;
      onRead = () => {};
      resolve(one.mirror.stop());
    };
  });
  await one.mirror.flush(60_000);
  await stopped;
  expect(read).toBe(0);
});
