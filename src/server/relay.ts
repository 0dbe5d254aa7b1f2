/**
 * Carries news between server processes on one PostgreSQL. A notification says only which streams moved and how far;
 * who listens reads the log. One that is lost costs a moment, because everybody also looks regularly.
 */
import pg from 'pg';
import type { Log } from '#base/log.ts';
import { backoffMs, sleep } from '#base/time.ts';
import type { StreamId } from '#contract/ids.ts';
import { type Publication, readEvents, type Store } from './database/store.ts';
import type { Hub } from './hub.ts';

const CHANNEL = 'aachat_events';
/** Notifications wait for each other at commit, so they are few and outside of transactions. */
const COALESCE_MS = 20;
const POLL_MS = 1_500;
/** PostgreSQL refuses 8000 bytes. */
const PAYLOAD_BYTES = 7_900;
/** More at once and each reader reads for itself. */
const SHARED_EVENTS = 500;

export interface Relay extends AsyncDisposable {
  /** Tells the other processes. */
  announce(publication: Publication): void;
}

export interface RelayOptions {
  readonly pool: pg.Pool;
  readonly store: Store;
  readonly hub: Hub;
  readonly log: Log;
}

export function startRelay(options: RelayOptions): Relay {
  const { pool, hub, store, log } = options;
  const over = new AbortController();
  const pending = new Map<StreamId, number>();
  let timer: NodeJS.Timeout | undefined;
  let sending: Promise<void> = Promise.resolve();

  const flush = async (): Promise<void> => {
    const payloads = payloadsOf(pending);
    pending.clear();
    for (const payload of payloads) await pool.query('select pg_notify($1, $2)', [CHANNEL, payload]);
  };
  const listening = listenForever(options, over.signal, (payload) => {
    const known = hub.listened();
    for (const { stream, seq } of parsePayload(payload)) {
      const carried = known.get(stream);
      if (carried !== undefined && carried < seq) void catchUp(stream, carried, seq);
    }
  });
  const catchUp = async (stream: StreamId, carried: number, seq: number): Promise<void> => {
    try {
      hub.publish(await sharedRead(store, stream, carried, seq));
    } catch (error) {
      log.warn('relay.read_failed', { error });
    }
  };
  const poll = setInterval(() => {
    const known = hub.listened();
    if (known.size === 0) return;
    void pool
      .query<{ id: StreamId; seq: number }>('select id, seq from streams where id = any($1)', [[...known.keys()]])
      .then(({ rows }) =>
        Promise.all(rows.map(({ id, seq }) => ((known.get(id) ?? 0) < seq ? catchUp(id, known.get(id) ?? 0, seq) : 0))),
      )
      .catch((error: unknown) => log.warn('relay.poll_failed', { error }));
  }, POLL_MS).unref();

  return {
    announce({ stream, to }) {
      pending.set(stream, Math.max(to, pending.get(stream) ?? 0));
      timer ??= setTimeout(() => {
        timer = undefined;
        sending = sending.then(flush).catch((error: unknown) => log.warn('relay.notify_failed', { error }));
      }, COALESCE_MS);
    },
    async [Symbol.asyncDispose]() {
      over.abort();
      clearInterval(poll);
      clearTimeout(timer);
      await sending;
      if (pending.size > 0) await flush().catch(() => undefined);
      await listening;
    },
  };
}

/** Reads once for everybody who listens; if that is not possible, an empty publication says how far the stream is. */
async function sharedRead(store: Store, stream: StreamId, carried: number, seq: number): Promise<Publication> {
  if (carried > 0 && seq - carried <= SHARED_EVENTS) {
    const { events, to } = await store.read((view) => readEvents(view, stream, carried, SHARED_EVENTS));
    if (events.length > 0) return { stream, from: carried, to, events };
  }
  return { stream, from: seq, to: seq, events: [] };
}

function payloadsOf(streams: ReadonlyMap<StreamId, number>): readonly string[] {
  const payloads: string[] = [];
  for (const [stream, seq] of streams) {
    const item = `${stream}:${seq}`;
    const last = payloads.at(-1);
    if (last === undefined || last.length + item.length + 1 > PAYLOAD_BYTES) payloads.push(item);
    else payloads[payloads.length - 1] = `${last},${item}`;
  }
  return payloads;
}

const parsePayload = (payload: string): readonly { stream: StreamId; seq: number }[] =>
  payload.split(',').map((item) => {
    const [stream = '', seq = '0'] = item.split(':');
    return { stream: stream as StreamId, seq: Number(seq) };
  });

/** A connection of its own, opened again whenever it breaks. */
async function listenForever(
  { pool, log }: RelayOptions,
  over: AbortSignal,
  heard: (payload: string) => void,
): Promise<void> {
  for (let attempt = 1; !over.aborted; attempt += 1) {
    const client = new pg.Client(pool.options);
    const { promise: broken, resolve } = Promise.withResolvers<void>();
    client.on('error', () => resolve());
    client.on('end', () => resolve());
    client.on('notification', ({ payload }) => heard(payload ?? ''));
    over.addEventListener('abort', () => resolve(), { once: true });
    try {
      await client.connect();
      await client.query(`listen ${CHANNEL}`);
      attempt = 0;
      await broken;
    } catch (error) {
      log.warn('relay.listen_failed', { error });
    }
    await client.end().catch(() => undefined);
    await sleep(backoffMs(Math.max(1, attempt), { baseMs: 200, capMs: 5_000 }), over).catch(() => undefined);
  }
}
