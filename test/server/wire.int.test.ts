/** What may come in over the wire, what goes out, and what is never kept. */
import { request } from 'node:http';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { createLog } from '#base/log.ts';
import { EVENT_SOCKET_PATH, HEARTBEAT_MS } from '#contract/frames.ts';
import { ROUTES } from '#contract/routes.ts';
import { PROTOCOL_HEADER } from '#contract/version.ts';
import { movableClock } from '../support/clock.ts';
import { createProject, createTeam, send } from '../support/company.ts';
import { eventually } from '../support/eventually.ts';
import { caller, clientId, type TestSocket, testServer, testSocket } from '../support/server.ts';
import { subscribe } from './suite/fixture.ts';

/** A request with headers that `fetch` would not send. */
function raw(url: string, path: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    request(new URL(path, url), { headers }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    })
      .once('error', reject)
      .end();
  });
}

/** @returns the status of a refused upgrade, or 101 */
function upgrade(url: string, path: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const ws = new WebSocket(`${url.replace('http', 'ws')}${path}`, { headers });
    ws.once('unexpected-response', (_, response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
      ws.terminate();
    });
    ws.once('open', () => {
      ws.terminate();
      resolve(101);
    });
    ws.on('error', (error) => {
      if (!/Unexpected server response|before the connection/.test(error.message)) reject(error);
    });
  });
}

describe('strangers', () => {
  test('a page of another site, and a name that was pointed here, are refused on routes and sockets', async () => {
    await using server = await testServer();
    const own = new URL(server.url).host;
    const path = ROUTES.getInfo.path;
    expect(await raw(server.url, path, {})).toBe(200);
    expect(await raw(server.url, path, { origin: server.url })).toBe(200);
    expect(await raw(server.url, path, { origin: 'https://evil.example' })).toBe(403);
    expect(await raw(server.url, path, { host: 'evil.example' })).toBe(403);
    expect(await upgrade(server.url, EVENT_SOCKET_PATH, {})).toBe(101);
    expect(await upgrade(server.url, EVENT_SOCKET_PATH, { origin: `http://${own}` })).toBe(101);
    expect(await upgrade(server.url, EVENT_SOCKET_PATH, { origin: 'https://evil.example' })).toBe(403);
    expect(await upgrade(server.url, EVENT_SOCKET_PATH, { host: 'evil.example' })).toBe(403);
    expect(await upgrade(server.url, `${EVENT_SOCKET_PATH}?token=x`, {})).toBe(404);
    expect(await upgrade(server.url, '/v1/other', {})).toBe(404);
  });

  test('another protocol is refused with a hint', async () => {
    await using server = await testServer();
    const response = await server.anonymous.fetch(ROUTES.getInfo, { headers: { [PROTOCOL_HEADER]: '99' } });
    expect(response.status).toBe(426);
    expect(await response.json()).toMatchObject({ error: { code: 'PROTOCOL_MISMATCH', hint: expect.any(String) } });
  });

  test('a route that does not exist, and a body that is no JSON, get an error body', async () => {
    await using server = await testServer();
    const missing = await fetch(new URL('/v1/nothing', server.url));
    expect([missing.status, await missing.json()]).toMatchObject([404, { error: { code: 'NOT_FOUND' } }]);
    const broken = await fetch(new URL(ROUTES.login.path, server.url), { method: 'POST', body: '{' });
    expect([broken.status, await broken.json()]).toMatchObject([400, { error: { code: 'VALIDATION_ERROR' } }]);
  });

  test('a body over 256 KiB is refused, whether it says its length or comes in pieces', async () => {
    await using server = await testServer();
    const body = JSON.stringify({ code: 'x'.repeat(300 * 1024) });
    const inPieces: RequestInit = { body: new Blob([body]).stream(), duplex: 'half' };
    for (const init of [{ body }, inPieces]) {
      const response = await fetch(new URL(ROUTES.login.path, server.url), { method: 'POST', ...init });
      expect([response.status, await response.text()]).toEqual([400, expect.stringContaining('256 KiB')]);
    }
  });

  test('guessing codes is slowed down, and nobody else is', async () => {
    const { clock, advance } = movableClock();
    await using server = await testServer({ clock });
    const alice = await server.login('alice');
    const guess = async () => (await server.anonymous.fetch(ROUTES.login, { body: { code: 'not-a-code' } })).status;
    const statuses = [];
    for (let n = 0; n < 31; n += 1) statuses.push(await guess());
    expect(new Set(statuses)).toEqual(new Set([401, 429]));
    expect(statuses.at(-1)).toBe(429);
    await alice.call(ROUTES.getMe, {});
    advance(61_000);
    expect(await guess()).toBe(401);
  });
});

