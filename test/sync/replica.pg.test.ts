/** The replica over the real server on PostgreSQL behaves as the others. */
import { afterAll, beforeAll } from 'vitest';
import { type TestPostgres, testPostgres } from '../support/postgres.ts';
import { testServer } from '../support/server.ts';
import { replicaSuite, serverReplicas } from './replica-suite.ts';

let postgres: TestPostgres | undefined;
beforeAll(async () => {
  postgres = await testPostgres();
});
afterAll(() => postgres?.[Symbol.asyncDispose]());

replicaSuite('postgres', () =>
  serverReplicas(async (options) => {
    if (postgres === undefined) throw new Error('PostgreSQL is not there.');
    return testServer({ ...options, databaseUrl: await postgres.migrated() });
  }),
);
