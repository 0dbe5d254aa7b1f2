/** Sessions at the platform, on both engines: what their owner asks for among a million of them, without HTTP. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { sql } from 'kysely';
import pg from 'pg';
import { silentLog } from '#base/log.ts';
import type { SessionId, UserId } from '#contract/ids.ts';
import type { Route } from '#contract/route.ts';
import type { ROUTES } from '#contract/routes.ts';
import type { Database } from '#server/database/engine.ts';
import { openPostgres } from '#server/database/postgres.ts';
import { openSqlite } from '#server/database/sqlite.ts';
import { createStore } from '#server/database/store.ts';
import type { Call } from '#server/request.ts';
import { getFamily } from '#server/session-tree.ts';
import { createSession, listSessions } from '#server/sessions.ts';
import { createAgent, createTeam, dmOf } from '../support/company.ts';
import { testPostgres } from '../support/postgres.ts';
import { clientId, type TestServer, testServer } from '../support/server.ts';
import { interleave, type Row, times } from './measure.ts';

/** What the two databases are asked without the platform. */
interface Bare extends AsyncDisposable {
  run(text: string): Promise<readonly Record<string, unknown>[]>;
  /** Numbers from 1 on as a table `numbers (n)`. */
  readonly numbers: (count: number) => string;
  readonly hex: (n: string, digits: number) => string;
  /** What the database does by itself sooner or later. */
  settle(): Promise<unknown>;
  /** So many seconds after a moment, as text. */
  readonly time: (seconds: string) => string;
  readonly field: (column: string, name: string) => string;
}

export async function platform(rounds: number, quick: boolean): Promise<readonly Row[]> {
  const count = quick ? 20_000 : 1_000_000;
  await using sqlite = await testServer();
  const path = join(sqlite.dataDir, 'aachat.db');
  const rows = [...(await onEngine('sqlite', sqlite, bareSqlite(path), openSqlite(path), count, rounds))];
  await using cluster = await testPostgres([]);
  const databaseUrl = await cluster.database();
  await using postgres = await testServer({ databaseUrl });
  rows.push(
    ...(await onEngine(
      'postgres',
      postgres,
      await barePostgres(databaseUrl),
      await openPostgres(databaseUrl, silentLog),
      count,
      rounds,
    )),
  );
  return rows;
}

function bareSqlite(path: string): Bare {
  const db = new DatabaseSync(path, { timeout: 60_000 });
  return {
    run: async (text) => db.prepare(text).all(),
    settle: async () => {},
    numbers: (count) =>
      `with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < ${count})`,
    hex: (n, digits) => `printf('%0${digits}x', ${n})`,
    time: (seconds) => `strftime('%Y-%m-%dT%H:%M:%fZ', 1700000000 + ${seconds}, 'unixepoch')`,
    field: (column, name) => `${column} ->> '$.${name}'`,
    [Symbol.asyncDispose]: async () => db.close(),
  };
}

async function barePostgres(connectionString: string): Promise<Bare> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  return {
    run: async (text) => (await client.query(text)).rows,
    async settle() {
      await client.query('vacuum analyze');
      await client.query('checkpoint');
    },
    numbers: (count) => `with numbers (n) as (select generate_series(1, ${count}))`,
    hex: (n, digits) => `lpad(to_hex(${n}), ${digits}, '0')`,
    time: (seconds) =>
      `to_char(to_timestamp(1700000000 + ${seconds}) at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`,
    field: (column, name) => `${column}::json ->> '${name}'`,
    [Symbol.asyncDispose]: () => client.end(),
  };
}

const AT = `'2026-01-01T00:00:00.000Z'`;
const COUNTERS = `'{"inputTokens":10,"outputTokens":5,"cacheReadTokens":100,"cacheWriteTokens":20,"costMicros":3000}'`;
/** All of one person, so that they see all sessions. Prime: none has the running ones to itself. */
const AGENTS = 997;
const HEAD = '01900000-0000-7000-8000-';
const idOf = (n: number) => `${HEAD}${n.toString(16).padStart(12, '0')}` as SessionId;

