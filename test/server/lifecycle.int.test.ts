/** How a server begins and ends: one per folder, one per port, by itself when idle, and never with a loss. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test, vi } from 'vitest';
import { silentLog } from '#base/log.ts';
import { ROUTES } from '#contract/routes.ts';
import { startServer } from '#server/main.ts';
import { movableClock } from '../support/clock.ts';
import { createProject, createTeam, send } from '../support/company.ts';
import { eventually } from '../support/eventually.ts';
import { caller, clientId, testServer, testSocket } from '../support/server.ts';
import { tempDir } from '../support/temp.ts';
import { subscribe } from './suite/fixture.ts';

test('a second server on the same data is refused with the process and address of the first', async () => {
  await using first = await testServer();
  await expect(testServer({ dataDir: first.dataDir })).rejects.toMatchObject({
    code: 'CONFLICT',
    message: expect.stringContaining(`${process.pid} at ${first.url}`),
    hint: expect.stringContaining('aachat server status'),
  });
  await first.anonymous.call(ROUTES.getInfo, {});
});

test('a taken port is a conflict that names the way out', async () => {
  await using dir = await tempDir();
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  const address = holder.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  try {
    await expect(
      startServer({ dataDir: dir.path, port: port ?? 0, log: silentLog, version: '0' }),
    ).rejects.toMatchObject({ code: 'CONFLICT', hint: expect.stringContaining('--port') });
    const other = await startServer({ dataDir: dir.path, log: silentLog, version: '0' });
    await other[Symbol.asyncDispose]();
  } finally {
    holder.close();
  }
});

test('a host that is not this machine is refused, and the way out is another one', async () => {
  await using dir = await tempDir();
  const host = '203.0.113.1';
  await expect(startServer({ dataDir: dir.path, host, log: silentLog, version: '0' })).rejects.toMatchObject({
    code: 'USAGE',
    message: expect.stringContaining(host),
    hint: expect.stringContaining('--host'),
  });
});

test('what the server keeps is readable by its owner only', async () => {
  await using server = await testServer();
  for (const name of ['server.json', 'bootstrap', 'signing-key.json', 'aachat.db']) {
    expect([name, (await stat(join(server.dataDir, name))).mode & 0o077]).toEqual([name, 0]);
  }
});

test('after a restart logins hold, the data is there, and the operator has a new token', async () => {
  await using dir = await tempDir();
  const dataDir = join(dir.path, 'data');
  const first = await testServer({ dataDir });
  const alice = await first.login('alice');
  const team = await createTeam(alice, 'acme');
  const project = await createProject(alice, team, 'launch');
  await send(alice, project, 'kept');
  await first[Symbol.asyncDispose]();
  await using second = await testServer({ dataDir });
  const again = caller(second.url, alice.token);
  const { messages } = await again.call(ROUTES.listMessages, { params: { projectId: project.id } });
  expect(messages.map(({ body }) => body)).toEqual(['kept']);
  const former = await caller(second.url, first.operator.token).fetch(ROUTES.getServerStatus, {});
  expect(former.status).toBe(401);
  await second.operator.call(ROUTES.getServerStatus, {});
});

test('an idle server ends by itself, but not while somebody listens', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const idleMs = 60_000;
  await using server = await testServer({ idleMs });
  const alice = await server.login('alice');
  const socket = await testSocket(server.url, alice.token);
  await subscribe(socket, alice.id);
  let over = false;
  void server.server.closed.then(() => {
    over = true;
  });
  // After each request the socket alone keeps it.
  for (let requests = 0; requests < 3; requests += 1) {
    vi.advanceTimersByTime(idleMs);
    await alice.call(ROUTES.getMe, {});
  }
  expect(over).toBe(false);
  await socket[Symbol.asyncDispose]();
  await eventually('it ends', () => {
    vi.advanceTimersByTime(idleMs);
    return over;
  });
  await expect(readFile(join(server.dataDir, 'server.json'))).rejects.toMatchObject({ code: 'ENOENT' });
});

test('a server that ends sends its readers away and asks them to come back', async () => {
  await using server = await testServer();
  const alice = await server.login('alice');
  await using socket = await testSocket(server.url, alice.token);
  await server.server[Symbol.asyncDispose]();
  expect(await socket.closed).toMatchObject({ code: 1012 });
  expect(socket.frames.at(-1)).toMatchObject({ type: 'reconnect' });
});

test('events older than thirty days leave the log, and who wants them is told to read over HTTP', async () => {
  await using dir = await tempDir();
  const dataDir = join(dir.path, 'data');
  const { clock, advance } = movableClock();
  const first = await testServer({ dataDir, clock });
  const alice = await first.login('alice');
  const project = await createProject(alice, await createTeam(alice, 'acme'), 'launch');
  const old = await send(alice, project, 'old');
  await first[Symbol.asyncDispose]();
  advance(31 * 24 * 60 * 60_000);
  await using second = await testServer({ dataDir, clock });
  const again = await second.login('alice');
  const recent = await send(again, project, 'new');
  await using socket = await testSocket(second.url, again.token);
  const pruned = async () => {
    const from = socket.frames.length;
    await subscribe(socket, project.id, 0);
    return socket.frames.slice(from).some((frame) => frame.type === 'reset' && frame.seq === recent.seq);
  };
  await eventually('the log is pruned', pruned);
  await subscribe(socket, project.id, old.seq);
  expect(socket.frames.at(-2)).toMatchObject({ type: 'batch', from: old.seq, events: [{ seq: recent.seq }] });
  const { messages } = await again.call(ROUTES.listMessages, { params: { projectId: project.id } });
  expect(messages.map(({ body }) => body)).toEqual(['old', 'new']);
});

test('the bootstrap code is not offered to the network', async () => {
  await using server = await testServer({ host: '0.0.0.0' });
  await expect(stat(join(server.dataDir, 'bootstrap'))).rejects.toMatchObject({ code: 'ENOENT' });
});

test('kill -9 in the middle of writing loses no message that was acknowledged', async () => {
  await using dir = await tempDir();
  const dataDir = join(dir.path, 'data');
  const program = fileURLToPath(new URL('../support/server-process.ts', import.meta.url));
  const child = spawn(process.execPath, [program, dataDir], { stdio: ['ignore', 'pipe', 'inherit'] });
  const acknowledged: string[] = [];
  let projectId = '';
  try {
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const url = String(line).trim();
    const code = (await readFile(join(dataDir, 'bootstrap'), 'utf8')).trim();
    const { tokens } = await caller(url, undefined).call(ROUTES.login, { body: { code, login: 'alice' } });
    const alice = caller(url, tokens.accessToken);
    const project = await createProject(alice, await createTeam(alice, 'acme'), 'launch');
    projectId = project.id;
    const writers = Array.from({ length: 4 }, async () => {
      for (;;) acknowledged.push((await send(alice, project, clientId())).id);
    }).map((writer) => writer.catch(() => undefined));
    await eventually('enough is written', () => acknowledged.length > 100);
    child.kill('SIGKILL');
    await Promise.all(writers);
  } finally {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
  await using server = await testServer({ dataDir });
  const alice = await server.login('alice');
  const kept = new Set<string>();
  for (let after = 0, more = true; more; ) {
    const page = await alice.call(ROUTES.listMessages, {
      params: { projectId: projectId as never },
      query: { after, limit: 200 },
    });
    for (const { id, seq } of page.messages) {
      kept.add(id);
      after = seq;
    }
    more = page.hasMore;
  }
  expect(acknowledged.filter((id) => !kept.has(id))).toEqual([]);
});
