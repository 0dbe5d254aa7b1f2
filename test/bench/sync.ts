/**
 * Mirrors over the built server, through the real event socket: one save until two other mirrors have it, the first
 * filling of a folder, and what a mirror costs while nothing happens.
 */
import { type ChildProcess, fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, lstatSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { newId } from '#base/id.ts';
import { createAuth } from '#client/auth.ts';
import { createHttpClient, type HttpClient } from '#client/http.ts';
import type { DocumentId, ProjectId } from '#contract/ids.ts';
import { ROUTES } from '#contract/routes.ts';
import { scratchHome } from '../support/aachat.ts';
import { tempDir } from '../support/temp.ts';
import { median, ms, percentile, plus, processorMs, type Row, readOrNothing, residentMb, times } from './measure.ts';
import type { InSync, Setup } from './sync-process.ts';

/** A team of its own on the server, with this many documents. */
interface Shelf {
  readonly count: number;
  /** For whatever a measurement needs. */
  readonly dir: string;
  readonly http: HttpClient;
  readonly setup: Omit<Setup, 'roots'>;
}

export async function sync(quick: boolean): Promise<readonly Row[]> {
  await using home = await scratchHome();
  await using dir = await tempDir();
  await home.json('project', 'create', 'launch');
  const { url } = await home.json<{ url: string }>('server', 'status');
  const tokens = join(home.path, '.run', 'tokens');
  const auth = createAuth({ baseUrl: new URL(url), realm: 'embedded', dir: tokens });
  const http = createHttpClient({ baseUrl: new URL(url), token: (how) => auth.accessToken(how) });
  const open = async (count: number): Promise<Shelf> => {
    const shelf = { count, dir: join(dir.path, `${count}`), http, setup: { url, tokens, team: `t${count}` } };
    mkdirSync(shelf.dir);
    await seed(shelf);
    return shelf;
  };
  const [few, some] = [await open(200), await open(1_000)];
  const many = quick ? some : await open(10_000);
  const rounds = quick ? 20 : 100;
  return [
    ...(await saves(few, rounds)),
    ...(await saves(many, rounds)),
    await filling(some, 3, 'under 2 s'),
    ...(quick ? [] : [await filling(many, 3, 'under 10 s')]),
    ...(await resting(many, quick ? 10_000 : 60_000)),
  ];
}

const number = (value: number): string => value.toLocaleString('en');
const textOf = (title: string): string => `# ${title}\n\n${`A line of some length in ${title}.\n`.repeat(50)}`;
const kindOf = (index: number): string => `k${Math.floor(index / 100) % 10}`;
const pathOf = ({ setup }: Shelf, index: number): string =>
  join(setup.team, `p${Math.floor(index / 1_000)}`, kindOf(index), `d${index}.md`);

/** Texts of 2 KB, a hundred in a folder. */
async function seed({ count, http, setup }: Shelf): Promise<void> {
  const { team } = await http.call(ROUTES.createTeam, { body: { clientId: newId(), slug: setup.team } });
  const projects: ProjectId[] = [];
  for (let index = 0; index < count; index += 1_000) {
    const body = { clientId: newId(), name: `p${index / 1_000}` };
    projects.push((await http.call(ROUTES.createProject, { params: { teamId: team.id }, body })).project.id);
  }
  const indices = Array.from({ length: count }, (_, index) => index).values();
  const write = async () => {
    for (const index of indices) {
      const projectId = projects[Math.floor(index / 1_000)] as ProjectId;
      const text = textOf(`document ${index}`);
      const body = { clientId: newId(), kind: kindOf(index), name: `d${index}`, baseDigest: null, text };
      await http.call(ROUTES.pushDocument, { params: { projectId }, body });
    }
  };
  await Promise.all(Array.from({ length: 16 }, write));
}

interface Started extends AsyncDisposable {
  readonly pid: number;
  /** Opens the mirrors. */
  start(): Promise<InSync>;
  /** @returns resident MB once all memory was given back that is not in use */
  collect(): Promise<number>;
}

async function startProcess(program: 'mirrors' | 'copier', setup: Setup): Promise<Started> {
  const child: ChildProcess = fork(join(import.meta.dirname, 'sync-process.ts'), [program, JSON.stringify(setup)], {
    execArgv: ['--expose-gc'],
  });
  await once(child, 'message');
  return {
    pid: Number(child.pid),
    async start() {
      child.send('open');
      const [answer] = (await once(child, 'message')) as [InSync];
      if (answer.problems.length > 0) throw new Error(`Mirrors have problems: ${answer.problems.join(' ')}`);
      return answer;
    },
    async collect() {
      child.send('collect');
      await once(child, 'message');
      return residentMb(Number(child.pid));
    },
    async [Symbol.asyncDispose]() {
      child.disconnect();
      await once(child, 'exit');
    },
  };
}

const WAYS: Readonly<Record<string, (file: string, text: string) => void>> = {
  'in place': writeFileSync,
  'rename over': (file, text) => {
    writeFileSync(`${file}.tmp.1.a`, text);
    renameSync(`${file}.tmp.1.a`, file);
  },
  'delete and create': (file, text) => {
    rmSync(file);
    writeFileSync(file, text);
  },
};

interface Arrivals {
  readonly took: number[];
  /** Looks at the other folders in which a text was neither the whole old one nor the whole new one. */
  torn: number;
}

/** Saves below the first root, and looks below the others until they have the same. */
async function save(roots: readonly string[], path: string, way: string, to: Arrivals): Promise<void> {
  const [mine = '', ...others] = roots.map((root) => join(root, path));
  const before = String(readOrNothing(mine));
  const text = textOf(`${way} ${newId()}`);
  const start = performance.now();
  WAYS[way]?.(mine, text);
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
  const ways = Object.keys(WAYS).map((way) => ({
    way,
    ours: { took: [], torn: 0 } as Arrivals,
    floor: { took: [], torn: 0 } as Arrivals,
  }));
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
    what: `save ${way} → two mirrors, ${number(shelf.count)} documents, p50 / p99`,
    measured: `${both(ours)}, ${ours.torn} torn`,
    floor: `${both(floor)}, ${floor.torn} torn watch + atomic write`,
    ratio: plus(median(ours.took) - median(floor.took)),
    aim: '40 ms / 200 ms, 0 torn',
  }));
}

