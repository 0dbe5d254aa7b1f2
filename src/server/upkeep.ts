/** What a server does by itself now and then: silent machines, old events, what has expired. */
import type { Log } from '#base/log.ts';
import { isoTime } from '#base/time.ts';
import type { Store, Tx } from './database/store.ts';
import { sweepLostRuns } from './runs.ts';

const SWEEP_MS = 10_000;
const PRUNE_MS = 60 * 60_000;
const DAY_MS = 24 * 60 * 60_000;
/** A reader that was away for longer reads over HTTP. */
const EVENT_DAYS = 30;
/** Nobody retries a command for longer. */
const COMMAND_DAYS = 30;

/** What became of it is in the log of its session. */
const PERMISSION_DAYS = 7;

export interface Upkeep extends AsyncDisposable {}

export function startUpkeep(store: Store, log: Log): Upkeep {
  let running: Promise<unknown> = Promise.resolve();
  const every = (ms: number, work: (tx: Tx) => Promise<unknown>) => {
    const run = () => {
      running = running.then(() =>
        store.transact(work).catch((error: unknown) => log.error('upkeep.failed', { error })),
      );
    };
    run();
    return setInterval(run, ms).unref();
  };
  const timers = [every(SWEEP_MS, sweepLostRuns), every(PRUNE_MS, prune)];
  return {
    async [Symbol.asyncDispose]() {
      for (const timer of timers) clearInterval(timer);
      await running;
    },
  };
}

/** Removes what nobody may ask for any more. The floor of a stream says where its log begins now. */
export async function prune({ q, now }: Tx): Promise<void> {
  const before = (days: number) => isoTime(Date.parse(now) - days * DAY_MS);
  const old = await q
    .selectFrom('events')
    .select((eb) => ['stream_id', eb.fn.max('seq').as('seq')])
    .where('at', '<', before(EVENT_DAYS))
    .groupBy('stream_id')
    .execute();
  for (const { stream_id, seq } of old) {
    await q.updateTable('streams').set({ floor: seq }).where('id', '=', stream_id).execute();
    await q.deleteFrom('events').where('stream_id', '=', stream_id).where('seq', '<=', seq).execute();
  }
  await q.deleteFrom('permissions').where('expires_at', '<', before(PERMISSION_DAYS)).execute();
  await q.deleteFrom('commands').where('at', '<', before(COMMAND_DAYS)).execute();
  await q.deleteFrom('tokens').where('expires_at', '<', now).execute();
  await q.deleteFrom('login_codes').where('expires_at', '<', now).execute();
}
