/** What mirrors cost: the first filling of a folder, bytes for each version, and rest. */
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { newId } from '#base/id.ts';
import { ROUTES } from '#contract/routes.ts';
import { type ScratchHome, scratchHome, upIdentity } from '../support/aachat.ts';
import { eventually } from '../support/eventually.ts';
import { tempDir } from '../support/temp.ts';
import { median, ms, processorMs, type Row, readOrNothing, residentMb, times } from './measure.ts';
import { countVersions, number, openShelf, pathOf, type Shelf, startProcess, textOf } from './sync-shelf.ts';

/** The first filling of a folder, against two ways of writing the same files. */
export async function filling(shelf: Shelf, rounds: number, aim: string): Promise<readonly Row[]> {
  const took = { ours: [] as number[], copied: [] as number[], written: [] as number[] };
  for (let round = 0; round < rounds; round += 1) {
    const [root, copy, fresh] = ['filled', 'copied', 'written'].map((name) => join(shelf.dir, `${name}${round}`));
    await using mirror = await startProcess('mirrors', { ...shelf.setup, roots: [root ?? ''] });
    took.ours.push((await mirror.start()).inSyncMs);
    const folder = join(root ?? '', shelf.setup.team);
    const files = [...stamps(folder).keys()];
    if (files.length !== shelf.count)
      throw new Error(`A mirror of ${shelf.count} documents has ${files.length} files.`);
    let start = performance.now();
    spawnSync('cp', ['-r', folder, copy ?? '']);
    took.copied.push(performance.now() - start);
    const texts = files.map((file) => [file.slice(folder.length), readFileSync(file)] as const);
    start = performance.now();
    for (const [path, text] of texts) writeSafely(join(fresh ?? '', path), text);
    took.written.push(performance.now() - start);
  }
  const value = median(took.ours);
  const floors = { 'cp -r': median(took.copied), 'temp + fsync + rename each': median(took.written) };
  return Object.entries(floors).map(([name, floor]) => ({
    what: `first filling of a mirror, ${number(shelf.count)} documents`,
    measured: ms(value),
    floor: `${ms(floor)} ${name}`,
    ratio: times(value / floor),
    aim,
  }));
}

function writeSafely(file: string, text: Buffer): void {
  mkdirSync(dirname(file), { recursive: true });
  const fd = openSync(`${file}.tmp`, 'w');
  writeFileSync(fd, text);
  fsyncSync(fd);
  closeSync(fd);
  renameSync(`${file}.tmp`, file);
}

/** What a process writes for each version that somebody else made. */
export async function writing(shelf: Shelf, versions: number): Promise<Row> {
  const root = join(shelf.dir, 'writing');
  await using mirror = await startProcess('mirrors', { ...shelf.setup, roots: [root] });
  await mirror.start();
  const { documents } = await shelf.http.call(ROUTES.listDocuments, {
    query: { team: shelf.setup.team, state: 'all', limit: versions },
  });
  const before = written(mirror.pid);
  let size = 0;
  for (const { projectId, kind, name, digest } of documents) {
    const text = textOf(`version of ${name} ${newId()}`);
    size += text.length;
    const body = { clientId: newId(), kind, name, baseDigest: digest, text };
    await shelf.http.call(ROUTES.pushDocument, { params: { projectId }, body });
    const file = join(root, pathOf(shelf, Number(name.slice(1))));
    await eventually(`${name} arrives`, () => String(readOrNothing(file)) === text);
  }
  await sleep(1_000);
  const [asked, onDisk] = written(mirror.pid).map((bytes, index) => bytes - (before[index] ?? 0));
  return {
    what: `bytes written for each of ${documents.length} remote versions, asked for / on disk`,
    measured: `${Math.round((asked ?? 0) / documents.length)} / ${Math.round((onDisk ?? 0) / documents.length)}`,
    floor: `${Math.round(size / documents.length)} in a version`,
    ratio: `${times((asked ?? 0) / size)} / ${times((onDisk ?? 0) / size)}`,
    aim: '–',
  };
}

/** Bytes that a process asked to write, also to its sockets, and that went to a disk for it. */
function written(pid: number): readonly number[] {
  const io = readFileSync(`/proc/${pid}/io`, 'utf8');
  return [/wchar: (\d+)/, /^write_bytes: (\d+)/m].map((pattern) => Number(pattern.exec(io)?.[1]));
}

