/** The clones that the sessions of one `up` share: those that boot together fetch a repo once, not once each. */
import { aborted } from '#base/async.ts';
import type { Clock } from '#base/time.ts';
import { type Clone, type OpenClone, openClone } from './clone.ts';

export interface ClonePool {
  /**
   * The clone of a remote, fetched no more than a few seconds ago.
   *
   * @param signal ends the wait; the fetch goes on for others
   * @throws AachatError as `openClone`
   */
  open(remote: string, signal: AbortSignal): Promise<OpenClone>;
}

/** Sessions that start together see the same commits; one that starts later looks again. */
const FRESH_MS = 3_000;

/** @param signal ends all fetches */
export function createClonePool(
  cacheDir: string,
  options: { readonly exclude: readonly string[]; readonly signal: AbortSignal; readonly clock?: Clock },
): ClonePool {
  const { exclude, signal: all, clock = Date.now } = options;
  const opened = new Map<Clone['remote'], { readonly clone: Promise<OpenClone>; until: number }>();
  return {
    async open(remote, signal) {
      let entry = opened.get(remote);
      if (entry === undefined || clock() > entry.until) {
        const clone = openClone(cacheDir, remote, { exclude, signal: all });
        const fresh = { clone, until: Number.POSITIVE_INFINITY };
        opened.set(remote, fresh);
        const over = (ms: number) => {
          fresh.until = clock() + ms;
        };
        clone.then(({ fetched }) => over(fetched ? FRESH_MS : 0)).catch(() => over(-1));
        entry = fresh;
      }
      await Promise.race([entry.clone, aborted(signal)]);
      signal.throwIfAborted();
      return await entry.clone;
    },
  };
}
