import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { Directory } from '#sync/directory.ts';
import { type Disk, realDisk } from '#sync/disk.ts';
import { digestOf } from '#sync/file.ts';
import { tempDir } from '../support/temp.ts';

const path = 'team/project/notes/plan.md';
const bytes = (text: string) => Buffer.from(text);
const digest = (text: string) => digestOf(bytes(text));

async function open(disk = realDisk) {
  const dir = await tempDir();
  const directory = new Directory(disk, join(dir.path, 'docs'));
  const put = (text: string, expected: string | null) =>
    directory.swap(path, directory.stage(path, bytes(text)).name, expected);
  return {
    dir: dir.path,
    directory,
    put,
    file: join(directory.root, path),
    [Symbol.asyncDispose]: dir[Symbol.asyncDispose],
  };
}

test('S19: takes the place of what was expected only', async () => {
  await using scope = await open();
  const { directory, put, file } = scope;
  expect(put('one', digest('other'))).toBe(false);
  expect(put('one', null)).toBe(true);
  expect(put('two', null)).toBe(false);
  expect(put('two', digest('other'))).toBe(false);
  expect(readFileSync(file, 'utf8')).toBe('one');
  expect(put('two', digest('one'))).toBe(true);
  expect(readFileSync(file, 'utf8')).toBe('two');
  expect(directory.remove(path, 'gone', digest('one'))).toBe(false);
  expect(directory.remove(path, 'gone', digest('two'))).toBe(true);
  expect(directory.look(path)).toEqual({ kind: 'absent' });
  expect(directory.staging.lookAside('gone')).toMatchObject({ kind: 'file', digest: digest('two') });
});

