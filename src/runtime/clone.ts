/**
 * Bare clones, one per repo, shared by all sessions of this home.
 *
 * Everything that writes into a clone runs under its lock: git itself fails when many worktrees are added or many
 * fetches run at once. Fetches touch `refs/remotes/origin/*` only, so they never move a branch that somebody has
 * checked out. The common folder is called `.git`, because agents ask at every `git status` otherwise.
 */
import { hash } from 'node:crypto';
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { aborted } from '#base/async.ts';
import { AachatError, isAachatError, isSystemError, toAachatError } from '#base/errors.ts';
import { ensureDir, exists, readIfExists, removeAll, writePrivate } from '#base/fs.ts';
import { newId } from '#base/id.ts';
import { withFileLock } from '#base/pid-file.ts';
import { type Author, authorEnvironment, type Credential, git, isLocalRemote, NETWORK_MS } from './git.ts';

export interface Clone {
  /** Absolute; ends in `/.git`. */
  readonly gitDir: string;
  readonly remote: string;
  /** Such as `main` or `master`. */
  readonly defaultBranch: string;
}

/** A clone and whether it has what is new; `problem` says why not. */
export type OpenClone = Clone & { readonly fetched: boolean; readonly problem?: AachatError };

export interface CloneOptions {
  readonly signal?: AbortSignal;
  readonly credential?: Credential;
  /** Anchored lines for `info/exclude`: our own files in worktrees. */
  readonly exclude: readonly string[];
}

/** Folder of the clone of a remote; two remotes never share one. */
export function cloneName(remote: string): string {
  const address = remote.replace(/\/+$/, '').replace(/\.git$/, '');
  if (isLocalRemote(remote)) return `local--${plain(basename(address))}-${digest8(address)}.git`;
  const pattern = /^(?:(?<scheme>[a-z+]+):\/\/)?(?:(?<user>[^@/]*)@)?(?<host>[^/:]+)(?<port>:\d+)?[/:](?<path>.+)$/;
  const {
    scheme = 'ssh',
    user = '',
    host = 'unknown',
    port = '',
    path = address,
  } = pattern.exec(address)?.groups ?? {};
  const parts = [host, ...path.split('/')];
  const name = (host === 'github.com' ? parts.slice(1) : parts).map(plain).join('--');
  // Over SSH the user decides whose folder a path is in; over HTTP it is a login, and may be a token.
  const account = scheme.startsWith('http') || user === 'git' ? '' : user;
  const saysAll = host.includes('.') && parts.every((part) => plain(part) === part && !part.includes('--'));
  if (saysAll && account === '' && port === '') return `${name}.git`;
  return `${name}-${digest8(`${account}@${host}${port}/${path}`)}.git`;
}

/** Git holds a lock on a ref for milliseconds. */
const STALE_REF_LOCK_MS = 60_000;

const plain = (text: string): string => text.replace(/[^A-Za-z0-9._-]/g, '_').replace(/^\.+/, '_');
const digest8 = (text: string): string => hash('sha256', text).slice(0, 8);

/** Runs `critical` while nobody else writes into the clone, after its settings were made ours again. */
export async function withClone<T>(
  clone: Pick<Clone, 'gitDir' | 'remote'>,
  critical: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const run = async () => {
    await resetSettings(clone);
    return await critical();
  };
  return await whileAlone(dirname(clone.gitDir), run, signal);
}

/**
 * The lock of a clone. Whoever has it may be fetching for as long as a slow network takes, so waiting goes on past the
 * patience of the file lock: until the holder is done or dead (its lock then lasts seconds), `signal` aborts, or no
 * fetch can still be running.
 *
 * @param folder the one that holds the `.git` of the clone
 */
export async function whileAlone<T>(folder: string, critical: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  const deadline = Date.now() + 2 * NETWORK_MS;
  let entered = false;
  const attempt = () =>
    withFileLock(join(folder, 'aachat'), async () => {
      signal?.throwIfAborted();
      entered = true;
      return await critical();
    });
  for (;;) {
    signal?.throwIfAborted();
    const running = attempt();
    try {
      if (signal !== undefined) {
        await Promise.race([running, aborted(signal)]);
        // Not inside yet: the lock gives itself back. Inside: `critical` ends by the same signal, and is waited for.
        if (!entered) signal.throwIfAborted();
      }
      return await running;
    } catch (thrown) {
      running.catch(() => {});
      if (entered || !isAachatError(thrown, 'TIMEOUT') || Date.now() > deadline) throw thrown;
    }
  }
}

/**
 * Makes the clone, or fetches what is new. A remote that cannot be reached is no failure where a clone exists:
 * `problem` then says why it is old.
 *
 * @throws AachatError `GIT_FAILED` when there is no clone and none can be made, `VALIDATION_ERROR` when the repo is empty
 */
