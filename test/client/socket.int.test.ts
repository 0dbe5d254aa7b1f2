import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { createLog } from '#base/log.ts';
import { type EventSocket, type EventSocketOptions, openEventSocket } from '#client/socket.ts';
import { CLOSE, type DownFrame, EVENT_SOCKET_PATH, type StreamEvent, UpFrame } from '#contract/frames.ts';
import type { StreamId } from '#contract/ids.ts';
import { PROTOCOL_VERSION } from '#contract/version.ts';
import { createProject, createTeam, joinTeam, send } from '../support/company.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/port.ts';
import { testServer } from '../support/server.ts';

const STREAM = '019a1b2c-3d4e-7f60-8a9b-0c1d2e3f4a5b' as StreamId;
const TICK_MS = 5_000;
const silent = createLog({ write: () => {}, level: 'error' });

/** A server that the test plays: it greets, and keeps what it is told. */
async function peer(port = 0) {
  const server = new WebSocketServer({ host: '127.0.0.1', port, path: EVENT_SOCKET_PATH });
  await once(server, 'listening');
  const connections: { readonly ws: WebSocket; readonly heard: UpFrame[] }[] = [];
  server.on('connection', (ws) => {
    const heard: UpFrame[] = [];
    connections.push({ ws, heard });
    ws.on('message', (data) => heard.push(UpFrame.parse(JSON.parse(String(data)))));
    tell(ws, { type: 'hello', protocol: 1, heartbeatMs: 20_000, serverTime: '2026-01-01T00:00:00.000Z' });
  });
  return {
    port: (server.address() as AddressInfo).port,
    connections,
    /** The newest of at least `count` connections, once it has said who it is. */
    connected: (count: number) =>
      eventually(`${count} connections`, () => {
        const last = connections.at(-1);
        return connections.length >= count && last?.heard.some(({ type }) => type === 'auth') ? last : undefined;
      }),
    async [Symbol.asyncDispose]() {
      for (const ws of server.clients) ws.terminate();
      server.close();
      await once(server, 'close');
    },
  };
}

const tell = (ws: WebSocket, frame: DownFrame): void => ws.send(JSON.stringify(frame));

function reader(port: number, more: Partial<EventSocketOptions> = {}) {
  const events: StreamEvent[] = [];
  const states: boolean[] = [];
  const denied: StreamId[] = [];
  const asked: (string | undefined)[] = [];
  const socket = openEventSocket({
    url: new URL(`http://127.0.0.1:${port}`),
    token: async (how) => {
      asked.push(how);
      return 'token';
    },
    onEvent: (_, event) => events.push(event),
    onReset: () => {},
    onDenied: (stream) => denied.push(stream),
    onState: (connected) => states.push(connected),
    log: silent,
    ...more,
  });
  return { socket, events, states, denied, asked };
}

const batch = (from: number, to: number): DownFrame => ({
  type: 'batch',
  stream: STREAM,
  from,
  to,
  events: [
    {
      seq: to,
      at: '2026-01-01T00:00:00.000Z',
      type: 'member.added',
      data: { party: { kind: 'user', id: STREAM as never, name: 'mia' } },
    },
  ],
});

