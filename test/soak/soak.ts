/** One run: what its plan says, in a world that is there already, then rest and look. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Document } from '#contract/documents.ts';
import { conflictWho, formatConflictPath, formatDocumentPath } from '#contract/paths.ts';
import { ROUTES } from '#contract/routes.ts';
import { openHome } from '#runtime/home.ts';
import { digestOf } from '#sync/file.ts';
import { push } from '../support/company.ts';
import { filesIn } from '../support/mirror.ts';
import { complaints, type Found, remember, type Version } from './check.ts';
import { DOCUMENTS, PEOPLE, planOf, type Round, type Trouble, WRITERS } from './plan.ts';
import type { World } from './world.ts';
import { carryOut, Ledger } from './writers.ts';

/** A mirror that heard nothing looks by itself every minute, and asks a server that was away within half a minute. */
const REST_MS = 180_000;
/** What a writer leaves that is held up when it has made a file: nobody saved that, and several may do it. */
const NOTHING = digestOf(Buffer.of());
const unlessNothing = (digest: string | null) => (digest === NOTHING ? null : digest);

export interface Report {
  readonly wrong: readonly string[];
  readonly saves: number;
  /** Texts that were kept aside in the end. */
  readonly asides: number;
  /** The longest that it took to come to rest, and what was not right just before. */
  readonly restMs: number;
  readonly waitedFor: readonly string[];
}

/** What repeats a run that failed. */
export const commandFor = (seed: number): string => `npm run soak -- --first ${seed} --seeds 1 --times 20`;

/**
 * @param nth run of this seed in this world
 * @throws if the program did not do what any run needs, such as start
 */
export async function soak(world: World, seed: number, nth = 1): Promise<Report> {
  const ledger = new Ledger();
  const nameOf = (document: string) => `s${seed}-${nth}-${document}`;
  const report = { saves: 0, asides: 0, restMs: 0, waitedFor: [] as readonly string[] };
  const texts = new Map<string, string>();

  const rest = async (): Promise<readonly string[]> => {
    const start = performance.now();
    for (;;) {
      const found = await look(world, nameOf(''), texts);
      const wrong = [...found.unrest, ...complaints(ledger.words, found)];
      const waitedMs = performance.now() - start;
      if (waitedMs > report.restMs) {
        report.restMs = waitedMs;
        if (wrong.length > 0) report.waitedFor = wrong;
      }
      report.saves = ledger.words.length;
      report.asides = found.asides;
      if (wrong.length === 0) remember(ledger.words, found);
      if (wrong.length === 0 || waitedMs > REST_MS) return wrong;
      await sleep(50);
    }
  };

  for (const document of DOCUMENTS) {
    if (document !== 'new') await push(world.mia, world.project, nameOf(document), null, `# ${document}\n${START}`);
  }
  let wrong = await rest();
  for (const [index, round] of planOf(seed).entries()) {
    if (wrong.length > 0) break;
    await play(world, ledger, round, nameOf, `s${seed}r${index}`);
    wrong = await rest();
  }
  return { wrong, ...report };
}

const START = Array.from('abcdefghijkl', (letter) => `${letter} one two three\n`).join('');

async function play(
  world: World,
  ledger: Ledger,
  { saves, troubles }: Round,
  nameOf: (document: string) => string,
  prefix: string,
): Promise<void> {
  const writing = WRITERS.map(async (writer) => {
    for (const [index, save] of saves[writer].entries()) {
      await sleep(save.pauseMs);
      await carryOut(world, ledger, writer, nameOf(save.document), save, `${prefix}${writer}${index}`);
    }
  });
  const makingTrouble = async () => {
    for (const trouble of troubles) {
      await sleep(trouble.pauseMs);
      await make(world, trouble);
    }
  };
  // All of them end before anything is taken down, also when one fails.
  for (const end of await Promise.allSettled([...writing, makingTrouble()])) {
    if (end.status === 'rejected') throw end.reason;
  }
}

