/**
 * Every way in which programs save a file, side by side in one mirror. However it is done, it is one version with the
 * whole text, one write in the other mirror, and nothing comes back.
 */
import { execFile, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  closeSync,
  copyFileSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Disk, realDisk } from '#sync/disk.ts';
import { eventually } from '../support/eventually.ts';
import { MemoryServer } from '../support/memory-replica.ts';
import { inStep, type OpenMirror, openMirror } from '../support/mirror.ts';
import { gitIn, tempDir } from '../support/temp.ts';

const run = promisify(execFile);
const folder = 'acme/launch/notes';
const text = `${['one', 'two', 'three', 'four', 'five', 'six'].join('\n')}\n`;
const saved = text.replace('two', 'two and more');
const sameSize = text.replace('two', 'TWO');
const hasVim = spawnSync('vim', ['--version']).status === 0;

// What is done between two pauses is synchronous: the mirrors of this process see nothing in between, and a busy machine
// holds up them as well. What their clock says when a pause is over is less than what they wait for.
type Save = (file: string) => unknown;

const overwrite = (file: string, ...parts: readonly (string | number)[]) => inParts(openSync(file, 'w'), parts);
async function inParts(fd: number, parts: readonly (string | number)[]): Promise<void> {
  for (const part of parts) {
    if (typeof part === 'number') await sleep(part);
    else writeSync(fd, part);
  }
  closeSync(fd);
}
function renameOver(file: string, temp: string, what = saved): void {
  writeFileSync(temp, what);
  renameSync(temp, file);
}
const vim = (...settings: readonly string[]): Save => {
  const commands = [...settings.map((one) => `set ${one}`), '2s/$/ and more/', 'wq'].flatMap((one) => ['-c', one]);
  return (file) => run('vim', ['-N', '-u', 'NONE', '-i', 'NONE', '-es', ...commands, file]);
};
const beside = (file: string, name: string) => join(dirname(file), name);

/** Each makes `saved` of `text`. */
const ways: Record<string, Save> = {
  'in place, as VS Code does': (file) => overwrite(file, saved),
  'truncate, wait, write': (file) => overwrite(file, 250, saved),
  'truncate, a third, wait, the rest': (file) => overwrite(file, 50, saved.slice(0, 8), 250, saved.slice(8)),
  'rename over, as Claude Code does': (file) => renameOver(file, `${file}.tmp.4711.0a1b2c3d`),
  'rename over, as VS Code does': (file) => renameOver(file, `${file}.vsctmp`),
  'rename over and keep the old one, as JetBrains does': (file) => {
    writeFileSync(`${file}___jb_tmp___`, saved);
    renameSync(file, `${file}___jb_old___`);
    renameSync(`${file}___jb_tmp___`, file);
    unlinkSync(`${file}___jb_old___`);
  },
  'delete, wait, create': async (file) => {
    unlinkSync(file);
    await sleep(300);
    writeFileSync(file, saved);
  },
  'rename to a backup, create, remove the backup: the calls of vim': async (file) => {
    const swap = beside(file, `.${basename(file)}.swp`);
    writeFileSync(swap, 'b0VIM');
    await sleep(50);
    writeFileSync(beside(file, '4913'), '');
    unlinkSync(beside(file, '4913'));
    renameSync(file, `${file}~`);
    const fd = openSync(file, 'wx');
    writeSync(fd, saved);
    fsyncSync(fd);
    closeSync(fd);
    unlinkSync(`${file}~`);
    unlinkSync(swap);
  },
  'copy to a backup, in place, with a lock: the calls of Emacs': async (file) => {
    const lock = beside(file, `.#${basename(file)}`);
    symlinkSync('mia@machine.4711', lock);
    writeFileSync(beside(file, `#${basename(file)}#`), saved);
    await sleep(50);
    copyFileSync(file, `${file}~`);
    await overwrite(file, saved);
    unlinkSync(beside(file, `#${basename(file)}#`));
    unlinkSync(lock);
  },
  'kept open': async (file) => {
    await overwrite(file, saved, 1_500);
  },
};

