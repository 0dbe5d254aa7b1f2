/** Which texts are believed while somebody may be writing, on a real file system. */
import { readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { newId } from '#base/id.ts';
import { Directory } from '#sync/directory.ts';
import { realDisk } from '#sync/disk.ts';
import { digestOf } from '#sync/file.ts';
import { Journal } from '#sync/journal.ts';
import { QUIET_MS, Reconciler } from '#sync/reconciler.ts';
import { Remote } from '#sync/remote.ts';
import type { Replica } from '#sync/replica.ts';
import { MemoryServer } from '../support/memory-replica.ts';
import { grammar } from '../support/mirror.ts';
import { tempDir } from '../support/temp.ts';

const note = 'acme/launch/notes/plan.md';

/** The clock on the wall stands still, so a file is as old as a test says, however long anything takes. */
beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'], now: Date.UTC(2026, 0, 1) }));
afterEach(() => void vi.useRealTimers());

const pass = (ms: number) => vi.setSystemTime(Date.now() + ms);

/** In place, and now. */
function write(file: string, text: string): void {
  writeFileSync(file, text);
  utimesSync(file, Date.now() / 1_000, Date.now() / 1_000);
}

/** @param onPush happens while the server is asked @param disk the real one unless said otherwise */
async function scene(onPush: (file: string) => void = () => {}, disk = realDisk) {
  const dir = await tempDir();
  const directory = new Directory(disk, dir.path);
  const file = join(directory.root, note);
  await mkdir(dirname(file), { recursive: true });
  const journal = new Journal(realDisk, directory.journalFile);
  const remote = new Remote(grammar);
  const server = new MemoryServer();
  const real = server.replica('mia', {});
  remote.list(await real.list(), remote.expectListing());
  const replica: Replica = {
    list: () => real.list(),
    read: (path, digest) => real.read(path, digest),
    settle: (settlement) => real.settle(settlement),
    async push(submission) {
      const accepted = await real.push(submission);
      onPush(file);
      return accepted;
    },
  };
  const later: number[] = [];
  const reconciler = new Reconciler({
    directory,
    journal,
    remote,
    replica,
    grammar,
    keep: () => {},
    mayDelete: () => true,
    again: (_, delayMs) => delayMs > 0 && later.push(delayMs),
    remind: () => {},
    onAccepted: () => {},
  });
  const close = async () => {
    await journal.close();
    await dir[Symbol.asyncDispose]();
  };
  return { server, reconciler, file, later, [Symbol.asyncDispose]: close };
}

test('S13 a text that was written in place is not believed before it was quiet', async () => {
  await using s = await scene();
  write(s.file, 'the first half of ');
  await s.reconciler.reconcile(note);
  expect(s.server.versions).toBe(0);
  expect(s.later).toEqual([QUIET_MS]);
  pass(QUIET_MS);
  await s.reconciler.reconcile(note);
  expect(s.server.versions).toBe(1);
});

test('S13 a text that came by a rename is believed at once', async () => {
  await using s = await scene();
  write(`${s.file}.tmp.1.a`, 'all of it\n');
  renameSync(`${s.file}.tmp.1.a`, s.file);
  await s.reconciler.reconcile(note, async () => true);
  expect(s.later).toEqual([]);
  expect(s.server.history(note)).toEqual(['all of it\n']);
});

test('S14 a save that began while the server was asked is no version before it was quiet', async () => {
  await using s = await scene((file) => write(file, 'the first half of '));
  write(s.file, 'before\n');
  pass(QUIET_MS);
  await s.reconciler.reconcile(note);
  expect(s.server.history(note)).toEqual(['before\n']);
  expect(s.later).toEqual([QUIET_MS]);
});

test('S24 what was forgotten while the disk was waited for stays forgotten', async () => {
  let meanwhile = () => {};
  await using s = await scene(() => {}, {
    ...realDisk,
    async sync(fd) {
      await realDisk.sync(fd);
      meanwhile();
    },
  });
  write(s.file, 'one\n');
  pass(QUIET_MS);
  await s.reconciler.reconcile(note);
  const baseDigest = digestOf(Buffer.from('one\n'));
  const bytes = Buffer.from('two\n');
  const { document } = await s.server.replica('bo').push({ path: note, opId: newId(), baseDigest, bytes });
  s.reconciler.hear({ document });
  meanwhile = () => {
    rmSync(dirname(s.file), { recursive: true });
    s.reconciler.forget(() => true);
    meanwhile = () => {};
  };
  await s.reconciler.reconcile(note);
  expect(readFileSync(s.file, 'utf8')).toBe('two\n');
  expect(s.server.text(note)).toBe('two\n');
});