/** It is over when this resolves. */
async function make(world: World, { what, whose, forMs }: Trouble): Promise<void> {
  const machine = world.machines[whose];
  switch (what) {
    case 'kill up':
      await machine.killUp();
      await sleep(forMs);
      await machine.startUp();
      return;
    case 'stop up':
      machine.signal('SIGSTOP');
      await sleep(forMs);
      machine.signal('SIGCONT');
      return;
    case 'kill server':
      await world.killServer();
      await sleep(forMs);
      await world.startServer();
      return;
    case 'cut':
      machine.line.cut();
      break;
    case 'slow':
      machine.line.slow(forMs / 8);
      break;
  }
  await sleep(forMs);
  machine.line.mend();
}

/** @param texts what was read before, by digest */
async function look(world: World, prefix: string, texts: Map<string, string>) {
  const { mia, project, machines, roots } = world;
  const views = (await Promise.all(PEOPLE.map((person) => machines[person].mirrors()))).flat();
  const unrest = views.flatMap(({ root, state, reason = '', pending, problems }) => {
    const isCalm = state === 'in sync' && problems.length === 0;
    return isCalm ? [] : [`${root} is ${state}: ${reason} ${JSON.stringify({ pending, problems })}`];
  });
  const mirrors = new Map<string, ReadonlyMap<string, string>>();
  for (const [name, root] of Object.entries(roots)) {
    const files = [...(await filesIn(root))].filter(([path]) => path.split('/').at(-1)?.startsWith(prefix));
    mirrors.set(name, new Map(files));
  }

  const read = async (document: Pick<Document, 'id'>, digest: string): Promise<string> => {
    const params = { documentId: document.id, digest };
    const text = texts.get(digest) ?? (await mia.call(ROUTES.readDocument, { params })).text;
    texts.set(digest, text);
    return text;
  };
  const query = { project: project.id, state: 'all' as const, limit: 2000 };
  const { documents } = await mia.call(ROUTES.listDocuments, { query });
  const server = new Map<string, string>();
  const histories = new Map<string, readonly Version[]>();
  for (const document of documents.filter(({ name }) => name.startsWith(prefix))) {
    const { digest, id } = document;
    if (digest !== null) server.set(formatDocumentPath(document), await read(document, digest));
    const { versions } = await mia.call(ROUTES.listVersions, { params: { documentId: id }, query: { limit: 1000 } });
    for (const version of versions) {
      for (const one of [version.digest, version.submittedDigest]) if (one !== null) await read(document, one);
    }
    // What settles a conflict is handed in as a text of the conflict.
    const handedIn = versions.toReversed().map(({ kind, submittedDigest, digest: then }) => ({
      submitted: kind === 'settled' ? null : unlessNothing(submittedDigest),
      digest: unlessNothing(then),
    }));
    histories.set(document.name, handedIn);
  }
  const { conflicts } = await mia.call(ROUTES.listConflicts, { query: { project: project.id, limit: 1000 } });
  let asides = 0;
  for (const conflict of conflicts.filter(({ name }) => name.startsWith(prefix))) {
    const { number, author, documentId, digest } = conflict;
    const path = formatConflictPath({ document: conflict, number, who: conflictWho(author.name) });
    server.set(path, await read({ id: documentId }, digest));
    asides += 1;
  }
  const folders = PEOPLE.map((person) => join(openHome(machines[person].home.path).state, 'kept'));
  const kept = await Promise.all(folders.map((folder) => keptIn(folder, prefix)));
  const found: Found = { server, mirrors, texts: [...texts.values(), ...kept.flat()], histories };
  return { ...found, unrest, asides };
}

async function keptIn(folder: string, prefix: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile() && entry.name.startsWith(prefix));
  return Promise.all(files.map(({ parentPath, name }) => readFile(join(parentPath, name), 'utf8')));
}