/** Others, and what each makes of `text`. */
const others: Record<string, readonly [Save, string]> = {
  'the same size and the same time': [
    (file) => {
      const { atime, mtime } = statSync(file);
      writeFileSync(file, sameSize);
      utimesSync(file, atime, mtime);
    },
    sameSize,
  ],
  'twice within a millisecond, the same size': [
    (file) => {
      writeFileSync(file, text.replace('two', 'tow'));
      writeFileSync(file, sameSize);
    },
    sameSize,
  ],
  'append (>>)': [(file) => appendFileSync(file, 'seven\n'), `${text}seven\n`],
};

/** By programs of their own, and what each makes of `text`. */
const programs: Record<string, readonly [Save, string]> = {
  ...(hasVim && {
    vim: [vim(), saved],
    'vim, always by rename': [vim('backupcopy=no', 'backup'), saved],
    'vim, always in place': [vim('backupcopy=yes'), saved],
    'vim without a backup': [vim('nobackup', 'nowritebackup'), saved],
  }),
  'sed -i': [(file) => run('sed', ['-i', 's/^two$/two and more/', file]), saved],
  cp: [(file) => from(saved, (other) => run('cp', [other, file])), saved],
  'cp -p with a time long ago': [
    (file) =>
      from(saved, (other) => {
        utimesSync(other, 0, 1_000_000_000);
        return run('cp', ['-p', other, file]);
      }),
    saved,
  ],
  'mv of an older file': [
    (file) =>
      from(saved, (other) => {
        utimesSync(other, 0, 1_000_000_000);
        return run('mv', [other, file]);
      }),
    saved,
  ],
  'git checkout': [
    async (file) => {
      const root = join(file, '../../../..');
      const path = file.slice(root.length + 1);
      await gitIn(root, 'init', '--quiet');
      await gitIn(root, 'add', path);
      await gitIn(root, 'commit', '--quiet', '--message=first');
      // Made without touching the folder: a commit of the other text, then a checkout of it.
      const blob = await from(saved, (other) => gitIn(root, 'hash-object', '-w', other));
      await gitIn(root, 'update-index', '--cacheinfo', `100644,${blob},${path}`);
      await gitIn(root, 'checkout', '--', path);
    },
    saved,
  ],
  'a shell': [(file) => run('sh', ['-c', 'printf %s "$1" > "$2"', 'sh', saved, file]), saved],
  'dd in the middle': [
    (file) => from('TWO\n', (other) => run('dd', [`if=${other}`, `of=${file}`, 'bs=4', 'seek=1', 'conv=notrunc'])),
    sameSize,
  ],
  touch: [(file) => run('touch', [file]), text],
  chmod: [(file) => run('chmod', ['u+x', file]), text],
};

async function from<T>(what: string, use: (other: string) => Promise<T>): Promise<T> {
  await using dir = await tempDir();
  const other = join(dir.path, 'other');
  writeFileSync(other, what);
  return await use(other);
}

/** None of them is a save. */
const idle: Record<string, Save> = {
  'touch with a time long ago': (file) => utimesSync(file, 0, 1_000_000_000),
  'the same text in place': (file) => overwrite(file, text),
  'the same text by rename': (file) => renameOver(file, `${file}.tmp.4711.0a1b2c3d`, text),
  'truncate, wait, the same text': (file) => overwrite(file, 250, text),
  'another text and back again at once': (file) => {
    writeFileSync(file, saved);
    writeFileSync(file, text);
  },
};

