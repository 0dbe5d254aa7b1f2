/**
 * The control socket of a running `up`: HTTP on a unix socket in a folder that only its owner may enter. The same
 * routes, parsing and errors as the platform's (`contract/control.ts`).
 */
import { chmod, unlink } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { within } from '#base/async.ts';
import { AachatError, isSystemError } from '#base/errors.ts';
import { ensureDir, PRIVATE_DIR, PRIVATE_FILE } from '#base/fs.ts';
import { parseJson } from '#base/json.ts';
import type { Log } from '#base/log.ts';
import { createHttpClient, type HttpClient } from '#client/http.ts';
import { attachSession } from '#contract/attachment.ts';
import { CONTROL_ROUTES } from '#contract/control.ts';
import {
  answer,
  errorFromBody,
  matchPath,
  type Route,
  type RouteCall,
  type RouteInput,
  type RouteReply,
  routePath,
} from '#contract/route.ts';

type Routes = typeof CONTROL_ROUTES;
export type ControlHandlers = {
  readonly [Name in keyof Routes]: (call: RouteCall<Routes[Name]>) => Promise<z.input<Routes[Name]['reply']>>;
};

/** Routes that go on answering, a JSON object per line, until the caller goes away (`gone` aborts) or there is no more. */
const STREAM_ROUTES = { attachSession };
type Streams = typeof STREAM_ROUTES;
export type StreamHandlers = {
  readonly [Name in keyof Streams]: (
    call: RouteCall<Streams[Name]>,
    gone: AbortSignal,
  ) => Promise<AsyncIterable<z.input<Streams[Name]['reply']>>>;
};

export interface ControlClient extends HttpClient, AsyncDisposable {
  /** What a route that goes on answers, until `signal` aborts or `up` has no more to say. Refused as `call` is. */
  stream<R extends Route>(route: R, input: RouteInput<R>, signal: AbortSignal): AsyncGenerator<RouteReply<R>, void>;
}

/** For what was said before the end. Who reads nothing holds up nobody for longer. */
const LAST_WORDS_MS = 1_000;

/** Listens until disposed. Whoever calls holds the lock of `up`, so a socket file that is there is a leftover. */
export async function openControlServer(
  path: string,
  handlers: ControlHandlers & StreamHandlers,
  log: Log,
): Promise<AsyncDisposable> {
  await ensureDir(dirname(path));
  await chmod(dirname(path), PRIVATE_DIR);
  await removeSocket(path);
  const sending = new Set<Promise<void>>();
  const server = createServer((request, response) => {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    respond(request, handlers, gone.signal, log)
      .then(async (reply) => {
        const sent = send(reply, response);
        sending.add(sent);
        await sent.finally(() => sending.delete(sent));
      })
      .catch((error: unknown) => {
        // Who goes away in the middle of a stream has seen enough.
        if (gone.signal.aborted) return;
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
      const closed = new Promise((resolve) => server.close(resolve));
      await within(LAST_WORDS_MS, Promise.allSettled(sending));
      server.closeAllConnections();
      await closed;
      await removeSocket(path);
    },
  };
}

/**
 * Calls a running `up`. Every call rejects with `SERVER_UNREACHABLE` if none listens.
 *
 * The caller owns the connection: dispose it, or the process stays alive for a moment.
 */
export async function openControlClient(path: string): Promise<ControlClient> {
  // Loaded here: it is slow to load, and only calls over the socket need it.
  const { default: undici } = await import('undici');
  // A session may have nothing to say for hours.
  const dispatcher = new undici.Agent({ connect: { socketPath: path }, bodyTimeout: 0 });
  const baseUrl = new URL('http://up.invalid');
  const fetch = (input: unknown, init: unknown) =>
    undici.fetch(String(input), { ...(init as object), dispatcher }) as unknown as Promise<Response>;
  const { call } = createHttpClient({ baseUrl, token: async () => undefined, fetch });

  async function* stream<R extends Route>(
    route: R,
    { params, body }: { readonly params?: Readonly<Record<string, string>>; readonly body?: unknown },
    signal: AbortSignal,
  ): AsyncGenerator<RouteReply<R>, void> {
    const { method } = route;
    const init = { method, body: JSON.stringify(body), headers: { 'content-type': 'application/json' }, signal };
    const response = await fetch(new URL(routePath(route, params ?? {}), baseUrl), init).catch((cause: unknown) => {
      throw new AachatError('SERVER_UNREACHABLE', 'aachat up does not answer.', {
        hint: 'Run `aachat status`.',
        cause,
      });
    });
    if (!response.ok || response.body === null) {
      throw errorFromBody(response.status, parseJson(await response.text()));
    }
    try {
      for await (const line of linesIn(response.body)) {
        const event = route.reply.safeParse(parseJson(line));
        // A newer `up` may say what this program does not know.
        if (event.success) yield event.data as RouteReply<R>;
      }
    } catch (thrown) {
      // `up` ended without a word, or we did.
      if (thrown instanceof AachatError) throw thrown;
    }
  }

  return { call, stream: stream as ControlClient['stream'], [Symbol.asyncDispose]: () => dispatcher.destroy() };
}

async function respond(
  request: IncomingMessage,
  handlers: ControlHandlers & StreamHandlers,
  gone: AbortSignal,
  log: Log,
): Promise<Response> {
  const url = new URL(request.url ?? '/', 'http://up.invalid');
  const refused = (error: AachatError, requestId: string) => log.info('control.refused', { error, requestId });
  for (const name of Object.keys(CONTROL_ROUTES) as (keyof Routes)[]) {
    const route: Route = CONTROL_ROUTES[name];
    const params = request.method === route.method ? matchPath(route, url.pathname) : undefined;
    if (params === undefined) continue;
    const handle = handlers[name] as unknown as (call: RouteCall<Route>) => Promise<unknown>;
    const raw = { params, query: Object.fromEntries(url.searchParams), body: () => readJson(request) };
    return await answer(route, raw, handle, refused);
  }
  for (const name of Object.keys(STREAM_ROUTES) as (keyof Streams)[]) {
    const route: Route = STREAM_ROUTES[name];
    const params = request.method === route.method ? matchPath(route, url.pathname) : undefined;
    if (params === undefined) continue;
    const raw = { params, query: Object.fromEntries(url.searchParams), body: () => readJson(request) };
    let events: AsyncIterable<unknown> = [] as never;
    const accept = async (call: RouteCall<Route>) => {
      events = await handlers[name](call as never, gone);
      return {};
    };
    const head: Route = { ...route, reply: NOTHING };
    const reply = await answer(head, raw, accept, refused);
    return reply.ok ? new Response(linesOf(route, events)) : reply;
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
  // Goes on reading only as fast as it is read: what waits, waits where it can be bounded.
  if (reply.body === null) response.end();
  else await pipeline(Readable.fromWeb(reply.body as never), response);
}

const NOTHING = z.object({});

async function* linesIn(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
}

function linesOf({ reply }: Route, events: AsyncIterable<unknown>): ReadableStream<Uint8Array> {
  const lines = async function* () {
    for await (const event of events) yield Buffer.from(`${JSON.stringify(reply.parse(event))}\n`);
  };
  return ReadableStream.from(lines());
}

async function removeSocket(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (thrown) {
    if (!isSystemError(thrown, 'ENOENT')) throw thrown;
  }
}
