/** What a command gets: the world it runs in, passed in. Nothing here reads `process`. */
import { access, constants, stat } from 'node:fs/promises';
import type { ReadStream, WriteStream } from 'node:tty';
import { AachatError, isSystemError } from '#base/errors.ts';
import { ensureDir, readIfExists } from '#base/fs.ts';
import { createHttpClient } from '#client/http.ts';
import type { User } from '#contract/entities.ts';
import { ROUTES } from '#contract/routes.ts';
import type { Engine } from '#runtime/engine.ts';
import { type Home, openHome } from '#runtime/home.ts';
import type { ConnectedRepo } from '#runtime/workspaces.ts';
import { type Config, openConfig } from './config.ts';
import { isInSession } from './in-session.ts';
import { createOutput, type Output } from './output.ts';
import type { Connection } from './platform.ts';

/** Facts of the process, read once by `main.ts`. */
export interface CommandFacts {
  readonly argv: readonly string[];
  /** Name that the program was started under: `aachat` or `chat`. */
  readonly name: string;
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  readonly stdin: NodeJS.ReadableStream & Partial<Pick<ReadStream, 'isTTY' | 'setRawMode'>>;
  readonly stdout: NodeJS.WritableStream & Partial<Pick<WriteStream, 'isTTY' | 'columns'>>;
  readonly stderr: NodeJS.WritableStream & Partial<Pick<WriteStream, 'isTTY'>>;
  /** Aborts at the first Ctrl+C, unless a command listens to interrupts itself. */
  readonly signal: AbortSignal;
  readonly onInterrupt: (listener: (signal: NodeJS.Signals) => void) => () => void;
  /** The same as Ctrl+C, for a terminal that reads its keys one by one. */
  readonly interrupt: () => void;
  readonly engine: Engine;
  readonly skillsDir: string;
  readonly version: string;
}

export interface CommandContext extends CommandFacts {
  readonly home: Home;
  readonly config: Config;
  readonly output: Output;
  /** Running inside a session: acts as its agent and may not control anything. */
  readonly inSession: boolean;
  /** The server, as whoever runs this: the agent in a session, else the person. Starts the embedded one if needed. */
  connect(): Promise<Connection>;
}

export interface OutputChoice {
  readonly json: boolean;
}

export async function createContext(facts: CommandFacts, { json }: OutputChoice): Promise<CommandContext> {
  const { env, cwd } = facts;
  const inSession = isInSession(env);
  const home = openHome(env['AACHAT_HOME']);
  const config = await openConfig(home.config, env, inSession ? undefined : await connectedRepo(home, cwd));
  let connection: Promise<Connection> | undefined;
  const context: CommandContext = {
    ...facts,
    home,
    config,
    output: createOutput({ stdout: facts.stdout, stderr: facts.stderr, json, env }),
    inSession,
    connect() {
      connection ??= inSession ? connectSession(env) : connectPerson(context);
      return connection;
    },
  };
  return context;
}

/** Loaded with the command, not with the grammar. */
async function connectedRepo(home: Home, cwd: string): Promise<ConnectedRepo | undefined> {
  const { findConnectedRepo } = await import('#runtime/workspaces.ts');
  return await findConnectedRepo(home, cwd);
}

/** The person who is logged in. @throws AachatError `FORBIDDEN` in a session */
export async function whoAmI({ http }: Connection, signal: AbortSignal): Promise<User> {
  const me = await http.call(ROUTES.getMe, {}, signal);
  if (me.kind === 'user') return me.user;
  throw new AachatError('FORBIDDEN', 'This is for a person, not for an agent.');
}

async function connectPerson(context: CommandContext): Promise<Connection> {
  await checkHome(context.home.root);
  const { connectPlatform } = await import('./platform.ts');
  return await connectPlatform(context);
}

/** Inside a session nothing but its own token is looked for. */
async function connectSession(env: NodeJS.ProcessEnv): Promise<Connection> {
  const { AA_TOKEN_FILE: path, AA_SERVER: server } = env;
  if (path === undefined || server === undefined) {
    throw new AachatError('UNAUTHORIZED', 'This looks like a session, but AA_TOKEN_FILE or AA_SERVER is not set.', {
      hint: 'Run the command as the session was started, without changing its environment.',
    });
  }
  const url = new URL(server);
  const token = async (): Promise<string> => {
    const text = (await readIfExists(path))?.trim();
    if (text) return text;
    throw new AachatError('UNAUTHORIZED', 'The session has no token any more.', { hint: 'The session has ended.' });
  };
  return { url, http: createHttpClient({ baseUrl: url, token }), token, release: async () => {} };
}

/** A home that cannot be used is said before anything half-made lies in it. */
async function checkHome(root: string): Promise<void> {
  try {
    await ensureDir(root);
    const { uid } = await stat(root);
    if (process.getuid !== undefined && uid !== process.getuid()) {
      throw new AachatError('FORBIDDEN', `${root} belongs to another user.`, {
        hint: 'Set AACHAT_HOME to a folder of yours.',
      });
    }
    await access(root, constants.W_OK);
  } catch (thrown) {
    if (!isSystemError(thrown, 'EACCES', 'EPERM', 'EROFS', 'EEXIST', 'ENOENT', 'ENOTDIR')) throw thrown;
    throw new AachatError('FORBIDDEN', `aachat cannot write into its home ${root}.`, {
      hint: 'Set AACHAT_HOME to a folder that you can write to.',
      cause: thrown,
    });
  }
}
