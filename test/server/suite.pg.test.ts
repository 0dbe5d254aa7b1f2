/** The promises of the platform, over a real PostgreSQL, and what only several processes on one database show. */
import { sql } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isAachatError } from '#base/errors.ts';
import { newId } from '#base/id.ts';
import { silentLog } from '#base/log.ts';
import { sleep } from '#base/time.ts';
import type { Run } from '#contract/entities.ts';
import { CLOSE } from '#contract/frames.ts';
import type { RunId } from '#contract/ids.ts';
import { ROUTES } from '#contract/routes.ts';
import { openPostgres } from '#server/database/postgres.ts';
import type { RunRow } from '#server/database/schema.ts';
import { createStore, type Tx } from '#server/database/store.ts';
import { finishRun, sweepLostRuns } from '#server/runs.ts';
import { movableClock } from '../support/clock.ts';
import { createProject, createTeam, liveSession, send, startTurn } from '../support/company.ts';
import { eventually } from '../support/eventually.ts';
import { type TestPostgres, testPostgres } from '../support/postgres.ts';
import { caller, testServer, testSocket } from '../support/server.ts';
import { serverSuite } from './suite/all.ts';
import { crew, eventsOf, subscribe } from './suite/fixture.ts';

let postgres: TestPostgres | undefined;
beforeAll(async () => {
  postgres = await testPostgres();
});
afterAll(() => postgres?.[Symbol.asyncDispose]());

const started = (): TestPostgres => {
  if (postgres === undefined) throw new Error('PostgreSQL is not there.');
  return postgres;
};
const database = (): Promise<string> => started().database();

serverSuite('postgres', async (options) => testServer({ ...options, databaseUrl: await started().migrated() }));

test('two servers on one database trust the same logins and carry each other’s events', async () => {
  const databaseUrl = await database();
  await using first = await testServer({ databaseUrl });
  await using second = await testServer({ databaseUrl });
  const alice = await first.login('alice');
  const there = caller(second.url, alice.token);
  const team = await createTeam(there, 'acme');
  const project = await createProject(alice, team, 'launch');
  await using socket = await testSocket(second.url, alice.token);
  await subscribe(socket, project.id, 0);
  const writers = [alice, there].flatMap((who) => [who, who]);
  await Promise.all(
    writers.map(async (who, writer) => {
      for (let n = 0; n < 20; n += 1) await send(who, project, `${writer}:${n}`);
    }),
  );
  const said = () => eventsOf(socket, project.id).filter(({ type }) => type === 'message.created');
  await eventually('the events of both arrive', () => said().length >= 80);
  const { messages } = await alice.call(ROUTES.listMessages, {
    params: { projectId: project.id },
    query: { after: 0, limit: 200 },
  });
  expect(said().map(({ seq }) => seq)).toEqual(messages.map(({ seq }) => seq));
});

test('a logout at one server closes the sockets of that login at the other', async () => {
  const databaseUrl = await database();
  await using first = await testServer({ databaseUrl });
  await using second = await testServer({ databaseUrl });
  const alice = await first.login('alice');
  const other = await first.login('alice');
  await using ended = await testSocket(second.url, alice.token);
  await using kept = await testSocket(second.url, other.token);
  await first.anonymous.call(ROUTES.logout, { body: { refreshToken: alice.refreshToken } });
  expect(await ended.closed).toMatchObject({ code: CLOSE.unauthorized });
  await subscribe(kept, alice.id);
});

test('a second server does not offer a bootstrap code once somebody is there', async () => {
  const databaseUrl = await database();
  await using first = await testServer({ databaseUrl });
  await first.login('alice');
  await using second = await testServer({ databaseUrl });
  expect(await second.anonymous.call(ROUTES.getInfo, {})).toMatchObject({ fresh: false });
});

test('a database that breaks off all connections costs a try, never the server or what was accepted', async () => {
  const databaseUrl = await database();
  await using server = await testServer({ databaseUrl });
  const alice = await server.login('alice');
  const project = await createProject(alice, await createTeam(alice, 'acme'), 'launch');
  const accepted: string[] = [];
  const refused = new Set<string>();
  const over = new AbortController();
  const writers = [0, 1, 2, 3].map(async (writer) => {
    for (let n = 0; !over.signal.aborted; n += 1) {
      const body = `${writer}:${n}`;
      await send(alice, project, body).then(
        () => accepted.push(body),
        (thrown: unknown) => refused.add(isAachatError(thrown) ? thrown.code : String(thrown)),
      );
    }
  });
  const admin = new pg.Client({ connectionString: databaseUrl });
  await admin.connect();
  for (let round = 0; round < 20 || refused.size === 0; round += 1) {
    // Waits until they are gone: one that is told to end later would end what comes after.
    await admin.query(
      'select pg_terminate_backend(pid, 60000) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
    );
    await sleep(30);
  }
  await admin.end();
  const before = accepted.length;
  await eventually('the server goes on', () => accepted.length > before + writers.length);
  over.abort();
  await Promise.all(writers);
  await send(alice, project, 'still there');
  const read = async (after: number): Promise<readonly { readonly seq: number; readonly body: string }[]> => {
    const page = await alice.call(ROUTES.listMessages, {
      params: { projectId: project.id },
      query: { after, limit: 200 },
    });
    return page.hasMore ? [...page.messages, ...(await read(page.messages.at(-1)?.seq ?? 0))] : page.messages;
  };
  const kept = new Set((await read(0)).map(({ body }) => body));
  expect(accepted.filter((body) => !kept.has(body))).toEqual([]);
  expect([...refused]).toEqual(['SERVER_UNREACHABLE']);
});

