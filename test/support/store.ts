/** A store on a database of its own, whose events are heard. */
import { join } from 'node:path';
import { migrate } from '#server/database/migrations.ts';
import { openSqlite } from '#server/database/sqlite.ts';
import { createStore } from '#server/database/store.ts';
import { createHub } from '#server/hub.ts';
import { tempDir } from './temp.ts';

export async function testStore() {
  const dir = await tempDir();
  const database = openSqlite(join(dir.path, 'test.db'));
  await migrate(database.db, database.engine);
  const hub = createHub();
  const store = createStore(database, Date.now, (all) => {
    for (const one of all) hub.publish(one);
  });
  return {
    hub,
    store,
    [Symbol.asyncDispose]: async () => {
      await database[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
}
