/** What cannot be shared, what is refused, and what makes a mirror stop. */
import { createHash } from 'node:crypto';
import { rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { link, mkdir, open, readdir, readFile, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { AachatError } from '#base/errors.ts';
import { type Disk, realDisk } from '#sync/disk.ts';
import type { Replica } from '#sync/replica.ts';
import { eventually } from '../support/eventually.ts';
import { MemoryServer } from '../support/memory-replica.ts';
import { filesIn, inStep, type OpenMirror, openMirror } from '../support/mirror.ts';
import { tempDir } from '../support/temp.ts';

const folder = 'acme/launch/notes';
const note = `${folder}/plan.md`;

const problemOf = ({ mirror }: OpenMirror, path: string) =>
  mirror.status().problems.find((one) => one.path === path)?.reason;

/** Everything goes on beside the bad file: another document still travels both ways. */
async function stillShares(server: MemoryServer, mirror: OpenMirror): Promise<void> {
  const good = `${folder}/good.md`;
  const word = `${server.versions}\n`;
  await mirror.write(good, word);
  await eventually('a good file travels', () => server.text(good) === word);
}

test('S27: a document that became bad is neither deleted nor replaced', async () => {
  const server = new MemoryServer();
  await using one = await openMirror(server);
  await using other = await openMirror(server);
  await one.write(note, 'good\n');
  await inStep(server, one, other);
  const large = 'x'.repeat(2_000_000);
  await one.write(note, large);
  await eventually('it is reported', () => problemOf(one, note));
  await other.write(note, 'better\n');
  await eventually('the server has it', () => server.text(note) === 'better\n');
  await one.mirror.flush(60_000);
  expect(await one.read(note)).toBe(large);
  await one.write(note, 'best\n');
  await inStep(server, one, other);
  expect(server.history(note)).toContain('best\n');
});

test('S27: a file where a folder was is reported, and the rest goes on', async () => {
  const server = new MemoryServer();
  await using one = await openMirror(server);
  await one.write('acme/other/notes/plan.md', 'good\n');
  await inStep(server, one);
  rmSync(join(one.root, 'acme/other'), { recursive: true });
  writeFileSync(join(one.root, 'acme/other'), 'x\n');
  await eventually('it is reported', () => problemOf(one, 'acme/other'));
  await stillShares(server, one);
  await rm(join(one.root, 'acme/other'));
  await one.mirror.flush(60_000);
  await eventually('nothing is wrong', () => one.mirror.status().problems.length === 0);
});

test('S20: nothing is read, written or removed behind a linked folder', async () => {
  await using outside = await tempDir();
  await mkdir(join(outside.path, 'notes'));
  await writeFile(join(outside.path, 'notes/secret.md'), 'secret\n');
  await writeFile(join(outside.path, 'notes/plan.md'), 'outside\n');
  const server = new MemoryServer();
  await using one = await openMirror(server);
  await using other = await openMirror(server);
  await one.write(note, 'good\n');
  await inStep(server, one, other);
  rmSync(join(one.root, 'acme/launch'), { recursive: true });
  symlinkSync(outside.path, join(one.root, 'acme/launch'));
  await other.write(note, 'changed\n');
  await eventually('the server has it', () => server.text(note) === 'changed\n');
  await eventually('it is reported', () => problemOf(one, note));
  await one.mirror.flush(60_000);
  expect(await readFile(join(outside.path, 'notes/plan.md'), 'utf8')).toBe('outside\n');
  expect((await readdir(join(outside.path, 'notes'))).toSorted()).toEqual(['plan.md', 'secret.md']);
  expect([...server.all()]).toEqual([[note, 'changed\n']]);
  await unlink(join(one.root, 'acme/launch'));
  await one.mirror.flush(60_000);
  // What the link hid counts as deleted, and the edit wins.
  await inStep(server, one, other);
  expect(server.text(note)).toBe('changed\n');
});

test('S20: a file with a second name is left alone', async () => {
  const server = new MemoryServer();
  await using one = await openMirror(server);
  await using other = await openMirror(server);
  await one.write(note, 'good\n');
  await inStep(server, one, other);
  await link(join(one.root, note), join(one.root, '../elsewhere'));
  await other.write(note, 'changed\n');
  await eventually('it is reported', () => problemOf(one, note));
  expect(await readFile(join(one.root, '../elsewhere'), 'utf8')).toBe('good\n');
  await unlink(join(one.root, '../elsewhere'));
  await one.mirror.flush(60_000);
  await inStep(server, one, other);
  expect(await one.read(note)).toBe('changed\n');
});

test('S21: a path of the server that leads out of the folder is ignored', async () => {
  const server = new MemoryServer();
  const honest = server.replica('mia');
  const bytes = Buffer.from('evil');
  const digest = createHash('sha256').update(bytes).digest('hex');
  const paths = [
    '../../evil.md',
    '../../../evil.md',
    '/tmp/engine-evil.md',
    `${folder}/../../../../evil.md`,
    `${folder}/../evil.md`,
    `${folder}/..`,
    `${folder}/.evil.md`,
    `${folder}/a\\..\\evil.md`,
    `${folder}/a\0.md`,
    `${folder}/con.md`,
    `${folder}/cafe\u0301.md`,
    '.aachat/aside/evil/plan.md',
    'acme/launch/.git/hooks.md',
    'acme//notes/evil.md',
    '',
  ];
  const replica: Replica = {
    ...honest,
    async list() {
      const { documents, conflicts } = await honest.list();
      return { documents: [...documents, ...paths.map((path) => ({ path, version: 1, digest }))], conflicts };
    },
    read: async (path, asked) => (asked === digest ? bytes : await honest.read(path, asked)),
  };
  await using one = await openMirror(server, { replica });
  await stillShares(server, one);
  expect([...(await one.files()).keys()]).toEqual([`${folder}/good.md`]);
  expect(await readdir(join(one.root, '..'))).toEqual(['docs']);
});

test('S16: temp files of other programs are nobody’s business', async () => {
  const server = new MemoryServer();
  await using one = await openMirror(server);
  for (const name of ['plan.md.tmp.4711.0a1b2c', '.plan.md.swp', 'plan.md~', '#plan.md#', '.obsidian/app.md']) {
    await one.write(`${folder}/${name}`, 'x');
  }
  await stillShares(server, one);
  expect((await one.mirror.flush(60_000)).problems).toEqual([]);
  expect(server.all().size).toBe(1);
});

test('S27: what a person called like the list of ours is never lost', async () => {
  const server = new MemoryServer();
  await using one = await openMirror(server);
  const list = 'acme/launch/_errors.md';
  await one.write(list, 'my own\n');
  await one.write(`${folder}/plan.md`, 'x\n');
  await one.mirror.flush(60_000);
  expect(await one.read(list)).toBe('my own\n');
  await one.write(`${folder}/con.md`, 'x\n');
  await eventually('the list is there', async () => (await one.read(list))?.includes('con.md'));
  const { kept } = one.mirror.status();
  expect(kept).toMatchObject([{ path: list }]);
  expect(await readFile(kept[0]?.file ?? '', 'utf8')).toBe('my own\n');
});

test('S20: a root that became a link is never filled', async () => {
  const server = new MemoryServer();
  await using one = await openMirror(server);
  await one.write(`${folder}/plan.md`, 'x\n');
  await inStep(server, one);
  await rename(one.root, `${one.root}.moved`);
  await symlink(`${one.root}.moved`, one.root);
  await one.mirror.flush(60_000);
  expect(one.mirror.status().state).toBe('stopped');
  await expect(one.mirror.resume('restore')).rejects.toThrow(/is a link/);
});

test('S10: two names that differ in case only: the second is refused until the first is gone', async () => {
  const server = new MemoryServer();
  await using one = await openMirror(server);
  await one.write(note, 'first\n');
  await one.mirror.flush(60_000);
  await rename(join(one.root, note), join(one.root, `${folder}/PLAN.md`));
  await eventually('renamed', () => server.text(`${folder}/PLAN.md`) === 'first\n');
  await inStep(server, one);
  expect(server.text(note)).toBeUndefined();
  expect(one.mirror.status().problems).toEqual([]);
});

test('S10: what may not be written stays, and is kept before it gives way', async () => {
  const server = new MemoryServer();
  await using owner = await openMirror(server);
  await owner.write(note, 'one\n');
  await owner.mirror.flush(60_000);
  let mayWrite = false;
  await using reader = await openMirror(server, { rights: { mayWrite: () => mayWrite } });
  await inStep(server, owner, reader);
  await reader.write(note, 'mine\n');
  await eventually('it is refused', () => problemOf(reader, note));
  expect(await reader.read(note)).toBe('mine\n');
  await owner.write(note, 'two\n');
  await eventually('it gave way', async () => (await reader.read(note)) === 'two\n');
  const [kept] = reader.mirror.status().kept;
  expect(await readFile(kept?.file ?? '', 'utf8')).toBe('mine\n');
  expect(kept?.file).toMatch(/kept\/\d{4}-\d\d-\d\d\/acme\/launch\/notes\/plan\.md$/);

  await rm(join(reader.root, note));
  await eventually('a refused deletion gives it back', async () => (await reader.read(note)) === 'two\n');
  await reader.write(note, 'mine again\n');
  await eventually('it is refused', () => problemOf(reader, note));
  mayWrite = true;
  await reader.mirror.refresh();
  await inStep(server, owner, reader);
  expect(server.text(note)).toBe('mine again\n');
});

test('S10: a text that cannot give way is kept once, however often that is tried', async () => {
  const server = new MemoryServer();
  await using owner = await openMirror(server);
  await owner.write(note, 'one\n');
  await owner.mirror.flush(60_000);
  // A copy has the date in its name.
  vi.setSystemTime(Date.UTC(2026, 0, 1, 12));
  onTestFinished(() => void vi.useRealTimers());
  let isStuck = false as boolean;
  let tries = 0;
  const disk: Disk = {
    ...realDisk,
    exchange: (from, to) => !isStuck && realDisk.exchange(from, to),
    renameSync(from, to) {
      if (isStuck && to.endsWith(note)) {
        tries += 1;
        throw Object.assign(new Error('EACCES: permission denied, rename'), { code: 'EACCES', syscall: 'rename' });
      }
      realDisk.renameSync(from, to);
    },
  };
  await using reader = await openMirror(server, { disk, rights: { mayWrite: () => false } });
  await inStep(server, owner, reader);
  await reader.write(note, 'mine\n');
  await eventually('it is refused', () => problemOf(reader, note));
  isStuck = true;
  await owner.write(note, 'two\n');
  await eventually('it was tried', () => tries > 0);
  await reader.mirror.flush(60_000);
  await reader.mirror.flush(60_000);
  isStuck = false;
  await eventually('it gave way', async () => {
    await reader.mirror.flush(60_000);
    return (await reader.read(note)) === 'two\n';
  });
  expect(tries).toBeGreaterThan(1);
  expect([...(await filesIn(reader.kept)).values()]).toEqual(['mine\n']);
  expect(reader.mirror.status().kept).toHaveLength(1);
});

test('S10: a deletion that was refused is undone, and the next one is asked anew', async () => {
  const server = new MemoryServer();
  await using owner = await openMirror(server);
  await owner.write(note, 'one\n');
  await owner.mirror.flush(60_000);
  let mayWrite = false;
  await using reader = await openMirror(server, { rights: { mayWrite: () => mayWrite } });
  await inStep(server, owner, reader);
  await rm(join(reader.root, note));
  await reader.mirror.flush(60_000);
  await inStep(server, owner, reader);
  expect(await reader.read(note)).toBe('one\n');
  mayWrite = true;
  await rm(join(reader.root, note));
  await reader.mirror.flush(60_000);
  await inStep(server, owner, reader);
  expect(server.all().size).toBe(0);
});

test('S11: what may no longer be read goes, and what was edited is kept', async () => {
  const server = new MemoryServer();
  let mayRead = true;
  await using owner = await openMirror(server);
  await using guest = await openMirror(server, { rights: { mayRead: () => mayRead } });
  for (const name of ['clean', 'dirty']) await owner.write(`${folder}/${name}.md`, `${name}\n`);
  await inStep(server, owner, guest);
  await guest.restart(async () => {
    mayRead = false;
    await guest.write(`${folder}/dirty.md`, 'edited\n');
  });
  await eventually('all is gone', async () => (await guest.files()).size === 0);
  await guest.mirror.flush(60_000);
  expect(await readdir(guest.root)).toEqual(['.aachat']);
  const kept = guest.mirror.status().kept;
  expect(kept).toMatchObject([{ path: `${folder}/dirty.md` }]);
  expect(await readFile(kept[0]?.file ?? '', 'utf8')).toBe('edited\n');
  expect(server.all().size).toBe(2);
});

/** Hears every wait that begins from now on, with back-off at its longest. */
function waits(): () => readonly unknown[] {
  vi.spyOn(Math, 'random').mockReturnValue(1);
  const timer = vi.spyOn(globalThis, 'setTimeout');
  onTestFinished(() => void vi.restoreAllMocks());
  return () => timer.mock.calls.map(([, ms]) => ms);
}

test('an outage that many files meet at once counts once', async () => {
  const server = new MemoryServer();
  const honest = server.replica('mia', {});
  const down = Promise.withResolvers<never>();
  let pushes = 0;
  const push: Replica['push'] = (submission) => {
    pushes += 1;
    return pushes > 8 ? honest.push(submission) : down.promise;
  };
  await using one = await openMirror(server, { replica: { ...honest, push } });
  for (let index = 0; index < 8; index += 1) await one.write(`${folder}/n${index}.md`, `${index}\n`);
  await eventually('all are on their way', () => pushes === 8);
  const begun = waits();
  down.reject(new AachatError('SERVER_UNREACHABLE', 'No answer.'));
  await inStep(server, one);
  expect(begun()).toContain(1_000);
  expect(begun()).not.toContain(30_000);
});

test('a server that lists and takes nothing is asked ever more rarely', async () => {
  const server = new MemoryServer();
  const replica = { ...server.replica('mia', {}), push: () => Promise.reject(new AachatError('TIMEOUT', 'Too slow.')) };
  await using one = await openMirror(server, { replica });
  const begun = waits();
  await one.write(note, 'mine\n');
  await eventually('it waits for the third time', () => begun().includes(4_000));
});

test('S4: a text that cannot be kept now is kept as soon as it can be', async () => {
  await using dir = await tempDir();
  const kept = join(dir.path, 'kept');
  await writeFile(kept, 'a file where the folder would be');
  const server = new MemoryServer();
  await using one = await openMirror(server, { kept });
  await using other = await openMirror(server);
  await one.write(note, 'good\n');
  await inStep(server, one, other);
  await using editor = await open(join(one.root, note), 'r+');
  await other.write(note, 'better\n');
  await eventually('the file was replaced', async () => (await one.read(note)) === 'better\n');
  await editor.write('a\0b', 0);
  await one.mirror.flush(3_000);
  expect(one.mirror.status()).toMatchObject({ state: 'syncing', kept: [] });
  await unlink(kept);
  await eventually('it is kept', () => one.mirror.status().kept.length === 1);
  expect(await readFile(one.mirror.status().kept[0]?.file ?? '')).toEqual(Buffer.from('a\0bd\n'));
});
