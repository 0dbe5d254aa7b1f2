/**
 * Worktrees of a shared clone. One function removes them, and only if nothing would be lost: no uncommitted change, and
 * every commit on a ref of the remote. There is no force anywhere.
 */
import { readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AachatError } from '#base/errors.ts';
import { ensureDir, exists, readIfExists, removeAll } from '#base/fs.ts';
import { type Clone, withClone } from './clone.ts';
import { git, readStatus } from './git.ts';

export type Removal =
  | { readonly removed: true }
  | { readonly removed: false; readonly reason: 'dirty' | 'unpushed'; readonly detail: string };

/**
 * Makes a worktree with a detached HEAD at the remote's default branch. A good one that is there already stays as it
 * is, with its work; what a killed launcher half made is made again.
 *
 * @throws AachatError `CONFLICT` if something else is at `path`
 */
export async function addWorktree(clone: Clone, path: string, options: { readonly at?: string } = {}): Promise<void> {
  await withClone(clone, async () => {
    const admin = await adminOf(clone, path);
    if (admin !== undefined && (await isHalfMade(admin))) await discard(clone, path, admin);
    else if (admin !== undefined && (await exists(join(path, '.git')))) {
      // Whoever held this lock is gone: sessions are started only after the one before has ended.
      await rm(join(admin, 'index.lock'), { force: true });
      return;
    }
    await refuseStrangers(path);
    await git(['worktree', 'prune'], { gitDir: clone.gitDir });
    await ensureDir(dirname(path));
    const ref = options.at ?? `refs/remotes/origin/${clone.defaultBranch}`;
    await git(['worktree', 'add', '--quiet', '--detach', path, ref], { gitDir: clone.gitDir });
  });
}

/**
 * Keeps the visible folder of an agent on its default branch: made if missing, fast-forwarded if it is clean and has
 * no commits of its own, otherwise left alone.
 */
export async function checkoutVisible(
  clone: Clone,
  path: string,
): Promise<'made' | 'forwarded' | 'current' | 'dirty' | 'diverged'> {
  return await withClone(clone, async () => {
    const branch = clone.defaultBranch;
    const upstream = `refs/remotes/origin/${branch}`;
    const admin = await adminOf(clone, path);
    if (admin !== undefined && (await isHalfMade(admin))) await discard(clone, path, admin);
    if (!(await exists(join(path, '.git')))) {
      await refuseStrangers(path);
      await git(['worktree', 'prune'], { gitDir: clone.gitDir });
      await ensureDir(dirname(path));
      const known = await git(['for-each-ref', `refs/heads/${branch}`], { gitDir: clone.gitDir });
      const how = known === '' ? ['--no-track', '-b', branch, path, upstream] : [path, branch];
      await git(['worktree', 'add', '--quiet', ...how], { gitDir: clone.gitDir });
      if (known === '') return 'made';
    }
    if (!(await readStatus(path)).isClean()) return 'dirty';
    const [head, tip] = await Promise.all(['HEAD', upstream].map((ref) => git(['rev-parse', ref], { cwd: path })));
    if (head === tip) return 'current';
    const base = await git(['merge-base', 'HEAD', upstream], { cwd: path });
    if (base !== head) return 'diverged';
    await git(['merge', '--quiet', '--ff-only', upstream], { cwd: path });
    return 'forwarded';
  });
}

/**
 * Removes a worktree if nothing in it would be lost. Files that git ignores go with it; a worktree nested inside must
 * have been removed before.
 */
export async function removeWorktree(clone: Clone, path: string): Promise<Removal> {
  return await withClone(clone, async () => {
    const admin = await adminOf(clone, path);
    if (admin !== undefined && (await isHalfMade(admin))) {
      await discard(clone, path, admin);
      return { removed: true };
    }
    const { files } = await readStatus(path);
    if (files.length > 0) {
      const names = files.slice(0, 3).map(({ path: name }) => name);
      const more = files.length > 3 ? ` and ${files.length - 3} more` : '';
      return { removed: false, reason: 'dirty', detail: `uncommitted changes in ${names.join(', ')}${more}` };
    }
    const published = await git(['for-each-ref', '--count=1', '--contains=HEAD', 'refs/remotes/origin'], { cwd: path });
    if (published === '') {
      const head = await git(['rev-parse', '--short', 'HEAD'], { cwd: path });
      return { removed: false, reason: 'unpushed', detail: `commit ${head} is on no branch of the remote` };
    }
    await git(['worktree', 'remove', path], { gitDir: clone.gitDir });
    return { removed: true };
  });
}

/** Folder in the clone that belongs to the worktree at `path`. */
async function adminOf(clone: Clone, path: string): Promise<string | undefined> {
  const folder = join(clone.gitDir, 'worktrees');
  if (!(await exists(folder))) return undefined;
  for (const name of await readdir(folder)) {
    const pointer = (await readIfExists(join(folder, name, 'gitdir')))?.trim();
    if (pointer === join(path, '.git')) return join(folder, name);
  }
  return undefined;
}

/** Git locks a worktree while it makes it, and takes the lock off at the end. */
async function isHalfMade(admin: string): Promise<boolean> {
  return (await readIfExists(join(admin, 'locked')))?.trim() === 'initializing';
}

/** Nothing was checked out for anybody yet, so nothing can be lost. */
async function discard(clone: Clone, path: string, admin: string): Promise<void> {
  await removeAll(path);
  await removeAll(admin);
  await git(['worktree', 'prune'], { gitDir: clone.gitDir });
}

async function refuseStrangers(path: string): Promise<void> {
  if (!(await exists(path)) || (await readdir(path)).length === 0) return;
  throw new AachatError('CONFLICT', `There is something at ${path} that aachat did not make.`, {
    hint: 'Move it away, then try again.',
  });
}
