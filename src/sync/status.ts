/** What a mirror says about itself. Times are ISO 8601 in UTC. */
import { timeOfId } from '#base/id.ts';
import { isoTime } from '#base/time.ts';
import type { Operation } from './journal.ts';
import type { Replacing } from './staging.ts';

export interface MirrorStatus {
  /** `in sync`: every file is as the server last said, but for `problems`. `stopped`: waits for `resume`. */
  readonly state: 'in sync' | 'syncing' | 'offline' | 'stopped';
  /** Why it is offline or stopped. */
  readonly reason?: string;
  /** Since when it is offline or stopped. */
  readonly since?: string;
  /** What waits longest comes first. */
  readonly pending: readonly Pending[];
  readonly problems: readonly { readonly path: string; readonly reason: string }[];
  /** Documents that are not as the template of their folder asks; they are shared all the same. */
  readonly faults: readonly { readonly path: string; readonly reason: string }[];
  /** Files that show open conflicts. */
  readonly conflicts: readonly string[];
  /** Texts that had to give way since the start, and where they are now. */
  readonly kept: readonly { readonly path: string; readonly file: string }[];
  readonly replacesBy: Replacing;
  /** False: the system does not tell of every change, so all files are looked at every 5 s. */
  readonly isWatched: boolean;
}

export interface Pending {
  readonly path: string;
  readonly since: string;
  readonly why: string;
}

/** Why nothing happens now, and since when, in milliseconds since the epoch. */
export interface Pause {
  readonly reason: string;
  readonly since: number;
}

/** What waits, and since when. What was handed in says so by its id, also after a restart. */
export function pendingOf(found: {
  readonly isOffline: boolean;
  readonly operations: Iterable<Pick<Operation, 'opId' | 'path'>>;
  readonly unsettled: ReadonlyMap<string, number>;
  readonly queued: ReadonlyMap<string, number>;
}): readonly Pending[] {
  const pending = new Map<string, Pause>();
  const add = (path: string, since: number, reason: string) =>
    pending.set(path, { reason, since: Math.min(since, pending.get(path)?.since ?? since) });
  const looked = found.isOffline
    ? 'It is looked at when the server answers.'
    : 'It may have changed, and is looked at next.';
  for (const [path, since] of found.queued) add(path, since, looked);
  for (const [path, since] of found.unsettled) add(path, since, 'A program may still be writing to it.');
  for (const { opId, path } of found.operations) {
    add(path, timeOfId(opId) ?? Date.now(), 'It was handed in, and the server has not answered yet.');
  }
  return [...pending]
    .toSorted(([, one], [, other]) => one.since - other.since)
    .map(([path, { reason, since }]) => ({ path, since: isoTime(since), why: reason }));
}
