/**
 * `aachat agent save`: commits what is in an agent's repo and publishes it on its default branch.
 *
 * Agents run this unasked in a folder that they write to. So it happens under the lock of the clone with settings of
 * ours: nothing that lies in the folder can make it run a program.
 */

import { join } from 'node:path';
import { AachatError, isAachatError } from '#base/errors.ts';
import { exists } from '#base/fs.ts';
import { withClone } from './clone.ts';
import { type Author, authorEnvironment, type GitOptions, git, isRemoteAhead, readStatus } from './git.ts';
import { findWorktree } from './worktree.ts';

export interface SaveOptions {
  /** The folder of all clones. */
  readonly cacheDir: string;
  readonly message: string;
  readonly author: Author;
  readonly signal?: AbortSignal;
}

export interface Saved {
  readonly committed: boolean;
  readonly pushed: boolean;
  readonly commit: string;
  readonly files: readonly string[];
}

/** Names that hold secrets more often than memories. */
const SECRETS = ['.env*', '*.key', '*.pem', '*.token', '*.jwt', 'secrets'];
/** Others may save at the same time from other machines. */
const PUSHES = 3;

/**
 * @param dir worktree of the agent's repo, on a branch or detached
 * @throws AachatError `CONFLICT` when the remote has other changes of the same lines; the commit stays, nothing is lost
 */
export async function saveRepo(dir: string, options: SaveOptions): Promise<Saved> {
  const { cacheDir, message, author, signal } = options;
  const { clone, worktree } = await findWorktree(cacheDir, dir);
  const here = { worktree, env: authorEnvironment(author), signal };
  const save = async (): Promise<Saved> => {
    if (await exists(join(worktree.gitDir, 'rebase-merge'))) {
      throw new AachatError('CONFLICT', `A rebase has been begun in ${dir}.`, {
        hint: 'Settle it with `git rebase --continue` or `git rebase --abort`, then `aachat agent save` again.',
      });
    }
    await git(['add', '--all', '--', '.', ...SECRETS.map((name) => `:(exclude,glob)**/${name}`)], here);
    // Also what somebody staged before; that a secret is deleted may be saved.
    const secrets = SECRETS.map((name) => `:(glob)**/${name}`);
    const exposed = await git(['diff', '--cached', '--name-only', '--diff-filter=d', '-z', '--', ...secrets], here);
    const paths = exposed.split('\0').filter((path) => path !== '');
    if (paths.length > 0) await git(['--literal-pathspecs', 'reset', '--quiet', '--', ...paths], here);
    const staged = (await readStatus(worktree)).files.filter(({ index }) => index !== ' ' && index !== '?');
    const files = staged.map(({ path }) => path);
    if (files.length > 0) await git(['commit', '--quiet', `--message=${message}`], here);
    const pushed = await publish(clone.defaultBranch, { ...here, remote: clone.remote });
    const commit = await git(['rev-parse', '--short', 'HEAD'], here);
    return { committed: files.length > 0, pushed, commit, files };
  };
  return await withClone(clone, save, signal);
}

/** @returns whether there was something to publish */
async function publish(branch: string, toRemote: GitOptions): Promise<boolean> {
  const { remote: _, ...here } = toRemote;
  const upstream = `refs/remotes/origin/${branch}`;
  if ((await git(['rev-list', '--count', `${upstream}..HEAD`], here)) === '0') return false;
  for (let attempt = 1; ; attempt += 1) {
    try {
      await git(['push', '--quiet', 'origin', `HEAD:refs/heads/${branch}`], toRemote);
      return true;
    } catch (thrown) {
      if (!isRemoteAhead(thrown) || attempt === PUSHES) throw thrown;
      await git(['fetch', '--quiet', '--no-write-fetch-head', 'origin'], toRemote);
      await rebase(upstream, here);
    }
  }
}

async function rebase(onto: string, here: GitOptions): Promise<void> {
  try {
    await git(['rebase', '--quiet', onto], here);
  } catch (cause) {
    const folder = here.worktree?.path;
    const hasBegun = await exists(join(here.worktree?.gitDir ?? '', 'rebase-merge'));
    // Also when the signal ended the rebase: a folder in mid-rebase is a riddle to whoever comes next.
    if (hasBegun) await git(['rebase', '--abort'], { ...here, signal: undefined });
    if (!isAachatError(cause, 'GIT_FAILED')) throw cause;
    throw new AachatError(
      'CONFLICT',
      hasBegun
        ? `The agent's repo has newer changes of the same lines: nothing was pushed, the commit stays in ${folder}.`
        : `The agent's repo has newer changes, and ${folder} has some that were not committed: nothing was pushed, the commit stays there.`,
      {
        hint: `Run \`git rebase ${onto}\` there, settle the conflict, then \`aachat agent save\` again.`,
        cause,
      },
    );
  }
}
