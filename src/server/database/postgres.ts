/** Opens PostgreSQL. Several server processes may share one database. */
import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import type { Log } from '#base/log.ts';
import { type Database, postgresEngine } from './engine.ts';
import type { Schema } from './schema.ts';

/** `bigint` arrives as text unless told otherwise; our numbers stay below 2^53. */
const BIGINT = 20;

const POOL_SIZE = 10;

export interface PostgresDatabase extends Database {
  readonly pool: pg.Pool;
}

export function openPostgres(databaseUrl: string, log: Log): PostgresDatabase {
  const types = {
    getTypeParser: (oid: number, format?: 'text' | 'binary') =>
      oid === BIGINT ? Number : pg.types.getTypeParser(oid, format),
  } as pg.CustomTypesConfig;
  const pool = new pg.Pool({ connectionString: databaseUrl, max: POOL_SIZE, types });
  // A connection that breaks while idle is replaced; without a listener it would end the process.
  pool.on('error', (error) => log.warn('database.connection_lost', { message: error.message }));
  const db = new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) });
  return { db, pool, engine: postgresEngine, [Symbol.asyncDispose]: () => db.destroy() };
}
