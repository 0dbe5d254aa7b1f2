/**
 * The platform: one HTTP server with the event socket on the same port, over SQLite in a folder or over PostgreSQL.
 * The only door into this floor.
 */
import { createServer, type RequestListener, type Server } from 'node:http';
import { join } from 'node:path';
import { getRequestListener } from '@hono/node-server';
import { AachatError, isSystemError } from '#base/errors.ts';
import { ensureDir, readIfExists, removeAll, writePrivate } from '#base/fs.ts';
import type { Log } from '#base/log.ts';
import { claimPidFile, type PidFile, readPidFile } from '#base/pid-file.ts';
import type { Clock } from '#base/time.ts';
import { ServerFile } from '#contract/server-file.ts';
import { PROTOCOL_VERSION } from '#contract/version.ts';
import { createLoginCode, isFresh } from './auth.ts';
import { migrate } from './database/migrations.ts';
import { openSqlite } from './database/sqlite.ts';
import { createStore, type Store } from './database/store.ts';
import { isLoopback } from './guards.ts';
import { createHandlers } from './handlers.ts';
import { createApp } from './http.ts';
import { createHub } from './hub.ts';
import { createIdleWatch } from './idle.ts';
import { createEventSocket } from './socket.ts';
import { digestOf, newSecret, newSigningKey, openTokens } from './tokens.ts';
import { startUpkeep } from './upkeep.ts';

export interface ServerOptions {
  /** Holds the SQLite file, the signing key, `server.json` and the bootstrap code. Made if there is none. */
  readonly dataDir: string;
  /** PostgreSQL instead of SQLite. */
  readonly databaseUrl?: string;
  /** Default 127.0.0.1: reachable from this machine only. */
  readonly host?: string;
  /** Default 0: any free one. */
  readonly port?: number;
  /** Ends by itself after this many milliseconds without a request or socket; absent: never. */
  readonly idleMs?: number;
  readonly log: Log;
  readonly clock?: Clock;
  readonly version: string;
}

export interface RunningServer extends AsyncDisposable {
  readonly url: string;
  /** Resolves when the server has ended, also by idleness. */
  readonly closed: Promise<void>;
}

