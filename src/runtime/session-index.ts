/**
 * The index over all sessions of this machine: a row for each, and the words of their logs. It holds nothing that does
 * not follow from the logs, so it may be deleted at any time. The rules are in `SPEC.md`.
 */
import { chmodSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { ensureDir, PRIVATE_FILE, removeAll } from '#base/fs.ts';
import type { SessionId } from '#contract/ids.ts';
import { LOG_START, type LogPosition } from './log-lines.ts';
import { HISTORY, type SessionHistory } from './session-history.ts';

/** Raised with every change of what is written here, and of `SessionHistory`: an index of another version is made anew. */
const INDEX_VERSION = 3;

const TABLES = `
  create table sessions (
    number integer primary key, id text not null unique, short text not null, agent text, state text not null,
    parent_id text, forked_from_id text, updated_at text not null, bytes integer not null, seq integer not null,
    seal text not null, history text not null);
  create index sessions_short on sessions (short);
  create index sessions_state on sessions (state, updated_at);
  create index sessions_parent on sessions (parent_id) where parent_id is not null;
  create index sessions_forked on sessions (forked_from_id) where forked_from_id is not null;
  create table lines (
    id integer primary key, session integer not null, seq integer not null, start integer not null,
    length integer not null);
  create index lines_session on lines (session);
  -- The texts themselves stay in the logs.
  create virtual table line_words using fts5 (
    words, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii');
  pragma user_version = ${INDEX_VERSION};`;

export interface IndexedSession {
  readonly id: SessionId;
  readonly history: SessionHistory;
  /** How far its log is in the index, and the last bytes before that. */
  readonly position: LogPosition;
  readonly seal: string;
}

export interface IndexedLine {
  readonly seq: number;
  readonly at: string;
  /** Where it lies in the log, in bytes, and how long it is. */
  readonly start: number;
  readonly length: number;
  readonly words: readonly string[];
}

export interface FoundLine {
  readonly sessionId: SessionId;
  readonly seq: number;
  readonly start: number;
  readonly length: number;
}

export interface Relative {
  readonly id: SessionId;
  readonly agent: string | null;
  readonly name: string | null;
  /** By its log: one that was killed had no time to say that it ended. */
  readonly state: 'running' | 'stopped';
  /** How it came from the one above it. */
  readonly how: 'spawned' | 'forked' | null;
  /** Generations from the one that was asked about: -1 is its origin, 1 came from it. */
  readonly level: number;
}

export interface SessionIndex extends Disposable {
  get(id: SessionId): IndexedSession | undefined;
  ids(): readonly SessionId[];
  /**
   * Everything at once, or nothing.
   *
   * @param after how far its log must be in the index by now
   * @returns false if it is not: another one was at work on it
   */
  put(session: IndexedSession, lines: readonly IndexedLine[], after: LogPosition): boolean;
  remove(id: SessionId): void;
  /** Lines with all of `words`, and one that begins with `prefix`; newest first, over all sessions or those of one. */
  find(query: {
    readonly words: readonly string[];
    readonly prefix: string | undefined;
    readonly session?: SessionId | undefined;
    readonly limit: number;
    readonly offset: number;
  }): readonly FoundLine[];
  /** Where a session comes from and what came from it, up to ten generations each; the oldest first, without itself. */
  family(id: SessionId): readonly Relative[];
  /** Those that have a name. */
  named(): readonly { readonly id: SessionId; readonly agent: string | null; readonly name: string }[];
  byShortId(short: string): readonly SessionId[];
  /** The sessions in a state, newest first. */
  inState(state: 'running' | 'stopped', limit: number): readonly SessionId[];
}

/** Opens the index, or an empty one in place of one that cannot be used. */
export async function openSessionIndex(path: string): Promise<SessionIndex> {
  await ensureDir(dirname(path));
  const found = tryOpen(path);
  if (found !== undefined) return indexOf(found);
  await removeSessionIndex(path);
  const made = tryOpen(path);
  if (made === undefined) throw new Error(`No index can be made at ${path}.`);
  return indexOf(made);
}

export async function removeSessionIndex(path: string): Promise<void> {
  await Promise.all(['', '-wal', '-shm'].map((end) => removeAll(`${path}${end}`)));
}

const NOT_A_DATABASE = [11, 26];

/** Whether SQLite says that the file is damaged, or none of its. */
export const isDamagedIndex = (thrown: unknown): boolean =>
  thrown instanceof Error && 'errcode' in thrown && NOT_A_DATABASE.includes(Number(thrown.errcode) & 0xff);

/** @returns undefined for a file that is of another version, damaged, or no database */
function tryOpen(path: string): DatabaseSync | undefined {
  const db = new DatabaseSync(path, { timeout: 5_000 });
  try {
    chmodSync(path, PRIVATE_FILE);
    // What a power loss takes comes back from the logs.
    db.exec('pragma journal_mode = wal; pragma synchronous = normal');
    const version = db.prepare('pragma user_version').get()?.['user_version'];
    if (version === 0) db.exec(`begin immediate; ${TABLES} commit`);
    else if (version !== INDEX_VERSION) {
      db.close();
      return undefined;
    }
    return db;
  } catch (thrown) {
    db.close();
    if (isDamagedIndex(thrown)) return undefined;
    throw thrown;
  }
}

type Row = Readonly<Record<string, SQLInputValue>>;

const FAMILY_LEVELS = 10;
const FAMILY_LIMIT = 200;

function indexOf(db: DatabaseSync): SessionIndex {
  const prepared = new Map<string, StatementSync>();
  const statement = (sql: string) => {
    const known = prepared.get(sql) ?? db.prepare(sql);
    prepared.set(sql, known);
    return known;
  };
  const all = (sql: string, ...values: SQLInputValue[]) => statement(sql).all(...values) as unknown as readonly Row[];
  /** @returns how many rows changed */
  const run = (sql: string, ...values: SQLInputValue[]): number => {
    const running = statement(sql);
    // What the index of words has inside has larger numbers than ours, and comes out as the last row.
    running.setReadBigInts(true);
    return Number(running.run(...values).changes);
  };
  const atOnce = (work: () => void) => {
    db.exec('begin immediate');
    try {
      work();
      db.exec('commit');
    } catch (thrown) {
      if (db.isTransaction) db.exec('rollback');
      throw thrown;
    }
  };

  function write(session: IndexedSession): number {
    const { id, history, position, seal } = session;
    const { about, run: last, lastAt } = history;
    const state = last !== null && last.endedAt === null ? 'running' : 'stopped';
    run(
      `insert into sessions (id, short, agent, state, parent_id, forked_from_id, updated_at, bytes, seq, seal, history)
        values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        on conflict (id) do update set agent = excluded.agent, state = excluded.state, parent_id = excluded.parent_id,
          forked_from_id = excluded.forked_from_id, updated_at = excluded.updated_at, bytes = excluded.bytes,
          seq = excluded.seq, seal = excluded.seal, history = excluded.history`,
      ...[id, id.slice(-8), about?.agent ?? null, state, about?.parentId ?? null, about?.forkedFromId ?? null],
      ...[lastAt ?? '', position.bytes, position.seq, seal, JSON.stringify(history)],
    );
    return Number(all('select number from sessions where id = ?', id)[0]?.['number']);
  }

  function add(number: number, { seq, at, start, length, words }: IndexedLine): void {
    // Ids are times, so that the newest line of all sessions is the one with the highest.
    let id = (Date.parse(at) || 0) * 1_000 + (seq % 1_000);
    while (run('insert or ignore into lines values (?, ?, ?, ?, ?)', id, number, seq, start, length) === 0) id += 1;
    run('insert into line_words (rowid, words) values (?, ?)', id, words.join(' '));
  }

  return {
    get(id) {
      const [row] = all('select bytes, seq, seal, history from sessions where id = ?', id);
      if (row === undefined) return undefined;
      const position = { bytes: Number(row['bytes']), seq: Number(row['seq']) };
      return { id, position, seal: String(row['seal']), history: JSON.parse(String(row['history'])) };
    },
    ids: () => all('select id from sessions').map(({ id }) => id as SessionId),
    put(session, lines, after) {
      let isNext = false;
      atOnce(() => {
        const [row] = all('select bytes from sessions where id = ?', session.id);
        isNext = Number(row?.['bytes'] ?? 0) === after.bytes;
        if (!isNext) return;
        const number = write(session);
        for (const line of lines) add(number, line);
      });
      return isNext;
    },
    remove(id) {
      atOnce(() => {
        const of = 'from lines where session = (select number from sessions where id = ?)';
        run(`delete from line_words where rowid in (select id ${of})`, id);
        run(`delete ${of}`, id);
        run('delete from sessions where id = ?', id);
      });
    },
    find({ words, prefix, session, limit, offset }) {
      const terms = [...words.map((word) => `"${word}"`), ...(prefix === undefined ? [] : [`"${prefix}"*`])].join(' ');
      return all(
        `select sessions.id as sessionId, lines.seq, lines.start, lines.length from line_words
          join lines on lines.id = line_words.rowid join sessions on sessions.number = lines.session
          where line_words match ? ${session === undefined ? '' : 'and sessions.id = ?'}
          order by line_words.rowid desc limit ? offset ?`,
        ...[terms, ...(session === undefined ? [] : [session]), limit, offset],
      ) as never;
    },
    family(id) {
      const rows = all(
        `with recursive
          up (id, level) as (
            select ?1, 0
            union all
            select coalesce(sessions.parent_id, sessions.forked_from_id), level - 1 from up
              join sessions on sessions.id = up.id
              where level > -${FAMILY_LEVELS} and coalesce(sessions.parent_id, sessions.forked_from_id) is not null),
          down (id, level) as (
            select ?1, 0
            union all
            select sessions.id, level + 1 from down
              join sessions on sessions.parent_id = down.id or sessions.forked_from_id = down.id
              where level < ${FAMILY_LEVELS} limit ${FAMILY_LIMIT})
        select family.id, min(family.level) as level, sessions.agent, sessions.state, sessions.parent_id as parent,
            sessions.forked_from_id as forked, sessions.history ->> '$.about.name' as name
          from (select * from up union all select * from down) as family left join sessions on sessions.id = family.id
          where family.id <> ?1 group by family.id order by level, family.id`,
        id,
      );
      return rows.map(({ id: relative, level, agent, state, parent, forked, name }) => ({
        id: relative as SessionId,
        agent: agent as string | null,
        name: name as string | null,
        state: state === 'running' ? 'running' : 'stopped',
        how: parent != null ? 'spawned' : forked != null ? 'forked' : null,
        level: Number(level),
      }));
    },
    named: () =>
      all(`select id, agent, history ->> '$.about.name' as name from sessions where name is not null`) as never,
    byShortId: (short) => all('select id from sessions where short = ?', short).map(({ id }) => id as SessionId),
    inState: (state, limit) =>
      all('select id from sessions where state = ? order by updated_at desc limit ?', state, limit).map(
        ({ id }) => id as SessionId,
      ),
    [Symbol.dispose]: () => db.close(),
  };
}

/** A session of which nothing is in the index yet. */
export const unindexed = (id: SessionId): IndexedSession => ({
  id,
  history: HISTORY.initial,
  position: LOG_START,
  seal: '',
});
