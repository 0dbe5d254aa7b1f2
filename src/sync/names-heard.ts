/** Files of which nothing was heard but their names, since they were last looked at: what they have came by a rename. */
import type { Queue } from './queue.ts';
import { QUIET_MS } from './reconciler.ts';

/** A write to a new file is heard of a moment after its name. */
const NAMED_MS = 3;
const turn = () => new Promise((resolve) => setImmediate(resolve));

export class NamesHeard {
  readonly #queue: Pick<Queue, 'hint' | 'isWaiting'>;
  readonly #paths = new Set<string>();

  constructor(queue: Pick<Queue, 'hint' | 'isWaiting'>) {
    this.#queue = queue;
  }

  /** Asks for a look at the path, early if only its name was heard of. */
  hint(path: string, isNamed: boolean): void {
    const isEarly = isNamed && (this.#paths.has(path) || !this.#queue.isWaiting(path));
    if (isEarly) this.#paths.add(path);
    else this.#paths.delete(path);
    this.#queue.hint(path, isEarly ? NAMED_MS : QUIET_MS);
  }

  /** @returns whether a text that was read there just before the question came by a rename */
  async isWhole(path: string): Promise<boolean> {
    if (!this.#paths.has(path)) return false;
    // Two turns, because only then the system was surely asked again: what was written before is heard of by now.
    await turn();
    await turn();
    return this.#paths.has(path);
  }

  /** It was looked at. */
  forget(path: string): void {
    if (!this.#queue.isWaiting(path)) this.#paths.delete(path);
  }
}
