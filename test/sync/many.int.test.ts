/** Many mirrors, and many saves of one document. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { MemoryServer } from '../support/memory-replica.ts';
import { inStep, type OpenMirror, openMirror } from '../support/mirror.ts';

const folder = 'acme/launch/notes';
const note = `${folder}/plan.md`;

async function crowd(server: MemoryServer, count: number) {
  const own = new AsyncDisposableStack();
  const mirrors: OpenMirror[] = [];
  for (let index = 0; index < count; index += 1) {
    mirrors.push(own.use(await openMirror(server, { who: `w${index}` })));
  }
  return { mirrors, [Symbol.asyncDispose]: () => own.disposeAsync() };
}

test('S1, S5: 20 mirrors of 200 documents: a save in each is one version everywhere, and other files stay as they are', async () => {
  const server = new MemoryServer();
  await using first = await openMirror(server);
  const path = (index: number) => `acme/launch/k${index % 10}/d${index}.md`;
  for (let index = 0; index < 200; index += 1) await first.write(path(index), `${index}\n`);
  await inStep(server, first);
  await using all = await crowd(server, 20);
  await inStep(server, ...all.mirrors);
  const inodes = (index: number) =>
    Promise.all(all.mirrors.map(async ({ root }) => (await stat(join(root, path(index)))).ino));
  const before = await inodes(199);
  await Promise.all(all.mirrors.map((mirror, index) => mirror.write(path(index), `${index} of its own\n`)));
  await inStep(server, first, ...all.mirrors);
  expect(server.versions).toBe(220);
  expect(await inodes(199)).toEqual(before);
  for (let index = 0; index < 20; index += 1) expect(server.history(path(index))).toHaveLength(2);
});

test('S4, S28: of writers who save one document five times a second none loses a word or has to wait', async () => {
  const server = new MemoryServer();
  await using all = await crowd(server, 4);
  const { mirrors } = all;
  // A part for each of them, and one that is the same for all.
  const parts = mirrors.map((_, who) => `## Part ${who}\n\nstart${who}\n\nBetween.\n`);
  await mirrors[0]?.write(note, `# Plan\n\n${parts.join('\n')}`);
  await inStep(server, ...mirrors);
  const words: string[] = [];
  const known = () => new Set([...server.history(note), ...server.openConflicts(note)].join('\n').split(/\s+/));
  let isOver = false as boolean;
  /** Adds a word to what the file has now; nobody takes one out again. */
  const save = (who: number, count: number) => {
    const file = join(mirrors[who]?.root ?? '', note);
    const word = `w${who}x${count}`;
    const text = readFileSync(file, 'utf8').replace(`start${who}\n`, `start${who}\n${word}\n`);
    // Without the line before it, the word would be saved nowhere.
    expect(text).toContain(word);
    const target = count % 2 === 0 ? `${file}.tmp.1.ab` : file;
    writeFileSync(target, text);
    if (target !== file) renameSync(target, file);
    words.push(word);
  };
  const write = async (who: number) => {
    for (let count = 0; !isOver; count += 1) {
      save(who, count);
      await sleep(200);
    }
  };
  const writers = mirrors.map((_, who) => write(who));
  // Everybody is heard while everybody goes on.
  const heardOf = (who: number) => server.text(note)?.match(new RegExp(`\\bw${who}x`, 'g'))?.length ?? 0;
  await eventually('each was heard ten times', () => mirrors.every((_, who) => heardOf(who) >= 10));
  isOver = true;
  await Promise.all(writers);
  for (const { mirror } of mirrors) await mirror.flush(60_000);
  await inStep(server, ...mirrors);
  const there = known();
  expect(words.filter((word) => !there.has(word))).toEqual([]);
  expect(server.versions).toBeLessThanOrEqual(words.length + 1);
});
