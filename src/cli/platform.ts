/**
 * Finds the platform, or starts the embedded one. On a fresh machine nothing else is needed: the first command starts
 * it in the background, makes the person, and says so in one line.
 */
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { AachatError, isAachatError } from '#base/errors.ts';
import { readIfExists } from '#base/fs.ts';
import { readPidFile, withFileLock } from '#base/pid-file.ts';
import { isRunning, type ProcessIdentity } from '#base/process.ts';
import { sleep } from '#base/time.ts';
import { serverAddress } from '#client/address.ts';
import { type Auth, createAuth } from '#client/auth.ts';
import { createHttpClient, type HttpClient } from '#client/http.ts';
import { Login, toBase } from '#contract/ids.ts';
import { ROUTES } from '#contract/routes.ts';
import { ServerFile } from '#contract/server-file.ts';
import type { Engine } from '#runtime/engine.ts';
import type { Home } from '#runtime/home.ts';
import { startInBackground } from './background.ts';
import type { Config } from './config.ts';
import type { Output } from './output.ts';

/** What finding and starting a platform needs of a command. */
export interface PlatformFacts {
  readonly home: Home;
  readonly config: Config;
  readonly env: NodeJS.ProcessEnv;
  readonly output: Output;
  readonly signal: AbortSignal;
  readonly engine: Engine;
}

export interface Connection {
  readonly url: URL;
  readonly http: HttpClient;
  /** Access token, refreshed when needed. */
  readonly token: (how?: 'renew') => Promise<string>;
  /** Ends the embedded platform if this command started it and nobody else uses it. */
  readonly release: () => Promise<void>;
}

export type LocalServer = ServerFile & ProcessIdentity;

/** The embedded platform of this home while it runs. */
export const findLocalServer = (home: Home): Promise<LocalServer | undefined> =>
  readPidFile(home.serverFile, ServerFile);

/** Flags of a platform that a command starts: without a socket or request for a minute it ends by itself. */
export const IDLE_FLAGS = ['--idle', '60'] as const;
/** Longer than a PostgreSQL may take to let the platform in. */
const START_MS = 40_000;
/** Less room for young objects: a little slower under load, and megabytes less for a platform that mostly waits. */
const SMALL = '--max-semi-space-size=1';

/**
 * Starts the embedded platform in the background and waits until it answers.
 *
 * @param flags of the hidden verb `server run`
 * @returns the running one; `started` is false if somebody else was quicker
 * @throws AachatError why it did not start, as the platform says it
 */
export async function startLocalServer(
  context: Pick<PlatformFacts, 'home' | 'engine' | 'env' | 'signal'>,
  flags: readonly string[],
): Promise<{ readonly server: LocalServer; readonly started: boolean }> {
  const { home, env, signal } = context;
  return await withFileLock(join(home.server, 'start'), async () => {
    const running = await findLocalServer(home);
    if (running !== undefined) return { server: running, started: false };
    const server = await startInBackground(
      {
        name: 'The embedded platform',
        command: [...context.engine.self, 'server', 'run', ...flags],
        env: { ...env, AACHAT_HOME: home.root, NODE_OPTIONS: `${env['NODE_OPTIONS'] ?? ''} ${SMALL}`.trim() },
        printed: join(home.server, 'start.log'),
        log: join(home.server, 'server.log'),
        limitMs: START_MS,
        ready: () => readyServer(home, signal),
      },
      signal,
    );
    return { server, started: true };
  });
}

/** It takes requests before it is ready and answers them then; one that cannot be made ready ends without an answer. */
async function readyServer(home: Home, signal: AbortSignal): Promise<LocalServer | undefined> {
  const server = await findLocalServer(home);
  if (server === undefined) return undefined;
  const http = createHttpClient({ baseUrl: new URL(server.url), token: async () => undefined });
  try {
    await http.call(ROUTES.getInfo, {}, signal);
    return server;
  } catch (thrown) {
    if (!isAachatError(thrown, 'SERVER_UNREACHABLE', 'TIMEOUT')) throw thrown;
    return undefined;
  }
}

/** Tokens of the embedded platform, which has another port after each start. */
const EMBEDDED = 'embedded';