interface Rest {
  /** Percent of a core. */
  readonly cpu: number;
  readonly mb: number;
  readonly peakMb: number;
  readonly watches: number;
  /** Until the person's folder was in sync. */
  readonly inSyncMs: number;
}

/** What `up` costs that has nothing to do, with and without documents; and what its start does to them. */
export async function resting(count: number, restMs: number): Promise<readonly Row[]> {
  await using home = await scratchHome();
  await using dir = await tempDir();
  await home.json('project', 'create', 'launch');
  const bare = await rest(home, restMs);
  const shelf = await openShelf(home, dir.path, count);
  const filled = await rest(home, 10_000);
  const folder = join(home.path, 'docs', shelf.setup.team);
  const start = performance.now();
  const [before, versions] = [stamps(folder), await countVersions(shelf)];
  const floorMs = performance.now() - start;
  if (before.size !== count) throw new Error(`A folder of ${count} documents has ${before.size} files.`);
  const restarted = await rest(home, restMs);
  const changed = [...stamps(folder)].filter(([path, stamp]) => before.get(path) !== stamp).length;
  const made = (await countVersions(shelf)) - versions;
  const of = `\`up\` with ${number(count)} documents`;
  return [
    {
      what: `start of ${of}, nothing changed: files written, versions made`,
      measured: `${ms(restarted.inSyncMs)}, ${changed} files, ${made} versions`,
      floor: `${ms(floorMs)} stat of all + listing`,
      ratio: times(restarted.inSyncMs / floorMs),
      aim: '0 files, 0 versions',
    },
    {
      what: `processor of ${of}, for ${restMs / 1_000} s of rest`,
      measured: `${restarted.cpu.toFixed(2)} %`,
      floor: `${bare.cpu.toFixed(2)} % without`,
      ratio: `+${(restarted.cpu - bare.cpu).toFixed(2)} %`,
      aim: 'under 0.5 %',
    },
    ...Object.entries({ 'just filled': filled, restarted }).map(([when, { mb, peakMb }]) => ({
      what: `memory of ${of}, ${when}, at rest / at most`,
      measured: `${Math.round(mb)} / ${Math.round(peakMb)} MB`,
      floor: `${Math.round(bare.mb)} / ${Math.round(bare.peakMb)} MB without`,
      ratio: `+${Math.round(mb - bare.mb)} MB`,
      aim: '+30 MB',
    })),
    {
      what: `inotify watches of ${of}`,
      measured: String(restarted.watches),
      floor: `${new Set([...before.keys()].map(dirname)).size} folders that hold them`,
      ratio: times(restarted.watches / new Set([...before.keys()].map(dirname)).size),
      aim: 'one a folder',
    },
  ];
}

async function rest(home: ScratchHome, restMs: number): Promise<Rest> {
  const up = home.start('up');
  const start = performance.now();
  await up.until(/Ready \(Ctrl/);
  await eventually(
    'the documents are in sync',
    async () => {
      const { up: running } = await home.json<{ up: { mirrors: readonly { state: string }[] } }>('status');
      const { mirrors } = running;
      return mirrors.length > 0 && mirrors.every(({ state }) => state === 'in sync');
    },
    300_000,
  );
  const inSyncMs = performance.now() - start;
  const { pid } = upIdentity(home.path);
  // Until it has given back what it needed for that.
  await sleep(10_000);
  const before = processorMs(pid);
  await sleep(restMs);
  const cpu = (100 * (processorMs(pid) - before)) / restMs;
  const peakMb = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
  const found = { cpu, mb: residentMb(pid), peakMb, watches: watchesOf(pid), inSyncMs };
  up.child.kill('SIGINT');
  await up.ended;
  return found;
}

function watchesOf(pid: number): number {
  const descriptors = readdirSync(`/proc/${pid}/fdinfo`);
  const lines = descriptors.flatMap(
    (name) => String(readOrNothing(`/proc/${pid}/fdinfo/${name}`) ?? '').match(/^inotify /gm) ?? [],
  );
  return lines.length;
}

/** Path → what changes when the file is written, for every file below. */
function stamps(folder: string): ReadonlyMap<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(
    files.map((entry) => {
      const file = join(entry.parentPath, entry.name);
      const { ino, mtimeNs, ctimeNs } = lstatSync(file, { bigint: true });
      return [file, `${ino}:${mtimeNs}:${ctimeNs}`];
    }),
  );
}
