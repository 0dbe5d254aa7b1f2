/** Where everything lies under the home of aachat on this machine. No IO: names only. */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { shortId } from '#contract/ids.ts';
import { OURS } from '#sync/names.ts';

export interface Home {
  readonly root: string;
  /** Documents that the person can read. */
  readonly docs: string;
  /** Visible worktree of each of my agents. */
  readonly agents: string;
  /** Remotes made by `agent create` and for teams without a repo. */
  readonly repos: string;
  /** Data of the embedded platform. */
  readonly server: string;
  /** Pid, start time, url and operator token of the embedded platform while it runs. */
  readonly serverFile: string;
  readonly state: string;
  readonly config: string;
  readonly machine: string;
  readonly envValues: string;
  /** Repos of projects that `init` connected. */
  readonly connectedRepos: string;
  /** Where the last `watch` ended. */
  readonly watchCursor: string;
  readonly run: string;
  readonly cache: string;
  readonly workspaces: string;
  readonly sessions: string;
  /** Index over all sessions; may be deleted. */
  readonly sessionIndex: string;
  readonly leases: string;
  readonly bin: string;
  readonly tokens: string;
  /** Held by the running `up`. */
  readonly upFile: string;
  readonly upLog: string;
  readonly controlSocket: string;
  session(sessionId: string): SessionHome;
  workspace(agent: string, sessionId: string): string;
}

/** Files of one session that outlive its processes. */
export interface SessionHome {
  readonly dir: string;
  readonly facts: string;
  readonly log: string;
  /** Config root of Claude Code: holds projected skills and nothing of the team's repo. */
  readonly claude: string;
  readonly envFile: string;
  readonly token: string;
  readonly temp: string;
}

/** Where documents lie, in a workspace as in a connected repo. */
export const DOCUMENTS = 'aachat/docs';
/** What the mirror there needs for itself. */
export const MIRROR_FOLDER = `${DOCUMENTS}/${OURS}`;

/** A socket path over this many bytes cannot be bound on every system. */
const SOCKET_PATH_LIMIT = 100;

/**
 * @param root value of `AACHAT_HOME`; undefined or empty: `~/aachat`
 * @param uid tells users apart where the socket must move to the shared temp folder
 */
export function openHome(root: string | undefined, uid = process.getuid?.() ?? 0): Home {
  const top = root === undefined || root === '' ? join(homedir(), 'aachat') : resolve(root);
  const at = (...parts: string[]) => join(top, ...parts);
  const socket = at('.run', 'up.sock');
  return {
    root: top,
    docs: at('docs'),
    agents: at('agents'),
    repos: at('repos'),
    server: at('server'),
    serverFile: at('server', 'server.json'),
    state: at('.state'),
    config: at('.state', 'config.json'),
    machine: at('.state', 'machine.json'),
    envValues: at('.state', 'env.toml'),
    connectedRepos: at('.state', 'workspaces.json'),
    watchCursor: at('.state', 'watch.json'),
    run: at('.run'),
    cache: at('.run', 'cache'),
    workspaces: at('.run', 'workspaces'),
    sessions: at('.run', 'sessions'),
    sessionIndex: at('.run', 'index', 'sessions.db'),
    leases: at('.run', 'leases'),
    bin: at('.run', 'bin'),
    tokens: at('.run', 'tokens'),
    upFile: at('.run', 'up.json'),
    upLog: at('.run', 'up.log'),
    controlSocket: Buffer.byteLength(socket) <= SOCKET_PATH_LIMIT ? socket : shortSocket(top, uid),
    session(sessionId) {
      const dir = at('.run', 'sessions', sessionId);
      return {
        dir,
        facts: join(dir, 'session.json'),
        log: join(dir, 'events.jsonl'),
        claude: join(dir, 'claude'),
        envFile: join(dir, 'env.sh'),
        token: join(dir, 'token'),
        temp: join(dir, 'tmp'),
      };
    },
    workspace: (agent, sessionId) => at('.run', 'workspaces', `${agent}--${shortId(sessionId)}`),
  };
}

/** Below the temp folder, in a folder that only this user may enter; named by the home so that two do not meet. */
function shortSocket(top: string, uid: number): string {
  let hash = 5381;
  for (const byte of Buffer.from(top)) hash = ((hash * 33) ^ byte) >>> 0;
  return join('/tmp', `aachat-${uid}`, `${hash.toString(36)}.sock`);
}