async function filling(shelf: Shelf, rounds: number, aim: string): Promise<Row> {
  const [ours, floor]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round += 1) {
    const [root, copy] = [join(shelf.dir, `filled${round}`), join(shelf.dir, `copied${round}`)];
    await using mirror = await startProcess('mirrors', { ...shelf.setup, roots: [root] });
    ours.push((await mirror.start()).inSyncMs);
    const files = stamps(join(root, shelf.setup.team)).size;
    if (files !== shelf.count) throw new Error(`A mirror of ${shelf.count} documents has ${files} files.`);
    const start = performance.now();
    spawnSync('cp', ['-r', join(root, shelf.setup.team), copy]);
    floor.push(performance.now() - start);
  }
  const [value, copied] = [median(ours), median(floor)];
  return {
    what: `first filling of a mirror, ${number(shelf.count)} documents`,
    measured: ms(value),
    floor: `${ms(copied)} cp -r`,
    ratio: times(value / copied),
    aim,
  };
}

/** What a mirror costs that has nothing to do: at its start, and from then on. */
async function resting(shelf: Shelf, restMs: number): Promise<readonly Row[]> {
  const setup = { ...shelf.setup, roots: [join(shelf.dir, 'resting')] };
  const folder = join(setup.roots[0] ?? '', setup.team);
  const rest = async (pid: number): Promise<number> => {
    const before = processorMs(pid);
    await sleep(restMs);
    return (100 * (processorMs(pid) - before)) / restMs;
  };
  const memory = async ({ pid, start, collect }: Started) => {
    const before = await collect();
    const { inSyncMs } = await start();
    await sleep(2_000);
    return { inSyncMs, before, after: residentMb(pid) };
  };
  const filled = await (async () => {
    await using first = await startProcess('mirrors', setup);
    return { ...(await memory(first)), collected: await first.collect() };
  })();
  const of = `a mirror, ${number(shelf.count)} documents`;
  const start = performance.now();
  const [before, versions] = [stamps(folder), await countVersions(shelf)];
  const floorMs = performance.now() - start;
  await using again = await startProcess('mirrors', setup);
  const bare = await rest(again.pid);
  const started = await memory(again);
  const cpu = await rest(again.pid);
  const restarted = { ...started, collected: await again.collect() };
  const written = [...stamps(folder)].filter(([path, stamp]) => before.get(path) !== stamp).length;
  const made = (await countVersions(shelf)) - versions;
  return [
    {
      what: `restart of ${of}, nothing changed`,
      measured: `${ms(started.inSyncMs)}, ${written} files, ${made} versions`,
      floor: `${ms(floorMs)} stat of all + listing`,
      ratio: times(started.inSyncMs / floorMs),
      aim: '0 files, 0 versions',
    },
    {
      what: `processor of ${of}, for ${restMs / 1_000} s of rest`,
      measured: `${cpu.toFixed(2)} %`,
      floor: `${bare.toFixed(2)} % without`,
      ratio: '–',
      aim: 'under 0.5 %',
    },
    ...[
      { when: 'filled', found: filled },
      { when: 'restarted', found: restarted },
    ].map(({ when, found }) => ({
      what: `memory of ${of}, ${when} / in use`,
      measured: `+${Math.round(found.after - found.before)} / +${Math.round(found.collected - found.before)} MB`,
      floor: `${Math.round(found.before)} MB without`,
      ratio: '–',
      aim: '+30 MB',
    })),
  ];
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

async function countVersions({ http, setup }: Shelf): Promise<number> {
  let [count, after]: [number, DocumentId | undefined] = [0, undefined];
  for (let more = true; more; ) {
    const query = { team: setup.team, state: 'all', limit: 2_000, ...(after === undefined ? {} : { after }) } as const;
    const page: { documents: readonly { id: DocumentId; version: number }[]; hasMore: boolean } = await http.call(
      ROUTES.listDocuments,
      { query },
    );
    for (const { version } of page.documents) count += version;
    after = page.documents.at(-1)?.id;
    more = page.hasMore;
  }
  return count;
}
