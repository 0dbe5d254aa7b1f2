/**
 * The only file that runs git.
 *
 * Repos are hostile input, and an agent can write into the clone that we share with it: nothing of a repo may run
 * because we looked at it. So every command gets a fixed set of settings, an environment from an allow-list, and its
 * own process group that ends with it. simple-git reads states; what it refuses to do (tokens, hooks, groups) is run
 * through execa.
 */
import { execa } from 'execa';
import { type StatusResult, simpleGit } from 'simple-git';
import { AachatError } from '#base/errors.ts';
import { LEASE_MARKER } from './lease.ts';

export interface GitOptions {
  /** Folder to run in; a worktree finds its clone by itself. */
  readonly cwd?: string;
  /** Names a bare clone: git must never look for one by itself. */
  readonly gitDir?: string;
  /** Runs in this worktree, whatever its `.git` file says. */
  readonly worktree?: Worktree;
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number;
  /** Over the allow-listed environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** What it reads from stdin; else there is nothing to read. */
  readonly input?: string;
  /** Address that the command talks to; opens what only a network command needs. */
  readonly remote?: string;
  /** Sent to one origin only, for this command only; never in arguments or files. */
  readonly credential?: Credential | undefined;
}

/** A working folder and where its facts lie. Agents can rewrite the `.git` file in it, so git is told and never led. */
export interface Worktree {
  readonly path: string;
  /** Its own facts: HEAD, index. `<clone>/worktrees/<name>`. */
  readonly gitDir: string;
  /** Those of all worktrees: settings, refs, objects. */
  readonly commonDir: string;
}

export interface Credential {
  /** `https://host[:port]` */
  readonly origin: string;
  /** Value of the header, such as `Authorization: Basic …`. */
  readonly header: string;
}

export interface Author {
  readonly name: string;
  readonly email: string;
}

/** Makes commits theirs, whatever the settings of the machine say. */
export const authorEnvironment = ({ name, email }: Author) => ({
  GIT_AUTHOR_NAME: name,
  GIT_AUTHOR_EMAIL: email,
  GIT_COMMITTER_NAME: name,
  GIT_COMMITTER_EMAIL: email,
});

const LOCAL_MS = 2 * 60_000;
/** Limit of a command that talks to a remote. */
export const NETWORK_MS = 15 * 60_000;
const KILL_MS = 2_000;

/** Settings that win over those of every repo. */
const SAFE_SETTINGS = [
  'core.hooksPath=/dev/null',
  'core.fsmonitor=false',
  'core.untrackedCache=false',
  'protocol.ext.allow=never',
  'submodule.recurse=false',
  'safe.bareRepository=explicit',
  'gc.auto=0',
  // Relative ones would need an extension in the settings that are written anew each time.
  'worktree.useRelativePaths=false',
  'maintenance.auto=false',
  // As many as there are cores, where a checkout has many files.
  'checkout.workers=0',
  // A remote that says nothing for a minute is gone.
  'http.lowSpeedLimit=1',
  'http.lowSpeedTime=60',
  'advice.detachedHead=false',
  'commit.gpgSign=false',
];

/** What git needs to run as this user, and to be found if we are killed. */
const ENVIRONMENT = [
  LEASE_MARKER,
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'TMPDIR',
  'XDG_CONFIG_HOME',
  'GIT_CONFIG_GLOBAL',
  'GIT_CONFIG_SYSTEM',
];
/** What only a command that talks to a remote needs. */
const NETWORK_ENVIRONMENT = [
  'SSH_AUTH_SOCK',
  'GIT_SSH_COMMAND',
  'GIT_SSL_CAINFO',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  // Where credential helpers find the user's key ring.
  'XDG_RUNTIME_DIR',
  'DBUS_SESSION_BUS_ADDRESS',
  'ALL_PROXY',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'all_proxy',
  'http_proxy',
  'https_proxy',
  'no_proxy',
];

/** A path or `file:` address: a repo on this machine. */
export const isLocalRemote = (remote: string): boolean => /^(\/|\.|~|file:)/.test(remote);

/**
 * Runs git.
 *
 * @returns what it printed, without the last line end
 * @throws AachatError `GIT_FAILED` with a hint, `CANCELLED` when `signal` aborts
 */
