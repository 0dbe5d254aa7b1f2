/**
 * A route is data: the server mounts it and the client calls through it, so a route that one side forgot is a type
 * error, not a 404. The same shape serves the platform (`routes.ts`) and the control socket of `up` (`control.ts`).
 */
import { z } from 'zod';
import { AachatError, ERROR_STATUS, type ErrorCode, toAachatError } from '#base/errors.ts';
import { ErrorBody } from './errors.ts';

export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Path template; `:name` segments are filled from `params`. */
  readonly path: `/v1/${string}`;
  readonly params: z.ZodObject;
  /** Values arrive as text, so schemas of other types coerce. */
  readonly query: z.ZodObject;
  /** `z.undefined()` where there is none. */
  readonly body: z.ZodType;
  readonly reply: z.ZodType;
}

const NOTHING = z.object({});

/** Declares a route; parts that it does not name are empty. */
export function route<
  const Params extends z.ZodObject = typeof NOTHING,
  const Query extends z.ZodObject = typeof NOTHING,
  const Body extends z.ZodType = z.ZodUndefined,
  const Reply extends z.ZodType = typeof NOTHING,
>(definition: {
  method: Route['method'];
  path: Route['path'];
  params?: Params;
  query?: Query;
  body?: Body;
  reply?: Reply;
}): { method: Route['method']; path: Route['path']; params: Params; query: Query; body: Body; reply: Reply } {
  const { method, path, params, query, body, reply } = definition;
  return {
    method,
    path,
    params: params ?? (NOTHING as unknown as Params),
    query: query ?? (NOTHING as unknown as Query),
    body: body ?? (z.undefined() as unknown as Body),
    reply: reply ?? (NOTHING as unknown as Reply),
  };
}

type Part<Name extends string, Schema extends z.ZodType, Side extends 'in' | 'out'> = (
  Side extends 'in'
    ? z.input<Schema>
    : z.output<Schema>
) extends infer Value
  ? undefined extends Value
    ? { readonly [K in Name]?: Value }
    : Record<string, never> extends Value
      ? { readonly [K in Name]?: Value }
      : { readonly [K in Name]: Value }
  : never;

/** What a caller gives: only the parts that the route asks for. */
export type RouteInput<R extends Route> = Part<'params', R['params'], 'in'> &
  Part<'query', R['query'], 'in'> &
  Part<'body', R['body'], 'in'>;

/** What a handler gets: every part, parsed. */
export interface RouteCall<R extends Route> {
  readonly params: z.output<R['params']>;
  readonly query: z.output<R['query']>;
  readonly body: z.output<R['body']>;
}

export type RouteReply<R extends Route> = z.output<R['reply']>;

/** Fills the path template. */
export function routePath(route: Route, params: Readonly<Record<string, string>>): string {
  return route.path.replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(params[name] ?? ''));
}

/**
 * Matches a request path against a template.
 *
 * @returns the decoded params, or undefined if the path is another one
 */
export function matchPath(route: Route, path: string): Readonly<Record<string, string>> | undefined {
  const want = route.path.split('/');
  const have = path.split('/');
  if (want.length !== have.length) return undefined;
  const params: Record<string, string> = {};
  for (const [index, segment] of want.entries()) {
    const value = have[index] ?? '';
    if (segment.startsWith(':')) params[segment.slice(1)] = decodeURIComponent(value);
    else if (segment !== value) return undefined;
  }
  return params;
}

/**
 * The server side of one call: parses the input, runs the handler, parses its reply, and turns errors into bodies.
 * The only place where an error becomes a response.
 *
 * @param onError hears every failure together with the request id that the caller is told
 */
export async function answer<R extends Route>(
  route: R,
  raw: { readonly params: unknown; readonly query: unknown; readonly body: () => Promise<unknown> },
  handle: (call: RouteCall<R>) => Promise<z.input<R['reply']>>,
  onError: (error: AachatError, requestId: string) => void,
): Promise<Response> {
  try {
    const call = {
      params: parseInput(route.params, raw.params),
      query: parseInput(route.query, raw.query),
      body: parseInput(route.body, await raw.body()),
    } as RouteCall<R>;
    // A reply that breaks the contract is our bug, so this parse may throw into INTERNAL.
    return Response.json(route.reply.parse(await handle(call)));
  } catch (thrown) {
    const error = toAachatError(thrown);
    const requestId = crypto.randomUUID();
    onError(error, requestId);
    return errorResponse(error, requestId);
  }
}

/** A bug stays opaque to the caller; the log has the rest, under the same request id. */
export function errorResponse(error: AachatError, requestId: string): Response {
  const shown =
    error.code === 'INTERNAL'
      ? { code: error.code, message: 'The server failed.', hint: `Report request ${requestId} to whoever runs it.` }
      : { code: error.code, message: error.message, hint: error.hint };
  const { retryAt } = error.details;
  return Response.json({ error: { ...shown, requestId, retryAt } }, { status: ERROR_STATUS[error.code].http });
}

/** The other direction: an error body becomes the error that the server threw. */
export function errorFromBody(status: number, body: unknown): AachatError {
  const parsed = ErrorBody.safeParse(body);
  if (parsed.success) {
    const { code, message, hint, requestId, retryAt } = parsed.data.error;
    const details = {
      ...(requestId === undefined ? {} : { requestId }),
      ...(retryAt === undefined ? {} : { retryAt }),
    };
    return new AachatError(code, message, { hint, details });
  }
  const code: ErrorCode = status === 426 ? 'PROTOCOL_MISMATCH' : 'SERVER_UNREACHABLE';
  return new AachatError(code, `Something answered with status ${status}, but it is not an aachat server.`, {
    hint: 'Check the server address with `aachat auth status`.',
  });
}

function parseInput(schema: z.ZodType, value: unknown): unknown {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new AachatError('VALIDATION_ERROR', explainIssues(parsed.error));
}

/** One line for people: what is wrong, and where if it is not obvious. */
export function explainIssues(error: z.ZodError): string {
  return error.issues
    .map(({ message, path }) =>
      path.length > 0 && !/[.!?]$/.test(message) ? `${path.join('.')}: ${message}` : message,
    )
    .join(' ');
}
