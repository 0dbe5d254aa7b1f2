/** Files of ours: private by default, replaced as a whole, and an unreadable one never looks absent. */
import { lstat, mkdir, readFile, readlink, realpath, rm, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { isSystemError } from './errors.ts';

/** Only the owner may look inside. */
export const PRIVATE_DIR = 0o700;
export const PRIVATE_FILE = 0o600;

/** Creates the folder and its parents, readable by the owner only where they are new. */
export async function ensureDir(path: string, mode = PRIVATE_DIR): Promise<string> {
  if ((await makeDir(path, mode)) === undefined) return path;
  // Not `recursive`: Node tries for ever where a parent exists but takes no folder, as in /proc.
  await ensureDir(dirname(path), mode);
  const missing = await makeDir(path, mode);
  if (missing !== undefined) throw missing;
  return path;
}

/** @returns the error if a parent is missing */
async function makeDir(path: string, mode: number): Promise<unknown> {
  try {
    await mkdir(path, { mode });
  } catch (thrown) {
    if (isSystemError(thrown, 'ENOENT')) return thrown;
    if (!isSystemError(thrown, 'EEXIST', 'EISDIR') || !(await stat(path)).isDirectory()) throw thrown;
  }
  return undefined;
}

/** Replaces the whole file (temp file, fsync, rename); a reader sees the old or the new text, never a part. */
export async function writePrivate(path: string, text: string): Promise<void> {
  await ensureDir(dirname(path));
  await writeFileAtomic(path, text, { mode: PRIVATE_FILE });
}

/** @returns the text, or undefined if there is no such file; every other failure is thrown */
export async function readIfExists(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (thrown) {
    if (isSystemError(thrown, 'ENOENT', 'ENOTDIR')) return undefined;
    throw thrown;
  }
}

/** @returns whether something is there (links are followed); every failure but absence is thrown */
export async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (thrown) {
    if (isSystemError(thrown, 'ENOENT', 'ENOTDIR')) return false;
    throw thrown;
  }
}

/** @returns where a path leads when every link on its way is followed; what does not exist yet is kept as it is */
export async function realPlace(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (thrown) {
    if (!isSystemError(thrown, 'ENOENT', 'ENOTDIR')) throw thrown;
    // A link that leads nowhere makes a file where it points to.
    const target = await readlink(path).catch(() => undefined);
    if (target !== undefined) return await realPlace(resolve(dirname(path), target));
    return path === dirname(path) ? path : join(await realPlace(dirname(path)), basename(path));
  }
}

/** Whether a path is that of the folder, or of something below it. Both absolute; nothing is looked at. */
export function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way === '' || (!isAbsolute(way) && way !== '..' && !way.startsWith(`..${sep}`));
}

/** Removes a file or folder of ours; absent is fine. */
export async function removeAll(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 3 });
}

/** Whether a part of `path` below `root` is a link: it may lead anywhere, so nothing is written or removed through it. */
export async function hasLink(root: string, path: string): Promise<boolean> {
  const parents = path.split('/').map((_, index, parts) => join(root, ...parts.slice(0, index + 1)));
  for (const parent of parents) {
    try {
      if ((await lstat(parent)).isSymbolicLink()) return true;
    } catch (thrown) {
      if (isSystemError(thrown, 'ENOENT')) return false;
      throw thrown;
    }
  }
  return false;
}
