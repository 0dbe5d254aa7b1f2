/** Mounts the table of routes on hono: guards, body limit, who asks, idempotent commands, one answer per request. */
import { hash } from 'node:crypto';
import { type Context, Hono, type MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import type { CompiledQuery } from 'kysely';
import { z } from 'zod';
import { AachatError, isAachatError, toAachatError } from '#base/errors.ts';
import type { Log } from '#base/log.ts';
import type { Clock } from '#base/time.ts';
import { DOCUMENT_BYTES } from '#contract/documents.ts';
import { answer, errorResponse, type Route, type RouteCall } from '#contract/route.ts';
import { ROUTES, type RouteName } from '#contract/routes.ts';
import { PROTOCOL_HEADER } from '#contract/version.ts';
import { actorFor } from './actor.ts';
import { type Actor, authorize, isPublic, type Resource } from './authorize.ts';
import type { PartyId } from './database/schema.ts';
import type { Store, Tx } from './database/store.ts';
import { protocolMismatch, strangeCaller } from './guards.ts';
import { type Call, type Handler, hidden } from './request.ts';
import { type Credential, type Tokens, unauthorized } from './tokens.ts';

export type Handlers = { readonly [Name in RouteName]: Handler<(typeof ROUTES)[Name]> };

const BODY_LIMIT = 256 * 1024;
/** In JSON a byte of text takes at most six, as `\u001b`. */
const DOCUMENT_BODY_LIMIT = 6 * DOCUMENT_BYTES + 4096;
const carriesDocument = (name: RouteName): boolean => name === 'pushDocument' || name === 'settleConflict';

export interface HttpOptions {
  readonly handlers: Handlers;
  readonly store: Store;
  readonly tokens: Tokens;
  readonly loopback: boolean;
  readonly clock: Clock;
  readonly log: Log;
  /** Somebody logged in. */
  readonly onLogin: () => Promise<void>;
}

export function createApp(options: HttpOptions): Hono {
  const { loopback, log, handlers } = options;
  const app = new Hono();
  const refuse = (error: AachatError): Response => {
    const requestId = crypto.randomUUID();
    report(log, error, requestId);
    return errorResponse(error, requestId);
  };

  app.use(async (c, next) => {
    const refused =
      strangeCaller({ host: c.req.header('host'), origin: c.req.header('origin') }, loopback) ??
      protocolMismatch(c.req.header(PROTOCOL_HEADER));
    return refused === undefined ? next() : refuse(refused);
  });
  const limits = {
    usual: limitBody(BODY_LIMIT, refuse),
    document: limitBody(DOCUMENT_BODY_LIMIT, refuse),
  };
  app.on('POST', [ROUTES.login.path, ROUTES.refresh.path], slowDown(options.clock, refuse));
  for (const name of Object.keys(ROUTES) as RouteName[]) {
    const { method, path } = ROUTES[name];
    app.on(method, path, carriesDocument(name) ? limits.document : limits.usual);
    mount(app, name, ROUTES[name], handlers[name], options);
  }
  app.notFound((c) =>
    refuse(
      new AachatError('NOT_FOUND', `There is no ${c.req.method} ${c.req.path}.`, {
        hint: 'Upgrade the older side: compare `aachat --version` with `aachat server status`.',
      }),
    ),
  );
  app.onError((thrown) => refuse(toAachatError(thrown)));
  return app;
}

function limitBody(bytes: number, refuse: (error: AachatError) => Response): MiddlewareHandler {
  const limit = bodyLimit({
    maxSize: bytes,
    onError: () =>
      refuse(
        new AachatError('VALIDATION_ERROR', `A request has at most ${Math.floor(bytes / 1024)} KiB here.`, {
          hint: bytes === BODY_LIMIT ? 'Put longer text into a document.' : 'Split the document.',
        }),
      ),
  });
  // To count is only needed where the length is not said: HTTP reads no more than that.
  return (c, next) => (Number(c.req.header('content-length')) <= bytes ? next() : limit(c, next));
}

/** Codes and refresh tokens are too long to guess; this keeps the attempt from costing us anything. */
const FAILURES_PER_MINUTE = 30;

function slowDown(clock: Clock, refuse: (error: AachatError) => Response): MiddlewareHandler {
  const failures = new Map<string, { since: number; count: number }>();
  return async (c, next) => {
    const address = addressOf(c);
    const now = clock();
    const known = failures.get(address);
    const recent = known !== undefined && now - known.since < 60_000 ? known : { since: now, count: 0 };
    if (recent.count >= FAILURES_PER_MINUTE) {
      return refuse(
        new AachatError('RATE_LIMITED', 'Too many failed logins from this address.', { hint: 'Wait a minute.' }),
      );
    }
    await next();
    if (c.res.status !== 401) return;
    if (failures.size > 10_000) failures.clear();
    failures.set(address, { ...recent, count: recent.count + 1 });
  };
}

const Bindings = z.object({ incoming: z.object({ socket: z.object({ remoteAddress: z.string() }) }) });

/** Requests that did not come through a socket count as one address. */
function addressOf(c: Context): string {
  return Bindings.safeParse(c.env).data?.incoming.socket.remoteAddress ?? '';
}

function mount(app: Hono, name: RouteName, route: Route, handler: Handler<never>, options: HttpOptions): void {
  const { store, tokens, log } = options;
  const run = handler.run as (view: Tx, call: Call<Route>) => Promise<unknown>;
  app.on(route.method, route.path, async (c) => {
    let credential: Credential = { kind: 'anonymous' };
    return answer(
      route,
      {
        params: c.req.param(),
        query: c.req.query(),
        body: async () => {
          // Who asks is settled before what: a caller without a token learns nothing about the shape of a body.
          if (!isPublic(name)) credential = await credentialOf(tokens, c.req.header('authorization'));
          return parseBody(await c.req.text());
        },
      },
      async (call) => {
        if (handler.kind === 'read') {
          return store.read(async (view) => askedFor(name, await actorFor(view, credential), call, run, view as Tx));
        }
        const command = commandOf(name, call);
        const reply = await store.transact(
          async (tx) => {
            const [actor, known] = await Promise.all([
              actorFor(tx, credential),
              knownReply(tx, authorOf(credential), command),
            ]);
            return known ?? askedFor(name, actor, call, run, tx);
          },
          (tx, reply) => remember(tx, authorOf(credential), command, reply),
        );
        if (reply instanceof AachatError) throw reply;
        if (name === 'login') await options.onLogin();
        return reply;
      },
      (error, requestId) => report(log.child({ route: name }), error, requestId),
    );
  });
}

function report(log: Log, error: AachatError, requestId: string): void {
  log[error.code === 'INTERNAL' ? 'error' : 'info']('request.failed', { error, requestId });
}

function parseBody(text: string): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    throw new AachatError('VALIDATION_ERROR', 'The body is not JSON.', { hint: 'Send a JSON object.' });
  }
}

