/**
 * Several transactions that wait for the embedded database share one commit, because the commit is what costs: it
 * waits for the disk. Each keeps its own fate by a savepoint, and none is answered before the disk has it.
 */
import { type Kysely, sql } from 'kysely';
import type { Queries, Schema } from './schema.ts';
import type { Transact } from './transact.ts';

/** Readers wait for a whole group. */
const LARGEST_GROUP = 32;

interface Job {
  /** Everything of one transaction but its beginning and its end. */
  readonly run: (q: Queries) => Promise<unknown>;
  readonly resolve: (value: never) => void;
  readonly reject: (thrown: unknown) => void;
}

export function groupCommit(db: Kysely<Schema>): Transact {
  const waiting: Job[] = [];
  let running = false;

  const runAll = async (): Promise<void> => {
    while (waiting.length > 0) await runGroup(db, waiting.splice(0, LARGEST_GROUP));
    running = false;
  };
  return (work) =>
    new Promise((resolve, reject) => {
      const run = async (q: Queries) => {
        const { result, last } = await work(q);
        for (const write of last) await q.executeQuery(write);
        return result;
      };
      waiting.push({ run, resolve, reject });
      if (running) return;
      running = true;
      // Those that arrive in the same moment belong together.
      setImmediate(() => void runAll());
    });
}

/** Never fails: every failure is somebody's answer. */
async function runGroup(db: Kysely<Schema>, jobs: readonly Job[]): Promise<void> {
  const [only] = jobs;
  if (only !== undefined && jobs.length === 1) {
    // Its transaction is its own: no savepoint is needed.
    await db
      .transaction()
      .execute(only.run)
      .then(only.resolve as (value: unknown) => void, only.reject);
    return;
  }
  const settle: (() => void)[] = [];
  try {
    await db.transaction().execute(async (q) => {
      for (const job of jobs) {
        await sql`savepoint one`.execute(q);
        try {
          const result = await job.run(q);
          await sql`release one`.execute(q);
          settle.push(() => job.resolve(result as never));
        } catch (thrown) {
          await sql`rollback to one`.execute(q);
          await sql`release one`.execute(q);
          settle.push(() => job.reject(thrown));
        }
      }
    });
  } catch (thrown) {
    for (const job of jobs) job.reject(thrown);
    return;
  }
  for (const tell of settle) tell();
}
