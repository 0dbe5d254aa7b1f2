/** Mirrors on real folders, over a server in memory or a real one. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { silentLog } from '#base/log.ts';
import { GRAMMAR } from '#runtime/document-replica.ts';
import { Mirror, type MirrorOptions } from '#sync/engine.ts';
import type { RemoteChange, Replica } from '#sync/replica.ts';
import type { MirrorStatus } from '#sync/status.ts';
import { eventually } from './eventually.ts';
import type { Rights } from './memory-replica.ts';
import { tempDir } from './temp.ts';

export const grammar = GRAMMAR;

/** What mirrors are opened on: `MemoryServer`, or a real one. */
export interface MirrorServer {
  replica(who: string, rights: Rights): Replica;
  /** Tells a mirror of changes, and when it may have missed some. @returns stops it */
  subscribe(listener: (change: RemoteChange) => void, rights: Rights, onGap: () => void): () => unknown;
  /** Living documents, path → text. */
  all(): ReadonlyMap<string, string> | Promise<ReadonlyMap<string, string>>;
}

export interface OpenMirror extends AsyncDisposable {
  readonly root: string;
  readonly kept: string;
  readonly mirror: Mirror;
  /** In place; no mirror of this process sees a part of it, however busy the machine is. */
  write(path: string, text: string | Uint8Array): Promise<void>;
  /** undefined: there is none. */
  read(path: string): Promise<string | undefined>;
  /** Everything but `.aachat`, path → text. */
  files(): Promise<Map<string, string>>;
  /** Stops it and starts another one on the same folder, after `between`. */
  restart(between?: () => Promise<void>): Promise<void>;
}

export interface MirrorSetup extends Partial<MirrorOptions> {
  readonly who?: string;
  readonly rights?: Rights;
}

export async function openMirror(server: MirrorServer, setup: MirrorSetup = {}): Promise<OpenMirror> {
  const { who = 'mia', rights = {}, ...options } = setup;
  const dir = await tempDir();
  const root = options.root ?? join(dir.path, 'docs');
  const kept = join(dir.path, 'kept');
  const open = () =>
    new Mirror({ root, kept, replica: server.replica(who, rights), grammar, log: silentLog, ...options });
  const start = async () => {
    const mirror = open();
    const onGap = () => void mirror.refresh();
    const stop = server.subscribe((change) => mirror.changed(change), rights, onGap);
    await mirror.start();
    return { mirror, stop };
  };
  let running = await start().catch(async (thrown: unknown) => {
    await dir[Symbol.asyncDispose]();
    throw thrown;
  });
  const close = async () => {
    await running.stop();
    await running.mirror.stop();
  };
  return {
    root,
    kept,
    get mirror() {
      return running.mirror;
    },
    async write(path, text) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    },
    read: (path) => readFile(join(root, path), 'utf8').catch(() => undefined),
    files: () => filesIn(root),
    async restart(between = async () => {}) {
      await close();
      await between();
      running = await start();
    },
    async [Symbol.asyncDispose]() {
      await close();
      await dir[Symbol.asyncDispose]();
    },
  };
}

export async function filesIn(root: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name).slice(root.length + 1);
    if (!entry.isFile() || path.startsWith('.aachat')) continue;
    // It may go at any moment.
    const text = await readFile(join(root, path), 'utf8').catch(() => undefined);
    if (text !== undefined) found.set(path, text);
  }
  return new Map([...found].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** Waits until every mirror says that it is in sync and has what the server has; their own reports do not count. */
export async function inStep(server: MirrorServer, ...mirrors: readonly OpenMirror[]): Promise<void> {
  const isEqual = (one: ReadonlyMap<string, string>, other: ReadonlyMap<string, string>) =>
    one.size === other.size && [...one].every(([path, text]) => other.get(path) === text);
  let last: readonly MirrorStatus[] = [];
  const check = async () => {
    last = mirrors.map(({ mirror }) => mirror.status());
    if (last.some(({ state }) => state !== 'in sync')) return false;
    const wanted = await server.all();
    for (const { files } of mirrors) {
      const found = [...(await files())].filter(([path]) => grammar.classify(path).kind === 'document');
      if (!isEqual(wanted, new Map(found))) return false;
    }
    return mirrors.every(({ mirror }) => mirror.status().state === 'in sync');
  };
  await eventually('all mirrors are in step', check).catch((thrown) => {
    throw new Error(`${(thrown as Error).message} ${JSON.stringify(last)}`);
  });
}