/** @param address configured by the person; undefined: the embedded platform, at `local` */
export function personAuth(
  { home, env }: Pick<PlatformFacts, 'home' | 'env'>,
  address: string | undefined,
  local?: string,
): Auth {
  const baseUrl = address === undefined ? new URL(local ?? 'http://127.0.0.1') : serverAddress(address);
  const realm = address === undefined ? EMBEDDED : undefined;
  return createAuth({ baseUrl, realm, dir: home.tokens, fixedToken: env['AACHAT_TOKEN'] });
}

/** As the person: at the configured server, else at the embedded one, which is started if needed. */
export async function connectPlatform(context: PlatformFacts): Promise<Connection> {
  const { home, config, output, signal } = context;
  const configured = config.get('server')?.value;
  if (configured !== undefined) {
    return connection(serverAddress(configured), personAuth(context, configured), async () => {});
  }
  const running = await findLocalServer(home);
  const { server, started } =
    running === undefined ? await startLocalServer(context, IDLE_FLAGS) : { server: running, started: false };
  const url = new URL(server.url);
  if (started) output.note(`Started the embedded platform at ${url.origin} (data in ${home.server}).`);
  const auth = personAuth(context, undefined, server.url);
  if (!(await auth.isLoggedIn())) await firstLogin(context, auth, url);
  const release = async () => {
    if (started) await stopIfUnused(server, signal);
  };
  return connection(url, auth, release);
}

function connection(url: URL, auth: Auth, release: () => Promise<void>): Connection {
  const token = (how?: 'renew') => auth.accessToken(how);
  return { url, http: createHttpClient({ baseUrl: url, token }), token, release };
}

/** @throws AachatError `USAGE` if it cannot be the name of a person */
export function refuseNoLogin(text: string): void {
  if (Login.safeParse(text).success) return;
  throw new AachatError('USAGE', `"${text}" is no login: small letters, digits and \`-\`, at most 39 of them.`, {
    hint: `Take one such as ${toBase(text) || 'mia'}.`,
  });
}

/** The first command of a fresh home makes the person. Others that start at the same moment wait for it. */
async function firstLogin({ home, env, output, signal }: PlatformFacts, auth: Auth, url: URL): Promise<void> {
  await withFileLock(join(home.tokens, 'login'), async () => {
    if (await auth.isLoggedIn()) return;
    // A platform that somebody else has just started is found before it is ready; it answers when the code is there.
    await createHttpClient({ baseUrl: url, token: async () => undefined }).call(ROUTES.getInfo, {}, signal);
    const code = (await readIfExists(join(home.server, 'bootstrap')))?.trim();
    if (code === undefined) {
      throw new AachatError('UNAUTHORIZED', 'You are not logged in.', {
        hint: 'Run `aachat server invite <your login>` here, then `aachat auth login --code <code>`.',
      });
    }
    const user = await auth.login(code, toBase(env['AACHAT_LOGIN'] ?? nameOfUser()) || 'me');
    output.note(`You are ${user.login}, in your personal team ~${user.login}.`);
  });
}

/** The engine of the single executable asks the environment only, and says `unknown` where that is silent. */
function nameOfUser(): string {
  const { username } = userInfo();
  return username === 'unknown' ? '' : username;
}

async function stopIfUnused(server: LocalServer, signal: AbortSignal): Promise<void> {
  try {
    const http = createHttpClient({ baseUrl: new URL(server.url), token: async () => server.operatorToken });
    const { sockets } = await http.call(ROUTES.getServerStatus, {}, signal.aborted ? undefined : signal);
    if (sockets === 0) await endLocalServer(server);
  } catch (thrown) {
    // It ends by itself a minute later.
    if (!isAachatError(thrown)) throw thrown;
  }
}

const STOP_MS = 15_000;

/** Asks exactly this process to end, and waits until it has. @returns whether it ended */
export async function endLocalServer(server: ProcessIdentity): Promise<boolean> {
  if (!isRunning(server)) return true;
  process.kill(server.pid, 'SIGTERM');
  for (const end = Date.now() + STOP_MS; Date.now() < end; await sleep(20)) if (!isRunning(server)) return true;
  return false;
}
