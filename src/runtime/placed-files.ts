/**
 * Files and links of ours in a folder that belongs to somebody else. We know what is ours by a mark of its content:
 * what was changed since, what the repo tracks and what lies behind a link is left alone and named.
 */
import { hash } from 'node:crypto';
import { lstat, readFile, readlink, rm, rmdir, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isSystemError } from '#base/errors.ts';
import { ensureDir, writePrivate } from '#base/fs.ts';

export type Content = { readonly text: string } | { readonly link: string };

/** Path below the root, with `/`, → mark of the content that we left there. */
export type Manifest = Readonly<Record<string, string>>;

/** Something that stays as it is, and why, in words that follow its path. */
export interface Left {
  readonly path: string;
  readonly reason: string;
}

export interface Placed {
  readonly files: Manifest;
  /** Paths that were written or removed. */
  readonly wrote: readonly string[];
  readonly removed: readonly string[];
  readonly left: readonly Left[];
}

export const markOf = (content: Content): string => ('link' in content ? `link:${content.link}` : digest(content.text));

const digest = (bytes: string | Buffer): string => hash('sha256', bytes);

/**
 * Makes the files of ours below `root` be exactly `wanted`.
 *
 * @param before what we left there the last time
 * @param tracked paths that the repo tracks
 */
export async function placeFiles(
  root: string,
  wanted: ReadonlyMap<string, Content>,
  before: Manifest,
  tracked: ReadonlySet<string>,
): Promise<Placed> {
  const files: Record<string, string> = {};
  const [wrote, removed, left]: [string[], string[], Left[]] = [[], [], []];
  for (const path of new Set([...wanted.keys(), ...Object.keys(before)])) {
    const content = wanted.get(path);
    const found = await look(root, path);
    const known = before[path];
    if (tracked.has(path)) left.push({ path, reason: 'is tracked by the repository' });
    else if ('reason' in found) left.push({ path, reason: found.reason });
    else if (content !== undefined && found.mark === markOf(content)) files[path] = found.mark;
    else if (found.mark !== undefined && found.mark !== known) {
      left.push({ path, reason: known === undefined ? 'is not of aachat' : 'was changed' });
      if (content !== undefined && known !== undefined) files[path] = known;
    } else if (content !== undefined) {
      await write(join(root, path), content);
      files[path] = markOf(content);
      wrote.push(path);
    } else if (found.mark !== undefined) {
      await rm(join(root, path));
      removed.push(path);
    }
    if (content === undefined) await removeEmpty(root, dirname(path));
  }
  return { files, wrote, removed, left };
}

/** Removes a folder below `root` and its parents as far as they are empty. */
export async function removeEmpty(root: string, folder: string): Promise<void> {
  for (let at = folder; at !== '.' && at !== ''; at = dirname(at)) {
    try {
      await rmdir(join(root, at));
    } catch (thrown) {
      if (isSystemError(thrown, 'ENOENT')) continue;
      if (isSystemError(thrown, 'ENOTEMPTY', 'EEXIST', 'ENOTDIR')) return;
      throw thrown;
    }
  }
}

type Found = { readonly mark: string | undefined } | { readonly reason: string };

async function look(root: string, path: string): Promise<Found> {
  const parts = path.split('/');
  for (let depth = 1; depth < parts.length; depth++) {
    const parent = parts.slice(0, depth).join('/');
    const stat = await lstatIfExists(join(root, parent));
    if (stat === undefined) return { mark: undefined };
    if (!stat.isDirectory())
      return { reason: `is out of reach: ${parent} is a ${stat.isSymbolicLink() ? 'link' : 'file'}` };
  }
  const stat = await lstatIfExists(join(root, path));
  if (stat === undefined) return { mark: undefined };
  if (stat.isSymbolicLink()) return { mark: markOf({ link: await readlink(join(root, path)) }) };
  return stat.isFile() ? { mark: digest(await readFile(join(root, path))) } : { reason: 'is no file' };
}

/** What is at `path` itself, links not followed. */
export async function lstatIfExists(path: string) {
  try {
    return await lstat(path);
  } catch (thrown) {
    if (isSystemError(thrown, 'ENOENT', 'ENOTDIR')) return undefined;
    throw thrown;
  }
}

async function write(path: string, content: Content): Promise<void> {
  if ('text' in content) return await writePrivate(path, content.text);
  // In somebody's repo: as open as they have it.
  await ensureDir(dirname(path), 0o777);
  await rm(path, { force: true });
  await symlink(content.link, path);
}
