/**
 * Worktrees of a shared clone. One function removes them, and only if nothing would be lost: no uncommitted change,
 * every commit on a ref of the remote, no other repository inside. There is no force anywhere.
 *
 * Which folder is one at all is said by the clone (`worktree-place.ts`).
 */
import { readdir, readFile, realpath, rm } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import { AachatError, isAachatError } from '#base/errors.ts';
import { ensureDir, exists, readIfExists, removeAll } from '#base/fs.ts';
import { type Clone, listClones, readDefaultBranch, readRemote, whileAlone, withClone } from './clone.ts';
import { git, readStatus, type Worktree } from './git.ts';
import { discard, type Found, inspect, isHalfMade, markerOf, pointerTo, readPointers } from './worktree-place.ts';

export type Removal =
  | { readonly removed: true }
  | { readonly removed: false; readonly reason: 'dirty' | 'unpushed'; readonly detail: string };

/** A large repo on a slow disk takes its time. */
const CHECKOUT_MS = 15 * 60_000;

/**
 * Makes a worktree with a detached HEAD at the remote's default branch. A good one that is there already stays as it
 * is, with its work; what a killed launcher half made is made again; one whose folder was deleted comes back at its
 * unpublished commit, if it had one.
 *
 * @param options.at where a new one begins, instead
 * @param options.branch made there and checked out, instead of a detached HEAD; one of this name is left as it is
 * @param options.onLoss told what somebody took away from under the session, in words to it
 * @returns the commit that is checked out, in short, or the branch that somebody switched to
 * @throws AachatError `CONFLICT` if something else is at `path`, `CANCELLED` when `signal` aborts
 */
export async function addWorktree(
  clone: Clone,
  path: string,
  options: {
    readonly at?: string;
    readonly branch?: string;
    readonly signal?: AbortSignal;
    readonly onLoss?: (what: string) => void;
  } = {},
): Promise<string> {
  const { branch, at = `refs/remotes/origin/${clone.defaultBranch}`, signal, onLoss = () => {} } = options;
  const add = async () => {
    const found = await inspect(clone, path);
    if (found.kind === 'good') {
      // Whoever held this lock is gone: sessions are started only after the one before has ended.
      await rm(join(found.worktree.gitDir, 'index.lock'), { force: true });
      await standAgain(found.worktree, at, onLoss);
      return await headOf(found.worktree);
    }
    const last = await makeRoom(clone, path, found);
    const isFree =
      branch !== undefined && (await git(['for-each-ref', `refs/heads/${branch}`], { gitDir: clone.gitDir })) === '';
    const how = isFree && last === undefined ? ['--no-track', '-b', branch] : ['--detach'];
    const args = ['worktree', 'add', '--quiet', ...how, path, last ?? at];
    await git(args, { gitDir: clone.gitDir, env: await markerOf(path), signal, timeoutMs: CHECKOUT_MS });
    const made = await pointerTo(clone.gitDir, path);
    const head = made === undefined ? '' : await headOf(made);
    if (found.kind === 'nothing' && found.worktree !== undefined) {
      const where = last === undefined ? 'the newest commit of the remote' : 'your last commit, which is not pushed';
      onLoss(`had been deleted. It was made again at ${head}, ${where}; what was not committed is gone.`);
    }
    return head;
  };
  return await withClone(clone, add, signal);
}

/** A worktree whose branch was deleted stands on no commit: it gets the one that it had, and keeps all changes. */
async function standAgain(worktree: Worktree, fallback: string, onLoss: (what: string) => void): Promise<void> {
  const head = (await readFile(join(worktree.gitDir, 'HEAD'), 'utf8')).trim();
  const branch = /^ref: refs\/heads\/(.+)$/.exec(head)?.[1];
  if (branch === undefined || (await isCommit(worktree, 'HEAD'))) return;
  const moves = ((await readIfExists(join(worktree.gitDir, 'logs', 'HEAD'))) ?? '').trimEnd().split('\n');
  // A branch without a commit is no loss: somebody has only just begun it.
  if (!moves.some((line) => line.endsWith(` to ${branch}`))) return;
  // The removal of a branch may stand there too, as a move to nothing.
  const ids = moves.flatMap((line) => line.split(' ', 2)).filter((id) => /^[0-9a-f]{40,64}$/.test(id));
  const last = ids.findLast((id) => !/^0+$/.test(id));
  const to = last !== undefined && (await isCommit(worktree, last)) ? last : fallback;
  await git(['update-ref', '--no-deref', 'HEAD', to], { worktree });
  const where = to === last ? 'its last commit' : 'the newest commit of the remote';
  onLoss(
    `was on the branch \`${branch}\`, which had been deleted. It stands at ${where} now, on no branch, with your changes as they were.`,
  );
}

