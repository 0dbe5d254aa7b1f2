/** The embedded database where the disk is full. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { openSqlite } from '#server/database/sqlite.ts';
import { tempDir } from '../support/temp.ts';

/** Writes, and moves the log into the database, until the disk takes no more; then closes. */
const FILL = `
  import { sql } from 'kysely';
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
