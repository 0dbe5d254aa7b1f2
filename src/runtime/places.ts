/**
 * Which agent processes may live at once on this machine. A session without a process keeps everything else, and gets a
 * place in order when it has something to do; who has had nothing to do for longest makes room. `planPlaces` decides,
 * purely; `createPlaces` tells the sessions.
 */
import { totalmem } from 'node:os';
import { type Clock, LOOK_MS } from '#base/time.ts';

export interface PlaceLimits {
  /** Most processes at once. */
  readonly maxSessions: number;
  /** After so long without anything to do a process ends; 0: never. */
  readonly hibernateMs: number;
}

export interface Holder<Id> {
  readonly id: Id;
  /** Since when its process has had nothing to do, in epoch milliseconds; null: it is needed. */
  readonly idleSince: number | null;
  /** It was told to end its process, which takes a moment. */
  readonly isEnding: boolean;
}

export interface PlacesPlan<Id> {
  readonly grant: readonly Id[];
  readonly sleep: readonly Id[];
  /** When time alone changes something; null: never. */
  readonly nextAt: number | null;
}

/** @param state.waiting first come, first served */
export function planPlaces<Id>(state: {
  readonly limits: PlaceLimits;
  readonly now: number;
  readonly holders: readonly Holder<Id>[];
  readonly waiting: readonly Id[];
}): PlacesPlan<Id> {
  const { limits, now, holders, waiting } = state;
  const grant = waiting.slice(0, Math.max(0, limits.maxSessions - holders.length));
  const idle = holders
    .flatMap(({ id, idleSince, isEnding }) => (idleSince === null || isEnding ? [] : [{ id, idleSince }]))
    .sort((a, b) => a.idleSince - b.idleSince);
  const ending = holders.filter(({ isEnding }) => isEnding).length;
  const excess = Math.max(0, holders.length - limits.maxSessions);
  const needed = Math.max(0, waiting.length - grant.length + excess - ending);
  const dueAt = (since: number) => (limits.hibernateMs === 0 ? Number.POSITIVE_INFINITY : since + limits.hibernateMs);
  const sleep = idle.filter(({ idleSince }, index) => index < needed || dueAt(idleSince) <= now);
  const next = idle[sleep.length];
  const nextAt = next === undefined ? Number.POSITIVE_INFINITY : dueAt(next.idleSince);
  return { grant, sleep: sleep.map(({ id }) => id), nextAt: Number.isFinite(nextAt) ? nextAt : null };
}

/** A session with Claude Code takes about so much. */
const PROCESS_BYTES = 360 * 1024 * 1024;

/** Memory is what processes that mostly wait for their model run out of first: they may fill half of it. */
export function defaultMaxSessions(bytes = Math.min(totalmem(), process.constrainedMemory() || totalmem())): number {
  return Math.max(2, Math.floor(bytes / 2 / PROCESS_BYTES));
}

/** A session, as far as places need it. */
export interface Seat {
  /** See `Holder`. */
  readonly idleSince: number | null;
  /** It may start its process now. */
  onPlace(): void;
  /** It is to end its process, and to release the place when that is gone. */
  onSleep(): void;
}

export interface Places extends Disposable {
  /** @returns whether it got a place: one is free, and nobody waits for it */
  take(seat: Seat): boolean;
  /** Waits in line; `onPlace` follows. */
  ask(seat: Seat): void;
  /** Its process is gone. A wish for another one, which may have come since it was told to end, stays. */
  free(seat: Seat): void;
  /** Gives back whatever it has, a place or the wish for one. */
  release(seat: Seat): void;
  /** It has become idle, or is idle no more. */
  look(): void;
}

export function createPlaces(limits: () => PlaceLimits, clock: Clock = Date.now): Places {
  const holders = new Map<Seat, { isEnding: boolean }>();
  const waiting = new Set<Seat>();
  let timer: NodeJS.Timeout | undefined;
  let isAsked = false;

  /** Later, so that a seat is never called while it calls. */
  function look(): void {
    if (isAsked) return;
    isAsked = true;
    queueMicrotask(() => {
      isAsked = false;
      act();
    });
  }

  function act(): void {
    clearTimeout(timer);
    const now = clock();
    const { grant, sleep, nextAt } = planPlaces({
      limits: limits(),
      now,
      holders: [...holders].map(([id, { isEnding }]) => ({ id, idleSince: id.idleSince, isEnding })),
      // Who waits for the end of its own process gets no second place for it.
      waiting: [...waiting].filter((seat) => !holders.has(seat)),
    });
    for (const seat of sleep) {
      holders.set(seat, { isEnding: true });
      seat.onSleep();
    }
    for (const seat of grant) {
      waiting.delete(seat);
      holders.set(seat, { isEnding: false });
      seat.onPlace();
    }
    // Looked at again now and then: what is set in the meantime counts, and who is needed may be needed no more.
    if (holders.size === 0) return;
    timer = setTimeout(act, Math.min((nextAt ?? Number.POSITIVE_INFINITY) - now, LOOK_MS)).unref();
  }

  return {
    take(seat) {
      if (waiting.size > 0 || holders.size >= limits().maxSessions) return false;
      holders.set(seat, { isEnding: false });
      return true;
    },
    ask(seat) {
      waiting.add(seat);
      look();
    },
    free(seat) {
      holders.delete(seat);
      look();
    },
    release(seat) {
      waiting.delete(seat);
      holders.delete(seat);
      look();
    },
    look,
    [Symbol.dispose]: () => clearTimeout(timer),
  };
}