export async function openClone(cacheDir: string, remote: string, options: CloneOptions): Promise<OpenClone> {
  const folder = join(cacheDir, cloneName(remote));
  const gitDir = join(folder, '.git');
  await ensureDir(folder);
  const open = async () => {
    let problem: AachatError | undefined;
    let head: string | undefined;
    if (await exists(join(gitDir, 'HEAD'))) {
      await resetSettings({ gitDir, remote });
      try {
        head = await fetchAfterCrash(gitDir, remote, options);
      } catch (thrown) {
        problem = toAachatError(thrown);
        if (problem.code !== 'GIT_FAILED') throw problem;
      }
    } else {
      head = await makeClone(gitDir, remote, options);
    }
    await appendExcludes(gitDir, options.exclude);
    const defaultBranch = head ?? (await readDefaultBranch(gitDir, remote));
    const clone = { gitDir, remote, defaultBranch };
    return problem === undefined ? { ...clone, fetched: true } : { ...clone, fetched: false, problem };
  };
  return await whileAlone(folder, open, options.signal);
}

/** @returns `gitDir` of every clone of this home */
export async function listClones(cacheDir: string): Promise<readonly string[]> {
  const names = (await exists(cacheDir)) ? await readdir(cacheDir) : [];
  const dirs = names.map((name) => join(cacheDir, name, '.git'));
  const present = await Promise.all(dirs.map((dir) => exists(join(dir, 'HEAD'))));
  return dirs.filter((_, index) => present[index]);
}

/** Address that a clone was made from. Reads the one file, and nothing that it includes. */
export const readRemote = (gitDir: string): Promise<string> =>
  git(['config', `--file=${join(gitDir, 'config')}`, '--get', 'remote.origin.url'], {});

/** Adds anchored lines to the exclude file that all worktrees of the clone share. */
export async function excludePaths(clone: Clone, lines: readonly string[]): Promise<void> {
  if (lines.length > 0) await withClone(clone, () => appendExcludes(clone.gitDir, lines));
}

/** A bare repo with one commit of `files` on `main`, for agents and teams that have none elsewhere. */
export async function createRemote(
  path: string,
  files: Readonly<Record<string, string>>,
  author: Author,
): Promise<void> {
  const draft = `${path}.new-${newId()}`;
  const tree = `${draft}.files`;
  try {
    await ensureDir(tree);
    await git(['init', '--quiet', '--bare', '--initial-branch=main', draft], {});
    for (const [name, text] of Object.entries(files)) await writePrivate(join(tree, name), text);
    const inTree = { gitDir: draft, cwd: tree, env: { ...authorEnvironment(author), GIT_WORK_TREE: tree } };
    await git(['add', '--all', '--force', '.'], inTree);
    await git(['commit', '--quiet', '--allow-empty', '--message=First commit'], inTree);
    await rm(join(draft, 'index'), { force: true });
    try {
      await rename(draft, path);
    } catch (thrown) {
      // Somebody else was quicker; theirs is as good.
      if (!(await exists(join(path, 'HEAD')))) throw thrown;
    }
  } finally {
    await Promise.all([removeAll(draft), removeAll(tree)]);
  }
}

/**
 * A bare repo with the history of the default branch of `source`, and nothing else of it.
 *
 * @param check gets the names in its top folder before anything is made, and throws if they are not those it wants
 * @throws AachatError `GIT_FAILED` when the source cannot be had, `CONFLICT` when there is something at `path`
 */
export async function copyRemote(
  path: string,
  source: string,
  options: { readonly check: (names: readonly string[]) => void; readonly signal: AbortSignal },
): Promise<void> {
  const { check, signal } = options;
  const draft = `${path}.new-${newId()}`;
  const fetched = `${draft}.source`;
  try {
    const { gitDir, defaultBranch } = await openClone(fetched, source, { signal, exclude: [] });
    const branch = `refs/remotes/origin/${defaultBranch}`;
    check((await git(['ls-tree', '--name-only', '-z', branch], { gitDir, signal })).split('\0'));
    await git(['init', '--quiet', '--bare', `--initial-branch=${defaultBranch}`, draft], {});
    const one = [
      'fetch',
      '--quiet',
      '--no-tags',
      '--no-write-fetch-head',
      gitDir,
      `${branch}:refs/heads/${defaultBranch}`,
    ];
    await git(one, { gitDir: draft, remote: gitDir, signal });
    await rename(draft, path);
  } catch (thrown) {
    if (!isSystemError(thrown, 'ENOTEMPTY', 'EEXIST')) throw thrown;
    throw new AachatError('CONFLICT', `There is a repo at ${path} already.`, { hint: 'Choose another name.' });
  } finally {
    await Promise.all([removeAll(draft), removeAll(fetched)]);
  }
}

async function makeClone(gitDir: string, remote: string, options: CloneOptions): Promise<string | undefined> {
  // Made beside its place and moved there whole, so that a clone is either there or not. Under the lock every other
  // draft is that of somebody who was killed.
  const folder = dirname(gitDir);
  const others = (await readdir(folder)).filter((name) => name.startsWith(`${basename(gitDir)}.new-`));
  for (const name of others) await removeAll(join(folder, name));
  const draft = `${gitDir}.new-${newId()}`;
  try {
    await git(['init', '--quiet', '--bare', draft], {});
    await resetSettings({ gitDir: draft, remote });
    const head = await fetchInto(draft, remote, options);
    await removeAll(gitDir);
    await rename(draft, gitDir);
    return head;
  } finally {
    await removeAll(draft);
  }
}

