/** The embedded database where the disk is full, and where it comes from an older program. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { Counters } from '#contract/entities.ts';
import { migrate } from '#server/database/migrations.ts';
import { openSqlite } from '#server/database/sqlite.ts';
import { tempDir } from '../support/temp.ts';

/** Writes, and moves the log into the database, until the disk takes no more; then closes. */
const FILL = `
  import { sql } from 'kysely';
  import { Counters } from '#contract/entities.ts';
import { migrate } from '#server/database/migrations.ts';
import { openSqlite } from '#server/database/sqlite.ts';
  const database = openSqlite(process.argv[1]);
  await sql\`create table notes (text text)\`.execute(database.db);
  let written = 0;
  try {
    for (;;) {
      await sql\`insert into notes values (\${'x'.repeat(20_000)})\`.execute(database.db);
      written += 1;
      if (written % 5 === 0) await sql\`pragma wal_checkpoint(truncate)\`.execute(database.db);
    }
  } catch {
    await database[Symbol.asyncDispose]();
    console.log(written);
  }`;

// The limit of a file's size stands in for the disk: the system refuses what goes beyond it.
test('closes on a full disk, and has everything that was acknowledged', async () => {
  await using dir = await tempDir();
  const path = join(dir.path, 'test.db');
  const limited = 'trap "" XFSZ; ulimit -f 256; exec "$0" --input-type=module -e "$1" "$2"';
  const { stdout } = await promisify(execFile)('bash', ['-c', limited, process.execPath, FILL, path]);
  await using database = openSqlite(path);
  const { count } = await database.db
    .selectFrom('notes' as never)
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow();
  expect(count).toBe(Number(stdout));
});

test('the counters of older turns are read on', async () => {
  await using dir = await tempDir();
  await using database = openSqlite(join(dir.path, 'test.db'));
  const { db, engine } = database;
  await migrate(db, engine);
  await sql`delete from migrations where name = '0006-cache-counters'`.execute(db);
  await sql`pragma foreign_keys = off`.execute(db);
  const old = JSON.stringify({ inputTokens: 1, outputTokens: 2, cachedTokens: 4, costMicros: 5 });
  await sql`insert into turns values ('t', 's', 'r', 'p', 0, 'ended', null, ${old}, 0, 0, 0, 'then', null)`.execute(db);
  await migrate(db, engine);
  const { counters } = await db.selectFrom('turns').select('counters').executeTakeFirstOrThrow();
  const split = { inputTokens: 1, outputTokens: 2, cacheReadTokens: 4, cacheWriteTokens: 0, costMicros: 5 };
  expect(Counters.parse(JSON.parse(counters ?? ''))).toEqual(split);
});