async function credentialOf(tokens: Tokens, header: string | undefined): Promise<Credential> {
  const bearer = /^Bearer (\S+)$/i.exec(header ?? '')?.[1];
  if (bearer === undefined) throw unauthorized('This needs a login.');
  return tokens.verify(bearer);
}

/** Runs a handler and makes sure that it asked. */
async function askedFor(
  name: RouteName,
  actor: Actor,
  call: RouteCall<Route>,
  run: (tx: Tx, call: Call<Route>) => Promise<unknown>,
  tx: Tx,
): Promise<unknown> {
  let asked = false;
  const ask = (resource: Resource) => {
    asked = true;
    const decision = authorize(actor, name, resource);
    if (decision === 'login') throw unauthorized('This needs a login.');
    if (decision === 'hide') throw hidden(resource.kind);
    if (decision === 'deny') {
      throw new AachatError('FORBIDDEN', 'You may not do that here.', {
        hint: actor.kind === 'session' ? 'A session only takes part in its projects.' : 'Ask an admin of the project.',
      });
    }
  };
  const reply = await run(tx, { ...call, actor, ask });
  if (!asked) throw new Error(`The handler of ${name} answered without asking.`);
  return reply;
}

interface Command {
  readonly clientId: string;
  /** Of everything that makes the command what it is. */
  readonly digest: string;
}

function commandOf(name: RouteName, { params, body }: RouteCall<Route>): Command | undefined {
  if (typeof body !== 'object' || body === null || !('clientId' in body)) return undefined;
  const digest = hash('sha256', JSON.stringify([name, params, body]), 'base64url');
  return { clientId: String(body.clientId), digest };
}

function authorOf(credential: Credential): PartyId | undefined {
  if (credential.kind === 'user') return credential.userId;
  return credential.kind === 'session' ? credential.agentId : undefined;
}

/** What the same command was answered before. */
async function knownReply({ q }: Tx, author: PartyId | undefined, command: Command | undefined): Promise<unknown> {
  if (command === undefined || author === undefined) return undefined;
  const known = await q
    .selectFrom('commands')
    .select(['digest', 'reply'])
    .where('author_id', '=', author)
    .where('client_id', '=', command.clientId)
    .executeTakeFirst();
  if (known === undefined) return undefined;
  if (known.digest === command.digest) return { [REPLAYED]: true, ...JSON.parse(known.reply) };
  throw new AachatError('CONFLICT', 'This client id was used for something else.', {
    hint: 'Choose a new `clientId` for each new command.',
  });
}

/** Marks a reply that is in the table already; a symbol never becomes JSON. */
const REPLAYED = Symbol('replayed');
const isReplayed = (reply: unknown): boolean => typeof reply === 'object' && reply !== null && REPLAYED in reply;

function remember(
  { q, now }: Tx,
  author: PartyId | undefined,
  command: Command | undefined,
  reply: unknown,
): readonly CompiledQuery[] {
  if (command === undefined || author === undefined || isAachatError(reply) || isReplayed(reply)) return [];
  const row = q
    .insertInto('commands')
    .values({
      author_id: author,
      client_id: command.clientId,
      digest: command.digest,
      reply: JSON.stringify(reply),
      at: now,
    })
    .compile();
  return [row];
}