async function onEngine(
  engine: string,
  server: TestServer,
  bare: Bare,
  database: Database,
  count: number,
  rounds: number,
): Promise<readonly Row[]> {
  await using db = bare;
  await using _ = database;
  const mia = await server.login('mia');
  const team = await createTeam(mia, 'acme');
  const agent = await createAgent(mia, 'ada');
  const dm = await dmOf(mia, agent);
  const id = (n: string) => `'${HEAD}' || ${db.hex(n, 12)}`;
  await db.run(`${db.numbers(AGENTS - 1)}
    insert into agents (id, base, name, owner_id, created_at)
    select 'agent-' || n, 'agent-' || n, 'agent-' || n || '.mia', '${mia.id}', ${AT} from numbers`);
  // Each is the parent of the next, ten in a row; every thousandth runs, and has a name, as every tenth has.
  await db.run(`${db.numbers(count)}
    insert into sessions (id, agent_id, team_id, name, state, coverage_mode, parent_id, created_at, updated_at)
    select ${id('n')}, case n % ${AGENTS} when 0 then '${agent.id}' else 'agent-' || (n % ${AGENTS}) end, '${team.id}', case n % 10 when 0 then 'task-' || n end,
      case n % 1000 when 0 then 'running' else 'stopped' end, 'explicit',
      case n % 10 when 1 then null else ${id('n - 1')} end, ${db.time('n')}, ${db.time('n')} from numbers`);
  await db.run(`insert into machines (id, user_id, name, heartbeat_at) values ('m', '${mia.id}', 'm', ${AT})`);
  await db.run(`insert into runs (id, session_id, machine_id, machine, epoch, started_at, heartbeat_at, ended_at, reason)
    values ('r', '${idOf(1)}', 'm', 'm', 1, ${AT}, ${AT}, ${AT}, 'stopped')`);
  await db.run(`${db.numbers(count)}
    insert into turns (id, session_id, run_id, project_id, hop, state, counters, from_seq, to_seq, fresh, started_at)
    select ${id('n')}, ${id('n')}, 'r', '${dm.id}', 1, 'ended', ${COUNTERS}, 0, 0, 0, ${AT} from numbers`);
  await db.settle();
  let random = 1;
  const some = () => {
    random = (random * 48_271) % 2_147_483_647;
    return 1 + (random % (count - 1));
  };
  const store = createStore(database, Date.now, () => {});
  const actor = { kind: 'user', id: mia.id as UserId, name: 'mia' } as const;
  const call = <R extends Route>(given: Partial<Call<R>>) =>
    ({ params: {}, query: {}, body: {}, ...given, actor, ask: () => {} }) as unknown as Call<R>;
  const list = async (query: object, least: number) => {
    const given = call<typeof ROUTES.listSessions>({ query: { limit: 50, offset: 0, ...query } as never });
    const { sessions } = await store.read((view) => listSessions(view, given));
    if (sessions.length < least) throw new Error(`${JSON.stringify(query)} finds ${sessions.length}.`);
  };
  const plan = { agentId: agent.id, teamId: team.id, projects: [dm.id] };
  const took = await interleave(rounds * 3, {
    insert: () => {
      const body = { clientId: clientId(), ...plan } as never;
      return store.transact((tx) => createSession(tx, call<typeof ROUTES.createSession>({ body })));
    },
    status: () => list({ state: 'running' }, Math.min(50, count / 1_000)),
    newest: () => list({}, 50),
    family: async () => {
      const given = call<typeof ROUTES.getFamily>({ params: { sessionId: idOf(some()) } });
      const { relatives } = await store.read((view) => getFamily(view, given));
      if (relatives.length !== 9) throw new Error(`The family has ${relatives.length}.`);
    },
    short: () => list({ called: some().toString(16).padStart(8, '0') }, 1),
    named: () => list({ called: `task-${Math.ceil(some() / 10) * 10}` }, 1),
    field: () =>
      sql`select ${sql.raw(db.field('counters', 'costMicros'))} from turns where id = ${idOf(some())}`.execute(
        database.db,
      ),
    commit: () =>
      store.transact((tx) =>
        tx.q
          .updateTable('machines')
          .set({ heartbeat_at: tx.now })
          .where('id', '=', 'm' as never)
          .execute(),
      ),
    floor: () => sql`select 1`.execute(database.db),
  });
  const rows = count.toLocaleString('en');
  const row = (what: string, value: number, aim: string, floor = took.floor, name = 'select 1'): Row => ({
    what: `${engine}: ${what}, ${rows} rows`,
    measured: `${value.toFixed(2)} ms`,
    floor: `${floor.toFixed(2)} ms ${name}`,
    ratio: times(value / floor),
    aim,
  });
  return [
    row('session insert', took.insert, '< 10 ms', took.commit, 'update of a row'),
    row('sessions by status, newest 50', took.status, '< 5 ms'),
    row('newest 50 sessions', took.newest, '–'),
    row('genealogy of ten levels', took.family, '< 50 ms'),
    row('session by short id', took.short, '< 5 ms'),
    row('session by name', took.named, '–'),
    row('field of JSON of a turn', took.field, '< 10 ms'),
  ];
}
