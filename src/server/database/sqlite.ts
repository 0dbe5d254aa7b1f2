/**
 * Opens the embedded database. There is one handle per file and process: a second one would wait for the first with
 * the event loop stopped.
 */
import { chmodSync } from 'node:fs';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { CompiledQuery, type DatabaseConnection, Kysely, SqliteDialect, SqliteDriver } from 'kysely';
import { PRIVATE_FILE } from '#base/fs.ts';
import { type Database, sqliteEngine } from './engine.ts';
import { groupCommit } from './group-commit.ts';
import type { Schema } from './schema.ts';

/** @param path of the database file, made if there is none; its folder exists */
export function openSqlite(path: string): Database {
  const config = { database: async () => open(path) };
  const dialect = new (class extends SqliteDialect {
    override createDriver() {
      return new ImmediateDriver(config);
    }
  })(config);
  const db = new Kysely<Schema>({ dialect });
  return { db, engine: sqliteEngine, transact: groupCommit(db), [Symbol.asyncDispose]: () => db.destroy() };
}

/** A transaction that begins as a reader and writes later fails when another one wrote in between. */
class ImmediateDriver extends SqliteDriver {
  override async beginTransaction(connection: DatabaseConnection) {
    await connection.executeQuery(CompiledQuery.raw('begin immediate'));
  }
}

/** Texts of queries are few: their number does not depend on data. Past this many something is wrong, so start over. */
const KEPT_STATEMENTS = 500;

/** The log grows to 16 MB before it moves into the database: pages that changed often move once. */
const LOG_PAGES = 4000;

/** What was purged is in the log no longer than this. */
const EMPTY_MS = 60_000;

function open(path: string) {
  const database = new DatabaseSync(path, { timeout: 5000, enableForeignKeyConstraints: true });
  chmodSync(path, PRIVATE_FILE);
  database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = ${LOG_PAGES}`);
  const statements = new Map<string, ReturnType<typeof wrap>>();
  const emptyLog = () => {
    // In the middle of a transaction there is a next time.
    if (database.isTransaction) return;
    try {
      database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    } catch {
      // On a full disk too: the log has everything, and a query meets what stays wrong.
    }
  };
  const timer = setInterval(emptyLog, EMPTY_MS).unref();
  return {
    close() {
      clearInterval(timer);
      emptyLog();
      database.close();
    },
    prepare(sql: string) {
      const known = statements.get(sql);
      if (known !== undefined) return known;
      if (statements.size >= KEPT_STATEMENTS) statements.clear();
      const statement = wrap(database.prepare(sql));
      statements.set(sql, statement);
      return statement;
    },
  };
}

const wrap = (statement: StatementSync) => ({
  reader: statement.columns().length > 0,
  all: (parameters: readonly unknown[]) => statement.all(...bind(parameters)),
  run: (parameters: readonly unknown[]) => statement.run(...bind(parameters)),
  iterate: (parameters: readonly unknown[]) => statement.iterate(...bind(parameters)),
});

/** `node:sqlite` takes an object in first place for named parameters and then binds NULL. */
function bind(parameters: readonly unknown[]): SQLInputValue[] {
  for (const value of parameters) {
    const plain =
      value === null || ['string', 'number', 'bigint'].includes(typeof value) || value instanceof Uint8Array;
    if (!plain) throw new TypeError(`Not a SQLite value: ${typeof value}`);
  }
  return parameters as SQLInputValue[];
}
