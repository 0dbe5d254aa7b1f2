/** The event socket: who may connect, the frames of `contract/frames.ts`, heartbeats, and readers that are too slow. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocket, WebSocketServer } from 'ws';
import { createSerial } from '#base/async.ts';
import { isAachatError } from '#base/errors.ts';
import { parseJson } from '#base/json.ts';
import type { Log } from '#base/log.ts';
import { type Clock, isoTime } from '#base/time.ts';
import {
  CLOSE,
  type DownFrame,
  EVENT_SOCKET_PATH,
  HEARTBEAT_MS,
  type RelayedFrame,
  UpFrame,
} from '#contract/frames.ts';
import type { StreamId } from '#contract/ids.ts';
import { PROTOCOL_VERSION } from '#contract/version.ts';
import { endedLogins } from './auth.ts';
import type { Store } from './database/store.ts';
import { protocolMismatch, strangeCaller } from './guards.ts';
import type { Hub } from './hub.ts';
import { createReader, type Reader } from './reader.ts';
import { openSubscription, type Subscription } from './subscription.ts';
import type { Tokens } from './tokens.ts';

const AUTH_DEADLINE_MS = 5_000;
/** A client that refreshes late is not cut off at once. */
const EXPIRY_GRACE_MS = 60_000;
const FRAME_LIMIT = 256 * 1024;
/** Past this many bytes waiting nothing more is pushed; it stays in the log. */
const PAUSE_BYTES = 1024 * 1024;
const RESUME_BYTES = PAUSE_BYTES / 4;
const OVERLOAD_BYTES = 8 * 1024 * 1024;
const OVERLOAD_MS = 30_000;
/** Clients of a busy server come back spread over this much time. */
const LONGEST_RECONNECT_MS = 30_000;
/** What one socket says to the others of its person beyond this is dropped. */
const RELAYED_PER_SECOND = 50;

export interface EventSocketOptions {
  readonly store: Store;
  readonly hub: Hub;
  readonly tokens: Tokens;
  readonly loopback: boolean;
  readonly clock: Clock;
  readonly log: Log;
  /** How many sockets are open, whenever that changes. */
  readonly onCount: (sockets: number) => void;
}

export interface EventSocket {
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  count(): number;
  /** Closes at once what the login has open in this process; other processes find out at their next heartbeat. */
  endLogin(familyId: string): void;
  /** Asks every client to come back later. */
  close(): Promise<void>;
}

