/** Typed calls to a server of ours, over the route table. */
import { AachatError, isAachatError, toAachatError } from '#base/errors.ts';
import { parseJson } from '#base/json.ts';
import { backoffMs, sleep } from '#base/time.ts';
import { errorFromBody, type Route, type RouteInput, type RouteReply, routePath } from '#contract/route.ts';
import { PROTOCOL_HEADER, PROTOCOL_VERSION } from '#contract/version.ts';

export interface HttpClient {
  /**
   * One call. Reads, and commands (a repeated `clientId` is the same command), are tried again when the connection
   * broke; everything else is sent once.
   *
   * @throws AachatError what the server answered; `SERVER_UNREACHABLE`, `TIMEOUT`; `PROTOCOL_MISMATCH` when the reply
   *   has an unknown shape
   */
  call<R extends Route>(route: R, input: RouteInput<R>, signal?: AbortSignal): Promise<RouteReply<R>>;
}

export interface HttpClientOptions {
  readonly baseUrl: URL;
  /** Bearer token; undefined: none. `renew` is asked once after a 401. */
  readonly token: (how?: 'renew') => Promise<string | undefined>;
  readonly fetch?: typeof globalThis.fetch;
  readonly timeoutMs?: number;
}

const RETRIES = 3;
const RETRY_BACKOFF = { baseMs: 100, capMs: 1_000 };

interface Parts {
  readonly params?: unknown;
  readonly query?: unknown;
  readonly body?: unknown;
}

export function createHttpClient(options: HttpClientOptions): HttpClient {
  const { baseUrl, token, timeoutMs = 30_000, fetch = globalThis.fetch } = options;

  async function send(
    route: Route,
    url: URL,
    body: string | undefined,
    bearer: string | undefined,
    signal?: AbortSignal,
  ) {
    const limit = new AbortController();
    // Not `AbortSignal.timeout`, which keeps what belongs to a call for the whole time, also when it was answered at once.
    const timer = setTimeout(() => limit.abort(), timeoutMs);
    const init: RequestInit = {
      method: route.method,
      headers: {
        [PROTOCOL_HEADER]: String(PROTOCOL_VERSION),
        ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      redirect: 'error',
      signal: signal === undefined ? limit.signal : AbortSignal.any([signal, limit.signal]),
      ...(body === undefined ? {} : { body }),
    };
    try {
      const response = await fetch(url, init);
      const text = await response.text();
      return { status: response.status, ok: response.ok, json: parseJson(text) };
    } catch (cause) {
      if (signal?.aborted) throw toAachatError(signal.reason);
      if (limit.signal.aborted) {
        throw new AachatError('TIMEOUT', `No answer from ${baseUrl.origin} within ${timeoutMs / 1000} s.`, {
          hint: 'Try again; `aachat status` shows whether the server is there.',
          cause,
        });
      }
      throw new AachatError('SERVER_UNREACHABLE', `No answer from ${baseUrl.origin}.`, {
        hint: 'Check that the server runs (`aachat server status`) and that `aachat auth status` names the right one.',
        cause,
      });
    } finally {
      clearTimeout(timer);
    }
  }

  async function call(route: Route, parts: Parts, signal?: AbortSignal): Promise<unknown> {
    const url = new URL(routePath(route, textRecord(parts.params)), baseUrl);
    for (const [name, value] of Object.entries(textRecord(parts.query))) url.searchParams.set(name, value);
    const body = parts.body === undefined ? undefined : JSON.stringify(parts.body);
    const repeatable = route.method === 'GET' || route.method === 'PUT' || isRepeatable(parts.body);
    let renewed = false;
    let bearer = await token();
    for (let attempt = 1; ; attempt += 1) {
      try {
        const { status, ok, json } = await send(route, url, body, bearer, signal);
        if (ok) return parseReply(route, json);
        if (status !== 401 || renewed || bearer === undefined) throw errorFromBody(status, json);
        bearer = await token('renew');
        renewed = true;
      } catch (thrown) {
        if (!repeatable || attempt > RETRIES || !isAachatError(thrown, 'SERVER_UNREACHABLE')) throw thrown;
        await sleep(backoffMs(attempt, RETRY_BACKOFF), signal);
      }
    }
  }

  return { call: (route, input, signal) => call(route, input as Parts, signal) as never };
}

function parseReply(route: Route, json: unknown): unknown {
  const reply = route.reply.safeParse(json);
  if (reply.success) return reply.data;
  throw new AachatError('PROTOCOL_MISMATCH', `The answer to ${route.method} ${route.path} has an unknown shape.`, {
    hint: 'Upgrade the older side: compare `aachat --version` with `aachat server status`.',
    cause: reply.error,
  });
}

/** A repeated `clientId` is the same command; a refresh token is still good for whoever lost the answer. */
const isRepeatable = (body: unknown): boolean =>
  typeof body === 'object' && body !== null && ('clientId' in body || 'refreshToken' in body);

function textRecord(values: unknown): Record<string, string> {
  const entries = Object.entries((values ?? {}) as Record<string, unknown>);
  return Object.fromEntries(entries.flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])));
}
