/**
 * Which folder is a worktree of a clone. Whoever works in one can rewrite its `.git` file and with it lead git to settings
 * that run programs. So the clone says it, the file is put right before anything else, and git is told where to work
 * (`git.ts`, `Worktree`).
 */
import { lstat, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { isSystemError } from '#base/errors.ts';
import { exists, readIfExists, realPlace, removeAll } from '#base/fs.ts';
import type { Clone } from './clone.ts';
import type { Worktree } from './git.ts';
import { endMarked } from './lease.ts';

export type Found =
  /** Nothing is at the path; `worktree` if the clone remembers one there. */
  | { readonly kind: 'nothing'; readonly worktree: Worktree | undefined }
  | { readonly kind: 'stranger' }
  | { readonly kind: 'half-made'; readonly worktree: Worktree }
  | { readonly kind: 'good'; readonly worktree: Worktree };

/** What is at `path`. The `.git` file of a good worktree is ours again afterwards. */
export async function inspect(clone: Clone, path: string): Promise<Found> {
  const worktree = await pointerTo(clone.gitDir, path);
  if (worktree !== undefined && (await isHalfMade(worktree))) return { kind: 'half-made', worktree };
  if (!(await exists(path)) || (await readdir(path)).length === 0) return { kind: 'nothing', worktree };
  if (worktree === undefined) return { kind: 'stranger' };
  const link = join(path, '.git');
  try {
    // Somebody made a repository of their own of it.
    if ((await lstat(link)).isDirectory()) return { kind: 'stranger' };
  } catch (thrown) {
    if (!isSystemError(thrown, 'ENOENT')) throw thrown;
  }
  await putRight(link, `gitdir: ${worktree.gitDir}\n`);
  await putRight(join(worktree.gitDir, 'commondir'), '../..\n');
  return { kind: 'good', worktree };
}

async function putRight(path: string, text: string): Promise<void> {
  const isFile = await lstat(path).then(
    (facts) => facts.isFile(),
    () => false,
  );
  if (isFile && (await readFile(path, 'utf8')) === text) return;
  await rm(path, { force: true });
  await writeFile(path, text, { flag: 'wx' });
}

/** Nothing was checked out for anybody yet, so nothing can be lost. Git itself may have outlived who started it. */
export async function discard({ path, gitDir }: Worktree): Promise<void> {
  await endMarked(MARKER, await placeInGit(path));
  await removeAll(path);
  await removeAll(gitDir);
}

/** Carried by the git that makes the worktree at this place. */
export const markerOf = async (path: string) => ({ [MARKER]: await placeInGit(path) });
const MARKER = 'AACHAT_WORKTREE';

/** Git locks a worktree while it makes it, and takes the lock off at the end. */
export async function isHalfMade({ gitDir }: Worktree): Promise<boolean> {
  return (await readIfExists(join(gitDir, 'locked')))?.trim() === 'initializing';
}

/** The worktree of a clone at a path, by what the clone says; nothing is looked at there. */
export async function pointerTo(gitDir: string, path: string): Promise<Worktree | undefined> {
  const place = await placeInGit(path);
  return (await readPointers(gitDir)).find((worktree) => worktree.path === place);
}

/** Git remembers real paths. The last part may not exist, and is never a link of ours. */
async function placeInGit(path: string): Promise<string> {
  return join(await realPlace(dirname(path)), basename(path));
}

/** The worktrees that a clone knows. */
export async function readPointers(gitDir: string): Promise<readonly Worktree[]> {
  if (!(await exists(join(gitDir, 'worktrees')))) return [];
  const commonDir = await realpath(gitDir);
  const folder = join(commonDir, 'worktrees');
  const pointers = await Promise.all(
    (await readdir(folder)).map(async (name) => {
      const link = (await readIfExists(join(folder, name, 'gitdir')))?.trim();
      if (link === undefined) return [];
      return [{ path: dirname(resolve(folder, name, link)), gitDir: join(folder, name), commonDir }];
    }),
  );
  return pointers.flat();
}