async function isCommit(worktree: Worktree, name: string): Promise<boolean> {
  try {
    await git(['rev-parse', '--verify', '--quiet', `${name}^{commit}`], { worktree });
    return true;
  } catch (thrown) {
    if (isAachatError(thrown, 'GIT_FAILED')) return false;
    throw thrown;
  }
}

/** Read, not asked: one git less for every boot. */
async function headOf({ gitDir }: Worktree): Promise<string> {
  const head = (await readFile(join(gitDir, 'HEAD'), 'utf8')).trim();
  return head.startsWith('ref: ') ? head.replace(/^ref: (refs\/heads\/)?/, '') : head.slice(0, 7);
}

/**
 * Keeps the visible folder of an agent on its default branch: made if missing, fast-forwarded if it is clean and has
 * no commits of its own, otherwise left alone (`dirty`: has changes, or somebody is at work in it; `diverged`: has
 * commits, or is on another branch).
 *
 * @throws AachatError `CONFLICT` if something else is at `path`, `CANCELLED` when `signal` aborts
 */
export async function checkoutVisible(
  clone: Clone,
  path: string,
  signal?: AbortSignal,
): Promise<'made' | 'forwarded' | 'current' | 'dirty' | 'diverged'> {
  const checkout = async () => {
    const branch = clone.defaultBranch;
    const upstream = `refs/remotes/origin/${branch}`;
    let found = await inspect(clone, path);
    if (found.kind !== 'good') {
      await makeRoom(clone, path, found);
      const known = await git(['for-each-ref', `refs/heads/${branch}`], { gitDir: clone.gitDir });
      const how = known === '' ? ['--no-track', '-b', branch, path, upstream] : [path, branch];
      const options = { gitDir: clone.gitDir, env: await markerOf(path), signal, timeoutMs: CHECKOUT_MS };
      await git(['worktree', 'add', '--quiet', ...how], options);
      if (known === '') return 'made';
      found = await inspect(clone, path);
      if (found.kind !== 'good') throw new Error(`git made no worktree at ${path}.`);
    }
    const { worktree } = found;
    const head = (await readFile(join(worktree.gitDir, 'HEAD'), 'utf8')).trim();
    if (await exists(join(worktree.gitDir, 'index.lock'))) return 'dirty';
    if (!(await readStatus(worktree)).isClean()) return 'dirty';
    const [own, tip] = (await git(['rev-parse', 'HEAD', upstream], { worktree })).split('\n');
    if (head !== `ref: refs/heads/${branch}`) return 'diverged';
    if (own === tip) return 'current';
    const ahead = await git(['rev-list', '--count', `${upstream}..HEAD`], { worktree });
    if (ahead !== '0') return 'diverged';
    try {
      await git(['merge', '--quiet', '--ff-only', '--no-overwrite-ignore', upstream], { worktree });
    } catch (thrown) {
      // An ignored file is in the way of a new one: the person's stays.
      if (isAachatError(thrown, 'GIT_FAILED')) return 'dirty';
      throw thrown;
    }
    return 'forwarded';
  };
  return await withClone(clone, checkout, signal);
}

/**
 * Removes a worktree if nothing in it would be lost. Files that git ignores go with it, but no repository among them: a
 * worktree of another clone must have been removed before, and one of the same clone goes by the same rule.
 */
export async function removeWorktree(clone: Clone, path: string): Promise<Removal> {
  return await withClone(clone, () => remove(clone, path));
}