describe('the event socket', () => {
  test('says who it is, asks for its streams, and hands over what comes', async () => {
    await using server = await peer();
    const { socket, events, states } = reader(server.port);
    await using _ = socket;
    socket.subscribe(STREAM, 4);
    const { ws, heard } = await server.connected(1);
    expect(heard).toEqual([{ type: 'auth', token: 'token', protocol: PROTOCOL_VERSION }]);
    tell(ws, { type: 'ready' });
    await eventually('a subscription', () => heard.length === 2);
    expect(heard[1]).toEqual({ type: 'subscribe', streams: [{ stream: STREAM, after: 4 }] });
    tell(ws, batch(4, 6));
    await eventually('an event', () => events.length === 1);
    expect(socket.cursor(STREAM)).toBe(6);
    expect(states).toEqual([true]);
  });

  test('comes back after the connection broke, and goes on where it was', async () => {
    await using server = await peer();
    const { socket, states } = reader(server.port);
    await using _ = socket;
    socket.subscribe(STREAM, 4);
    const first = await server.connected(1);
    tell(first.ws, { type: 'ready' });
    tell(first.ws, batch(4, 6));
    await eventually('the event', () => socket.cursor(STREAM) === 6);
    first.ws.terminate();
    const second = await server.connected(2);
    tell(second.ws, { type: 'ready' });
    await eventually('a subscription', () => second.heard.length === 2);
    expect(second.heard[1]).toEqual({ type: 'subscribe', streams: [{ stream: STREAM, after: 6 }] });
    expect(states).toEqual([true, false, true]);
  });

  test('a refused token is renewed before the next try', async () => {
    await using server = await peer();
    const { socket, asked } = reader(server.port);
    await using _ = socket;
    (await server.connected(1)).ws.close(CLOSE.unauthorized);
    tell((await server.connected(2)).ws, { type: 'ready' });
    expect(asked).toEqual([undefined, 'renew']);
  });

  test('waits for a server that is not there yet', async () => {
    const port = await freePort();
    const { socket, states } = reader(port);
    await using _ = socket;
    await using server = await peer(port);
    tell((await server.connected(1)).ws, { type: 'ready' });
    await eventually('the connection', () => states.includes(true));
  });

  test('a frame that it does not know is passed over', async () => {
    await using server = await peer();
    const { socket, events } = reader(server.port);
    await using _ = socket;
    socket.subscribe(STREAM, 4);
    const { ws } = await server.connected(1);
    tell(ws, { type: 'ready' });
    ws.send('{"type":"party"}');
    ws.send('no json');
    tell(ws, batch(4, 5));
    await eventually('the event behind them', () => events.length === 1);
    expect(server.connections).toHaveLength(1);
  });

  test('leaves when the server asks for it, and comes back', async () => {
    await using server = await peer();
    const { socket } = reader(server.port);
    await using _ = socket;
    const { ws } = await server.connected(1);
    tell(ws, { type: 'ready' });
    tell(ws, { type: 'reconnect', afterMs: 1 });
    await server.connected(2);
    await eventually('the first connection ends', () => ws.readyState === ws.CLOSED);
  });

  test('connects no more once it is closed', async () => {
    await using server = await peer();
    const { socket } = reader(server.port);
    const { ws } = await server.connected(1);
    await socket[Symbol.asyncDispose]();
    await eventually('the connection ends', () => ws.readyState === ws.CLOSED);
    await socket[Symbol.asyncDispose]();
    expect(server.connections).toHaveLength(1);
  });
});

describe('as time goes by', () => {
  let now = 0;
  beforeEach(() => {
    now = Date.now();
    // Only the ticker: sockets live in real time.
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });
  const tick = (ms = TICK_MS): void => {
    now += ms;
    vi.advanceTimersByTime(TICK_MS);
  };

  async function ready() {
    const server = await peer();
    const { socket, states } = reader(server.port, { clock: () => now });
    const first = await server.connected(1);
    tell(first.ws, { type: 'ready' });
    await eventually('the connection', () => states.includes(true));
    return { server, socket, first };
  }

  test('a server that is silent for too long is left', async () => {
    const { server, socket } = await ready();
    await using stack = new AsyncDisposableStack();
    stack.use(server);
    stack.use(socket);
    for (let silence = 0; silence < 45_000; silence += TICK_MS) tick();
    expect(server.connections).toHaveLength(1);
    tick();
    await server.connected(2);
  });

  test('a clock that jumped means that the machine slept: it connects anew', async () => {
    const { server, socket } = await ready();
    await using stack = new AsyncDisposableStack();
    stack.use(server);
    stack.use(socket);
    tick(TICK_MS + 15_001);
    await server.connected(2);
  });

  test('a connection that lasts gets a fresh token before the old one expires', async () => {
    const { server, socket, first } = await ready();
    await using stack = new AsyncDisposableStack();
    stack.use(server);
    stack.use(socket);
    for (let minute = 0; minute < 11; minute += 1) {
      for (let second = 0; second < 60; second += 15) {
        for (let ticks = 0; ticks < 3; ticks += 1) tick();
        first.ws.ping();
        await once(first.ws, 'pong');
      }
    }
    await eventually('a refreshed token', () => first.heard.some(({ type }) => type === 'auth_refresh'));
    expect(server.connections).toHaveLength(1);
  });
});

test('with the real server, messages arrive in order, and streams of others are denied', async () => {
  await using server = await testServer();
  const mia = await server.login('mia');
  const noa = await server.login('noa');
  const team = await createTeam(mia, 'acme');
  await joinTeam(mia, team, 'noa');
  const project = await createProject(mia, team, 'launch');
  const port = Number(new URL(server.url).port);
  const { socket, events, denied } = reader(port, { token: async () => mia.token ?? '' });
  await using _: EventSocket = socket;
  socket.subscribe(project.id, 0);
  socket.subscribe(noa.id, 0);
  const bodies = ['one', 'two', 'three', 'four', 'five'];
  for (const body of bodies) await send(mia, project, body);
  const said = () => events.flatMap((event) => (event.type === 'message.created' ? [event.data.message.body] : []));
  await eventually('five messages', () => said().length === bodies.length);
  expect(said()).toEqual(bodies);
  expect(socket.cursor(project.id)).toBe(events.at(-1)?.seq);
  await eventually('a refusal', () => denied.length === 1);
  expect(denied).toEqual([noa.id]);
});
