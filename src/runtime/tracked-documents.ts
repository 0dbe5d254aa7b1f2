/**
 * Documents that a branch of a connected repo tracks in git, although `init` hides them: git writes and removes them
 * whenever another branch is checked out, and nobody meant that for the team.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createSerial } from '#base/async.ts';
import { AachatError } from '#base/errors.ts';
import { git } from './git.ts';
import { DOCUMENTS } from './home.ts';
import { lstatIfExists } from './placed-files.ts';
import { trackedPaths } from './project-repo.ts';

/** Git holds its lock while it writes files; one that a crash left must not hold up anything for ever. */
const LOCK_MS = 2_000;
const LOOK_MS = 50;

/**
 * @param root of the work tree
 * @returns throws AachatError `FORBIDDEN` if git may have written or removed the document at `path`, `GIT_FAILED` if git
 *   cannot say that now
 */
export function guardTracked(root: string): (path: string, isDeletion: boolean) => Promise<void> {
  let files: readonly string[] | undefined;
  let stamp: string | undefined;
  let tracked: ReadonlySet<string> = new Set();
  /** Tracked by a branch that was checked out before. */
  const left = new Set<string>();
  const inOrder = createSerial();

  async function look(): Promise<void> {
    files ??= (
      await git(
        [
          'rev-parse',
          '--path-format=absolute',
          ...['index.lock', 'index', 'logs/HEAD'].flatMap((name) => ['--git-path', name]),
        ],
        { cwd: root },
      )
    ).split('\n');
    const [lock = '', ...kept] = files;
    const until = performance.now() + LOCK_MS;
    while ((await lstatIfExists(lock)) !== undefined && performance.now() < until) await sleep(LOOK_MS);
    const stats = await Promise.all(kept.map((file) => lstatIfExists(file)));
    const now = stats.map((one) => `${one?.ino} ${one?.mtimeMs} ${one?.size}`).join();
    if (now === stamp) return;
    const listing = ['ls-tree', '-r', '-z', '--name-only', 'HEAD@{1}', '--', `:(top,literal)${DOCUMENTS}`];
    // There may have been none before.
    const before = git(listing, { cwd: root }).catch(() => '');
    tracked = await trackedPaths(root, [DOCUMENTS]);
    for (const path of [...tracked, ...(await before).split('\0')]) left.add(path);
    stamp = now;
  }

  return (path, isDeletion) =>
    inOrder(async () => {
      try {
        await look();
      } catch (thrown) {
        // Where git fails just now, nobody knows what it tracks; without a repository it tracks nothing.
        if ((await lstatIfExists(join(root, '.git'))) !== undefined) throw thrown;
        tracked = new Set();
        stamp = undefined;
      }
      const file = `${DOCUMENTS}/${path}`;
      if (tracked.has(file)) {
        throw new AachatError(
          'FORBIDDEN',
          'Git tracks this file in the branch that is checked out, so it is not shared from here. To share it, take it out of the branch: git rm --cached.',
        );
      }
      if (!left.delete(file) || !isDeletion) return;
      throw new AachatError('FORBIDDEN', 'Git removed this file with the branch that tracked it.');
    });
}
