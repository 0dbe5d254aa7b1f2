/** The launcher's connection to the server: hears what happens, says whether it stands, and wakes a platform that died. */
import { aborted } from '#base/async.ts';
import type { Log } from '#base/log.ts';
import { sleep } from '#base/time.ts';
import { type EventSocket, openEventSocket } from '#client/socket.ts';
import type { RelayedFrame, StreamEvent } from '#contract/frames.ts';
import type { StreamId } from '#contract/ids.ts';

export interface ServerLinkOptions {
  readonly url: URL;
  /** Access token, fresh at each call. */
  readonly token: () => Promise<string>;
  readonly onEvent: (stream: StreamId, event: StreamEvent) => void;
  /** Something may have been missed: read over HTTP what is so now. */
  readonly onGap: () => void;
  /** A stream that is followed is heard from now on. */
  readonly onBegin: (stream: StreamId) => void;
  /** There is no such stream for the owner, or no longer. */
  readonly onDenied: (stream: StreamId) => void;
  readonly onState: (connected: boolean) => void;
  /** Another socket of the owner says something. */
  readonly onRelayed: (frame: RelayedFrame) => void;
  /** Starts the platform again if it was this home's own and has died; asked now and then while nothing answers. */
  readonly revive: () => Promise<void>;
  readonly log: Log;
}

export interface ServerLink extends AsyncDisposable {
  readonly connected: boolean;
  /** Since when it is not connected, in milliseconds since the epoch. */
  readonly awaySince: number | undefined;
  /** Resolves when the connection stands. @throws the signal's reason when it aborts */
  whenConnected(signal: AbortSignal): Promise<void>;
  /** Hears a stream from the `onBegin` on that follows. */
  follow(stream: StreamId): void;
  /** Says something to the owner's other sockets; nothing while it is not connected. */
  relay(frame: RelayedFrame): void;
}

const REVIVE_MS = 3_000;

/** Connects in the background and keeps at it until disposed. */
export function openServerLink(options: ServerLinkOptions): ServerLink {
  const { log } = options;
  const over = new AbortController();
  let awaySince: number | undefined = Date.now();
  let connection = Promise.withResolvers<void>();
  const socket: EventSocket = openEventSocket({
    url: options.url,
    token: options.token,
    onEvent: options.onEvent,
    onBegin: options.onBegin,
    onReset: options.onGap,
    onDenied: options.onDenied,
    onRelayed: options.onRelayed,
    onState: (now) => {
      if (now) {
        awaySince = undefined;
        connection.resolve();
        options.onGap();
      } else {
        awaySince ??= Date.now();
        connection = Promise.withResolvers<void>();
        void revive();
      }
      options.onState(now);
    },
    log,
  });

  async function revive(): Promise<void> {
    while (awaySince !== undefined && !over.signal.aborted) {
      try {
        await sleep(REVIVE_MS, over.signal);
        if (awaySince !== undefined) await options.revive();
      } catch (error) {
        if (!over.signal.aborted) log.warn('up.revive_failed', { error });
      }
    }
  }

  return {
    get connected() {
      return awaySince === undefined;
    },
    get awaySince() {
      return awaySince;
    },
    async whenConnected(signal) {
      await Promise.race([connection.promise, aborted(signal)]);
      signal.throwIfAborted();
    },
    follow: (stream) => socket.subscribe(stream, null),
    relay: socket.relay,
    async [Symbol.asyncDispose]() {
      over.abort();
      await socket[Symbol.asyncDispose]();
    },
  };
}
