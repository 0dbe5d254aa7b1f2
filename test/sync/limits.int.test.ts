/** Limits of the machine: what a mirror says when it meets one, that nothing is lost, and that it goes on after it. */
import { chmod, mkdir, open, readdir, readFile, rm, truncate, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { toAachatError } from '#base/errors.ts';
import { eventually } from '../support/eventually.ts';
import { asNobody, canLimit, canMount, hasPrlimit, limited, noMoreFiles, smallDisk } from '../support/limits.ts';
import { MemoryServer } from '../support/memory-replica.ts';
import { inStep, type OpenMirror, openMirror } from '../support/mirror.ts';
import { startMirrorProcess } from '../support/mirror-process.ts';
import { tempDir } from '../support/temp.ts';

const folder = 'acme/launch/notes';
const note = `${folder}/plan.md`;
const report = 'acme/launch/_errors.md';
const at = (name: string) => `${folder}/${name}.md`;
const problemOf = ({ mirror }: OpenMirror, path: string) =>
  mirror.status().problems.find((one) => one.path === path)?.reason;
const isWell = async (one: OpenMirror) =>
  one.mirror.status().problems.length === 0 && (await one.read(report)) === undefined;

test('S15: a mirror whose folders are all watched says so', async () => {
  await using one = await openMirror(new MemoryServer());
  expect(one.mirror.status().isWatched).toBe(true);
});

/** Writes into the file until the disk takes not one byte more. */
async function fill(file: string): Promise<void> {
  await using filler = await open(file, 'a');
  for (let size = 65_536; size >= 1; size /= 16) {
    try {
      for (;;) await filler.write(Buffer.alloc(size));
    } catch {}
  }
}

test.runIf(canMount)('S4, S7, S27: a full disk is reported, and what waited goes on once there is space', async () => {
  const server = new MemoryServer();
  await using dir = await tempDir();
  const disk = join(dir.path, 'disk');
  using _ = smallDisk(disk, '512k');
  await using other = await openMirror(server);
  await using one = await openMirror(server, { root: join(disk, 'docs') });
  const text = (word: string) => `${word}\n`.repeat(2_000);
  for (const name of ['a', 'b', 'c']) await one.write(at(name), text(name));
  await inStep(server, one, other);
  await fill(join(disk, 'filler'));
  // What comes cannot be staged; what was saved cannot be noted, so it is not handed in.
  await other.write(at('a'), text('A'));
  await other.write(at('d'), text('d'));
  await writeFile(join(one.root, at('b')), text('B'), { flag: 'r+' });
  for (const name of ['a', 'b', 'd']) {
    await eventually(`${name} is reported`, () => problemOf(one, at(name))?.includes('disk is full'));
  }
  expect(await one.read(at('a'))).toBe(text('a'));
  expect(await readdir(join(one.root, folder))).not.toContain('d.md');
  expect(await readdir(join(one.root, '.aachat/tmp'))).toEqual([]);
  expect(await other.read(at('b'))).toBe(text('b'));
  await unlink(join(disk, 'filler'));
  await one.mirror.flush(60_000);
  await inStep(server, one, other);
  expect(await isWell(one)).toBe(true);
  expect(server.text(at('b'))).toBe(text('B'));
  expect(server.versions).toBe(6);
});

test.runIf(canMount)(
  'S10: what cannot be kept for want of space does not give way, and is kept whole later',
  async () => {
    const server = new MemoryServer();
    await using dir = await tempDir();
    const disk = join(dir.path, 'disk');
    using _ = smallDisk(disk, '64k');
    await using owner = await openMirror(server);
    await owner.write(note, 'one\n');
    await owner.mirror.flush(60_000);
    const kept = join(disk, 'kept');
    await using reader = await openMirror(server, { kept, rights: { mayWrite: () => false } });
    await inStep(server, reader);
    const mine = 'mine\n'.repeat(2_000);
    await reader.write(note, mine);
    await eventually('it is refused', () => problemOf(reader, note));
    // Space for a part of it.
    await fill(join(disk, 'filler'));
    await truncate(join(disk, 'filler'), 56 * 1024);
    await owner.write(note, 'two\n');
    await eventually('it is reported', () => problemOf(reader, note)?.includes('disk is full'));
    expect(await reader.read(note)).toBe(mine);
    await unlink(join(disk, 'filler'));
    await reader.mirror.flush(60_000);
    await eventually('it gave way', async () => (await reader.read(note)) === 'two\n');
    const files = await readdir(kept, { recursive: true, withFileTypes: true });
    const texts = files.filter((one) => one.isFile()).map((one) => readFile(join(one.parentPath, one.name), 'utf8'));
    expect(await Promise.all(texts)).toEqual([mine]);
  },
);

test.runIf(canMount)(
  'S27: a mirror on a disk that takes nothing begins with an error that says what to do',
  async () => {
    await using dir = await tempDir();
    const disk = join(dir.path, 'disk');
    using small = smallDisk(disk, '16k');
    const begin = async () => {
      await using one = await openMirror(new MemoryServer(), { root: join(disk, 'docs') });
      await one.mirror.flush(60_000);
    };
    small.remount('ro');
    expect(toAachatError(await begin().catch((thrown) => thrown))).toMatchObject({ hint: /read-only/ });
    small.remount('rw');
    await fill(join(disk, 'filler'));
    expect(toAachatError(await begin().catch((thrown) => thrown))).toMatchObject({ hint: /disk is full/ });
    await unlink(join(disk, 'filler'));
    await begin();
  },
);

test('S23, S27: permission that is lost is reported, deletes nothing, and mends itself when it is given back', async () => {
  using _ = asNobody();
  const server = new MemoryServer();
  await using one = await openMirror(server);
  await using other = await openMirror(server);
  const lost: Record<string, number> = { [at('secret')]: 0, 'acme/launch/closed': 0, 'acme/launch/fixed': 0o500 };
  const paths = [at('secret'), 'acme/launch/closed/plan.md', 'acme/launch/fixed/plan.md'];
  for (const path of [...paths, at('good')]) await one.write(path, 'old\n');
  await inStep(server, one, other);
  for (const [path, mode] of Object.entries(lost)) await chmod(join(one.root, path), mode);
  for (const path of [...paths, at('good')]) await other.write(path, 'new\n');
  for (const path of [...paths, 'acme/launch/closed']) {
    await eventually(`${path} is reported`, () => problemOf(one, path)?.includes('EACCES'));
  }
  await eventually('others go on', async () => (await one.read(at('good'))) === 'new\n');
  await one.mirror.flush(60_000);
  expect((await one.read(report))?.match(/^- /gm)).toHaveLength(4);
  expect(server.versions).toBe(8);
  for (const path of Object.keys(lost)) await chmod(join(one.root, path), 0o700);
  await inStep(server, one, other);
  // Before the next walk, which finds out anyway.
  await eventually('nothing is wrong', () => isWell(one));
  expect(server.versions).toBe(8);
});

test('S22, S23: a mirror whose root cannot be looked at stops, deletes nothing, and goes on when told to', async () => {
  using _ = asNobody();
  const server = new MemoryServer();
  await using one = await openMirror(server);
  await one.write(note, 'old\n');
  await inStep(server, one);
  await chmod(one.root, 0);
  await one.mirror.flush(60_000);
  expect(one.mirror.status()).toMatchObject({ state: 'stopped', reason: /cannot be looked at/ });
  await chmod(one.root, 0o700);
  await one.write(note, 'saved meanwhile\n');
  await one.mirror.resume('restore');
  await inStep(server, one);
  expect(server.history(note)).toEqual(['old\n', 'saved meanwhile\n']);
});

test.for([-1, 1])('S6: a clock that is moved by %i day changes nothing', async (days) => {
  const server = new MemoryServer();
  await using one = await openMirror(server);
  await using other = await openMirror(server);
  const lines = ['one', 'two', 'three', ''].join('\n');
  for (const name of ['a', 'b']) await one.write(at(name), lines);
  await inStep(server, one, other);
  vi.setSystemTime(Date.now() + days * 86_400_000);
  try {
    await one.write(at('a'), lines.replace('one', 'ONE'));
    await other.write(at('a'), lines.replace('three', 'THREE'));
    await rm(join(one.root, at('b')));
    await one.restart();
    for (const { mirror } of [one, other, one, other]) await mirror.flush(60_000);
  } finally {
    vi.useRealTimers();
  }
  await inStep(server, one, other);
  expect(server.all()).toEqual(new Map([[at('a'), 'ONE\ntwo\nTHREE\n']]));
  expect(server.versions).toBe(5);
});

// Those below have a process of their own, which meets the limit.

test.runIf(canLimit).concurrent.for([
  ['max_inotify_watches', 2],
  ['max_inotify_instances', 0],
] as const)('S15: without enough %s it looks again and again, and says so', async ([what, count]) => {
  const server = new MemoryServer();
  await using dir = await tempDir();
  const root = join(dir.path, 'docs');
  await mkdir(join(root, folder), { recursive: true });
  await using one = startMirrorProcess(server, root, join(dir.path, 'kept'), limited(what, count));
  await one.inSync();
  await eventually('it says so', async () => !(await one.status()).isWatched);
  await writeFile(join(root, note), 'unheard\n');
  await eventually('it was found', () => server.text(note) === 'unheard\n');
  await one.inSync();
});

test
  .runIf(hasPrlimit)
  .concurrent('S23, S27: without another open file nothing is deleted, and all goes on later', async () => {
    const server = new MemoryServer();
    await using dir = await tempDir();
    const root = join(dir.path, 'docs');
    await using other = await openMirror(server);
    for (const name of ['a', 'b', 'c']) await other.write(at(name), `${name}\n`);
    await inStep(server, other);
    await using one = startMirrorProcess(server, root, join(dir.path, 'kept'));
    await one.inSync();
    const problems = async () => new Map((await one.status()).problems.map(({ path, reason }) => [path, reason]));
    {
      using _ = noMoreFiles(one.child.pid ?? 0);
      await other.write(at('a'), 'A\n');
      await other.mirror.flush(60_000);
      await writeFile(join(root, at('b')), 'B\n');
      await rm(join(root, at('c')));
      for (const name of ['a', 'b', 'c']) {
        await eventually(`${name} is reported`, async () => (await problems()).get(at(name))?.includes('EMFILE'));
      }
      // Where not even folders can be listed, nothing counts as missing.
      await one.flush();
      expect(server.all()).toEqual(
        new Map([
          [at('a'), 'A\n'],
          [at('b'), 'b\n'],
          [at('c'), 'c\n'],
        ]),
      );
    }
    await one.flush();
    await eventually('all is as it was saved', async () => (await problems()).size === 0 && server.all().size === 2);
    await one.inSync();
    await inStep(server, other);
    expect(server.all()).toEqual(
      new Map([
        [at('a'), 'A\n'],
        [at('b'), 'B\n'],
      ]),
    );
    expect(await readFile(join(root, at('a')), 'utf8')).toBe('A\n');
  });

test.concurrent('S3, S13: a mirror that sleeps in the middle of saves takes them for what they are when it wakes', async () => {
  const server = new MemoryServer();
  await using dir = await tempDir();
  const root = join(dir.path, 'docs');
  await using other = await openMirror(server);
  for (const name of ['gone', 'empty', 'both', 'deleted']) await other.write(at(name), `1\n2\n3\n${name}\n`);
  await inStep(server, other);
  await using one = startMirrorProcess(server, root, join(dir.path, 'kept'));
  await one.inSync();
  // Seen half done, then not for longer than a half is doubted.
  one.clock('stand still');
  await one.status();
  await unlink(join(root, at('gone')));
  await writeFile(join(root, at('empty')), '');
  await eventually('both are doubted', async () => {
    const waiting = (await one.status()).pending.map(({ path }) => path);
    return ['gone', 'empty'].every((name) => waiting.includes(at(name)));
  });
  await sleep(100);
  one.child.kill('SIGSTOP');
  one.clock('go on');
  await writeFile(join(root, at('gone')), 'saved\n2\n3\ngone\n');
  await writeFile(join(root, at('empty')), 'saved\n2\n3\nempty\n');
  await writeFile(join(root, at('both')), 'here\n2\n3\nboth\n');
  await rm(join(root, at('deleted')));
  await other.write(at('both'), '1\n2\n3\nthere\n');
  await other.mirror.flush(60_000);
  await sleep(3_000);
  one.child.kill('SIGCONT');
  await eventually('all is handed in', () => server.all().size === 3 && server.versions >= 9);
  await one.inSync();
  await inStep(server, other);
  const saved = (name: string) => `saved\n2\n3\n${name}\n`;
  const both = 'here\n2\n3\nthere\n';
  expect(server.all()).toEqual(
    new Map([
      [at('gone'), saved('gone')],
      [at('empty'), saved('empty')],
      [at('both'), both],
    ]),
  );
  expect(server.history(at('empty'))).not.toContain('');
  expect(server.versions).toBe(9);
});
