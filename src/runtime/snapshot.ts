/**
 * Snapshots of a worktree outside its branch: what lies in it, with what is staged and what was never added, as a
 * commit that only a ref of ours knows. Taking one touches neither HEAD nor the index nor any file.
 *
 * Not in it: what git ignores, other repositories inside, and files that are too large. Putting a snapshot back leaves
 * those alone, too, and takes a snapshot of what it overwrites first.
 */
import type { Stats } from 'node:fs';
import { copyFile, lstat, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { AachatError, isAachatError, isSystemError } from '#base/errors.ts';
import { exists } from '#base/fs.ts';
import type { SessionId } from '#contract/ids.ts';
import { type Clone, listClones, readDefaultBranch, readRemote, withClone } from './clone.ts';
import { authorEnvironment, git, type Worktree } from './git.ts';
import type { Snapshot } from './log-events.ts';

/** Larger files are left out, and so is what comes after this much in all: a snapshot is taken with every turn. */
const LARGEST_FILE = 10 * 1024 * 1024;
const LARGEST_SNAPSHOT = 200 * 1024 * 1024;

const AUTHOR = authorEnvironment({ name: 'aachat', email: 'noreply@aachat' });
const REFS = 'refs/aachat/turns/';
const refsOf = (session: SessionId): string => `${REFS}${session}/`;

/**
 * @returns undefined where nothing was ever committed
 * @throws AachatError `GIT_FAILED`, `CANCELLED` when `signal` aborts
 */
export async function takeSnapshot(
  clone: Clone,
  worktree: Worktree,
  session: SessionId,
  signal?: AbortSignal,
): Promise<Snapshot | undefined> {
  return await withClone(clone, () => withIndex(worktree, (index) => take(worktree, index, session, signal)), signal);
}

/**
 * Makes a worktree what it was: files, index and commit. A branch that has gone on since stays where it is, and HEAD
 * is detached from it.
 *
 * @param head the commit that was checked out
 * @returns a snapshot of what it was until now, and the branch that HEAD was detached from
 * @throws AachatError `CONFLICT` when a file that no snapshot has is in the way; then nothing has changed
 */
export async function putBack(
  clone: Clone,
  worktree: Worktree,
  session: SessionId,
  { head, snapshot }: { readonly head: string; readonly snapshot: Snapshot },
): Promise<{ readonly before: Snapshot; readonly detachedFrom: string | null }> {
  const restore = async (index: Index) => {
    const before = await take(worktree, index, session);
    if (before === undefined) throw new AachatError('CONFLICT', `Nothing was ever committed in ${worktree.path}.`);
    const [now, then] = [`${before.commit}^{tree}`, `${snapshot.commit}^{tree}`];
    await refuseLoss(worktree.path, index, now, then);
    await index.git('read-tree', '-m', '-u', now, then);
    const ask = (...args: string[]) => git(args, { worktree });
    let detachedFrom: string | null = null;
    if ((await ask('rev-parse', '--verify', 'HEAD')) !== head) {
      const ref = await ask('rev-parse', '--symbolic-full-name', 'HEAD');
      detachedFrom = ref.startsWith('refs/heads/') ? ref.slice('refs/heads/'.length) : null;
      await ask('update-ref', '--no-deref', 'HEAD', head);
    }
    await ask('read-tree', `${await stagedIn(worktree, head, snapshot.commit)}^{tree}`);
    // It says by its status that files differ from the index, which they may.
    await ask('update-index', '-q', '--refresh').catch(() => {});
    return { before, detachedFrom };
  };
  return await withClone(clone, () => withIndex(worktree, restore));
}

/** Git overwrites what it ignores, and no snapshot has that. */
async function refuseLoss(folder: string, index: Index, now: string, then: string): Promise<void> {
  const names = async (...args: string[]) => (await index.git(...args)).split('\0').filter((name) => name !== '');
  const made = await names('diff-tree', '-r', '-z', '--name-only', '--no-renames', '--diff-filter=A', now, then);
  if (made.length === 0) return;
  const unknown = new Set((await names('ls-files', '-z', '--others')).map((name) => name.replace(/\/$/, '')));
  const folders = new Set([...unknown].flatMap(foldersOf));
  const inTheWay = made.find(
    (name) => [name, ...foldersOf(name)].some((path) => unknown.has(path)) || folders.has(name),
  );
  if (inTheWay === undefined) return;
  throw new AachatError('CONFLICT', `${join(folder, inTheWay)} is in the way, and no snapshot has it.`, {
    hint: 'Move it away, then try again. Nothing has changed.',
  });
}

/** `a`, `a/b` for `a/b/c`. */
const foldersOf = (name: string): readonly string[] =>
  name
    .split('/')
    .slice(0, -1)
    .map((_, index, parts) => parts.slice(0, index + 1).join('/'));

/** The clone that has a snapshot, of whichever session, also where its worktree is gone. */
export async function holderOfSnapshot(cacheDir: string, { commit }: Snapshot): Promise<Clone | undefined> {
  for (const gitDir of await listClones(cacheDir)) {
    if ((await git(['for-each-ref', '--count=1', `${REFS}*/${commit}`], { gitDir })) === '') continue;
    const remote = await readRemote(gitDir);
    return { gitDir, remote, defaultBranch: await readDefaultBranch(gitDir, remote) };
  }
  return undefined;
}

/** Forgets all snapshots of a session. */
export async function dropSnapshots(cacheDir: string, session: SessionId): Promise<void> {
  for (const gitDir of await listClones(cacheDir)) {
    const refs = await git(['for-each-ref', '--format=delete %(refname)', refsOf(session)], { gitDir });
    if (refs !== '') await git(['update-ref', '--stdin'], { gitDir, input: `${refs}\n` });
  }
}

/** An index of our own, that begins as the one of the worktree. */
interface Index {
  git(...args: string[]): Promise<string>;
  feed(input: string, ...args: string[]): Promise<string>;
}

/** One at a time, under the lock of the clone. */
async function withIndex<T>(worktree: Worktree, use: (index: Index) => Promise<T>): Promise<T> {
  const path = join(worktree.gitDir, 'aachat-snapshot');
  const own = join(worktree.gitDir, 'index');
  const clean = () => Promise.all([path, `${path}.lock`].map((file) => rm(file, { force: true })));
  // A killed launcher may have left them.
  await clean();
  try {
    if (await exists(own)) {
      await copyFile(own, path);
      // Git takes a file that changed right after the index was written for unchanged in an index that is younger.
      const second = Math.floor((await stat(own)).mtimeMs / 1_000);
      await utimes(path, second, second);
    }
    const env = { ...AUTHOR, GIT_INDEX_FILE: path };
    return await use({
      git: (...args) => git(args, { worktree, env }),
      feed: (input, ...args) => git(args, { worktree, env, input }),
    });
  } finally {
    await clean();
  }
}

async function take(
  worktree: Worktree,
  index: Index,
  session: SessionId,
  signal?: AbortSignal,
): Promise<Snapshot | undefined> {
  const [head, headTree] = await heads(index);
  if (head === undefined || headTree === undefined) return undefined;
  // In the middle of a merge there is no tree of what is staged.
  const staged = await index.git('write-tree').catch(() => headTree);
  const listed = await index.git('ls-files', '-z', '--modified', '--deleted', '--others', '--exclude-standard');
  signal?.throwIfAborted();
  const { names, folders, hidden, left } = await withinLimits(worktree.path, [...new Set(listed.split('\0'))]);
  const gone = [...hidden, ...(folders.length === 0 ? [] : await withoutModules(index, folders))];
  const update = async (paths: readonly string[], ...how: string[]) => {
    if (paths.length > 0) await index.feed(`${paths.join('\0')}\0`, 'update-index', ...how, '-z', '--stdin');
  };
  await update(gone, '--force-remove');
  await update(names, '--add', '--remove', '--replace');
  const tree = names.length + gone.length === 0 ? staged : await index.git('write-tree');
  signal?.throwIfAborted();
  let commit = head;
  if (tree !== headTree || staged !== headTree) {
    const parents = ['-p', head];
    if (staged !== headTree) parents.push('-p', await index.git('commit-tree', '-m', 'staged', '-p', head, staged));
    commit = await index.git('commit-tree', '-m', 'aachat: the files at the end of a turn', ...parents, tree);
  }
  // Nobody else writes this ref, so that no ref lock is ever waited for.
  await index.git('update-ref', refsOf(session) + commit, commit);
  return { commit, left };
}

async function heads(index: Index): Promise<readonly string[]> {
  try {
    return (await index.git('rev-parse', 'HEAD', 'HEAD^{tree}')).split('\n');
  } catch (thrown) {
    if (isAachatError(thrown, 'GIT_FAILED')) return [];
    throw thrown;
  }
}

/** What was staged when a snapshot was taken. */
async function stagedIn(worktree: Worktree, head: string, snapshot: string): Promise<string> {
  if (snapshot === head) return head;
  const parents = (await git(['rev-list', '--parents', '--max-count=1', snapshot], { worktree })).split(' ');
  return parents[2] ?? head;
}

/** Of what was a file and is a folder now; the repository of a submodule has always been one. */
async function withoutModules(index: Index, folders: readonly string[]): Promise<readonly string[]> {
  const entries = (await index.git('ls-files', '-z', '--stage')).split('\0');
  const modules = new Set(entries.flatMap((entry) => (entry.startsWith('160000 ') ? [entry.split('\t')[1]] : [])));
  return folders.filter((name) => !modules.has(name));
}

/**
 * @param names relative to the folder; those that end in a slash are other repositories, and passed over
 * @returns `hidden`: what lay in a folder that is a link now, so that something else is in its place; `left`: files that
 *   are too large, and what is neither a file nor a link
 */
async function withinLimits(folder: string, names: readonly string[]) {
  let [left, bytes] = [0, 0];
  const [taken, folders, hidden]: [string[], string[], string[]] = [[], [], []];
  const links = new Map<string, boolean>();
  const isLink = async (path: string): Promise<boolean> => {
    const known = links.get(path) ?? (await factsOf(join(folder, path)))?.isSymbolicLink() === true;
    links.set(path, known);
    return known;
  };
  for (const name of names) {
    if (name === '' || name.endsWith('/')) continue;
    const isHidden = (await Promise.all(foldersOf(name).map(isLink))).includes(true);
    const facts = isHidden ? undefined : await factsOf(join(folder, name));
    const isOdd = facts !== undefined && !facts.isFile() && !facts.isSymbolicLink();
    // What is gone has no size: it is gone in the snapshot, too.
    const size = facts?.isFile() === true ? facts.size : 0;
    if (isHidden) hidden.push(name);
    else if (facts?.isDirectory() === true) folders.push(name);
    else if (isOdd || size > LARGEST_FILE || bytes + size > LARGEST_SNAPSHOT) left += 1;
    else {
      bytes += size;
      taken.push(name);
    }
  }
  return { names: taken, folders, hidden, left };
}

async function factsOf(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (thrown) {
    if (isSystemError(thrown, 'ENOENT', 'ENOTDIR')) return undefined;
    throw thrown;
  }
}
