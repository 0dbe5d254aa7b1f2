/** `aachat agent save`: commits what is in an agent's repo and publishes it on its default branch. */
import { AachatError } from '#base/errors.ts';
import { git, isRemoteAhead, readStatus } from './git.ts';

export interface SaveOptions {
  readonly message: string;
  readonly author: { readonly name: string; readonly email: string };
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

/**
 * @param dir worktree of the agent's repo, on a branch or detached
 * @throws AachatError `CONFLICT` when the remote has other changes of the same lines; the commit stays, nothing is lost
 */
export async function saveRepo(dir: string, { message, author, signal }: SaveOptions): Promise<Saved> {
  const env = {
    GIT_AUTHOR_NAME: author.name,
    GIT_AUTHOR_EMAIL: author.email,
    GIT_COMMITTER_NAME: author.name,
    GIT_COMMITTER_EMAIL: author.email,
  };
  const here = { cwd: dir, env, signal };
  await git(['add', '--all', '--', '.', ...SECRETS.map((name) => `:(exclude,glob)**/${name}`)], here);
  const staged = (await readStatus(dir)).files.filter(({ index }) => index !== ' ' && index !== '?');
  const files = staged.map(({ path }) => path);
  if (files.length > 0) await git(['commit', '--quiet', `--message=${message}`], here);

  const remote = await git(['remote', 'get-url', 'origin'], here);
  const branch = await defaultBranch(dir);
  const publish = () => git(['push', '--quiet', 'origin', `HEAD:refs/heads/${branch}`], { ...here, remote });
  const upstream = `refs/remotes/origin/${branch}`;
  const ahead = Number(await git(['rev-list', '--count', `${upstream}..HEAD`], here));
  if (ahead > 0) {
    try {
      await publish();
    } catch (thrown) {
      if (!isRemoteAhead(thrown)) throw thrown;
      await git(['fetch', '--quiet', 'origin'], { ...here, remote });
      await rebase(dir, upstream, here);
      await publish();
    }
  }
  const commit = await git(['rev-parse', '--short', 'HEAD'], here);
  return { committed: files.length > 0, pushed: ahead > 0, commit, files };
}

async function rebase(
  dir: string,
  onto: string,
  here: { cwd: string; env: Record<string, string>; signal: AbortSignal | undefined },
): Promise<void> {
  try {
    await git(['rebase', '--quiet', onto], here);
  } catch (cause) {
    await git(['rebase', '--abort'], here);
    throw new AachatError(
      'CONFLICT',
      `The agent's repo has newer changes of the same lines: nothing was pushed, the commit stays in ${dir}.`,
      {
        hint: `Run \`git rebase ${onto}\` there, settle the conflict, then \`aachat agent save\` again.`,
        cause,
      },
    );
  }
}

async function defaultBranch(dir: string): Promise<string> {
  try {
    const head = await git(['symbolic-ref', '--short', 'refs/remotes/origin/HEAD'], { cwd: dir });
    return head.replace(/^origin\//, '');
  } catch {
    return 'main';
  }
}
