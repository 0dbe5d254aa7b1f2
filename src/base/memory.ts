/** What the engine holds of memory and does not use. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const REST_MS = 5_000;
/** Less is not worth the pause. */
const WORTH_BYTES = 16 * 1024 * 1024;

export interface Tidying extends Disposable {
  /** Something was done that may have left much behind. */
  soon(): void;
}

/**
 * Gives memory back to the system after work that needed much, once nothing happened for a while. Engines for
 * JavaScript keep it for work that may come, and a program that waits most of its time would never return it.
 */
export function createTidying(): Tidying {
  let timer: NodeJS.Timeout | undefined;
  let inUse = process.memoryUsage().heapTotal;
  const tidy = () => {
    if (process.memoryUsage().heapTotal < inUse + WORTH_BYTES) return;
    collect();
    inUse = process.memoryUsage().heapTotal;
  };
  return {
    soon() {
      clearTimeout(timer);
      timer = setTimeout(tidy, REST_MS).unref();
    },
    [Symbol.dispose]: () => clearTimeout(timer),
  };
}

const { Bun } = globalThis as { readonly Bun?: { gc(isSynchronous: boolean): void } };

/**
 * From now on the room for young objects does not grow (V8 takes up to 64 MB, and keeps them). For a program that waits
 * most of its time: under load it collects more often.
 */
export function keepSmall(): void {
  if (Bun === undefined) setFlagsFromString('--semi-space-growth-factor=1');
}

function collect(): void {
  if (Bun !== undefined) {
    Bun.gc(true);
    return;
  }
  // Not `HeapProfiler.collectGarbage` of an inspector session: in Node 26 the thread may wait for itself there.
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as typeof globalThis.gc)?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  setFlagsFromString('--no-expose-gc');
}
