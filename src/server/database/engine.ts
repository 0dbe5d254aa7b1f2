/** What the two engines do differently: everything else is one query for both. */
import { type CompiledQuery, type Expression, type Kysely, type RawBuilder, sql } from 'kysely';
import type { DocumentId } from '#contract/ids.ts';
import type { MessageRow, Queries, Schema } from './schema.ts';
import type { Transact } from './transact.ts';

export interface Engine {
  readonly name: 'sqlite' | 'postgres';
  readonly types: {
    readonly int: string;
    /** Follows a column of text in an index whose order is that of its characters. */
    readonly plain: string;
  };
  /** Part of the first migration: where the words of messages are indexed. */
  readonly searchStatements: readonly string[];
  /** Lets one process at a time migrate. */
  lockMigrations(tx: Queries): Promise<void>;
  /** Makes other transactions that lock the same row wait; `ids` in any order. */
  lock(
    tx: Queries,
    table: 'agents' | 'sessions' | 'teams' | 'projects' | 'documents' | 'runs',
    ids: readonly string[],
  ): Promise<void>;
  /** What inserts a message and indexes its words (see `base/words.ts`). */
  insertMessage(tx: Queries, row: MessageRow, words: readonly string[]): readonly CompiledQuery[];
  /** A condition on `messages`: holds every one of `words`, and one that begins with `prefix` (if there is one). */
  hasWords(words: readonly string[], prefix: string | undefined): RawBuilder<boolean>;
  /** A condition that an index can answer: the text in `column` begins with `prefix`. */
  hasPrefix(column: Expression<string | null>, prefix: string): RawBuilder<boolean>;
  /** Deletes texts of a document so that the bytes do not stay in the file. */
  erase(tx: Queries, document: DocumentId, digests: readonly string[]): Promise<void>;
  /** Two writers made the same row; the loser may look again. */
  isLostRace(thrown: unknown): boolean;
}

export interface Database extends AsyncDisposable {
  readonly db: Kysely<Schema>;
  readonly engine: Engine;
  readonly transact: Transact;
}

async function deleteTexts(tx: Queries, document: DocumentId, digests: readonly string[]): Promise<void> {
  await tx.deleteFrom('texts').where('document_id', '=', document).where('digest', 'in', digests).execute();
}

/** No text goes on with it. */
const LAST_CHARACTER = '\u{10ffff}';

export const sqliteEngine: Engine = {
  name: 'sqlite',
  types: { int: 'integer', plain: '' },
  // The words come separated by spaces and are already folded: the plainest tokenizer keeps them as they are.
  searchStatements: [
    `create virtual table message_words using fts5 (words, content = '', detail = none, tokenize = 'ascii')`,
  ],
  // `begin immediate` lets one writer in at a time, so there is nothing left to lock.
  lockMigrations: async () => {},
  lock: async () => {},
  insertMessage: (tx, row, words) => [
    tx.insertInto('messages').values(row).compile(),
    sql`insert into message_words (rowid, words)
      select rowid, ${words.join(' ')} from messages where id = ${row.id}`.compile(tx),
  ],
  hasWords(words, prefix) {
    const terms = words.map((word) => `"${word}"`);
    if (prefix !== undefined) terms.push(`"${prefix}"*`);
    return sql`messages.rowid in (select rowid from message_words where message_words match ${terms.join(' ')})`;
  },
  hasPrefix: (column, prefix) => sql`(${column} >= ${prefix} and ${column} < ${prefix + LAST_CHARACTER})`,
  async erase(tx, document, digests) {
    await sql`pragma secure_delete = on`.execute(tx);
    await deleteTexts(tx, document, digests);
    await sql`pragma secure_delete = off`.execute(tx);
  },
  isLostRace: (thrown) => thrown instanceof Error && /UNIQUE constraint failed/.test(thrown.message),
};

/** Unique violation, serialization failure, deadlock. */
const LOST_RACE_CODES = new Set(['23505', '40001', '40P01']);

/** Any number will do as long as nobody else on the database uses it. */
const MIGRATION_LOCK = 4_206_031_731;

export const postgresEngine: Engine = {
  name: 'postgres',
  types: { int: 'bigint', plain: 'collate "C"' },
  searchStatements: [
    `alter table messages add column words tsvector`,
    `create index messages_words on messages using gin (words)`,
  ],
  async lockMigrations(tx) {
    await sql`select pg_advisory_xact_lock(${MIGRATION_LOCK}::bigint)`.execute(tx);
  },
  async lock(tx, table, ids) {
    if (ids.length === 0) return;
    await sql`select id from ${sql.table(table)} where id = any(${[...ids]}::text[]) order by id for update`.execute(
      tx,
    );
  },
  insertMessage(tx, row, words) {
    const indexed = { ...row, words: sql`array_to_tsvector(${[...words]}::text[])` };
    return [tx.insertInto('messages').values(indexed).compile()];
  },
  hasWords(words, prefix) {
    // Words hold letters and digits only, so quoting is enough.
    const terms = words.map((word) => `'${word}'`);
    if (prefix !== undefined) terms.push(`'${prefix}':*`);
    return sql`messages.words @@ ${terms.join(' & ')}::tsquery`;
  },
  hasPrefix: (column, prefix) =>
    sql`(${column} collate "C" >= ${prefix} and ${column} collate "C" < ${prefix + LAST_CHARACTER})`,
  // What is deleted is overwritten by the next vacuum, which the database does by itself.
  erase: deleteTexts,
  isLostRace: (thrown) => thrown instanceof Error && 'code' in thrown && LOST_RACE_CODES.has(String(thrown.code)),
};
