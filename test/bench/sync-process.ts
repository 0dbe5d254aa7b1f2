/**
 * What a benchmark of mirrors runs in a process of its own. Arguments: what to run, and its options as JSON.
 *
 *   mirrors  logged in, with the event socket open; at `open` it opens a mirror on each folder
 *   copier   the floor of a save: watches the first folder as the system can, and writes every file it hears of
 *            into the others, atomically
 */
import { closeSync, fsyncSync, openSync, readdirSync, renameSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { silentLog } from '#base/log.ts';
import { createAuth } from '#client/auth.ts';
import { createHttpClient } from '#client/http.ts';
import { openEventSocket } from '#client/socket.ts';
import { ROUTES } from '#contract/routes.ts';
import { createDocumentReplica, GRAMMAR, remoteConflict, remoteDocument } from '#runtime/document-replica.ts';
import { createTextStore } from '#runtime/text-store.ts';
import { Mirror } from '#sync/engine.ts';
import { readOrNothing } from './measure.ts';

export interface Setup {
  readonly url: string;
  /** Folder of the login's tokens. */
  readonly tokens: string;
  readonly team: string;
  readonly roots: readonly string[];
}

/** Milliseconds from `open` until every mirror said that it is in sync; its problems. */
export interface InSync {
  readonly inSyncMs: number;
  readonly problems: readonly string[];
}

const [program, options = '{}'] = process.argv.slice(2);
const { url, tokens, team, roots } = JSON.parse(options) as Setup;
const close = program === 'mirrors' ? await runMirrors() : runCopier();
process.once('disconnect', () => void close());
process.send?.('ready');

async function runMirrors(): Promise<() => Promise<void>> {
  const auth = createAuth({ baseUrl: new URL(url), realm: 'embedded', dir: tokens });
  const http = createHttpClient({ baseUrl: new URL(url), token: (how) => auth.accessToken(how) });
  const mirrors: Mirror[] = [];
  const refresh = () => {
    for (const mirror of mirrors) void mirror.refresh();
  };
  const socket = openEventSocket({
    url: new URL(url),
    token: (how) => auth.accessToken(how),
    onEvent: (_, { type, data }) => {
      for (const mirror of mirrors) {
        if (type === 'document.changed') mirror.changed({ document: remoteDocument(data.document) });
        if (type === 'document.conflict') {
          const { conflict } = data;
          mirror.changed({ conflict: remoteConflict(conflict), isSettled: conflict.settledAt !== null });
        }
      }
    },
    onReset: refresh,
    onDenied: () => {},
    onState: () => {},
    log: silentLog,
  });
  const { projects } = await http.call(ROUTES.listProjects, { query: { team } });
  for (const { id } of projects) socket.subscribe(id, null);
  while (projects.some(({ id }) => socket.cursor(id) === null)) await sleep(5);

  let changed = () => {};
  const texts = createTextStore(8 * 1024 * 1024);
  const open = async () => {
    const start = performance.now();
    for (const root of roots) {
      const replica = createDocumentReplica({ http, team, texts });
      const onChange = () => changed();
      mirrors.push(new Mirror({ root, kept: `${root}.kept`, replica, grammar: GRAMMAR, log: silentLog, onChange }));
    }
    await Promise.all(mirrors.map((mirror) => mirror.start()));
    while (mirrors.some((mirror) => mirror.status().state !== 'in sync')) {
      await new Promise<void>((resolve) => {
        changed = resolve;
      });
    }
    const inSyncMs = performance.now() - start;
    const problems = mirrors.flatMap((mirror) => mirror.status().problems.map(({ reason }) => reason));
    process.send?.({ inSyncMs, problems } satisfies InSync);
  };
  process.once('message', () => void open());
  return async () => {
    await socket[Symbol.asyncDispose]();
    await Promise.all(mirrors.map((mirror) => mirror.stop()));
  };
}

function runCopier(): () => Promise<void> {
  const [from = '', ...others] = roots;
  const folders = readdirSync(from, { recursive: true, withFileTypes: true }).filter((entry) => entry.isDirectory());
  const watchers = folders.map((entry) => {
    const folder = join(entry.parentPath, entry.name).slice(from.length);
    return watch(join(from, folder), (_, name) => {
      if (name === null || name.includes('.tmp.')) return;
      const text = readOrNothing(join(from, folder, name));
      if (text !== undefined) for (const other of others) replace(join(other, folder, name), text);
    });
  });
  return async () => {
    for (const watcher of watchers) watcher.close();
  };
}

function replace(file: string, text: Buffer): void {
  const temp = `${file}.tmp.1.a`;
  const fd = openSync(temp, 'w');
  writeFileSync(fd, text);
  fsyncSync(fd);
  closeSync(fd);
  renameSync(temp, file);
}
