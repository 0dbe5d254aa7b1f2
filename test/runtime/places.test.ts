import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { LOOK_MS } from '#base/time.ts';
import { createPlaces, defaultMaxSessions, type Holder, planPlaces, type Seat } from '#runtime/places.ts';

const limits = { maxSessions: 3, hibernateMs: 1_000 };
const busy = (id: string): Holder<string> => ({ id, idleSince: null, isEnding: false });
const idle = (id: string, idleSince: number): Holder<string> => ({ id, idleSince, isEnding: false });
const plan = (holders: readonly Holder<string>[], waiting: readonly string[] = [], now = 500, more = {}) =>
  planPlaces({ limits: { ...limits, ...more }, now, holders, waiting });

describe('places', () => {
  test('who waits gets what is free, in order', () => {
    expect(plan([busy('a')], ['b', 'c', 'd'])).toEqual({ grant: ['b', 'c'], sleep: [], nextAt: null });
  });

  test('who has been idle for longest makes room, and nobody who works', () => {
    expect(plan([busy('a'), idle('b', 20), idle('c', 10)], ['d'])).toMatchObject({ grant: [], sleep: ['c'] });
    expect(plan([busy('a'), busy('b'), busy('c')], ['d'])).toEqual({ grant: [], sleep: [], nextAt: null });
  });

  test('no more are sent to sleep than are waited for, also while one is on its way', () => {
    const ending = { ...idle('c', 10), isEnding: true };
    expect(plan([idle('a', 30), idle('b', 20), ending], ['d']).sleep).toEqual([]);
    expect(plan([idle('a', 30), idle('b', 20), ending], ['d', 'e']).sleep).toEqual(['b']);
  });

  test('a process with nothing to do ends after the set time, and with none set never', () => {
    const holders = [idle('a', 400), idle('b', 100)];
    expect(plan(holders, [], 1_099)).toEqual({ grant: [], sleep: [], nextAt: 1_100 });
    expect(plan(holders, [], 1_100)).toEqual({ grant: [], sleep: ['b'], nextAt: 1_400 });
    expect(plan(holders, [], 9_999, { hibernateMs: 0 })).toEqual({ grant: [], sleep: [], nextAt: null });
  });

  test('with fewer places than before the idle ones above it end', () => {
    expect(plan([idle('a', 400), idle('b', 300), busy('c')], [], 500, { maxSessions: 1 }).sleep).toEqual(['b', 'a']);
    expect(plan([idle('a', 400), idle('b', 300), busy('c')], [], 500, { maxSessions: 2 }).sleep).toEqual(['b']);
  });

  test('half of the memory is for agent processes', () => {
    expect(defaultMaxSessions(16 * 1024 ** 3)).toBe(22);
    expect(defaultMaxSessions(1024 ** 3)).toBe(2);
  });

  test('every seat that asks gets its turn, and never more hold a place than there are', async () => {
    using places = createPlaces(() => ({ maxSessions: 2, hibernateMs: 0 }));
    const order: number[] = [];
    const holding = new Set<number>();
    let most = 0;
    const seats = Array.from({ length: 7 }, (_, index) => {
      const seat: Seat & { idleSince: number | null } = {
        idleSince: null,
        onPlace() {
          holding.add(index);
          most = Math.max(most, holding.size);
          order.push(index);
          seat.idleSince = order.length;
          places.look();
        },
        onSleep() {
          seat.idleSince = null;
          queueMicrotask(() => {
            holding.delete(index);
            places.release(seat);
          });
        },
      };
      return seat;
    });
    for (const seat of seats) places.ask(seat);
    await new Promise((resolve) => setImmediate(resolve));
    expect(order).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(most).toBe(2);
  });

  test.each([1, 2])(
    'who is wanted while its process ends gets a place when that is gone, of %i',
    async (maxSessions) => {
      const limits = { maxSessions, hibernateMs: 1 };
      using places = createPlaces(() => limits);
      const heard: string[] = [];
      const seat: Seat & { idleSince: number | null } = {
        idleSince: null,
        onPlace: () => void heard.push('place'),
        onSleep: () => void heard.push('sleep'),
      };
      const settled = () => new Promise((resolve) => setImmediate(resolve));
      places.take(seat);
      seat.idleSince = 0;
      places.look();
      await settled();
      places.ask(seat);
      await settled();
      expect(heard).toEqual(['sleep']);
      places.free(seat);
      await settled();
      expect(heard).toEqual(['sleep', 'place']);
      const other = { idleSince: null, onPlace() {}, onSleep() {} };
      expect(places.take(other)).toBe(maxSessions === 2);
      expect(places.take({ ...other })).toBe(false);
    },
  );

  test('whose process silently ceases to be needed makes room soon', async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    using places = createPlaces(() => ({ maxSessions: 1, hibernateMs: 0 }));
    const onSleep = vi.fn();
    const seat: Seat & { idleSince: number | null } = { idleSince: null, onPlace() {}, onSleep };
    places.take(seat);
    places.ask({ idleSince: null, onPlace() {}, onSleep() {} });
    await vi.advanceTimersByTimeAsync(0);
    seat.idleSince = Date.now();
    await vi.advanceTimersByTimeAsync(LOOK_MS);
    expect(onSleep).toHaveBeenCalledTimes(1);
  });
});