export async function git(args: readonly string[], options: GitOptions): Promise<string> {
  const { gitDir, worktree, signal, remote, credential } = options;
  const cwd = worktree?.path ?? options.cwd;
  const timeoutMs = options.timeoutMs ?? (remote === undefined ? LOCAL_MS : NETWORK_MS);
  const settings = [
    ...SAFE_SETTINGS,
    ...(worktree !== undefined || args[0] === 'worktree' ? await noFilters() : []),
    `protocol.file.allow=${remote !== undefined && isLocalRemote(remote) ? 'always' : 'never'}`,
  ];
  // Right before it starts: whoever aborts from then on is heard.
  signal?.throwIfAborted();
  const argv = [
    ...settings.flatMap((setting) => ['-c', setting]),
    ...(gitDir === undefined ? [] : [`--git-dir=${gitDir}`]),
    ...args,
  ];
  const child = execa('git', argv, {
    ...(cwd === undefined ? {} : { cwd }),
    env: {
      ...environment(remote !== undefined),
      GIT_EDITOR: 'true',
      ...(worktree === undefined ? {} : placeOf(worktree)),
      ...options.env,
      ...(credential === undefined ? {} : secretSettings(credential)),
    },
    extendEnv: false,
    detached: true,
    reject: false,
    ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
    stripFinalNewline: true,
    maxBuffer: 64 * 1024 * 1024,
  });
  const end = (how: NodeJS.Signals) => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, how);
    } catch {
      // It ended by itself.
    }
  };
  let timedOut = false;
  let killing: NodeJS.Timeout | undefined;
  const stop = () => {
    end('SIGTERM');
    killing = setTimeout(end, KILL_MS, 'SIGKILL');
  };
  const timer = setTimeout(() => {
    timedOut = true;
    stop();
  }, timeoutMs);
  signal?.addEventListener('abort', stop, { once: true });
  const result = await child;
  clearTimeout(timer);
  // Later the group's number may belong to a stranger.
  if (killing !== undefined) end('SIGKILL');
  clearTimeout(killing);
  signal?.removeEventListener('abort', stop);
  if (result.exitCode === 0) return result.stdout;
  signal?.throwIfAborted();
  throw gitError(args, { code: result.code, stderr: result.stderr, timedOut, remote });
}

/** What stands uncommitted in a worktree. Untracked files count, ignored ones do not. */
export async function readStatus(worktree: Worktree): Promise<StatusResult> {
  const env = { ...environment(false), ...placeOf(worktree) };
  try {
    const filters = await noFilters();
    const reader = simpleGit({
      baseDir: worktree.path,
      timeout: { block: LOCAL_MS },
      config: ['core.hooksPath=/dev/null', 'core.fsmonitor=false', 'safe.bareRepository=explicit', ...filters],
      allowEnvironment: Object.keys(env),
      unsafe: {
        allowUnsafeHooksPath: true,
        allowUnsafeFsMonitor: true,
        allowUnsafeConfigPaths: true,
        allowUnsafeFilter: true,
      },
    }).env(env);
    return await reader.status(['--untracked-files=all', '--ignore-submodules=all']);
  } catch (cause) {
    throw gitError(['status'], {
      code: undefined,
      stderr: cause instanceof Error ? cause.message : '',
      timedOut: false,
      remote: undefined,
    });
  }
}

let filters: Promise<readonly string[]> | undefined;

/**
 * Settings that switch off the filters of the user's own configuration, such as git-lfs: a repo's attributes would
 * otherwise choose which of them runs, on which bytes. Files that such a filter keeps elsewhere stay pointers.
 */
function noFilters(): Promise<readonly string[]> {
  filters ??= (async () => {
    const pattern = '^filter\\..+\\.(clean|smudge|process|required)$';
    const options = { cwd: '/', env: environment(false), extendEnv: false, reject: false, stdin: 'ignore' } as const;
    const { stdout } = await execa('git', ['config', '--null', '--name-only', '--get-regexp', pattern], options);
    const names = [...new Set(stdout.split('\0'))].filter((name) => name !== '' && !name.includes('='));
    return names.map((name) => `${name}=${name.endsWith('.required') ? 'false' : ''}`);
  })();
  return filters;
}

const placeOf = ({ path, gitDir, commonDir }: Worktree): Record<string, string> => ({
  GIT_DIR: gitDir,
  GIT_COMMON_DIR: commonDir,
  GIT_WORK_TREE: path,
});

