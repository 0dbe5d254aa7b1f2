/**
 * What killed processes left in the files of a home: nothing of it blocks anybody or holds work, and the next `up` would
 * clear most of it away. Each kind is taken away under the lock of those who make it, so that nobody loses a live one.
 */
import { readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { isSystemError } from '#base/errors.ts';
import { exists } from '#base/fs.ts';
import { LOCK_SUFFIX, readPidFile, STALE_LOCK_MS, withFileLock } from '#base/pid-file.ts';
import { writerFile } from './event-log.ts';
import type { Home } from './home.ts';
import { halfMadeWorktrees, recoverWorktrees } from './worktree.ts';

export interface Remains {
  /** Ends a sentence that begins with where it lies. */
  readonly what: string;
  readonly paths: readonly string[];
  /** Takes away what is still there and still nobody's. */
  readonly clear: () => Promise<void>;
}

/** Looks, and changes nothing. */
export async function findRemains(home: Home): Promise<readonly Remains[]> {
  const isUp = await isHeld(home.upFile);
  const writers = (await namesIn(home.sessions)).map((id) => writerFile(home.session(id).log));
  const worktrees = isUp ? [] : await halfMadeWorktrees(home.cache, home.workspaces);
  const socket = !isUp && (await exists(home.controlSocket)) ? [home.controlSocket] : [];
  const found: readonly Remains[] = [
    pidFiles('says that `aachat up` runs, and none does', await unheld([home.upFile])),
    pidFiles('says that the embedded server runs, and none does', await unheld([home.serverFile])),
    pidFiles('says that somebody writes the log of a session, and nobody does', await unheld(writers)),
    {
      what: 'is the socket of an `aachat up` that is gone',
      paths: socket,
      // One that starts holds its file before it makes a socket.
      clear: () =>
        withFileLock(home.upFile, async () => {
          if (!(await isHeld(home.upFile))) await rm(home.controlSocket, { force: true });
        }),
    },
    {
      what: 'is a worktree that nobody finished',
      paths: worktrees.map(({ path }) => path),
      clear: async () => void (await recoverWorktrees(home.cache, home.workspaces)),
    },
    ...(await staleLocks(home)).map((path) => ({
      what: 'is the lock of a process that is gone',
      paths: [path],
      // Taking over a lock of the dead and giving it back is what the next one does.
      clear: () => withFileLock(path.slice(0, -LOCK_SUFFIX.length), async () => {}),
    })),
  ];
  return found.filter(({ paths }) => paths.length > 0);
}

const pidFiles = (what: string, paths: readonly string[]): Remains => ({
  what,
  paths,
  clear: async () => {
    for (const path of paths) {
      await withFileLock(path, async () => {
        if (!(await isHeld(path))) await rm(path, { force: true });
      });
    }
  },
});

/** Who holds it is all that counts here, whatever else the file says. */
const isHeld = async (path: string): Promise<boolean> => (await readPidFile(path, z.looseObject({}))) !== undefined;

async function unheld(paths: readonly string[]): Promise<readonly string[]> {
  const left = await Promise.all(paths.map(async (path) => (await exists(path)) && !(await isHeld(path))));
  return paths.filter((_, index) => left[index]);
}

/** In every folder of ours where locks are made. */
async function staleLocks(home: Home): Promise<readonly string[]> {
  const folders = [
    ...[home.run, home.state, home.server, home.tokens, dirname(home.sessionIndex), join(home.run, 'programs')],
    ...(await namesIn(home.sessions)).map((id) => home.session(id).dir),
    ...(await namesIn(home.cache)).map((name) => join(home.cache, name)),
  ];
  const found: string[] = [];
  for (const folder of new Set(folders)) {
    for (const name of await namesIn(folder)) {
      const path = join(folder, name);
      if (name.endsWith(LOCK_SUFFIX) && (await isStale(path))) found.push(path);
    }
  }
  return found;
}

/** Its holder touches it more often than that. */
async function isStale(path: string): Promise<boolean> {
  try {
    const facts = await stat(path);
    return facts.isDirectory() && Date.now() - facts.mtimeMs > STALE_LOCK_MS;
  } catch (thrown) {
    if (isSystemError(thrown, 'ENOENT')) return false;
    throw thrown;
  }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (thrown) {
    if (isSystemError(thrown, 'ENOENT', 'ENOTDIR')) return [];
    throw thrown;
  }
}
