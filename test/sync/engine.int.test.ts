/** Mirrors in step: two or more folders and one server. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { silentLog } from '#base/log.ts';
import { Mirror } from '#sync/engine.ts';
import type { Replica } from '#sync/replica.ts';
import { eventually } from '../support/eventually.ts';
import { MemoryServer } from '../support/memory-replica.ts';
import { grammar, inStep, type OpenMirror, openMirror } from '../support/mirror.ts';
import { tempDir } from '../support/temp.ts';

const run = promisify(execFile);
const note = 'acme/launch/notes/plan.md';
const lines = (...texts: readonly string[]) => `${texts.join('\n')}\n`;
const text = lines('one', 'two', 'three', 'four', 'five', 'six');

async function pair(first = text) {
  const server = new MemoryServer();
  const one = await openMirror(server, { who: 'mia' });
  const other = await openMirror(server, { who: 'bo' });
  await one.write(note, first);
  await inStep(server, one, other);
  const close = async () => {
    await one[Symbol.asyncDispose]();
    await other[Symbol.asyncDispose]();
  };
  return { server, one, other, file: join(one.root, note), [Symbol.asyncDispose]: close };
}

test('S1: documents are made, deleted and made again', async () => {
  await using both = await pair();
  const { server, one, other } = both;
  await rm(join(one.root, note));
  await eventually('the file is gone', async () => (await other.read(note)) === undefined);
  await inStep(server, one, other);
  expect(server.text(note)).toBeUndefined();
  await other.write(note, 'again\n');
  await eventually('it is back', async () => (await one.read(note)) === 'again\n');
  await other.write('acme/launch/tasks/new folder.md', 'made with its folder\n');
  await inStep(server, one, other);
  expect(await one.read('acme/launch/tasks/new folder.md')).toBe('made with its folder\n');
});

test('S1: a renamed folder moves its documents', async () => {
  await using both = await pair();
  const { server, one, other } = both;
  await rename(join(one.root, 'acme/launch/notes'), join(one.root, 'acme/launch/ideas'));
  await eventually('it moved', async () => (await other.read('acme/launch/ideas/plan.md')) === text);
  await eventually('the old one is gone', async () => (await other.read(note)) === undefined);
  await inStep(server, one, other);
});

test('S3: two edits of different places merge, whoever is first', async () => {
  await using both = await pair();
  const { server, one, other } = both;
  await Promise.all([
    one.write(note, text.replace('one', 'one by mia')),
    other.write(note, text.replace('six', 'six by bo')),
  ]);
  const merged = text.replace('one', 'one by mia').replace('six', 'six by bo');
  await eventually('merged', () => server.text(note) === merged);
  await inStep(server, one, other);
  expect(server.openConflicts(note)).toEqual([]);
});

test('S12: an overlap is a file beside the document, and deleting that settles it everywhere', async () => {
  await using both = await pair();
  const { server, one, other } = both;
  const accepted: string[] = [];
  await using third = await openMirror(server, { who: 'cy', onAccepted: ({ outcome }) => accepted.push(outcome) });
  await inStep(server, third);
  await third.restart(async () => {
    await third.write(note, text.replace('two', 'two of cy'));
    await one.write(note, text.replace('two', 'two of mia'));
    await eventually('the first edit', () => server.text(note)?.includes('two of mia'));
  });
  const conflict = 'acme/launch/notes/plan.conflict-1-cy.md';
  await inStep(server, one, other, third);
  for (const mirror of [one, other, third]) {
    expect(await mirror.read(note)).toBe(text.replace('two', 'two of mia'));
    expect(await mirror.read(conflict)).toBe(text.replace('two', 'two of cy'));
    expect(mirror.mirror.status().conflicts).toEqual([conflict]);
  }
  expect(accepted).toEqual(['overlap']);
  await rm(join(one.root, conflict));
  await eventually('it is settled', () => server.openConflicts(note).length === 0);
  await eventually('it is gone', async () => (await other.read(conflict)) === undefined);
  await inStep(server, one, other, third);
  expect(server.text(note)).toBe(text.replace('two', 'two of mia'));
});

test('S12: saving over a conflict takes it in', async () => {
  await using both = await pair();
  const { server, one, other } = both;
  await other.restart(async () => {
    await other.write(note, text.replace('two', 'two of bo'));
    await one.write(note, text.replace('two', 'two of mia'));
    await eventually('the first edit', () => server.text(note)?.includes('two of mia'));
  });
  const conflict = 'acme/launch/notes/plan.conflict-1-bo.md';
  await eventually('it is shown', async () => (await one.read(conflict)) !== undefined);
  await one.write(conflict, text.replace('two', 'two of both'));
  await eventually('it is settled', () => server.openConflicts(note).length === 0);
  await eventually('it is gone', async () => (await other.read(conflict)) === undefined);
  await inStep(server, one, other);
  expect(server.text(note)).toBe(text.replace('two', 'two of both'));
});

test('S12: overlaps of three do not nest, and two who settle one at once lose nothing', async () => {
  await using both = await pair();
  const { server, one, other } = both;
  await using third = await openMirror(server, { who: 'cy' });
  await inStep(server, third);
  await third.restart(async () => {
    await third.write(note, text.replace('two', 'two of cy'));
    await other.restart(async () => {
      await other.write(note, text.replace('two', 'two of bo'));
      await one.write(note, text.replace('two', 'two of mia'));
      await eventually('the first edit', () => server.text(note)?.includes('two of mia'));
    });
    await inStep(server, one, other);
  });
  const [bos, cys] = [1, 2].map(
    (number) => `acme/launch/notes/plan.conflict-${number}-${number === 1 ? 'bo' : 'cy'}.md`,
  );
  if (bos === undefined || cys === undefined) throw new Error('unreachable');
  await eventually(
    'both are shown',
    async () => (await one.read(bos)) !== undefined && (await one.read(cys)) !== undefined,
  );
  await inStep(server, one, other, third);
  for (const mirror of [one, other, third]) {
    expect(await mirror.files()).toEqual(
      new Map([
        [bos, text.replace('two', 'two of bo')],
        [cys, text.replace('two', 'two of cy')],
        [note, text.replace('two', 'two of mia')],
      ]),
    );
  }
  await third.restart(async () => {
    await third.write(bos, text.replace('two', 'settled by cy'));
    await one.write(bos, text.replace('two', 'settled by mia'));
    await eventually('it is settled', async () => (await other.read(bos)) === undefined);
  });
  await eventually('it is gone', async () => (await third.read(bos)) === undefined);
  await inStep(server, one, other, third);
  expect([...(await other.files()).keys()]).toEqual([cys, note]);
  for (const who of ['mia', 'cy']) expect(server.history(note)).toContain(text.replace('two', `settled by ${who}`));
  expect(server.text(note)).not.toMatch(/<<<<<<<|>>>>>>>/);
});

test('S9: an edit beats a deletion that had not seen it, the file returns, and whoever deleted it is told once', async () => {
  const server = new MemoryServer();
  const told: string[] = [];
  await using one = await openMirror(server, { who: 'mia' });
  await using other = await openMirror(server, { who: 'bo', onAccepted: ({ outcome }) => told.push(outcome) });
  await one.write(note, text);
  await inStep(server, one, other);
  await other.restart(async () => {
    await rm(join(other.root, note));
    await one.write(note, text.replace('two', 'two and more'));
    await eventually('the edit', () => server.text(note)?.includes('two and more'));
  });
  await eventually('it is back', async () => (await other.read(note)) === text.replace('two', 'two and more'));
  await inStep(server, one, other);
  expect(told).toEqual(['kept']);
});

test('S9: a deletion that an edit had not seen loses against it', async () => {
  await using both = await pair();
  const { server, one, other } = both;
  await other.restart(async () => {
    await other.write(note, text.replace('two', 'two and more'));
    await rm(join(one.root, note));
    await eventually('it is deleted', () => server.text(note) === undefined);
  });
  await eventually('it is back', async () => (await one.read(note)) === text.replace('two', 'two and more'));
  await inStep(server, one, other);
});

test('S5: nothing echoes', async () => {
  await using both = await pair();
  const { server, one, other } = both;
  const before = await stat(join(other.root, note), { bigint: true });
  await utimes(join(one.root, note), new Date(), new Date(0));
  await copyFile(join(one.root, note), join(one.root, 'copy'));
  await rename(join(one.root, 'copy'), join(one.root, note));
  await one.mirror.flush(60_000);
  await other.mirror.refresh();
  await other.mirror.flush(60_000);
  expect(server.versions).toBe(1);
  const after = await stat(join(other.root, note), { bigint: true });
  expect([after.ino, after.mtimeNs]).toEqual([before.ino, before.mtimeNs]);
});

test('S17, S18: bytes and mode are kept, and time moves forward', async () => {
  await using both = await pair('\uFEFFone\r\ntwo');
  const { server, one, other } = both;
  const target = join(other.root, note);
  await run('chmod', ['0640', target]);
  const future = new Date(Date.now() + 86_400_000);
  await utimes(target, future, future);
  await one.write(note, '\uFEFFone\r\ntwo\r\nthree');
  await eventually('it arrived', async () => (await other.read(note)) === '\uFEFFone\r\ntwo\r\nthree');
  await inStep(server, one, other);
  const after = await stat(target);
  expect(after.mode & 0o777).toBe(0o640);
  expect(after.mtimeMs).toBeGreaterThan(future.getTime());
});

test('S22: a server that was never asked before fills the folder, and equal files are adopted', async () => {
  await using both = await pair();
  const { server, one, other } = both;
  await using late = await openMirror(server);
  await inStep(server, one, other, late);
  await late.restart(() => rm(join(late.root, '.aachat'), { recursive: true }));
  await inStep(server, late);
  expect(server.versions).toBe(1);
});

test('S25: edits of both sides while a mirror was stopped merge, and a start with nothing to do does nothing', async () => {
  await using both = await pair();
  const { server, one, other } = both;
  await other.restart(async () => {
    await other.write(note, text.replace('six', 'six of bo'));
    await other.write('acme/launch/notes/new.md', 'made while away\n');
    await one.write(note, text.replace('one', 'one of mia'));
    await one.mirror.flush(60_000);
  });
  await inStep(server, one, other);
  expect(server.text(note)).toBe(text.replace('one', 'one of mia').replace('six', 'six of bo'));

  const versions = server.versions;
  const stats = async (mirror: OpenMirror) => {
    const { ino, mtimeNs, ctimeNs } = await stat(join(mirror.root, note), { bigint: true });
    return [ino, mtimeNs, ctimeNs];
  };
  const before = await stats(other);
  await other.restart();
  await other.mirror.flush(60_000);
  await inStep(server, one, other);
  expect(await stats(other)).toEqual(before);
  expect(server.versions).toBe(versions);
});

test('S29: flush hands in what was saved just before', async () => {
  await using both = await pair();
  const { server, one } = both;
  for (let count = 0; count < 10; count += 1) {
    await one.write(note, `${text}${count}\n`);
    await one.write(`acme/launch/flush/${count}.md`, `${count}\n`);
    expect(await one.mirror.flush(60_000)).toMatchObject({ state: 'in sync', pending: [] });
    expect(server.text(note)).toBe(`${text}${count}\n`);
    expect(server.text(`acme/launch/flush/${count}.md`)).toBe(`${count}\n`);
  }
});

test('S7: an answer that got lost is asked for again, and what was handed in happens once', async () => {
  await using both = await pair();
  const { server, one, other } = both;
  server.losesAnswers = true;
  await one.write(note, text.replace('two', 'two and more'));
  await eventually('it was handed in', () => server.text(note)?.includes('two and more'));
  await eventually('the mirror noticed', () => one.mirror.status().state === 'offline');
  expect(one.mirror.status().pending).toMatchObject([{ path: note }]);
  server.losesAnswers = false;
  await one.mirror.refresh();
  await other.mirror.refresh();
  await inStep(server, one, other);
  expect(server.versions).toBe(2);
  expect(one.mirror.status().state).toBe('in sync');
});

test('S28: what waits is said with why and since when, also after a restart', async () => {
  await using both = await pair();
  const { server, one } = both;
  const begun = Date.now();
  server.losesAnswers = true;
  await one.write(note, text.replace('two', 'two and more'));
  await eventually('it was handed in', () => server.text(note)?.includes('two and more'));
  await eventually('the mirror noticed', () => one.mirror.status().state === 'offline');
  const before = one.mirror.status();
  expect(before).toMatchObject({ reason: 'No answer.', pending: [{ path: note }] });
  expect(before.pending[0]?.why).toContain('the server has not answered');
  for (const since of [before.since, before.pending[0]?.since]) {
    expect(Date.parse(since ?? '')).toBeGreaterThanOrEqual(begun);
    expect(Date.parse(since ?? '')).toBeLessThanOrEqual(Date.now());
  }
  server.isReachable = false;
  await one.write('acme/launch/notes/later.md', 'x\n');
  const stopped = Date.now();
  await one.restart();
  const after = one.mirror.status();
  expect(after.pending[0]).toMatchObject({ path: note, why: before.pending[0]?.why });
  expect(Date.parse(after.pending[0]?.since ?? '')).toBeLessThanOrEqual(stopped);
  await eventually('the other one waits too', () => one.mirror.status().pending.length === 2);
  expect(one.mirror.status().pending[1]).toMatchObject({ why: 'It is looked at when the server answers.' });
  server.losesAnswers = false;
  server.isReachable = true;
  await one.mirror.refresh();
  await inStep(server, one);
  expect(one.mirror.status()).toMatchObject({ state: 'in sync', pending: [] });
  expect(one.mirror.status()).not.toHaveProperty('since');
});

test('S8: a save during a save is merged on what was handed in before', async () => {
  await using both = await pair();
  const { server, one, other } = both;
  const real = server.replica('cy');
  const gate = Promise.withResolvers<void>();
  let asked = 0;
  const push: Replica['push'] = async (submission) => {
    asked += 1;
    await gate.promise;
    return real.push(submission);
  };
  await using slow = await openMirror(server, { replica: { ...real, push } });
  await inStep(server, slow);
  await slow.write(note, text.replace('one', 'one\nnew of cy'));
  await eventually('the first save is on its way', () => asked === 1);
  await slow.write(note, text.replace('one', 'one\nnewer of cy'));
  await other.write(note, text.replace('six', 'six of bo'));
  await eventually('bo', () => server.text(note)?.includes('six of bo'));
  gate.resolve();
  await inStep(server, one, other, slow);
  expect(server.text(note)).toBe(text.replace('one', 'one\nnewer of cy').replace('six', 'six of bo'));
  expect(server.history(note)).toContain(text.replace('one', 'one\nnew of cy'));
  expect(server.openConflicts(note)).toEqual([]);
});

test('S30: news that come late and twice change nothing', async () => {
  await using both = await pair();
  const { server, one, other } = both;
  const replica = server.replica('mia');
  const old = (await replica.list()).documents[0];
  if (old === undefined) throw new Error('no document');
  await one.write(note, text.replace('two', 'two and more'));
  await inStep(server, one, other);
  other.mirror.changed({ document: old });
  const now = (await replica.list()).documents[0];
  if (now !== undefined) other.mirror.changed({ document: now });
  await other.mirror.flush(60_000);
  expect(await other.read(note)).toContain('two and more');
  await mkdir(join(one.root, 'acme/launch/empty'), { recursive: true });
  await inStep(server, one, other);
  expect(server.versions).toBe(2);
});

test('S28: whoever is told of a change never reads `in sync` too early', async () => {
  await using own = await pair();
  await using dir = await tempDir();
  const root = join(dir.path, 'docs');
  const heard: { state: string; isThere: boolean }[] = [];
  const mirror: Mirror = new Mirror({
    root,
    kept: join(dir.path, 'kept'),
    replica: own.server.replica('cy', {}),
    grammar,
    log: silentLog,
    onChange: () => heard.push({ state: mirror.status().state, isThere: existsSync(join(root, note)) }),
  });
  await mirror.start();
  await eventually('it has the document', () => heard.at(-1)?.state === 'in sync');
  await mirror.stop();
  expect(heard.filter((one) => one.state === 'in sync' && !one.isThere)).toEqual([]);
});