describe('the event socket', () => {
  test('who does not say who they are, or lies, is closed as unauthorized', async () => {
    await using server = await testServer();
    await using silent = await testSocket(server.url);
    expect(await silent.closed).toMatchObject({ code: 4401 });
    await using liar = await testSocket(server.url, 'nonsense');
    expect(await liar.closed).toMatchObject({ code: 4401 });
    await using operator = await testSocket(server.url, server.operator.token ?? '');
    expect(await operator.closed).toMatchObject({ code: 4401 });
  });

  test('frames before the login, of another protocol, or of no known shape end the connection', async () => {
    await using server = await testServer();
    const alice = await server.login('alice');
    await using early = await testSocket(server.url);
    early.send({ type: 'subscribe', streams: [{ stream: alice.id, after: null }] });
    expect(await early.closed).toMatchObject({ code: 4401 });
    await using other = await testSocket(server.url);
    other.send({ type: 'auth', token: alice.token, protocol: 99 });
    expect(await other.closed).toMatchObject({ code: 4426 });
    await using strange = await testSocket(server.url);
    strange.send({ type: 'shout' });
    expect(await strange.closed).toMatchObject({ code: 4400 });
    await using large = await testSocket(server.url, alice.token);
    large.send({ type: 'auth_refresh', token: 'x'.repeat(300 * 1024) });
    expect((await large.closed).code).toBe(1009);
  });

  test('a token is renewed on the same socket, for the same person only', async () => {
    await using server = await testServer();
    const alice = await server.login('alice');
    const bob = await server.login('bob');
    await using socket = await testSocket(server.url, alice.token);
    socket.send({ type: 'auth_refresh', token: (await server.login('alice')).token });
    await subscribe(socket, alice.id);
    socket.send({ type: 'auth_refresh', token: bob.token });
    expect(await socket.closed).toMatchObject({ code: 4401 });
  });

  test('a reader that does not read is let go, and finds everything when it comes back', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    onTestFinished(() => void vi.useRealTimers());
    await using server = await testServer();
    const alice = await server.login('alice');
    const project = await createProject(alice, await createTeam(alice, 'acme'), 'launch');
    await using slow = await testSocket(server.url, alice.token);
    await subscribe(slow, project.id);
    slow.ws.pause();
    const count = 400;
    for (let n = 0; n < count; n += 1) await send(alice, project, `${n} ${'x'.repeat(30_000)}`);
    slow.ws.resume();
    const said = ({ frames }: TestSocket) =>
      frames
        .flatMap((frame) => (frame.type === 'batch' ? frame.events : []))
        .filter(({ type }) => type === 'message.created')
        .map(({ seq }) => seq);
    await eventually('the reader catches up', () => said(slow).length === count);
    slow.ws.pause();
    for (let n = 0; n < 10; n += 1) await send(alice, project, `and ${n}`);
    vi.advanceTimersByTime(3 * HEARTBEAT_MS);
    slow.ws.resume();
    await slow.closed;
    await using back = await testSocket(server.url, alice.token);
    await subscribe(back, project.id, said(slow).at(-1));
    const seqs = [...said(slow), ...said(back)];
    expect(seqs).toHaveLength(count + 10);
    expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
  });
});

test('what no field is for is not kept: not in the database, not on the wire, not in the log', async () => {
  const canary = 'canary-7c1f';
  const lines: string[] = [];
  const log = createLog({ level: 'debug', write: (line) => void lines.push(line) });
  await using server = await testServer({ log });
  const alice = await server.login('alice');
  const project = await createProject(alice, await createTeam(alice, 'acme'), 'launch');
  await using socket = await testSocket(server.url, alice.token);
  await subscribe(socket, project.id);
  const params = { projectId: project.id };
  const body = { clientId: clientId(), body: 'hello', thought: canary, toolOutput: { canary } };
  const response = await alice.fetch(ROUTES.sendMessage, { params, body, headers: { 'x-canary': canary } });
  const refused = await alice.fetch(ROUTES.sendMessage, { params, body: { ...body, body: '', clientId: canary } });
  const lost = await caller(server.url, `${canary}.${canary}.x`).fetch(ROUTES.getMe, {});
  expect([response.status, refused.status, lost.status]).toEqual([200, 400, 401]);
  await eventually('the event arrives', () => socket.frames.some(({ type }) => type === 'batch'));
  expect(JSON.stringify(socket.frames)).not.toContain(canary);
  expect(await response.text()).not.toContain(canary);
  expect(lines.join('')).not.toContain(canary);
  expect(lines.join('')).not.toContain(alice.token);
  expect(dump(join(server.dataDir, 'aachat.db'))).not.toContain(canary);
});

/** Every value of every table. */
function dump(path: string): string {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const tables = database.prepare("select name from sqlite_master where type = 'table'").all();
    const rows = tables
      .map(({ name }) => String(name))
      .filter((name) => name !== 'message_words')
      .flatMap((name) => database.prepare(`select * from "${name}"`).all());
    expect(JSON.stringify(rows)).toContain('hello');
    return JSON.stringify(rows);
  } finally {
    database.close();
  }
}
