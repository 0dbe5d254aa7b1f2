/** Transactions whose statements travel together keep what transactions promise. */
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { silentLog } from '#base/log.ts';
import { openPostgres, type PostgresDatabase } from '#server/database/postgres.ts';
import type { Queries } from '#server/database/schema.ts';
import { type TestPostgres, testPostgres } from '../support/postgres.ts';

let postgres: TestPostgres | undefined;
let database: PostgresDatabase;
beforeAll(async () => {
  postgres = await testPostgres();
  database = await openPostgres(await postgres.database(), silentLog);
  await sql`create table t (n integer primary key)`.execute(database.db);
});
afterAll(async () => {
  await database[Symbol.asyncDispose]();
  await postgres?.[Symbol.asyncDispose]();
});

const insert = (q: Queries, n: number) => sql`insert into t values (${n})`.compile(q);
const numbers = async () => {
  const { rows } = await sql<{ n: number }>`select n from t order by n`.execute(database.db);
  return rows.map(({ n }) => n);
};

test('a failure anywhere undoes the whole, says its own cause, and leaves the connections usable', async () => {
  const { transact } = database;
  const work = (n: number, failure?: Error) =>
    transact(async (q) => {
      await q.executeQuery(insert(q, n));
      if (failure !== undefined) throw failure;
      return { result: n, last: [insert(q, n + 1), insert(q, n + 2)] };
    });
  expect(await work(1)).toBe(1);
  await expect(work(1)).rejects.toMatchObject({ code: '23505' });
  await expect(work(0)).rejects.toMatchObject({ code: '23505' });
  await expect(work(-1)).rejects.toMatchObject({ code: '23505' });
  await expect(work(10, new Error('no'))).rejects.toThrow('no');
  for (let n = 20; n < 80; n += 3) await work(n);
  expect(await numbers()).toEqual([1, 2, 3, ...Array.from({ length: 60 }, (_, n) => n + 20)]);
});

test('a statement whose failure nobody looked at keeps the transaction from being taken for done', async () => {
  const before = await numbers();
  const careless = database.transact(async (q) => {
    await q.executeQuery(insert(q, 100));
    await q.executeQuery(insert(q, 100)).catch(() => {});
    return { result: undefined, last: [] };
  });
  await expect(careless).rejects.toThrow();
  expect(await numbers()).toEqual(before);
});

test('a statement that comes after the end is refused', async () => {
  let kept: Queries | undefined;
  await database.transact(async (q) => {
    kept = q;
    return { result: undefined, last: [] };
  });
  await expect(kept?.selectFrom('users').selectAll().execute()).rejects.toThrow('over');
});