/** @returns the remote's default branch if it is plain to see; else `readDefaultBranch` looks closer */
async function fetchInto(
  gitDir: string,
  remote: string,
  { signal, credential }: CloneOptions,
): Promise<string | undefined> {
  const options = { gitDir, remote, signal, credential };
  // Side by side: a remote takes its time to answer. Neither may go on once the lock is given back.
  const both = [
    git(['fetch', '--quiet', '--prune', '--no-tags', '--no-write-fetch-head', 'origin'], options),
    git(['ls-remote', '--symref', 'origin', 'HEAD'], options),
  ] as const;
  await Promise.allSettled(both);
  const [, head] = await Promise.all(both);
  const branch = /^ref: refs\/heads\/(\S+)\tHEAD$/m.exec(head)?.[1];
  if (branch === undefined) return undefined;
  const target = `refs/remotes/origin/${branch}`;
  const known = (await readIfExists(join(gitDir, 'refs', 'remotes', 'origin', 'HEAD')))?.trim();
  if (known !== `ref: ${target}`) await git(['symbolic-ref', 'refs/remotes/origin/HEAD', target], { gitDir });
  return (await exists(join(gitDir, target))) ? branch : undefined;
}

/** A machine that lost power in mid-fetch leaves locks on refs that nobody takes off. */
async function fetchAfterCrash(gitDir: string, remote: string, options: CloneOptions): Promise<string | undefined> {
  try {
    return await fetchInto(gitDir, remote, options);
  } catch (thrown) {
    if (!isAachatError(thrown, 'GIT_FAILED') || !(await removeStaleLocks(gitDir))) throw thrown;
    return await fetchInto(gitDir, remote, options);
  }
}

/** @returns whether there were any. Ours cannot be in use under the lock; those of agents last for moments. */
async function removeStaleLocks(gitDir: string): Promise<boolean> {
  const refs = await readdir(join(gitDir, 'refs'), { recursive: true });
  const names = [...refs.map((name) => join('refs', name)), 'packed-refs.lock'].filter((name) =>
    name.endsWith('.lock'),
  );
  let removed = false;
  for (const path of names.map((name) => join(gitDir, name))) {
    try {
      if (Date.now() - (await stat(path)).mtimeMs < STALE_REF_LOCK_MS) continue;
      await rm(path);
      removed = true;
    } catch (thrown) {
      if (!isSystemError(thrown, 'ENOENT')) throw thrown;
    }
  }
  return removed;
}

export async function readDefaultBranch(gitDir: string, remote: string): Promise<string> {
  const refs = await git(['for-each-ref', '--format=%(refname:lstrip=3)%00%(symref:lstrip=3)', 'refs/remotes/origin'], {
    gitDir,
  });
  const rows = refs.split('\n').map((line) => line.split('\0'));
  const names = rows.map(([name]) => name).filter((name) => name !== 'HEAD' && name !== '');
  const head = rows.find(([name]) => name === 'HEAD')?.[1];
  const branch = [head, 'main', 'master', names[0]].find((name) => name !== undefined && names.includes(name));
  if (branch !== undefined) return branch;
  throw new AachatError('VALIDATION_ERROR', `The repo ${remote} has no commit yet.`, {
    hint: 'Push a first commit to it, then try again.',
  });
}

/** Agents can write into the clone: settings, attributes and hooks of theirs must never run in our commands. */
async function resetSettings({ gitDir, remote }: Pick<Clone, 'gitDir' | 'remote'>): Promise<void> {
  const path = join(gitDir, 'config');
  const present = await readIfExists(path);
  const sha256 = present?.includes('objectformat = sha256') === true;
  const lines = [
    '[core]',
    `\trepositoryformatversion = ${sha256 ? 1 : 0}`,
    '\tbare = true',
    '\tlogAllRefUpdates = true',
    ...(sha256 ? ['[extensions]', '\tobjectformat = sha256'] : []),
    '[remote "origin"]',
    `\turl = ${quoteValue(remote)}`,
    '\tfetch = +refs/heads/*:refs/remotes/origin/*',
    '[gc]',
    '\tauto = 0',
    '',
  ];
  const ours = lines.join('\n');
  if (present !== ours) await writePrivate(path, ours);
  await rm(join(gitDir, 'info', 'attributes'), { force: true });
  await rm(join(gitDir, 'config.worktree'), { force: true });
  await removeAll(join(gitDir, 'hooks'));
}

const quoteValue = (text: string): string => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;

async function appendExcludes(gitDir: string, lines: readonly string[]): Promise<void> {
  const path = join(gitDir, 'info', 'exclude');
  const present = ((await readIfExists(path)) ?? '').split('\n').filter((line) => line !== '');
  const missing = lines.filter((line) => !present.includes(line));
  if (missing.length > 0) await writePrivate(path, `${[...present, ...missing].join('\n')}\n`);
}