/**
 * The same for the visible folder of an agent, together with the branch that it was on: a later folder at this place
 * begins where the remote is then.
 */
export async function removeVisible(clone: Clone, path: string): Promise<Removal> {
  return await withClone(clone, async () => {
    const removal = await remove(clone, path);
    const bare = { gitDir: clone.gitDir };
    const branch = `refs/heads/${clone.defaultBranch}`;
    if (!removal.removed || (await git(['for-each-ref', branch], bare)) === '') return removal;
    if ((await git([...PUBLISHED, `--contains=${branch}`], bare)) === '') return removal;
    try {
      await git(['branch', '--quiet', '-D', '--', clone.defaultBranch], bare);
    } catch (thrown) {
      // A session has it checked out: then it is that session's.
      if (!isAachatError(thrown, 'GIT_FAILED')) throw thrown;
    }
    return removal;
  });
}

/**
 * Cleans up after killed launchers: worktrees below `folder` that git had only begun to make. Nothing else is touched.
 *
 * @param cacheDir the folder of all clones
 * @returns the paths that are gone
 */
export async function recoverWorktrees(cacheDir: string, folder: string): Promise<readonly string[]> {
  const gone: string[] = [];
  const clones = new Set((await halfMadeWorktrees(cacheDir, folder)).map(({ commonDir }) => commonDir));
  for (const gitDir of clones) {
    await whileAlone(dirname(gitDir), async () => {
      for (const worktree of await halfMadeIn(gitDir, folder)) {
        await discard(worktree);
        gone.push(worktree.path);
      }
    });
  }
  return gone;
}

/** Those below `folder` that git has begun to make, and may be making. */
export async function halfMadeWorktrees(cacheDir: string, folder: string): Promise<readonly Worktree[]> {
  if (!(await exists(folder))) return [];
  return (await Promise.all((await listClones(cacheDir)).map((gitDir) => halfMadeIn(gitDir, folder)))).flat();
}

async function halfMadeIn(gitDir: string, folder: string): Promise<readonly Worktree[]> {
  const root = (await realpath(folder)) + sep;
  const below = (await readPointers(gitDir)).filter(({ path }) => path.startsWith(root));
  const halfMade = await Promise.all(below.map(isHalfMade));
  return below.filter((_, index) => halfMade[index]);
}

/**
 * The clone whose worktree lies at `path`, also where its team has another repo by now. Only clones say so; of several
 * that remember one there, the folder's own word decides.
 */
export async function holderOf(cacheDir: string, path: string): Promise<Clone | undefined> {
  const holders: { readonly gitDir: string; readonly worktree: Worktree }[] = [];
  for (const gitDir of await listClones(cacheDir)) {
    const worktree = await pointerTo(gitDir, path);
    if (worktree !== undefined && !(await isHalfMade(worktree))) holders.push({ gitDir, worktree });
  }
  if (!(await exists(path)) || holders.length === 0) return undefined;
  const said = await readIfExists(join(path, '.git')).catch(() => undefined);
  const holder = holders.find(({ worktree }) => said === `gitdir: ${worktree.gitDir}\n`) ?? holders[0];
  if (holder === undefined) return undefined;
  const remote = await readRemote(holder.gitDir);
  return { gitDir: holder.gitDir, remote, defaultBranch: await readDefaultBranch(holder.gitDir, remote) };
}

/** The clone that a folder is a worktree of, by what the clones say. */
export async function findWorktree(
  cacheDir: string,
  path: string,
): Promise<{ readonly clone: Clone; readonly worktree: Worktree }> {
  for (const gitDir of await listClones(cacheDir)) {
    if ((await pointerTo(gitDir, path)) === undefined) continue;
    const remote = await readRemote(gitDir);
    const clone = { gitDir, remote, defaultBranch: await readDefaultBranch(gitDir, remote) };
    const found = await withClone(clone, () => inspect(clone, path));
    if (found.kind === 'good') return { clone, worktree: found.worktree };
  }
  throw new AachatError('NOT_FOUND', `${path} is no worktree of a repo that aachat knows.`, {
    hint: 'Run `aachat up` once: it puts the folder of the agent in place.',
  });
}