type Case = readonly [way: string, save: Save, result: string];
const inProcess: readonly Case[] = [
  ...Object.entries(ways).map(([way, save]) => [way, save, saved] as const),
  ...Object.entries(others).map(([way, [save, result]]) => [way, save, result] as const),
  ...Object.entries(idle).map(([way, save]) => [way, save, text] as const),
];
const byPrograms: readonly Case[] = Object.entries(programs).map(([way, [save, result]]) => [way, save, result]);
const cases = [...inProcess, ...byPrograms];
const pathOf = (way: string) => `${folder}/${way.replace(/\W+/g, ' ').trim()}.md`;
const own = new AsyncDisposableStack();
const server = new MemoryServer();
/** Name of a file → how often the other mirror put one into its place. */
const placed = new Map<string, number>();
const put = (file: string) => placed.set(basename(file), (placed.get(basename(file)) ?? 0) + 1);
const counting: Disk = {
  ...realDisk,
  exchange(from, to) {
    put(to);
    return realDisk.exchange(from, to);
  },
  linkSync(from, to) {
    put(to);
    realDisk.linkSync(from, to);
  },
};
const one = own.use(await openMirror(server, { who: 'mia' }));
const other = own.use(await openMirror(server, { who: 'bo', disk: counting }));

const versionOf = async (way: string) =>
  (await server.replica('mia').list()).documents.find(({ path }) => path === pathOf(way))?.version;
/** What changes with every write. */
const stateOf = ({ root }: OpenMirror) =>
  Object.fromEntries(
    cases.map(([way]) => {
      const { ino, mtimeNs } = statSync(join(root, pathOf(way)), { bigint: true });
      return [way, `${ino} ${mtimeNs}`];
    }),
  );

beforeAll(async () => {
  for (const [way] of cases) await one.write(pathOf(way), text);
  await inStep(server, one, other);
  placed.clear();
});
afterAll(() => own.disposeAsync());

async function savesOnce([way, save, result]: Case): Promise<void> {
  const path = pathOf(way);
  await save(join(one.root, path));
  expect(readFileSync(join(one.root, path), 'utf8')).toBe(result);
  if (result === text) return;
  await eventually('the other mirror has it', async () => (await other.read(path)) === result);
  expect(server.history(path)).toEqual([text, result]);
  expect(await versionOf(way)).toBe(2);
}

describe('what this process does', () => {
  test.concurrent.for(inProcess)('S5, S14: %s', (one) => savesOnce(one));
});

describe('what programs do', () => {
  // Each may be held up between any two of its calls, so for the mirrors no time passes while they run.
  const clock = vi.spyOn(performance, 'now');
  beforeAll(() => void clock.mockReturnValue(performance.now()));
  afterAll(() => clock.mockRestore());
  test.concurrent.for(byPrograms)('S5, S14: %s', (one) => savesOnce(one));
});

test('S1, S5, S14: each was one version and one write, and nothing echoes', async () => {
  for (const { mirror } of [one, other, one, other]) await mirror.flush(60_000);
  await inStep(server, one, other);
  const before = [stateOf(one), stateOf(other)];
  await one.mirror.refresh();
  for (const { mirror } of [one, other, one, other]) await mirror.flush(60_000);
  expect([stateOf(one), stateOf(other)]).toEqual(before);
  const found = cases.map(async ([way]) => ({
    way,
    version: await versionOf(way),
    writes: placed.get(basename(pathOf(way))) ?? 0,
  }));
  expect(await Promise.all(found)).toEqual(
    cases.map(([way, , result]) => (result === text ? { way, version: 1, writes: 0 } : { way, version: 2, writes: 1 })),
  );
  expect(one.mirror.status()).toMatchObject({ problems: [], conflicts: [], kept: [] });
});

test('S5, S13: what is saved right after the file was read is found, with the same size and the same time too', async () => {
  const path = `${folder}/again.md`;
  const file = join(one.root, path);
  await one.write(path, '0\n');
  for (let count = 1; count <= 9; count += 1) {
    await eventually('it was read', () => server.text(path) === `${count - 1}\n`);
    const { atime, mtime } = statSync(file);
    writeFileSync(file, `${count}\n`);
    utimesSync(file, atime, mtime);
  }
  await inStep(server, one, other);
  expect(server.history(path)).toEqual(Array.from({ length: 10 }, (_, count) => `${count}\n`));
});
