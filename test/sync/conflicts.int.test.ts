/** More than two who change the same lines at once, and more than one who settles that. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { MemoryServer } from '../support/memory-replica.ts';
import { inStep, type OpenMirror, openMirror } from '../support/mirror.ts';

const folder = 'acme/launch/notes';
const note = `${folder}/plan.md`;
const line = (who: string) => `one\nof ${who}\nthree\n`;

/** A mirror of each, which all hold the same document. */
async function crowd(names: readonly string[]) {
  const server = new MemoryServer();
  const mirrors: OpenMirror[] = [];
  for (const who of names) mirrors.push(await openMirror(server, { who }));
  await mirrors[0]?.write(note, line('nobody'));
  await inStep(server, ...mirrors);
  return {
    server,
    mirrors,
    /** Nobody hears of the others until all have written. */
    async atOnce(write: (mirror: OpenMirror, index: number) => Promise<void>) {
      server.isReachable = false;
      for (const { mirror } of mirrors) await mirror.refresh();
      for (const [index, mirror] of mirrors.entries()) await write(mirror, index);
      server.isReachable = true;
      for (const { mirror } of mirrors) await mirror.refresh();
      await inStep(server, ...mirrors);
    },
    async [Symbol.asyncDispose]() {
      for (const mirror of mirrors) await mirror[Symbol.asyncDispose]();
    },
  };
}

/** Names of all files beside the document. */
const beside = async (mirror: OpenMirror) => [...(await mirror.files()).keys()].filter((path) => path !== note);

test('S12: of many ways at once each but one lies beside the document, and none of them nests', async () => {
  const names = ['ada', 'bo', 'cy', 'dan', 'eve'];
  await using all = await crowd(names);
  const { server, mirrors } = all;
  await all.atOnce((mirror, index) => mirror.write(note, line(names[index] ?? '')));
  const open = server.openConflicts(note);
  expect([...open, server.text(note)].toSorted()).toEqual(names.map(line));
  for (const mirror of mirrors) {
    const files = await beside(mirror);
    expect(new Set(files)).toEqual(new Set(mirror.mirror.status().conflicts));
    expect(files).toHaveLength(4);
    for (const path of files) {
      const [, number, who] = /plan\.conflict-(\d)-(\w+)\.md$/.exec(path) ?? [];
      expect([await mirror.read(path), open[Number(number) - 1]]).toEqual([line(who ?? ''), line(who ?? '')]);
    }
  }

  // Again, on top of what is open: records, not conflicts of conflicts.
  await all.atOnce((mirror, index) => mirror.write(note, line(`${names[index]} again`)));
  expect(server.openConflicts(note)).toHaveLength(8);
  expect(server.all().size).toBe(1);
  for (const mirror of mirrors) {
    const files = await beside(mirror);
    expect(files).toHaveLength(8);
    for (const path of files) expect(path).toMatch(/^acme\/launch\/notes\/plan\.conflict-\d-[a-z]+\.md$/);
  }
});

test('S12: one conflict that is settled in three ways at once loses no text, and is settled for everybody', async () => {
  await using all = await crowd(['ada', 'bo', 'cy']);
  const { server, mirrors } = all;
  const [ada, bo] = mirrors;
  await all.atOnce(async (mirror, index) => {
    if (index < 2) await mirror.write(note, line(`${index}`));
  });
  const [conflict = '', ...more] = ada?.mirror.status().conflicts ?? [];
  expect(more).toEqual([]);
  await all.atOnce(async (mirror) => {
    if (mirror === ada) await mirror.write(conflict, line('ada and all'));
    else if (mirror === bo) await mirror.write(conflict, line('bo and all'));
    else await rm(join(mirror.root, conflict));
  });
  await eventually('it is settled', () => server.openConflicts(note).length === 0);
  await inStep(server, ...mirrors);
  const known = server.history(note);
  for (const text of ['0', '1', 'ada and all', 'bo and all'].map(line)) expect(known).toContain(text);
  expect([line('ada and all'), line('bo and all')]).toContain(server.text(note));
  for (const mirror of mirrors) {
    await eventually('it is gone', async () => (await beside(mirror)).length === 0);
    expect(mirror.mirror.status()).toMatchObject({ conflicts: [], kept: [] });
  }
});
