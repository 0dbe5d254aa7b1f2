/**
 * The only way to read and write. Every event of a transaction gets its number as the transaction's last step, with
 * the counter rows of the streams locked in order of their ids: numbers are taken in commit order, none is missed by
 * a reader, and two writers never wait for each other in a circle.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { CompiledQuery } from 'kysely';
import type { z } from 'zod';
import { type Clock, isoTime } from '#base/time.ts';
import { StreamEvent } from '#contract/frames.ts';
import type { StreamId } from '#contract/ids.ts';
import type { Database, Engine } from './engine.ts';
import type { EventRow, Queries } from './schema.ts';

/** What a query needs. Inside a transaction it is the transaction, and nothing else may be asked there. */
export interface View {
  readonly q: Queries;
  readonly engine: Engine;
  /** The moment of the request. */
  readonly now: string;
}

type Unnumbered<Event> = Event extends unknown ? Omit<Event, 'seq' | 'at'> : never;
export type NewEvent = Unnumbered<z.input<typeof StreamEvent>> & {
  readonly stream: StreamId;
  /** What the event is about: a message, a signal, a session, a party, a project. */
  readonly entityId: string;
};

type Numbered = (seq: number) => readonly CompiledQuery[];

export interface Tx extends View {
  /**
   * Adds an event. Its number is known only at the end of the transaction.
   *
   * @param numbered is called then, and says what to write with the event; what it changes in `data` is part of it
   */
  emit(event: NewEvent, numbered?: Numbered): void;
  /** Calls `work` after the commit, before anybody hears of the events. */
  afterCommit(work: () => void): void;
}

/** Consecutive events of one stream: everything after `from` up to `to`. */
export interface Publication {
  readonly stream: StreamId;
  readonly from: number;
  readonly to: number;
  readonly events: readonly StreamEvent[];
}

export interface Store {
  readonly engine: Engine;
  read<T>(body: (view: View) => Promise<T>): Promise<T>;
  /**
   * Runs `body` and commits, or throws and leaves no trace. Runs `body` again when another writer won a race, so it
   * must do nothing but use `tx`.
   *
   * @param seal is called after the events got their numbers, with what `body` returned; says what to write at last
   */
  transact<T>(body: (tx: Tx) => Promise<T>, seal?: (tx: Tx, result: T) => readonly CompiledQuery[]): Promise<T>;
}

/** A race is lost to somebody who won, so the work goes on; more losses than this are a bug. */
const MOST_ATTEMPTS = 8;

/** @param publish hears what was committed, after the commit */
export function createStore(
  { db, engine, transact }: Database,
  clock: Clock,
  publish: (publications: readonly Publication[]) => void,
): Store {
  return {
    engine,
    read: (body) => body({ q: db, engine, now: isoTime(clock()) }),
    async transact(body, seal) {
      for (let attempt = 1; ; attempt += 1) {
        try {
          const { result, publications, committed } = await transact(async (q) => {
            const pending: Pending[] = [];
            const committed: (() => void)[] = [];
            const tx: Tx = {
              q,
              engine,
              now: isoTime(clock()),
              emit: (event, numbered) => void pending.push({ event, numbered }),
              afterCommit: (work) => void committed.push(work),
            };
            const result = await body(tx);
            const { publications, writes } = await number(tx, pending);
            const last = [...writes, ...(seal?.(tx, result) ?? [])];
            return { result: { result, publications, committed }, last };
          });
          for (const work of committed) work();
          if (publications.length > 0) publish(publications);
          return result;
        } catch (thrown) {
          if (!engine.isLostRace(thrown) || attempt === MOST_ATTEMPTS) throw thrown;
          await delay(Math.random() * 10 * attempt);
        }
      }
    },
  };
}

interface Pending {
  readonly event: NewEvent;
  readonly numbered: Numbered | undefined;
}

/** Locks the counters in order and hands out the numbers. The locks are held until the commit. */
async function number(
  tx: Tx,
  pending: readonly Pending[],
): Promise<{ readonly publications: Publication[]; readonly writes: readonly CompiledQuery[] }> {
  const streams = Map.groupBy(pending, ({ event }) => event.stream);
  const publications: Publication[] = [];
  const rows: EventRow[] = [];
  const writes: CompiledQuery[] = [];
  const counters = [...streams].map(([id, own]) => ({ id, seq: own.length, floor: 0 }));
  if (counters.length === 0) return { publications, writes };
  // Rows of one statement are locked as they stand in it.
  const reached = await tx.q
    .insertInto('streams')
    .values(counters.sort((a, b) => (a.id < b.id ? -1 : 1)))
    .onConflict((on) => on.column('id').doUpdateSet((eb) => ({ seq: eb('streams.seq', '+', eb.ref('excluded.seq')) })))
    .returning(['id', 'seq'])
    .execute();
  const positions = new Map(reached.map(({ id, seq }) => [id, seq]));
  for (const [stream, own] of streams) {
    const to = positions.get(stream);
    if (to === undefined) throw new Error(`The counter of ${stream} was not returned.`);
    const from = to - own.length;
    const events: StreamEvent[] = [];
    for (const [index, { event, numbered }] of own.entries()) {
      const seq = from + index + 1;
      if (numbered !== undefined) writes.push(...numbered(seq));
      const { type, entityId, data } = event;
      rows.push({ stream_id: stream, seq, at: tx.now, type, entity_id: entityId, data: JSON.stringify(data) });
      events.push({ seq, at: tx.now, type, data } as StreamEvent);
    }
    publications.push({ stream, from, to, events });
  }
  writes.push(tx.q.insertInto('events').values(rows).compile());
  return { publications, writes };
}

/**
 * Reads the log.
 *
 * @returns at most `limit` events after `after`, in order, and the position that they reach
 */
export async function readEvents(
  view: View,
  stream: StreamId,
  after: number,
  limit: number,
): Promise<{ readonly events: readonly StreamEvent[]; readonly to: number }> {
  const rows = await view.q
    .selectFrom('events')
    .select(['seq', 'at', 'type', 'data'])
    .where('stream_id', '=', stream)
    .where('seq', '>', after)
    .orderBy('seq')
    .limit(limit)
    .execute();
  const events = rows.map(({ seq, at, type, data }) => StreamEvent.parse({ seq, at, type, data: JSON.parse(data) }));
  return { events, to: rows.at(-1)?.seq ?? after };
}

/** @returns where the stream stands; a stream without events is at 0 */
export async function streamPosition(view: View, stream: StreamId): Promise<{ seq: number; floor: number }> {
  const row = await view.q.selectFrom('streams').select(['seq', 'floor']).where('id', '=', stream).executeTakeFirst();
  return row ?? { seq: 0, floor: 0 };
}
