/**
 * One reader of one stream: what it has not seen comes from the log, what happens meanwhile from the hub, in order
 * and without a gap. Every event is delivered only while its reader may read the stream.
 */
import type { DownFrame, StreamEvent } from '#contract/frames.ts';
import type { StreamId } from '#contract/ids.ts';
import { type Publication, readEvents, type Store, streamPosition } from './database/store.ts';
import type { Hub } from './hub.ts';

/** Limits of one batch. */
const BATCH_EVENTS = 500;
const BATCH_BYTES = 200 * 1024;

export interface SubscriptionOptions {
  readonly stream: StreamId;
  /** The last position that the reader has; null: only what comes from now on. */
  readonly after: number | null;
  readonly store: Store;
  readonly hub: Hub;
  /** Asks with the facts that are known. */
  readonly allowed: () => boolean;
  /** Loads the facts and asks again. */
  readonly reload: () => Promise<boolean>;
  /** Whether the event may change what the reader is allowed. */
  readonly concerns: (event: StreamEvent) => boolean;
  readonly send: (frame: Buffer) => void;
  /** True while the reader is behind; then `resume` is called when it has caught up. */
  readonly congested: () => boolean;
  /** The right to read is gone, and the subscription has ended. */
  readonly onDenied: () => void;
  /** The log cannot be read: the reader must come again. */
  readonly onError: (thrown: unknown) => void;
}

export interface Subscription {
  resume(): void;
  /** Asks again whether the reader may read, because something about the reader changed. */
  recheck(): void;
  end(): void;
}

export function openSubscription(options: SubscriptionOptions): Subscription {
  const { stream, store, hub, allowed, send } = options;
  let cursor = 0;
  let ended = false;
  let pumping = true;
  let again = false;
  let live = false;
  let doubtful = false;

  const unlisten = hub.listen(stream, (publication) => {
    if (ended || publication.to <= cursor) return;
    const frame = pumping || options.congested() ? undefined : liveFrame(publication, cursor);
    if (frame !== undefined && !publication.events.some(options.concerns) && allowed()) {
      send(frame);
      cursor = publication.to;
      return;
    }
    pump();
  });
  const end = () => {
    ended = true;
    unlisten();
  };
  const deny = () => {
    end();
    options.onDenied();
  };

  const start = async (): Promise<void> => {
    if (!(await options.reload())) return deny();
    const { seq, floor } = await store.read((view) => streamPosition(view, stream));
    const { after } = options;
    cursor = after ?? seq;
    if (cursor < floor || cursor > seq) {
      cursor = seq;
      send(frameOf({ type: 'reset', stream, seq }));
    }
    await drain();
  };

  /** Sends what the log has beyond the cursor, until nothing is left or the reader is behind. */
  const drain = async (): Promise<void> => {
    do {
      again = false;
      if (doubtful) {
        doubtful = false;
        if (!(await options.reload())) return deny();
      }
      while (!ended && !options.congested()) {
        const { events, to } = await store.read((view) => readEvents(view, stream, cursor, BATCH_EVENTS));
        if (events.length === 0 || ended) break;
        if ((events.some(options.concerns) && !(await options.reload())) || !allowed()) return deny();
        for (const batch of batches(events, cursor, to)) send(frameOf({ type: 'batch', stream, ...batch }));
        cursor = to;
      }
    } while (again && !ended);
    if (ended || live || options.congested()) return;
    live = true;
    send(frameOf({ type: 'live', stream, seq: cursor }));
  };

  const run = (work: () => Promise<void>): void => {
    pumping = true;
    void work()
      .catch((thrown: unknown) => {
        end();
        options.onError(thrown);
      })
      .finally(() => {
        pumping = false;
        if (again && !ended) pump();
      });
  };
  const pump = (): void => {
    if (ended) return;
    if (pumping) again = true;
    else run(drain);
  };

  run(start);
  return {
    resume: pump,
    recheck() {
      doubtful = true;
      pump();
    },
    end,
  };
}

const frameOf = (frame: DownFrame): Buffer => Buffer.from(JSON.stringify(frame));

/** All readers of a stream that are at the same place get the same bytes. */
const frames = new WeakMap<Publication, Buffer>();

function liveFrame(publication: Publication, cursor: number): Buffer | undefined {
  const { stream, from, to, events } = publication;
  if (from !== cursor || events.length > BATCH_EVENTS) return undefined;
  const known = frames.get(publication);
  if (known !== undefined) return known;
  const frame = frameOf({ type: 'batch', stream, from, to, events: [...events] });
  if (frame.length > BATCH_BYTES) return undefined;
  frames.set(publication, frame);
  return frame;
}

interface Batch {
  readonly from: number;
  readonly to: number;
  readonly events: StreamEvent[];
}

/** Cuts events into batches of limited size; the last one reaches `to`. An event that is too large is one by itself. */
function batches(events: readonly StreamEvent[], from: number, to: number): readonly Batch[] {
  const cut: { from: number; to: number; events: StreamEvent[] }[] = [];
  let bytes = 0;
  for (const event of events) {
    const size = Buffer.byteLength(JSON.stringify(event));
    const last = cut.at(-1);
    if (last === undefined || bytes + size > BATCH_BYTES) {
      cut.push({ from: last?.to ?? from, to: event.seq, events: [event] });
      bytes = size;
    } else {
      last.events.push(event);
      last.to = event.seq;
      bytes += size;
    }
  }
  const last = cut.at(-1);
  if (last !== undefined) last.to = to;
  return cut;
}