export function createEventSocket(options: EventSocketOptions): EventSocket {
  const server = new WebSocketServer({ noServer: true, maxPayload: FRAME_LIMIT, perMessageDeflate: false });
  const connections = new Set<Connection>();
  const endLogins = (ended: ReadonlySet<string>): void => {
    for (const connection of connections) connection.endIfOf(ended);
  };
  let checking = Promise.resolve();
  const heartbeat = setInterval(() => {
    if (connections.size === 0) return;
    for (const connection of connections) connection.beat();
    checking = options.store
      .read(endedLogins)
      .then(endLogins)
      .catch((error: unknown) => options.log.warn('socket.logins_unknown', { error }));
  }, HEARTBEAT_MS);
  heartbeat.unref();

  return {
    upgrade(request, socket, head) {
      const refused = refusal(request, options.loopback);
      if (refused !== undefined) {
        socket.end(`HTTP/1.1 ${refused}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
        return;
      }
      server.handleUpgrade(request, socket, head, (ws) => {
        const connection = new Connection(ws, options, connections);
        connections.add(connection);
        options.onCount(connections.size);
        ws.once('close', () => {
          connections.delete(connection);
          connection.end();
          options.onCount(connections.size);
        });
      });
    },
    count: () => connections.size,
    endLogin: (familyId) => endLogins(new Set([familyId])),
    async close() {
      clearInterval(heartbeat);
      const spreadMs = Math.min(LONGEST_RECONNECT_MS, connections.size * 20);
      const open = [...connections];
      for (const connection of open) connection.sendAway(Math.round(Math.random() * spreadMs));
      await Promise.all([checking, ...open.map(({ closed }) => closed)]);
    },
  };
}

/** A token has no place in an address, so an address with a query is refused. */
function refusal(request: IncomingMessage, loopback: boolean): string | undefined {
  if (request.url !== EVENT_SOCKET_PATH) return '404 Not Found';
  const { host, origin } = request.headers;
  return strangeCaller({ host, origin }, loopback) === undefined ? undefined : '403 Forbidden';
}

/** A socket that does not close when asked is cut off after this long. */
const CLOSE_LIMIT_MS = 2_000;

class Connection {
  readonly closed: Promise<void>;
  readonly #ws: WebSocket;
  readonly #options: EventSocketOptions;
  readonly #all: Iterable<Connection>;
  readonly #subscriptions = new Map<StreamId, Subscription>();
  readonly #serial = createSerial();
  #reader: Reader | undefined;
  #unlisten = () => {};
  #unanswered = 0;
  #pausedSince: number | undefined;
  #deadline: NodeJS.Timeout | undefined;
  #relayed = { since: 0, count: 0 };

  constructor(ws: WebSocket, options: EventSocketOptions, all: Iterable<Connection>) {
    this.#ws = ws;
    this.#options = options;
    this.#all = all;
    this.closed = new Promise((resolve) => ws.once('close', () => resolve()));
    this.#expireIn(AUTH_DEADLINE_MS);
    ws.on('error', (error) => options.log.debug('socket.failed', { message: error.message }));
    ws.on('pong', () => {
      this.#unanswered = 0;
    });
    ws.on('message', (data, binary) => {
      const frame = binary ? undefined : UpFrame.safeParse(parseJson(String(data))).data;
      if (frame === undefined) return this.#close(CLOSE.malformed, 'not a frame of this protocol');
      void this.#serial(() => this.#handle(frame)).catch((error: unknown) => {
        options.log.error('socket.frame_failed', { error });
        this.#close(CLOSE.overloaded, 'the server failed');
      });
    });
    const serverTime = isoTime(options.clock());
    this.#say({ type: 'hello', protocol: PROTOCOL_VERSION, heartbeatMs: HEARTBEAT_MS, serverTime });
  }

  /** Pings, and gives up on who did not answer twice or stays too far behind. */
  beat(): void {
    if (this.#unanswered >= 2) {
      this.#ws.terminate();
      return;
    }
    this.#unanswered += 1;
    this.#ws.ping();
    const { clock } = this.#options;
    if (this.#pausedSince !== undefined && clock() - this.#pausedSince > OVERLOAD_MS) this.#overloaded();
  }

  /** Closes it if it was opened by, or last renewed with, one of these logins. */
  endIfOf(logins: ReadonlySet<string>): void {
    const credential = this.#reader?.credential;
    if (credential?.kind === 'user' && logins.has(credential.familyId)) {
      this.#close(CLOSE.unauthorized, 'this login was ended');
    }
  }

  /** Only if it is that person's own; one that is behind does without. */
  tell(person: Reader['key'], frame: RelayedFrame): void {
    if (this.#reader?.key === person && this.#pausedSince === undefined) this.#say(frame);
  }

  sendAway(afterMs: number): void {
    this.#say({ type: 'reconnect', afterMs });
    this.#close(CLOSE.goingAway, 'the server goes away');
  }

  end(): void {
    this.#stopClock();
    this.#unlisten();
    for (const subscription of this.#subscriptions.values()) subscription.end();
    this.#subscriptions.clear();
  }

  /** Frames wait for each other, so the connection may be over before one is due; then nothing may begin. */
  get #isOpen(): boolean {
    return this.#ws.readyState === WebSocket.OPEN;
  }

  async #handle(frame: UpFrame): Promise<void> {
    if (!this.#isOpen) return;
    if (frame.type === 'auth' || frame.type === 'auth_refresh') return this.#authenticate(frame);
    const reader = this.#reader;
    if (reader === undefined) return this.#close(CLOSE.unauthorized, 'say who you are first');
    if (frame.type === 'unsubscribe') {
      for (const stream of frame.streams) this.#drop(stream);
      return;
    }
    if (frame.type !== 'subscribe') return this.#relay(reader, frame);
    for (const { stream, after } of frame.streams) {
      this.#drop(stream);
      this.#subscriptions.set(stream, this.#subscribe(reader, stream, after));
    }
  }

  async #relay(reader: Reader, frame: RelayedFrame): Promise<void> {
    const now = this.#options.clock();
    if (now - this.#relayed.since >= 1_000) this.#relayed = { since: now, count: 0 };
    this.#relayed.count += 1;
    if (this.#relayed.count > RELAYED_PER_SECOND || !(await reader.mayRelay(frame))) return;
    for (const other of this.#all) if (other !== this) other.tell(reader.key, frame);
  }

  async #authenticate(frame: UpFrame & { type: 'auth' | 'auth_refresh' }): Promise<void> {
    if (frame.type === 'auth' && protocolMismatch(frame.protocol) !== undefined) {
      return this.#close(CLOSE.protocol, 'another protocol');
    }
    const { store, tokens, hub, clock } = this.#options;
    // It was said in time, however long it takes to check it.
    this.#stopClock();
    const reader = await createReader(store, tokens, frame.token).catch(noReader);
    if (!this.#isOpen) return;
    const first = this.#reader === undefined;
    // A refresh keeps the connection for whom it was opened.
    if (reader === undefined || (!first && this.#reader?.key !== reader.key)) {
      return this.#close(CLOSE.unauthorized, 'the token is not valid');
    }
    this.#expireIn(reader.expiresAt + EXPIRY_GRACE_MS - clock());
    if (!first) {
      this.#reader?.renew(reader);
      return;
    }
    this.#reader = reader;
    this.#unlisten = hub.listen(reader.ownStream, ({ events }) => {
      if (!events.some(({ type }) => type === 'membership.changed')) return;
      for (const subscription of this.#subscriptions.values()) subscription.recheck();
    });
    this.#say({ type: 'ready' });
  }

  #subscribe(reader: Reader, stream: StreamId, after: number | null): Subscription {
    const { store, hub, log } = this.#options;
    const subscription = openSubscription({
      stream,
      after,
      store,
      hub,
      ...reader.access(stream),
      send: (frame) => this.#send(frame),
      congested: () => this.#pausedSince !== undefined,
      onDenied: () => {
        if (this.#subscriptions.get(stream) === subscription) this.#subscriptions.delete(stream);
        this.#say({ type: 'denied', stream });
      },
      onError: (error) => {
        log.error('socket.subscription_failed', { error });
        this.#close(CLOSE.overloaded, 'the server failed');
      },
    });
    return subscription;
  }

  #drop(stream: StreamId): void {
    this.#subscriptions.get(stream)?.end();
    this.#subscriptions.delete(stream);
  }

  #say(frame: DownFrame): void {
    this.#send(Buffer.from(JSON.stringify(frame)));
  }

  #send(frame: Buffer): void {
    if (!this.#isOpen) return;
    const ws = this.#ws;
    ws.send(frame, { binary: false }, ws.bufferedAmount > RESUME_BYTES ? () => this.#flushed() : undefined);
    if (ws.bufferedAmount > OVERLOAD_BYTES) this.#overloaded();
    else if (ws.bufferedAmount > PAUSE_BYTES) this.#pausedSince ??= this.#options.clock();
  }

  #flushed(): void {
    if (this.#pausedSince === undefined || this.#ws.bufferedAmount > RESUME_BYTES) return;
    this.#pausedSince = undefined;
    for (const subscription of this.#subscriptions.values()) subscription.resume();
  }

  #overloaded(): void {
    this.#close(CLOSE.overloaded, 'too slow; come back and go on from your cursor');
  }

  #close(code: number, reason: string): void {
    this.end();
    this.#ws.close(code, reason);
    setTimeout(() => this.#ws.terminate(), CLOSE_LIMIT_MS).unref();
  }

  #expireIn(ms: number): void {
    const own = setTimeout(
      // What has come by now is read first: a process that was held up finds both at once.
      () => setImmediate(() => this.#deadline === own && this.#close(CLOSE.unauthorized, 'no valid token')),
      Math.max(0, ms),
    );
    this.#deadline = own;
  }

  #stopClock(): void {
    clearTimeout(this.#deadline);
    this.#deadline = undefined;
  }
}

/** What a token that is not valid comes to; a database that is away says nothing about it. */
function noReader(thrown: unknown): undefined {
  if (!isAachatError(thrown, 'UNAUTHORIZED', 'STALE_RUN')) throw thrown;
}
