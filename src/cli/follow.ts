/** Files that grow, shown as they do. */
import { sleep } from '#base/time.ts';

/** A file cannot say that it grew; looking costs microseconds. */
const LOOK_MS = 200;

/** Shows some lines, then those that come, until `signal` aborts. */
export async function follow<T>(
  first: readonly T[],
  next: () => Promise<readonly T[]>,
  show: (line: T) => void,
  signal: AbortSignal,
): Promise<void> {
  for (let lines = first; !signal.aborted; lines = await next()) {
    for (const line of lines) show(line);
    await sleep(LOOK_MS, signal).catch(() => {});
  }
}
