/** Transactions that share a commit keep their own fate. */
import { join } from 'node:path';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { groupCommit } from '#server/database/group-commit.ts';
import { openSqlite } from '#server/database/sqlite.ts';
import { tempDir } from '../support/temp.ts';

test('one that fails leaves no trace, and those before and after it in the group are kept', async () => {
  await using dir = await tempDir();
  await using database = openSqlite(join(dir.path, 'test.db'));
  const { db } = database;
  await sql`create table t (n integer primary key)`.execute(db);
  await sql`create table later (n integer check (n <> 5))`.execute(db);
  const transact = groupCommit(db);
  const add = (n: number, fails = false) =>
    transact(async (q) => {
      await sql`insert into t values (${n})`.execute(q);
      if (fails) throw new Error(`no ${n}`);
      return { result: n, last: [sql`insert into later values (${n})`.compile(q)] };
    });
  const outcomes = await Promise.allSettled([add(1), add(2, true), add(3), add(3), add(4), add(5), add(6)]);
  expect(outcomes.map(({ status }) => status)).toEqual([
    'fulfilled',
    'rejected',
    'fulfilled',
    'rejected',
    'fulfilled',
    'rejected',
    'fulfilled',
  ]);
  const { rows } = await sql<{ n: number }>`select n from t order by n`.execute(db);
  expect(rows.map(({ n }) => n)).toEqual([1, 3, 4, 6]);
});

test('a hundred at once all happen', async () => {
  await using dir = await tempDir();
  await using database = openSqlite(join(dir.path, 'test.db'));
  const { db } = database;
  await sql`create table t (n integer not null)`.execute(db);
  await sql`insert into t values (0)`.execute(db);
  const transact = groupCommit(db);
  const seen = await Promise.all(
    Array.from({ length: 100 }, () =>
      transact(async (q) => {
        const { rows } = await sql<{ n: number }>`update t set n = n + 1 returning n`.execute(q);
        return { result: rows[0]?.n ?? 0, last: [] };
      }),
    ),
  );
  expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, n) => n + 1));
});
