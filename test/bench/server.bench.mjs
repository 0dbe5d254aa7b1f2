/**
 * What the platform costs over the bare thing: messages per second against single inserts of the same size with the
 * same durability, alone and behind a bare HTTP server in a process of its own, and one event to many sockets against
 * a bare `ws` server. Run with Node 26; prints ratios, and fails only if it cannot run.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { Agent, request } from 'undici';
import { v7 } from 'uuid';
import { WebSocket } from 'ws';
import { testPostgres } from '../support/postgres.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SECONDS = Number(process.env.BENCH_SECONDS ?? 1);
/** Bare and ours take turns, because the disk is not equally fast all the time. */
const ROUNDS = 5;
const SOCKETS = Number(process.env.BENCH_SOCKETS ?? 1000);
const BODY = `hello ${'lorem ipsum dolor sit amet '.repeat(38)}`.slice(0, 1024);

/** Runs `once` in `writers` loops for a while. @returns how often per second */
async function rate(writers, run) {
  await run();
  const end = performance.now() + SECONDS * 1000;
  const counts = await Promise.all(
    Array.from({ length: writers }, async (_, writer) => {
      let count = 0;
      for (; performance.now() < end; count += 1) await run(writer);
      return count;
    }),
  );
  return counts.reduce((sum, count) => sum + count, 0) / SECONDS;
}

async function startProgram(...args) {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], cwd: ROOT });
  const [line] = await once(child.stdout, 'data');
  const stop = async () => {
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
  return { url: String(line).trim(), stop };
}

