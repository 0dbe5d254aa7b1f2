import { pbkdf2 } from 'node:crypto';
import { appendFileSync, closeSync, openSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { realDisk } from '#sync/disk.ts';
import { Journal } from '#sync/journal.ts';
import { tempDir } from '../support/temp.ts';

const entry = { base: 'a'.repeat(64), size: 3, stamp: '3:1:1:1' };
const name = '019a1b2c-3d4e-4f60-8a9b-0c1d2e3f4a5b';
const operation = { opId: 'op1', path: 'p', base: null, text: 'né\n"', isAside: false };

test('S7: remembers what was begun until it ended, over any restart', async () => {
  await using dir = await tempDir();
  const file = join(dir.path, 'journal');
  const first = new Journal(realDisk, file);
  first.append({ path: 'p', entry });
  first.append({ begin: operation, aside: { name, path: 'p', digest: 'd' } });
  await first.sync();
  const second = new Journal(realDisk, file);
  expect([...second.entries]).toEqual([['p', entry]]);
  expect([...second.operations.values()]).toEqual([operation]);
  expect([...second.asides]).toEqual([[name, { path: 'p', digest: 'd' }]]);
  second.append({ end: 'op1', path: 'p', entry: null, drop: name });
  const third = new Journal(realDisk, file);
  expect(third.entries.size + third.operations.size + third.asides.size).toBe(0);
  for (const journal of [first, second, third]) await journal.close();
});

test('S26: ends before the first line that is not whole, wherever it was torn', async () => {
  await using dir = await tempDir();
  const file = join(dir.path, 'journal');
  const journal = new Journal(realDisk, file);
  journal.append({ path: 'p', entry });
  const whole = readFileSync(file).length;
  journal.append({ path: 'q', entry });
  await journal.close();
  const bytes = readFileSync(file);
  for (let end = whole; end < bytes.length; end += 1) {
    writeFileSync(file, bytes.subarray(0, end));
    const torn = new Journal(realDisk, file);
    expect([...torn.entries.keys()]).toEqual(['p']);
    torn.append({ path: 'r', entry });
    await torn.close();
    const after = new Journal(realDisk, file);
    expect([...after.entries.keys()]).toEqual(['p', 'r']);
    await after.close();
  }
  truncateSync(file, whole);
  appendFileSync(file, `${'\0'.repeat(40)}\n{"path":"s","entry":null}\n`);
  const dirty = new Journal(realDisk, file);
  expect([...dirty.entries.keys()]).toEqual(['p']);
  await dirty.close();
});

test('S7: what is on its way to the disk arrives, also when the journal is written anew meanwhile', async () => {
  await using dir = await tempDir();
  const journal = new Journal(realDisk, join(dir.path, 'journal'));
  journal.append({ begin: operation });
  // Work for every thread: the disk is asked only after the file would have been closed.
  const busy = Array.from({ length: 8 }, () => promisify(pbkdf2)('x', 'x', 200_000, 32, 'sha256'));
  const safe = journal.sync();
  await Promise.resolve();
  journal.compact();
  await safe;
  await Promise.all(busy);
  await journal.close();
});

test('S7: stays small however often it changes', async () => {
  await using dir = await tempDir();
  const file = join(dir.path, 'journal');
  const journal = new Journal(realDisk, file);
  const text = 'x'.repeat(100_000);
  for (let count = 0; count < 200; count += 1) {
    journal.append({ begin: { ...operation, opId: `op${count}`, text } });
    if (count % 50 === 0) await journal.sync();
    journal.append({ end: `op${count}`, path: 'p', entry: { ...entry, size: count } });
  }
  expect(readFileSync(file).length).toBeLessThan(5_000_000);
  await journal.close();
  const after = new Journal(realDisk, file);
  expect(after.entries.get('p')?.size).toBe(199);
  expect(after.operations.size).toBe(0);
  await after.close();
});

test('S7: what comes after its end goes into no other file', async () => {
  await using dir = await tempDir();
  const journal = new Journal(realDisk, join(dir.path, 'journal'));
  await journal.close();
  const others = ['one', 'two', 'three'].map((other) => join(dir.path, other));
  // One of them gets the number that the journal had.
  const opened = others.map((other) => openSync(other, 'w'));
  expect(() => journal.append({ path: 'p', entry })).toThrow();
  for (const fd of opened) closeSync(fd);
  expect(others.map((other) => readFileSync(other, 'utf8'))).toEqual(['', '', '']);
});

test.each([
  { aside: { name: '../../secret', path: 'p', digest: 'd' } },
  { aside: { name, path: '../../p', digest: 'd' } },
  { drop: '../secret' },
  null,
  { begin: { ...operation, text: 7 } },
  { path: 'a/../../p', entry },
  { path: 'p', entry: { ...entry, writing: { name: '../x', digest: 'd' } } },
  { begin: { ...operation, path: '/p' } },
])('S20: what leads out of the folder ends the journal: %j', async (line) => {
  await using dir = await tempDir();
  const file = join(dir.path, 'journal');
  writeFileSync(file, `${JSON.stringify({ path: 'first', entry })}\n${JSON.stringify(line)}\n`);
  const journal = new Journal(realDisk, file);
  expect([journal.entries.size, journal.asides.size, journal.operations.size]).toEqual([1, 0, 0]);
  await journal.close();
});
