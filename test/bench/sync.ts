/**
 * Mirrors over the built server, through the real event socket: one save until two other mirrors have it, in every way
 * of saving, quiet and beside a program that uses a whole core; and what mirrors cost (`sync-cost.ts`).
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, cpSync, openSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { newId } from '#base/id.ts';
import { scratchHome } from '../support/aachat.ts';
import { tempDir } from '../support/temp.ts';
import { median, ms, percentile, plus, type Row, readOrNothing } from './measure.ts';
import { filling, resting, writing } from './sync-cost.ts';
import { number, openShelf, pathOf, type Shelf, startProcess } from './sync-shelf.ts';

export async function sync(quick: boolean): Promise<readonly Row[]> {
  await using home = await scratchHome();
  await using dir = await tempDir();
  await home.json('project', 'create', 'launch');
  const open = (count: number) => openShelf(home, join(dir.path, `${count}`), count);
  const [few, some] = [await open(200), await open(1_000)];
  const many = quick ? some : await open(10_000);
  const rounds = quick ? 20 : 100;
  return [
    ...(await saves(few, rounds)),
    ...(await saves(many, rounds)),
    await writing(some, quick ? 20 : 100),
    ...(await filling(some, 3, 'under 2 s')),
    ...(quick ? [] : await filling(many, 3, 'under 10 s')),
    ...(await resting(many.count, quick ? 10_000 : 60_000)),
  ];
}

/** Saves a text. */
type Way = (file: string, text: string) => Promise<unknown> | unknown;

const WAYS: Readonly<Record<string, Way>> = {
  'in place': writeFileSync,
  'rename over': (file, text) => {
    writeFileSync(`${file}.tmp.1.a`, text);
    renameSync(`${file}.tmp.1.a`, file);
  },
  'delete and create': (file, text) => {
    rmSync(file);
    writeFileSync(file, text);
  },
  'a third, 120 ms, the rest': async (file, text) => {
    const fd = openSync(file, 'w');
    const third = Math.floor(text.length / 3);
    writeFileSync(fd, text.slice(0, third));
    await sleep(120);
    writeFileSync(fd, text.slice(third));
    closeSync(fd);
  },
  'sed -i': (file, text) => spawnSync('sed', ['-i', `1s/.*/${text.split('\n', 1)[0]}/`, file]),
  'cp -p of an old file': (file, text) => {
    const source = `${file}.tmp`;
    writeFileSync(source, text);
    utimesSync(source, 1_000_000_000, 1_000_000_000);
    spawnSync('cp', ['-p', source, file]);
    rmSync(source);
  },
};

interface Arrivals {
  readonly took: number[];
  /** Looks at the other folders in which a text was neither the whole old one nor the whole new one. */
  torn: number;
}

/** Saves below the first root, and looks below the others until they have the same; counted from the end of the save. */
async function save(roots: readonly string[], path: string, way: string, to: Arrivals): Promise<void> {
  const [mine = '', ...others] = roots.map((root) => join(root, path));
  const before = String(readOrNothing(mine));
  // Only the first line is another one, which is all that `sed` changes.
  const text = before.replace(/^.*/, `# ${way.replaceAll(',', '')} ${newId()}`);
  await WAYS[way]?.(mine, text);
  const start = performance.now();
  const look = () => others.map((file) => String(readOrNothing(file)));
  for (let found = look(); found.some((seen) => seen !== text); found = look()) {
    to.torn += found.filter((seen) => seen !== text && seen !== before).length;
    if (performance.now() - start > 30_000) throw new Error(`A save ${way} of ${path} did not arrive.`);
    await sleep(1);
  }
  to.took.push(performance.now() - start);
}

async function saves(shelf: Shelf, rounds: number): Promise<readonly Row[]> {
  const folders = (name: string) => [0, 1, 2].map((index) => join(shelf.dir, `${name}${index}`));
  const [roots, bare] = [folders('mirror'), folders('bare')];
  await using mirrors = await startProcess('mirrors', { ...shelf.setup, roots });
  await mirrors.start();
  for (const [index, root] of roots.entries()) {
    cpSync(join(root, shelf.setup.team), join(bare[index] ?? '', shelf.setup.team), { recursive: true });
  }
  await using _copier = await startProcess('copier', { ...shelf.setup, roots: bare });
  const quiet = await saveAll(shelf, roots, bare, rounds, 'quiet');
  const busy = spawn(process.execPath, ['-e', 'for (;;);']);
  try {
    return [...quiet, ...(await saveAll(shelf, roots, bare, rounds, 'one core busy'))];
  } finally {
    busy.kill('SIGKILL');
    await once(busy, 'exit');
  }
}

async function saveAll(
  shelf: Shelf,
  roots: readonly string[],
  bare: readonly string[],
  rounds: number,
  when: string,
): Promise<readonly Row[]> {
  const none = (): Arrivals => ({ took: [], torn: 0 });
  const ways = Object.keys(WAYS).map((way) => ({ way, ours: none(), floor: none() }));
  for (let round = 0; round <= rounds; round += 1) {
    for (const { way, ours, floor } of ways) {
      const path = pathOf(shelf, Math.floor(Math.random() * shelf.count));
      await save(bare, path, way, floor);
      await save(roots, path, way, ours);
      await sleep(50 + Math.random() * 50);
    }
    // The first round warms caches of the system and is not counted.
    if (round === 0) for (const { ours, floor } of ways) ours.took.length = floor.took.length = 0;
  }
  const both = ({ took }: Arrivals) => `${ms(median(took))} / ${ms(percentile(took, 0.99))}`;
  return ways.map(({ way, ours, floor }) => ({
    what: `save ${way} → two mirrors, ${number(shelf.count)} documents, ${when}, p50 / p99`,
    measured: `${both(ours)}, ${ours.torn} torn`,
    floor: `${both(floor)}, ${floor.torn} torn watch + atomic write`,
    ratio: plus(median(ours.took) - median(floor.took)),
    aim: '25 ms / 150 ms, 0 torn',
  }));
}
