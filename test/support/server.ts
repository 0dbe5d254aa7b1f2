/** A real server in a folder of its own, and people who are logged in to it. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { newId } from '#base/id.ts';
import { createLog } from '#base/log.ts';
import { type DownFrame, DownFrame as DownFrameSchema, EVENT_SOCKET_PATH } from '#contract/frames.ts';
import type { StreamId } from '#contract/ids.ts';
import { errorFromBody, type Route, type RouteInput, type RouteReply, routePath } from '#contract/route.ts';
import { ROUTES } from '#contract/routes.ts';
import { ServerFile } from '#contract/server-file.ts';
import { PROTOCOL_VERSION } from '#contract/version.ts';
import { type RunningServer, type ServerOptions, startServer } from '#server/main.ts';
import { tempDir } from './temp.ts';

/** Somebody who calls: the bearer token, or none. */
export interface Caller {
  call<R extends Route>(route: R, input: RouteInput<R>): Promise<RouteReply<R>>;
  /** The raw answer, whatever it is. */
  fetch(route: Route, input: RawInput): Promise<Response>;
  readonly token: string | undefined;
}

export interface RawInput {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string | number>>;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export function caller(url: string, token: string | undefined): Caller {
  const raw = (route: Route, { params = {}, query = {}, body, headers = {} }: RawInput): Promise<Response> => {
    const address = new URL(routePath(route, params), url);
    for (const [name, value] of Object.entries(query)) address.searchParams.set(name, String(value));
    return fetch(address, {
      method: route.method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  };
  return {
    token,
    fetch: raw,
    async call(route, input) {
      const response = await raw(route, input as RawInput);
      const body: unknown = await response.json();
      if (!response.ok) throw errorFromBody(response.status, body);
      return route.reply.parse(body) as RouteReply<typeof route>;
    },
  };
}

/** A test says nothing unless the server has a bug. */
const failureLog = createLog({ level: 'error', write: (line) => void process.stderr.write(line) });

export interface TestServer extends AsyncDisposable {
  readonly url: string;
  readonly dataDir: string;
  readonly server: RunningServer;
  readonly anonymous: Caller;
  readonly operator: Caller;
  /** The first person takes the bootstrap code, the others are invited. */
  login(name: string): Promise<Person>;
}

export interface Person extends Caller {
  readonly name: string;
  readonly id: StreamId;
  readonly refreshToken: string;
}

export async function testServer(options: Partial<ServerOptions> = {}): Promise<TestServer> {
  const dir = await tempDir();
  const dataDir = options.dataDir ?? join(dir.path, 'server');
  const server = await startServer({ log: failureLog, version: '0.0.0-test', ...options, dataDir });
  const { operatorToken } = ServerFile.parse(JSON.parse(await readFile(join(dataDir, 'server.json'), 'utf8')));
  const anonymous = caller(server.url, undefined);
  const operator = caller(server.url, operatorToken);
  return {
    url: server.url,
    dataDir,
    server,
    anonymous,
    operator,
    async login(name) {
      const { fresh } = await anonymous.call(ROUTES.getInfo, {});
      const code = fresh
        ? (await readFile(join(dataDir, 'bootstrap'), 'utf8')).trim()
        : (await operator.call(ROUTES.createInvite, { body: { login: name } })).code;
      const { user, tokens } = await anonymous.call(ROUTES.login, { body: { code, login: name } });
      const { accessToken, refreshToken } = tokens;
      return { ...caller(server.url, accessToken), name, id: user.id as StreamId, refreshToken };
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
}

export const clientId = (): string => newId();

export interface TestSocket extends AsyncDisposable {
  readonly frames: readonly DownFrame[];
  readonly closed: Promise<{ code: number; reason: string }>;
  send(frame: unknown): void;
  readonly ws: WebSocket;
}

/** A socket that keeps every frame; logged in if there is a token. */
export async function testSocket(url: string, token?: string): Promise<TestSocket> {
  const ws = new WebSocket(`${url.replace('http', 'ws')}${EVENT_SOCKET_PATH}`);
  const frames: DownFrame[] = [];
  const closed = new Promise<{ code: number; reason: string }>((resolve) =>
    ws.once('close', (code, reason) => resolve({ code, reason: String(reason) })),
  );
  const opened = new Promise<void>((resolve, reject) => {
    ws.on('error', reject);
    ws.on('message', (data) => {
      const frame = DownFrameSchema.parse(JSON.parse(String(data)));
      frames.push(frame);
      if (frame.type === (token === undefined ? 'hello' : 'ready')) resolve();
    });
    ws.once('close', () => resolve());
    if (token !== undefined) {
      ws.once('open', () => ws.send(JSON.stringify({ type: 'auth', token, protocol: PROTOCOL_VERSION })));
    }
  });
  await opened;
  return {
    ws,
    frames,
    closed,
    send: (frame) => ws.send(JSON.stringify(frame)),
    async [Symbol.asyncDispose]() {
      ws.terminate();
      if (ws.readyState !== WebSocket.CLOSED) await closed;
    },
  };
}