async function startPlatform(dir, databaseUrl) {
  const script = fileURLToPath(new URL('../support/server-process.ts', import.meta.url));
  const program = await startProgram(script, dir, ...(databaseUrl === undefined ? [] : [databaseUrl]));
  const agent = new Agent({ connections: 32 });
  let token;
  const call = async (method, path, body) => {
    const response = await request(`${program.url}${path}`, {
      method,
      dispatcher: agent,
      headers: {
        'content-type': 'application/json',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const answer = await response.body.json();
    if (response.statusCode !== 200) throw new Error(`${method} ${path}: ${JSON.stringify(answer)}`);
    return answer;
  };
  const code = (await readFile(join(dir, 'bootstrap'), 'utf8')).trim();
  token = (await call('POST', '/v1/auth/login', { code, login: 'bench' })).tokens.accessToken;
  const { team } = await call('POST', '/v1/teams', { clientId: v7(), slug: 'bench' });
  const projects = [];
  for (let n = 0; n < 8; n += 1) {
    const { project } = await call('POST', `/v1/teams/${team.id}/projects`, { clientId: v7(), name: `p${n}` });
    projects.push(project.id);
  }
  const send = (project) => call('POST', `/v1/projects/${project}/messages`, { clientId: v7(), body: BODY });
  const stop = async () => {
    await agent.close();
    await program.stop();
  };
  return { url: program.url, token, projects, send, stop };
}

const bareTable = 'create table bare (id text primary key, project text, seq integer, author text, body text, at text)';
const bareRow = () => [v7(), 'project', 1, 'author', BODY, new Date().toISOString()];

function bareSqlite(dir) {
  const database = new DatabaseSync(join(dir, 'bare.db'));
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
  database.exec(bareTable);
  const insert = database.prepare('insert into bare values (?, ?, ?, ?, ?, ?)');
  return { insert: async () => void insert.run(...bareRow()), stop: () => database.close() };
}

/** The same insert, asked for over HTTP: what is left when the platform does nothing. */
const BARE_HTTP = `
import { createServer } from 'node:http';
import { DatabaseSync } from 'node:sqlite';
import pg from 'pg';
const [target, columns] = process.argv.slice(1);
const text = 'insert into bare values (' + columns + ')';
const open = () => {
  const database = new DatabaseSync(target);
  database.exec('PRAGMA synchronous = FULL');
  const insert = database.prepare(text);
  return (row) => insert.run(...row);
};
const pool = target.startsWith('postgres') ? new pg.Pool({ connectionString: target, max: 8 }) : undefined;
const insert = pool === undefined ? open() : (values) => pool.query({ name: 'bare', text, values });
const server = createServer(async (request, response) => {
  let body = '';
  for await (const piece of request.setEncoding('utf8')) body += piece;
  await insert(JSON.parse(body));
  response.setHeader('content-type', 'application/json').end(body);
});
server.listen(0, '127.0.0.1', () => console.log('http://127.0.0.1:' + server.address().port));
`;

async function overHttp(target, columns) {
  const program = await startProgram('--input-type=module', '-e', BARE_HTTP, target, columns);
  const agent = new Agent({ connections: 32 });
  const insert = async () => {
    const body = JSON.stringify(bareRow());
    return (await request(program.url, { method: 'POST', dispatcher: agent, body })).body.json();
  };
  const stop = async () => {
    await agent.close();
    await program.stop();
  };
  return { insert, stop };
}

async function barePostgres(databaseUrl) {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 8 });
  await pool.query(bareTable);
  const text = 'insert into bare values ($1, $2, $3, $4, $5, $6)';
  return { insert: () => pool.query({ name: 'bare', text, values: bareRow() }), stop: () => pool.end() };
}

const show = (value) => String(Math.round(value)).padStart(8);

/** The ratio is to the first, the bare one. */
function row(name, bare, ...others) {
  const ratio = (others.at(-1) / bare).toFixed(2).padStart(8);
  console.log(`${name.padEnd(34)}${[bare, ...others].map(show).join('')}${ratio}`);
}

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

async function compare(name, writers, bare, http, ours) {
  const rates = { bare: [], http: [], ours: [] };
  for (let round = 0; round < ROUNDS; round += 1) {
    rates.bare.push(await rate(writers, bare));
    rates.http.push(await rate(writers, http));
    rates.ours.push(await rate(writers, ours));
  }
  row(name, median(rates.bare), median(rates.http), median(rates.ours));
}

async function writing(engine, { insert }, http, { projects, send }) {
  const [first] = projects;
  await compare(`${engine}, 1 writer`, 1, insert, http.insert, () => send(first));
  await compare(`${engine}, 8 writers, 1 project`, 8, insert, http.insert, () => send(first));
  await compare(`${engine}, 8 writers, 8 projects`, 8, insert, http.insert, (n = 0) => send(projects[n]));
}

/** Opens sockets, then measures how long one event takes until every one of them has it. @returns milliseconds */
async function fanOut(url, prepare, trigger, isEvent) {
  const sockets = await Promise.all(
    Array.from({ length: SOCKETS }, async () => {
      const ws = new WebSocket(url);
      await prepare(ws);
      return ws;
    }),
  );
  const times = [];
  for (let n = 0; n < 15; n += 1) {
    const arrived = sockets.map(
      (ws) =>
        new Promise((resolve) => {
          const hear = (data) => {
            if (!isEvent(data)) return;
            ws.off('message', hear);
            resolve();
          };
          ws.on('message', hear);
        }),
    );
    const start = performance.now();
    await trigger();
    await Promise.all(arrived);
    times.push(performance.now() - start);
  }
  for (const ws of sockets) ws.terminate();
  return median(times);
}

const BARE_WS = `
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';
const server = createServer((request, response) => {
  const frame = Buffer.from(${JSON.stringify(BODY)});
  for (const ws of sockets.clients) ws.send(frame, { binary: false });
  response.end('{}');
});
const sockets = new WebSocketServer({ server, perMessageDeflate: false });
server.listen(0, '127.0.0.1', () => console.log('http://127.0.0.1:' + server.address().port));
`;

async function bareFanOut() {
  const child = spawn(process.execPath, ['--input-type=module', '-e', BARE_WS], {
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: ROOT,
  });
  const [line] = await once(child.stdout, 'data');
  const url = String(line).trim();
  const result = await fanOut(
    url.replace('http', 'ws'),
    (ws) => once(ws, 'open'),
    async () => (await request(url)).body.dump(),
    () => true,
  );
  child.kill('SIGKILL');
  await once(child, 'exit');
  return result;
}

async function ourFanOut({ url, token, projects, send }) {
  const stream = projects[0];
  const subscribed = async (ws) => {
    const live = new Promise((resolve) => {
      ws.on('message', (data) => {
        const { type } = JSON.parse(String(data));
        if (type === 'hello') ws.send(JSON.stringify({ type: 'auth', token, protocol: 3 }));
        if (type === 'ready') ws.send(JSON.stringify({ type: 'subscribe', streams: [{ stream, after: null }] }));
        if (type === 'live') resolve();
      });
    });
    await live;
    ws.removeAllListeners('message');
  };
  return fanOut(
    `${url.replace('http', 'ws')}/v1/events`,
    subscribed,
    () => send(stream),
    () => true,
  );
}

const dir = await mkdtemp(join(tmpdir(), 'aachat-bench-'));
const postgres = await testPostgres([]);
try {
  console.log(`${'messages per second'.padEnd(34)}    bare    http    ours   ratio`);
  const platform = await startPlatform(join(dir, 'sqlite'));
  const bareOne = bareSqlite(dir);
  const httpOne = await overHttp(join(dir, 'bare.db'), '?, ?, ?, ?, ?, ?');
  await writing('sqlite', bareOne, httpOne, platform);
  await httpOne.stop();
  bareOne.stop();
  const bare = await bareFanOut();
  const ours = await ourFanOut(platform);
  await platform.stop();
  const scaled = await startPlatform(join(dir, 'postgres'), await postgres.database());
  const bareUrl = await postgres.database();
  const bareTwo = await barePostgres(bareUrl);
  const httpTwo = await overHttp(bareUrl, '$1, $2, $3, $4, $5, $6');
  await writing('postgres', bareTwo, httpTwo, scaled);
  await httpTwo.stop();
  await bareTwo.stop();
  await scaled.stop();
  console.log(`\nmilliseconds until ${SOCKETS} sockets have one event`);
  row('fan-out (with the write)', bare, ours);
} finally {
  await postgres[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
}