type Crew = Awaited<ReturnType<typeof crew>>;

describe('what comes while its run', () => {
  const heartbeat = async (it: Crew, { id }: Run) => {
    const { stale } = await it.alice.call(ROUTES.heartbeat, {
      params: { machineId: it.machine },
      body: { runs: [id] },
    });
    return stale.includes(id);
  };

  /** What becomes of a run if `end` is on its way when its machine says something. */
  async function during(aheadMs: number, end: (tx: Tx, run: RunRow) => Promise<unknown>, say = heartbeat) {
    const databaseUrl = await database();
    const { clock, advance } = movableClock();
    await using it = await crew(async (options) => testServer({ ...options, databaseUrl }), { clock });
    const { session, run } = await liveSession(it.server, it.alice, it.agent, it.team, it.machine);
    advance(aheadMs);
    await using other = await openPostgres(databaseUrl, silentLog);
    const [done, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const ending = createStore(other, clock, () => {}).transact(async (tx) => {
      await end(tx, await tx.q.selectFrom('runs').selectAll().where('id', '=', run.id).executeTakeFirstOrThrow());
      done.resolve();
      await goOn.promise;
    });
    await done.promise;
    const said = say(it, run);
    await eventually('it waits', async () => {
      const waits = sql`select pid from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;
      return (await waits.execute(other.db)).rows.length > 0;
    });
    goOn.resolve();
    await ending;
    const isStale = await said;
    const now = await it.alice.call(ROUTES.getSession, { params: { sessionId: session.id } });
    return { isStale, state: now.session.state, reason: now.session.run?.reason };
  }

  test('is taken for lost brings it back as a whole, if it is a heartbeat', async () => {
    expect(await during(121_000, sweepLostRuns)).toEqual({ isStale: false, state: 'running', reason: null });
  });

  test('is ended does not bring it back, if it is a heartbeat', async () => {
    const stopped = { isStale: true, state: 'stopped', reason: 'stopped' };
    expect(await during(30_000, (tx, run) => finishRun(tx, run, 'stopped'))).toEqual(stopped);
  });

  /** Under the lock that turns begin under, as every end that another machine or a person asks for. */
  const ended =
    (end: (tx: Tx, run: RunRow) => Promise<unknown>): typeof end =>
    async (tx, run) => {
      const session = tx.q.selectFrom('sessions').select('agent_id').where('id', '=', run.session_id);
      await tx.engine.lock(tx.q, 'agents', [(await session.executeTakeFirstOrThrow()).agent_id]);
      await end(tx, run);
    };
  const begin = async (it: Crew, run: Run) => {
    const thrown = await startTurn(it.alice, run, it.project, []).catch((error: unknown) => error);
    return isAachatError(thrown, 'STALE_RUN');
  };

  const takeOver = ended(async (tx, run) => {
    await finishRun(tx, run, 'superseded');
    await tx.q
      .insertInto('runs')
      .values({ ...run, id: newId<RunId>(), epoch: run.epoch + 1 })
      .execute();
  });

  test('is taken over begins no turn any more', async () => {
    expect(await during(0, takeOver, begin)).toMatchObject({ isStale: true });
  });

  test('is taken over leaves the session to the next one when it ends', async () => {
    const end = async (it: Crew, { id }: Run) => {
      await it.alice.call(ROUTES.endRun, { params: { runId: id }, body: { reason: 'stopped' } });
      return true;
    };
    expect(await during(0, takeOver, end)).toMatchObject({ state: 'running', reason: null });
  });

  test('is ended begins no turn any more', async () => {
    const end = ended((tx, run) => finishRun(tx, run, 'asked'));
    expect(await during(0, end, begin)).toMatchObject({ isStale: true });
  });

  test('is stopped by a person does not come up elsewhere', async () => {
    const stop = ended(async (tx, run) => {
      await finishRun(tx, run, 'asked');
      await tx.q.updateTable('sessions').set({ parked: 1 }).where('id', '=', run.session_id).execute();
    });
    const open = async (it: Crew, { sessionId }: Run) => {
      const body = { clientId: newId(), machineId: it.machine, owes: null };
      const thrown = await it.alice
        .call(ROUTES.openRun, { params: { sessionId }, body })
        .catch((error: unknown) => error);
      return isAachatError(thrown, 'CONFLICT');
    };
    expect(await during(0, stop, open)).toEqual({ isStale: true, state: 'stopped', reason: 'asked' });
  });
});