/**
 * Starts the platform. It is ready when this returns; disposing it ends it.
 *
 * @throws AachatError `CONFLICT` if a server has the data already, or another program the port; `USAGE` for a host that
 *   is not this machine
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  await ensureDir(options.dataDir);
  const owned: (() => void | PromiseLike<void>)[] = [];
  try {
    return await open(options, owned);
  } catch (thrown) {
    await disposeAll(owned);
    throw thrown;
  }
}

/** @param owned takes what must be closed again, in the order of opening */
async function open(options: ServerOptions, owned: (() => void | PromiseLike<void>)[]): Promise<RunningServer> {
  const { dataDir, host = '127.0.0.1', port = 0, log, clock = Date.now, version } = options;
  const serverFile = join(dataDir, 'server.json');
  const other = await readPidFile(serverFile, ServerFile);
  if (other !== undefined) throw alreadyRuns(other);
  // Requests that come while the database is opened wait for it.
  const { promise: ready, resolve: serve } = Promise.withResolvers<RequestListener>();
  const http = createServer((request, response) => void ready.then((answer) => answer(request, response)));
  const boundPort = await listen(http, host, port);
  owned.push(() => closeHttp(http));
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${boundPort}`;
  const operatorToken = newSecret();
  const endsWhenIdle = options.idleMs !== undefined;
  const file = await claim(serverFile, { url, protocol: PROTOCOL_VERSION, version, operatorToken, endsWhenIdle });
  owned.push(() => file.release());

  const { databaseUrl } = options;
  const postgres = databaseUrl === undefined ? undefined : await (await loadPostgres()).openPostgres(databaseUrl, log);
  const database = postgres ?? openSqlite(join(dataDir, 'aachat.db'));
  owned.push(() => database[Symbol.asyncDispose]());
  await migrate(database.db, database.engine);
  const hub = createHub();
  let announce = hub.publish;
  const store = createStore(database, clock, (publications) => {
    for (const publication of publications) announce(publication);
  });
  if (postgres !== undefined) {
    const relay = (await loadPostgres()).startRelay({ pool: postgres.pool, store, hub, log });
    owned.push(() => relay[Symbol.asyncDispose]());
    announce = (publication) => {
      hub.publish(publication);
      relay.announce(publication);
    };
  }
  const tokens = await openTokens(await signingKey(store, dataDir), operatorToken, clock);
  const loopback = isLoopback(host);
  const bootstrap = join(dataDir, 'bootstrap');
  await offerBootstrap(store, bootstrap, loopback);
  const upkeep = startUpkeep(store, log);
  owned.push(() => upkeep[Symbol.asyncDispose]());

  const idle = createIdleWatch(options.idleMs);
  const socket = createEventSocket({ store, hub, tokens, loopback, clock, log, onCount: idle.sockets });
  // Nobody new comes in while those who are there are sent away.
  owned.push(async () => void (await Promise.all([closeHttp(http), socket.close()])));
  const app = createApp({
    handlers: createHandlers({
      tokens,
      loopback,
      version,
      clock,
      sockets: socket.count,
      onLoginEnd: socket.endLogin,
    }),
    store,
    tokens,
    loopback,
    clock,
    log,
    onLogin: () => removeAll(bootstrap),
  });
  const answer = getRequestListener(app.fetch);
  serve((request, response) => {
    response.once('close', idle.enter());
    void answer(request, response);
  });
  http.on('upgrade', (request, duplex, head) => socket.upgrade(request, duplex, head));
  log.info('server.started', { url, engine: database.engine.name });

  const { promise: closed, resolve } = Promise.withResolvers<void>();
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= disposeAll(owned).finally(() => {
      idle.end();
      log.info('server.stopped', { url });
      resolve();
    });
    return closing;
  };
  idle.start(() => {
    log.info('server.idle', { url });
    close().catch((error: unknown) => log.error('server.stop_failed', { error }));
  });
  return { url, closed, [Symbol.asyncDispose]: close };
}

/** The driver takes memory, and most servers need none. */
const loadPostgres = async () => ({ ...(await import('./database/postgres.ts')), ...(await import('./relay.ts')) });

/** Closes everything, the last opened first; what fails does not keep the rest open. */
async function disposeAll(owned: readonly (() => void | PromiseLike<void>)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const close of owned.toReversed()) {
    try {
      await close();
    } catch (thrown) {
      failures.push(thrown);
    }
  }
  if (failures.length > 0) throw failures[0];
}

async function claim(path: string, facts: ServerFile): Promise<PidFile> {
  const result = await claimPidFile(path, ServerFile, facts);
  if (result.claimed) return result.file;
  throw alreadyRuns(result.holder);
}

const alreadyRuns = ({ pid, url }: { pid: number; url: string }): AachatError =>
  new AachatError('CONFLICT', `A server with this data runs already: process ${pid} at ${url}.`, {
    hint: 'Run `aachat server status` to look at it, `aachat server stop` to end it.',
    details: { pid, url },
  });

/** @returns the port that was given */
async function listen(http: Server, host: string, port: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  http.once('error', reject);
  http.listen({ host, port, exclusive: true }, resolve);
  try {
    await promise;
  } catch (thrown) {
    if (isSystemError(thrown, 'EADDRNOTAVAIL', 'ENOTFOUND', 'EAI_AGAIN')) {
      throw new AachatError('USAGE', `"${host}" is no address of this machine (${thrown.code}).`, {
        hint: 'Choose one with `--host <address>`; 0.0.0.0 takes all of them.',
        cause: thrown,
      });
    }
    if (!isSystemError(thrown, 'EADDRINUSE', 'EACCES')) throw thrown;
    throw new AachatError('CONFLICT', `Cannot listen on ${host}:${port} (${thrown.code}).`, {
      hint: 'Choose another with `--port <number>`; 0 takes any free one.',
      cause: thrown,
    });
  }
  http.off('error', reject);
  const address = http.address();
  if (address === null || typeof address === 'string') throw new Error('The server has no port.');
  return address.port;
}

/** Lets requests end that have begun; connections that only wait are closed. */
async function closeHttp(http: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  http.close(() => resolve());
  http.closeIdleConnections();
  const limit = setTimeout(() => http.closeAllConnections(), 5_000);
  await promise;
  clearTimeout(limit);
}

/** On PostgreSQL several processes check each other's tokens, so there the key is in the database. */
async function signingKey(store: Store, dataDir: string): Promise<string> {
  const path = join(dataDir, 'signing-key.json');
  const kept = store.engine.name === 'sqlite' ? await readIfExists(path) : undefined;
  if (kept !== undefined) return kept;
  const fresh = await newSigningKey();
  if (store.engine.name === 'sqlite') {
    await writePrivate(path, fresh);
    return fresh;
  }
  return store.transact(async ({ q }) => {
    await q
      .insertInto('settings')
      .values({ name: 'signing-key', value: fresh })
      .onConflict((on) => on.column('name').doNothing())
      .execute();
    const row = await q.selectFrom('settings').select('value').where('name', '=', 'signing-key').executeTakeFirst();
    return row?.value ?? fresh;
  });
}

/** Who can read the file of this user on this machine may be the first person. */
async function offerBootstrap(store: Store, path: string, loopback: boolean): Promise<void> {
  const former = (await readIfExists(path))?.trim() ?? '';
  const code = await store.transact(async (tx) => {
    // Only the own one: another process on the same database has offered its own.
    await tx.q.deleteFrom('login_codes').where('hash', '=', digestOf(former)).execute();
    return loopback && (await isFresh(tx)) ? (await createLoginCode(tx, 'bootstrap', null)).code : undefined;
  });
  if (code === undefined) await removeAll(path);
  else await writePrivate(path, `${code}\n`);
}
