/**
 * The control socket of a running `up`: HTTP on a unix socket in a folder that only its owner may enter. The same
 * routes, parsing and errors as the platform's (`contract/control.ts`).
 */
import { chmod, unlink } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { dirname } from 'node:path';
import { text } from 'node:stream/consumers';
import type { z } from 'zod';
import { AachatError, isSystemError } from '#base/errors.ts';
import { ensureDir, PRIVATE_DIR, PRIVATE_FILE } from '#base/fs.ts';
import type { Log } from '#base/log.ts';
import { createHttpClient, type HttpClient } from '#client/http.ts';
import { CONTROL_ROUTES } from '#contract/control.ts';
import { answer, matchPath, type Route, type RouteCall } from '#contract/route.ts';

type Routes = typeof CONTROL_ROUTES;
export type ControlHandlers = {
  readonly [Name in keyof Routes]: (call: RouteCall<Routes[Name]>) => Promise<z.input<Routes[Name]['reply']>>;
};

/** Listens until disposed. Whoever calls holds the lock of `up`, so a socket file that is there is a leftover. */
export async function openControlServer(path: string, handlers: ControlHandlers, log: Log): Promise<AsyncDisposable> {
  await ensureDir(dirname(path));
  await chmod(dirname(path), PRIVATE_DIR);
  await removeSocket(path);
  const server = createServer((request, response) => {
    respond(request, handlers, log)
      .then((reply) => send(reply, response))
      .catch((error: unknown) => {
        log.error('control.failed', { error });
        response.destroy();
      });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  await chmod(path, PRIVATE_FILE);
  return {
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await removeSocket(path);
    },
  };
}

/**
 * Calls a running `up`. Every call rejects with `SERVER_UNREACHABLE` if none listens.
 *
 * The caller owns the connection: dispose it, or the process stays alive for a moment.
 */
export async function openControlClient(path: string): Promise<HttpClient & AsyncDisposable> {
  // Loaded here: it is slow to load, and only calls over the socket need it.
  const { default: undici } = await import('undici');
  const dispatcher = new undici.Agent({ connect: { socketPath: path } });
  const client = createHttpClient({
    baseUrl: new URL('http://up.invalid'),
    token: async () => undefined,
    fetch: (input, init) =>
      undici.fetch(String(input), { ...(init as object), dispatcher }) as unknown as Promise<Response>,
  });
  return { call: client.call, [Symbol.asyncDispose]: () => dispatcher.close() };
}

async function respond(request: IncomingMessage, handlers: ControlHandlers, log: Log): Promise<Response> {
  const url = new URL(request.url ?? '/', 'http://up.invalid');
  for (const name of Object.keys(CONTROL_ROUTES) as (keyof Routes)[]) {
    const route: Route = CONTROL_ROUTES[name];
    const params = request.method === route.method ? matchPath(route, url.pathname) : undefined;
    if (params === undefined) continue;
    const handle = handlers[name] as unknown as (call: RouteCall<Route>) => Promise<unknown>;
    const raw = { params, query: Object.fromEntries(url.searchParams), body: () => readJson(request) };
    return await answer(route, raw, handle, (error, requestId) => log.info('control.refused', { error, requestId }));
  }
  return Response.json({ error: { code: 'NOT_FOUND', message: 'No such control call.' } }, { status: 404 });
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const body = await text(request);
  if (body === '') return undefined;
  try {
    return JSON.parse(body);
  } catch {
    throw new AachatError('VALIDATION_ERROR', 'The request is no JSON.');
  }
}

async function send(reply: Response, response: ServerResponse): Promise<void> {
  response.writeHead(reply.status, Object.fromEntries(reply.headers));
  response.end(await reply.text());
}

async function removeSocket(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (thrown) {
    if (!isSystemError(thrown, 'ENOENT')) throw thrown;
  }
}