test('S17: a reader of a file that is replaced again and again sees whole texts only', async () => {
  await using scope = await open();
  const { directory, put, file } = scope;
  const text = (count: number) => `${count}\n`.repeat(20_000);
  put(text(0), null);
  // It ends when it has read a hundred different texts.
  const reader = `
    const { readFileSync } = require('node:fs');
    const seen = new Set();
    let torn = 0;
    while (seen.size < 100) {
      const lines = readFileSync(process.argv[1], 'utf8').split('\\n');
      seen.add(lines[0]);
      if (lines.length !== 20001 || new Set(lines).size !== 2) torn += 1;
    }
    console.log(torn);`;
  const child = spawn(process.execPath, ['-e', reader, file]);
  let isOver = false as boolean;
  const said = textOf(child.stdout).finally(() => {
    isOver = true;
  });
  for (let count = 1; !isOver; count += 1) {
    const { name } = directory.stage(path, bytes(text(count)));
    directory.swap(path, name, digest(text(count - 1)));
    directory.staging.dropAside(name);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(await said).toBe('0\n');
});

test.each([true, false])(
  'S19: what another process writes while the file is replaced is there or lies aside; by exchange: %s',
  async (canExchange) => {
    await using scope = await open();
    const { directory, put, file } = scope;
    directory.staging.canExchange = canExchange;
    put('start\n', null);
    const writer = `
    const { closeSync, openSync, writeSync } = require('node:fs');
    let count = 0;
    process.on('SIGTERM', () => { console.log(count); process.exit(); });
    setInterval(() => {
      for (let turn = 0; turn < 50; turn += 1) {
        const fd = openSync(process.argv[1], 'a');
        writeSync(fd, 'word' + count + '\\n');
        closeSync(fd);
        count += 1;
      }
      if (count === 50) console.log('ready');
    });`;
    const child = spawn(process.execPath, ['-e', writer, file]);
    await once(child.stdout, 'data');
    const found: string[] = [];
    let replaced = 0;
    for (let count = 0; count < 2_000; count += 1) {
      const seen = directory.look(path);
      if (seen.kind === 'file' && put(`fresh ${count}\n`, seen.digest)) replaced += 1;
      await new Promise((resolve) => setImmediate(resolve));
    }
    child.kill('SIGTERM');
    const [said] = await once(child.stdout, 'data');
    const asides = join(directory.root, '.aachat/aside');
    for (const name of readdirSync(asides)) found.push(...readFileSync(join(asides, name), 'utf8').split('\n'));
    const known = new Set([...found, ...readFileSync(file, 'utf8').split('\n')]);
    const words = Array.from({ length: Number(String(said)) }, (_, count) => `word${count}`);
    expect(replaced).toBeGreaterThan(0);
    expect(words.filter((word) => !known.has(word))).toEqual([]);
  },
);

/**
 * Another process puts one word after the other in the place of the file, by rename.
 *
 * @returns ends it; what it put there, but for what it took away itself
 */
async function renameWords(file: string): Promise<() => Promise<readonly string[]>> {
  const program = join(import.meta.dirname, '../support/word-renamer.ts');
  const child = spawn(process.execPath, [...process.execArgv, program, file], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return async () => {
    child.kill('SIGTERM');
    const { count, own } = JSON.parse(await textOf(child.stdout)) as { count: number; own: string[] };
    return Array.from({ length: count }, (_, index) => `word${index}`).filter((word) => !own.includes(word));
  };
}

const told = (directory: Directory, name: string): string => {
  const text = directory.staging.asideBytes(name)?.toString() ?? '';
  directory.staging.dropAside(name);
  return text;
};

test('S19: what another process puts there by rename while the file is replaced is in its place or lies aside', async () => {
  await using scope = await open();
  const { directory, put, file } = scope;
  put('start', null);
  const end = await renameWords(file);
  const known = new Set<string>();
  let replaced = 0;
  for (let count = 0; count < 3_000; count += 1) {
    const seen = directory.look(path);
    if (seen.kind !== 'file') continue;
    known.add(seen.bytes.toString());
    const { name } = directory.stage(path, bytes(`fresh ${count}`));
    if (directory.swap(path, name, seen.digest)) replaced += 1;
    else directory.staging.discard(name);
    known.add(told(directory, name));
    await new Promise((resolve) => setImmediate(resolve));
  }
  const words = await end();
  const seen = directory.look(path);
  if (seen.kind === 'file') known.add(seen.bytes.toString());
  expect(replaced).toBeGreaterThan(0);
  expect(directory.staging.canExchange).toBe(true);
  expect(words.length).toBeGreaterThan(0);
  expect(words.filter((word) => !known.has(word))).toEqual([]);
});

test('S19: what another process puts there by rename while the file is removed is in its place or lies aside', async () => {
  await using scope = await open();
  const { directory, put, file } = scope;
  put('start', null);
  const end = await renameWords(file);
  const known = new Set<string>();
  for (let count = 0; count < 3_000; count += 1) {
    put(`fresh ${count}`, null);
    const seen = directory.look(path);
    if (seen.kind !== 'file') continue;
    known.add(seen.bytes.toString());
    directory.remove(path, 'gone', seen.digest);
    known.add(told(directory, 'gone'));
    await new Promise((resolve) => setImmediate(resolve));
  }
  const words = await end();
  const seen = directory.look(path);
  if (seen.kind === 'file') known.add(seen.bytes.toString());
  expect(words.length).toBeGreaterThan(0);
  expect(words.filter((word) => !known.has(word))).toEqual([]);
});

test('S18: keeps the mode, and time moves forward even from the future', async () => {
  await using scope = await open();
  const { put, file } = scope;
  put('one', null);
  chmodSync(file, 0o604);
  for (const [before, after] of [
    ['one', 'two'],
    ['two', 'three'],
  ] as const) {
    const { mtimeNs } = statSync(file, { bigint: true });
    put(after, digest(before));
    expect(statSync(file, { bigint: true }).mtimeNs).toBeGreaterThan(mtimeNs);
  }
  expect(statSync(file).mode & 0o777).toBe(0o604);
});

test('S20: a folder that turns into a link between two steps is not followed', async () => {
  await using scope = await open();
  const { dir, directory, put, file } = scope;
  put('one', null);
  mkdirSync(join(dir, 'outside'));
  writeFileSync(join(dir, 'outside/plan.md'), 'one');
  const { name } = directory.stage(path, bytes('two'));
  renameSync(join(file, '..'), join(dir, 'away'));
  symlinkSync(join(dir, 'outside'), join(file, '..'));
  expect(() => directory.swap(path, name, digest('one'))).toThrow('is a link');
  expect(() => directory.stage(path, bytes('three'))).toThrow('is a link');
  expect(() => directory.remove(path, 'aside', digest('one'))).toThrow('is a link');
  expect(directory.look(path)).toMatchObject({ kind: 'problem', reason: '`team/project/notes` is a link.' });
  expect(readFileSync(join(dir, 'outside/plan.md'), 'utf8')).toBe('one');
});

test('S19: a folder that takes the place of a file in that moment keeps it', async () => {
  let file = '';
  const becomeFolder = () => {
    if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true) return;
    unlinkSync(file);
    mkdirSync(file);
    writeFileSync(join(file, 'inside'), 'mine');
  };
  await using scope = await open({
    ...realDisk,
    exchange(from, to) {
      becomeFolder();
      return realDisk.exchange(from, to);
    },
    renameSync(from, to) {
      if (from === file) becomeFolder();
      realDisk.renameSync(from, to);
    },
  });
  const { directory, put } = scope;
  file = scope.file;
  put('one', null);
  expect(() => put('two', digest('one'))).toThrow('a folder');
  expect(readFileSync(join(file, 'inside'), 'utf8')).toBe('mine');
  rmSync(file, { recursive: true });
  put('one', null);
  expect(() => directory.remove(path, 'gone', digest('one'))).toThrow('a folder');
  expect(readFileSync(join(file, 'inside'), 'utf8')).toBe('mine');
});

test('S19: a file that is deleted and made again in that moment says nothing about the disk', async () => {
  let remade = 0;
  await using scope = await open({
    ...realDisk,
    exchange(from, to) {
      const text = readFileSync(to);
      unlinkSync(to);
      const isDone = realDisk.exchange(from, to);
      writeFileSync(to, text);
      remade += 1;
      return isDone;
    },
  });
  const { directory, put, file } = scope;
  put('one', null);
  expect(put('two', digest('one'))).toBe(false);
  expect([remade, readFileSync(file, 'utf8'), directory.staging.replacesBy]).toEqual([1, 'one', 'exchange']);
});

/** Something odd takes the place of the file in the moment of `call`, and a save follows before it is given back. */
function oddThenSaved(call: 'exchange' | 'renameSync') {
  let file = '';
  let calls = 0;
  const meanwhile = (isOfFile: boolean) => {
    if (!isOfFile) return;
    calls += 1;
    if (calls === 1) linkSync(file, `${file}.second`);
    if (calls !== 2) return;
    writeFileSync(`${file}.tmp.1.ab`, 'saved');
    renameSync(`${file}.tmp.1.ab`, file);
  };
  const disk: Disk = {
    ...realDisk,
    exchange(from, to) {
      meanwhile(to === file);
      return realDisk.exchange(from, to);
    },
    renameSync(from, to) {
      if (call === 'renameSync') meanwhile(from === file || to === file);
      realDisk.renameSync(from, to);
    },
  };
  return {
    disk,
    of(path: string) {
      file = path;
    },
  };
}

test('S19: a save while something odd is given back is in its place or lies aside', async () => {
  const replacing = oddThenSaved('exchange');
  await using scope = await open(replacing.disk);
  const { directory, put, file } = scope;
  put('one', null);
  replacing.of(file);
  const staged = directory.stage(path, bytes('two'));
  expect(() => directory.swap(path, staged.name, digest('one'))).toThrow('second name');
  directory.staging.discard(staged.name);
  expect(directory.staging.asideBytes(staged.name)?.toString()).toBe('saved');

  const removing = oddThenSaved('renameSync');
  await using other = await open(removing.disk);
  other.put('one', null);
  removing.of(other.file);
  expect(() => other.directory.remove(path, 'gone', digest('one'))).toThrow('second name');
  expect(other.directory.staging.asideBytes('gone')?.toString()).toBe('saved');
});

test('S19: a replacement that fails leaves the file with one name', async () => {
  await using scope = await open();
  const { directory, put, file } = scope;
  directory.staging.canExchange = false;
  put('one', null);
  // Nothing was staged, so the last step is refused.
  expect(() => directory.swap(path, 'nothing', digest('one'))).toThrow('ENOENT');
  expect(readFileSync(file, 'utf8')).toBe('one');
  expect(statSync(file).nlink).toBe(1);
});

test('S19: without hard links it copies, compares and says so', async () => {
  await using scope = await open();
  const { directory, put, file } = scope;
  // What this file system would do is played by the switch that such a system turns.
  directory.staging.canExchange = false;
  directory.staging.hasLinks = false;
  expect(put('one', null)).toBe(true);
  expect(put('two', digest('other'))).toBe(false);
  expect(put('two', digest('one'))).toBe(true);
  expect(readFileSync(file, 'utf8')).toBe('two');
  expect(readdirSync(join(directory.root, '.aachat/aside'))).toEqual([]);
});

test.each(['tmp', 'aside', 'journal', 'marker'])('S20: a link in the place of our own %s is refused', async (name) => {
  await using dir = await tempDir();
  const ours = join(dir.path, 'docs', '.aachat');
  const target = join(dir.path, 'target');
  mkdirSync(ours, { recursive: true });
  writeFileSync(target, 'mine');
  symlinkSync(target, join(ours, name));
  expect(() => new Directory(realDisk, join(dir.path, 'docs'))).toThrow(/is a link/);
  expect(readFileSync(target, 'utf8')).toBe('mine');
});
