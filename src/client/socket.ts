/** The event socket: stays connected, keeps its place in every stream, and hands over each event once and in order. */
import WebSocket from 'ws';
import { isAachatError } from '#base/errors.ts';
import { parseJson } from '#base/json.ts';
import type { Log } from '#base/log.ts';
import { backoffMs, type Clock } from '#base/time.ts';
import {
  CLOSE,
  DownFrame,
  EVENT_SOCKET_PATH,
  type RelayedFrame,
  SILENCE_LIMIT_MS,
  type StreamEvent,
  type UpFrame,
} from '#contract/frames.ts';
import type { StreamId } from '#contract/ids.ts';
import { PROTOCOL_VERSION } from '#contract/version.ts';
import { INITIAL, type SocketInput, type SocketState, step } from './socket-state.ts';

export interface EventSocketOptions {
  /** Base address of the server, `http:` or `https:`. */
  readonly url: URL;
  /** A token that is good for some minutes; asked at every connection and before the old one expires. */
  readonly token: (how?: 'renew') => Promise<string>;
  /** Called in order. Work that takes time belongs elsewhere: the cursor has moved when this returns. */
  readonly onEvent: (stream: StreamId, event: StreamEvent) => void;
  /** A stream that was subscribed from now on is heard: what was before is read over HTTP. */
  readonly onBegin?: (stream: StreamId) => void;
  /** Events were missed for good: read the state over HTTP. */
  readonly onReset: (stream: StreamId, seq: number) => void;
  readonly onDenied: (stream: StreamId) => void;
  readonly onState: (connected: boolean) => void;
  /** Another socket of the same person says something. */
  readonly onRelayed?: (frame: RelayedFrame) => void;
  readonly log: Log;
  readonly clock?: Clock;
}

export interface EventSocket extends AsyncDisposable {
  /** @param after last position that is known; null: from now on. A second call for a stream changes nothing. */
  subscribe(stream: StreamId, after: number | null): void;
  unsubscribe(stream: StreamId): void;
  /** Says something to the other sockets of the same person; nothing while it is not connected. */
  relay(frame: RelayedFrame): void;
  /** Where the reader stands; null before the first word of the stream. */
  cursor(stream: StreamId): number | null;
}

const BACKOFF = { baseMs: 500, capMs: 30_000 };
/** A connection that held this long was a good one. */
const CALM_MS = 60_000;
const TICK_MS = 5_000;
/** A timer that is this late means that the machine slept: the connection is gone whatever it looks like. */
const JUMP_MS = 15_000;
/** Access tokens live for 15 minutes. */
const TOKEN_REFRESH_MS = 10 * 60_000;

/** Connects in the background and keeps at it until disposed. */
export function openEventSocket(options: EventSocketOptions): EventSocket {
  const { log, clock = Date.now } = options;
  const address = new URL(EVENT_SOCKET_PATH, options.url);
  address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';
  let state: SocketState = INITIAL;
  let socket: WebSocket | undefined;
  let timer: NodeJS.Timeout | undefined;
  let ended = false;
  let renew = false;
  let [lastHeard, lastTick, readySince, lastToken] = [clock(), clock(), 0, 0];

  function feed(input: SocketInput): void {
    const next = step(state, input);
    state = next.state;
    for (const output of next.outputs) {
      switch (output.kind) {
        case 'authenticate':
          void authenticate('auth');
          break;
        case 'send':
          send(output.frame);
          break;
        case 'apply':
          options.onEvent(output.stream, output.event);
          break;
        case 'begin':
          options.onBegin?.(output.stream);
          break;
        case 'reset':
          options.onReset(output.stream, output.seq);
          break;
        case 'denied':
          options.onDenied(output.stream);
          break;
        case 'connected':
          readySince = clock();
          options.onState(output.connected);
          break;
        case 'relayed':
          options.onRelayed?.(output.frame);
          break;
        case 'reconnect':
          drop(output.afterMs);
          break;
      }
    }
  }

  function send(frame: UpFrame): void {
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(frame));
  }

  async function authenticate(type: 'auth' | 'auth_refresh'): Promise<void> {
    const mine = socket;
    try {
      const token = await options.token(renew ? 'renew' : undefined);
      renew = false;
      lastToken = clock();
      if (mine !== socket) return;
      send(type === 'auth' ? { type, token, protocol: PROTOCOL_VERSION } : { type, token });
    } catch (error) {
      log.warn('socket.token_failed', { error });
      if (type === 'auth' && mine === socket) drop(isAachatError(error, 'UNAUTHORIZED') ? BACKOFF.capMs : undefined);
    }
  }

  function connect(): void {
    if (ended) return;
    feed({ kind: 'open' });
    lastHeard = clock();
    const own = new WebSocket(address, { perMessageDeflate: false, handshakeTimeout: 15_000, followRedirects: false });
    socket = own;
    own.on('message', (data) => {
      if (own !== socket) return;
      lastHeard = clock();
      const frame = DownFrame.safeParse(parseJson(String(data)));
      // A frame of a newer server: passed over, a gap it leaves is found by the next batch.
      if (frame.success) feed({ kind: 'frame', frame: frame.data });
      else log.warn('socket.frame_unknown', {});
    });
    own.on('ping', () => {
      lastHeard = clock();
    });
    own.on('error', (error) => log.debug('socket.failed', { reason: error.message }));
    own.on('close', (code) => {
      if (own !== socket) return;
      if (code === CLOSE.unauthorized) renew = true;
      lost(code === CLOSE.protocol || code === CLOSE.malformed ? BACKOFF.capMs : undefined);
    });
  }

  /** Ends the connection from our side. */
  function drop(afterMs: number | undefined): void {
    const old = socket;
    lost(afterMs);
    old?.terminate();
  }

  function lost(afterMs: number | undefined): void {
    socket = undefined;
    feed({ kind: 'closed' });
    clearTimeout(timer);
    if (ended) return;
    timer = setTimeout(connect, afterMs ?? backoffMs(Math.max(1, state.failures), BACKOFF));
  }

  const ticker = setInterval(() => {
    const now = clock();
    const late = now - lastTick > TICK_MS + JUMP_MS;
    lastTick = now;
    if (socket === undefined) return;
    if (late || now - lastHeard > SILENCE_LIMIT_MS) {
      log.info('socket.silent', { late });
      drop(late ? 0 : undefined);
      return;
    }
    if (state.phase !== 'ready') return;
    if (now - readySince > CALM_MS) feed({ kind: 'settled' });
    if (now - lastToken > TOKEN_REFRESH_MS) void authenticate('auth_refresh');
  }, TICK_MS);

  connect();
  return {
    subscribe: (stream, after) => feed({ kind: 'subscribe', stream, after }),
    unsubscribe: (stream) => feed({ kind: 'unsubscribe', stream }),
    relay: (frame) => {
      if (state.phase === 'ready') send(frame);
    },
    cursor: (stream) => state.cursors.get(stream) ?? null,
    [Symbol.asyncDispose]: async () => {
      ended = true;
      clearInterval(ticker);
      clearTimeout(timer);
      const old = socket;
      socket = undefined;
      if (old === undefined) return;
      const closed = new Promise<void>((resolve) => old.once('close', () => resolve()));
      old.on('error', () => {});
      old.close(1000);
      const limit = setTimeout(() => old.terminate(), 1_000);
      await closed;
      clearTimeout(limit);
    },
  };
}