function environment(network: boolean): Record<string, string> {
  const names = network ? [...ENVIRONMENT, ...NETWORK_ENVIRONMENT] : ENVIRONMENT;
  // Git is started for the user, as their shell would start it: the one place besides main.ts that looks there.
  const inherited = names.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    ...Object.fromEntries(inherited),
    LC_ALL: 'C',
    GIT_TERMINAL_PROMPT: '0',
    GCM_INTERACTIVE: 'never',
    GIT_OPTIONAL_LOCKS: '0',
  };
}

/** Settings by environment: not in the arguments that everybody can list, not in a file. */
function secretSettings({ origin, header }: Credential): Record<string, string> {
  return {
    GIT_CONFIG_COUNT: '2',
    GIT_CONFIG_KEY_0: `http.${origin}/.extraHeader`,
    GIT_CONFIG_VALUE_0: header,
    // Without this a helper of the user would write the token to disk.
    GIT_CONFIG_KEY_1: 'credential.helper',
    GIT_CONFIG_VALUE_1: '',
  };
}

type Cause = readonly [pattern: RegExp, message: string, hint: string];

/** Git says what happened in sentences only; this is the one place that reads them. */
const CAUSES: readonly Cause[] = [
  [/not a git repository/i, 'it is no git repository', 'Run it inside a repository, or `git init` first.'],
  [/No space left on device/i, 'the disk is full', 'Free some space and try again.'],
  [
    /detected dubious ownership/i,
    'the repository belongs to another user of this machine',
    'If you trust it: `git config --global --add safe.directory <its folder>`.',
  ],
];
/** The same words mean something else where no remote is involved. */
const REMOTE_CAUSES: readonly Cause[] = [
  [
    /transport '.*' not allowed|'remote-.*' is not a git command|unable to find remote helper/i,
    'such an address is not allowed',
    'Give one like https://host/team/repo.git, git@host:team/repo.git or /path/to/repo.git.',
  ],
  [
    /Authentication failed|could not read (Username|Password)|Permission denied|error: 40[13]|access denied/i,
    'the remote asks for a login',
    'Check with `git ls-remote <address>` that your git can reach it without a question.',
  ],
  [
    /does not appear to be a git repository|repository .* (not found|does not exist)|Could not read from remote|Could not resolve host|unable to access|Connection (refused|timed out)|No such file or directory|unable to find remote/i,
    'the remote cannot be reached',
    'Check the address and the network, then try again.',
  ],
  [
    /cannot use bare repository|must be run in a work tree/i,
    'it has no work tree',
    'Run it in a folder with the files of the repository, not in a bare one or in `.git`.',
  ],
  [
    /dubious ownership/i,
    'it belongs to another user',
    'Work in a copy of your own, or allow it by `git config --global --add safe.directory <folder>`.',
  ],
  [
    /non-fast-forward|fetch first|\[rejected\]/i,
    'the remote has newer commits',
    'Fetch and merge them, then push again.',
  ],
];

function gitError(
  args: readonly string[],
  facts: { code: string | undefined; stderr: string; timedOut: boolean; remote: string | undefined },
): AachatError {
  const { code, stderr, timedOut, remote } = facts;
  const verb = `git ${args.find((arg) => !arg.startsWith('-')) ?? ''}`.trim();
  const at = remote === undefined ? '' : ` (${shownRemote(remote)})`;
  if (code === 'ENOENT') {
    return new AachatError('GIT_FAILED', 'git was not found.', { hint: 'Install git 2.36 or newer and try again.' });
  }
  if (timedOut) {
    return new AachatError('GIT_FAILED', `${verb}${at} took too long and was ended.`, {
      hint: 'Check the network and try again.',
    });
  }
  const causes = remote === undefined ? CAUSES : [...CAUSES, ...REMOTE_CAUSES];
  const cause = causes.find(([pattern]) => pattern.test(stderr));
  const words = stderr.trim().split('\n').slice(-3).join(' ').slice(0, 400);
  return new AachatError(
    'GIT_FAILED',
    `${verb}${at} failed: ${cause?.[1] ?? (words === '' ? 'no reason was given' : words)}.`,
    {
      hint: cause?.[2] ?? 'Run `aachat doctor` to see the state of the repositories.',
      cause: new Error(words),
    },
  );
}

/** Whether a push was refused because the remote moved on. */
export const isRemoteAhead = (thrown: unknown): boolean =>
  thrown instanceof AachatError &&
  thrown.code === 'GIT_FAILED' &&
  thrown.message.includes('the remote has newer commits');

/** An address without whatever somebody put before the host. */
const shownRemote = (remote: string): string => remote.replace(/^([a-z+]+:\/\/)[^/@]*@/, '$1');
