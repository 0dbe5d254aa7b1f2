/** Opens PostgreSQL. Several server processes may share one database. */
import { hash } from 'node:crypto';
import {
  Kysely,
  type PostgresCursor,
  PostgresDialect,
  type PostgresPoolClient,
  type PostgresQueryResult,
} from 'kysely';
import pg from 'pg';
import { AachatError } from '#base/errors.ts';
import type { Log } from '#base/log.ts';
import { type Database, postgresEngine } from './engine.ts';
import { PacketSocket, pipelined } from './pipeline.ts';
import type { Schema } from './schema.ts';

/** `bigint` arrives as text unless told otherwise; our numbers stay below 2^53. */
const BIGINT = 20;

const POOL_SIZE = 10;
const CONNECT_MS = 30_000;

export interface PostgresDatabase extends Database {
  readonly pool: pg.Pool;
}

/**
 * @param databaseUrl `postgres://user:password@host:port/database`
 * @throws AachatError `VALIDATION_ERROR` if it is none, `SERVER_UNREACHABLE` if nothing there can be used
 */
export async function openPostgres(databaseUrl: string, log: Log): Promise<PostgresDatabase> {
  const address = URL.canParse(databaseUrl) ? new URL(databaseUrl) : undefined;
  if (address === undefined || !/^postgres(ql)?:$/.test(address.protocol)) {
    // Its text may hold a password.
    throw new AachatError('VALIDATION_ERROR', 'DATABASE_URL is no address of a PostgreSQL database.', {
      hint: 'It looks like postgres://user:password@host:5432/database.',
    });
  }
  const types = {
    getTypeParser: (oid: number, format?: 'text' | 'binary') =>
      oid === BIGINT ? Number : pg.types.getTypeParser(oid, format),
  } as pg.CustomTypesConfig;
  const config: pg.PoolConfig & { pipeline: boolean } = {
    connectionString: databaseUrl,
    max: POOL_SIZE,
    connectionTimeoutMillis: CONNECT_MS,
    types,
    // Statements that are issued together travel together, instead of waiting for each other's answer.
    pipeline: true,
    stream: () => new PacketSocket(),
  };
  const pool = new pg.Pool(config);
  // A connection that breaks while idle is replaced; without a listener it would end the process.
  pool.on('error', (error) => log.warn('database.connection_lost', { message: error.message }));
  // One that breaks while it is in use fails the query that it carries; the same goes for its own event.
  pool.on('connect', (client) => client.on('error', () => {}));
  try {
    (await pool.connect()).release();
  } catch (cause) {
    await pool.end();
    const why = cause instanceof AggregateError ? cause.errors.map(String).join('; ') : (cause as Error).message;
    throw new AachatError(
      'SERVER_UNREACHABLE',
      `PostgreSQL at ${address.host || 'localhost'} cannot be used: ${why}.`,
      {
        hint: 'Check DATABASE_URL, and that the database runs and lets this user in.',
        cause,
      },
    );
  }
  const connect = async (): Promise<PostgresPoolClient> => {
    try {
      return prepared(await pool.connect());
    } catch (thrown) {
      throw unreachable(thrown);
    }
  };
  const dialect = new PostgresDialect({ pool: { connect, end: () => pool.end(), options: pool.options } });
  const db = new Kysely<Schema>({ dialect });
  return { db, pool, engine: postgresEngine, transact: pipelined(connect), [Symbol.asyncDispose]: () => db.destroy() };
}

/** How a connection that ends shows: at the socket, by the server's word, or only in the driver's sentence. */
const LOST =
  /^(ECONN\w+|EPIPE|ETIMEDOUT|57P0[1-3]|08\w{3}|53300)$|Connection terminated|is not queryable|timeout exceeded when trying to connect/;

/** A database that goes away for a moment is no bug: who asked may ask again. */
function unreachable(thrown: unknown): unknown {
  const { code, message } = thrown as { readonly code?: unknown; readonly message?: unknown };
  if (!LOST.test(String(code)) && !LOST.test(String(message))) return thrown;
  return new AachatError('SERVER_UNREACHABLE', 'The database of the server cannot be reached at the moment.', {
    hint: 'Try again in a moment.',
    cause: thrown,
  });
}

/** Texts of queries are few, but some depend on the length of a list: those past this many are not kept. */
const KEPT_STATEMENTS = 500;

const wrapped = new WeakMap<pg.PoolClient, PostgresPoolClient>();

/** The same client, whose statements are parsed and planned once per connection. */
function prepared(client: pg.PoolClient): PostgresPoolClient {
  const known = wrapped.get(client);
  if (known !== undefined) return known;
  const names = new Map<string, { readonly name: string; ready: boolean }>();
  const nameFor = (text: string) => {
    const kept = names.get(text);
    // While it is being parsed a second one of the same name would clash.
    if (kept !== undefined) return kept.ready ? kept : undefined;
    if (names.size >= KEPT_STATEMENTS) return undefined;
    const fresh = { name: hash('sha1', text, 'base64url'), ready: false };
    names.set(text, fresh);
    return fresh;
  };
  const run = async (text: string, values: readonly unknown[]): Promise<unknown> => {
    const statement = nameFor(text);
    try {
      const result = await client.query({ text, values: [...values], ...(statement && { name: statement.name }) });
      if (statement !== undefined) statement.ready = true;
      return result;
    } catch (thrown) {
      if (statement !== undefined && !statement.ready) names.delete(text);
      throw unreachable(thrown);
    }
  };
  function query<R>(text: string, values: readonly unknown[]): Promise<PostgresQueryResult<R>>;
  function query<R>(cursor: PostgresCursor<R>): PostgresCursor<R>;
  function query(text: unknown, values: readonly unknown[] = []): unknown {
    if (typeof text !== 'string') throw new TypeError('Results are read as a whole here, not by cursor.');
    return run(text, values);
  }
  const wrapper: PostgresPoolClient = { query, release: (destroy) => client.release(destroy) };
  wrapped.set(client, wrapper);
  return wrapper;
}