async function remove(clone: Clone, path: string): Promise<Removal> {
  const found = await inspect(clone, path);
  if (found.kind === 'stranger') return dirty(`${path} is no worktree of ${clone.remote} any more`);
  if (found.kind === 'nothing') return { removed: true };
  const { worktree } = found;
  if (found.kind === 'half-made') {
    await discard(worktree);
    return { removed: true };
  }
  const { files } = await readStatus(worktree);
  if (files.length > 0) {
    const names = files.slice(0, 3).map(({ path: name }) => name);
    const more = files.length > 3 ? ` and ${files.length - 3} more` : '';
    return dirty(`uncommitted changes in ${names.join(', ')}${more}`);
  }
  if ((await git([...PUBLISHED, '--contains=HEAD'], { worktree })) === '') {
    const head = await git(['rev-parse', '--short', 'HEAD'], { worktree });
    return { removed: false, reason: 'unpushed', detail: `commit ${head} is on no branch of the remote` };
  }
  for (const inner of await innerRepositories(worktree)) {
    const name = relative(worktree.path, inner);
    if ((await pointerTo(clone.gitDir, inner)) === undefined) return dirty(`there is another repository in ${name}`);
    const removal = await remove(clone, inner);
    if (!removal.removed) return { ...removal, detail: `in ${name}: ${removal.detail}` };
  }
  try {
    await git(['worktree', 'remove', path], { gitDir: clone.gitDir });
  } catch (thrown) {
    // Locked by somebody, or with submodules in use: git knows more reasons to keep it than we do.
    if (isAachatError(thrown, 'GIT_FAILED')) return dirty(thrown.message);
    throw thrown;
  }
  return { removed: true };
}

const dirty = (detail: string): Removal => ({ removed: false, reason: 'dirty', detail });

/** Prints a ref of the remote, if there is one that `--contains=<commit>`. */
const PUBLISHED = ['for-each-ref', '--count=1', 'refs/remotes/origin'];

/** Repositories and worktrees under ignored folders: git does not show them, and would remove them with the rest. */
async function innerRepositories(worktree: Worktree): Promise<readonly string[]> {
  const args = ['ls-files', '--others', '--ignored', '--exclude-standard', '--directory', '-z'];
  const ignored = (await git(args, { worktree })).split('\0').filter((name) => name.endsWith('/'));
  const found = new Set<string>();
  const walk = async (folder: string): Promise<void> => {
    const entries = await readdir(folder, { withFileTypes: true });
    if (entries.some(({ name }) => name === '.git')) {
      found.add(folder);
      return;
    }
    for (const entry of entries) {
      // Packages are installed from somewhere: nobody's work, and there can be a hundred thousand.
      if (entry.isDirectory() && entry.name !== 'node_modules') await walk(join(folder, entry.name));
    }
  };
  for (const name of ignored) if (basename(name) !== 'node_modules') await walk(join(worktree.path, name));
  return [...found];
}

/** @returns the unpublished commit of a worktree whose folder was deleted, for the next one at this place */
async function makeRoom(clone: Clone, path: string, found: Exclude<Found, { kind: 'good' }>) {
  if (found.kind === 'stranger') {
    throw new AachatError('CONFLICT', `There is something at ${path} that aachat did not make.`, {
      hint: 'Move it away, then try again.',
    });
  }
  await ensureDir(dirname(path));
  if (found.kind === 'half-made') await discard(found.worktree);
  if (found.kind !== 'nothing' || found.worktree === undefined) return undefined;
  const bare = { gitDir: clone.gitDir };
  const head = `worktrees/${basename(found.worktree.gitDir)}/HEAD`;
  let last: string | undefined;
  try {
    last = await git(['rev-parse', '--verify', '--quiet', `${head}^{commit}`], bare);
  } catch (thrown) {
    // It was on a branch that is no more: there is no commit that only it knows.
    if (!isAachatError(thrown, 'GIT_FAILED')) throw thrown;
  }
  const isPublished = last === undefined || (await git([...PUBLISHED, `--contains=${last}`], bare)) !== '';
  await removeAll(found.worktree.gitDir);
  return isPublished ? undefined : last;
}
