/**
 * Old files that were linked aside when they were replaced. A program that held one open writes there, where nobody
 * would look: that is an edit of what the old file had.
 */
import { newId } from '#base/id.ts';
import type { Directory } from './directory.ts';
import type { Journal } from './journal.ts';

/** A changed one must be the same this long, like a file that shrank. */
const SETTLE_MS = 300;
const COMPARED_MS = 1_000;
const KEEP_MS = 60_000;

export interface AsidesOptions {
  readonly directory: Directory;
  readonly journal: Journal;
  /** Copies a text that cannot be handed in to a safe place. */
  readonly keep: (path: string, bytes: Uint8Array) => void;
}

export class Asides {
  readonly #options: AsidesOptions;
  /** Since when each has been what it is. */
  readonly #since = new Map<string, { readonly stamp: string; readonly at: number }>();

  constructor(options: AsidesOptions) {
    this.#options = options;
  }

  /** Forgets those that never lost their place, after a crash. */
  recover(): void {
    const { directory, journal } = this.#options;
    for (const [name, { path }] of journal.asides) {
      if (directory.isInPlace(name, path)) this.#drop(name);
    }
  }

  /**
   * Looks at all of them: an edit becomes an operation, and one that has not changed for a minute is removed.
   *
   * @returns paths that have a new operation, and whether some must be looked at again soon
   */
  check(): { readonly edited: readonly string[]; readonly isSettled: boolean } {
    const { directory, journal, keep } = this.#options;
    const edited: string[] = [];
    let isSettled = true;
    for (const [name, { path, digest }] of journal.asides) {
      const stamp = directory.asideStamp(name);
      if (stamp === undefined) {
        journal.append({ drop: name });
        continue;
      }
      const known = this.#since.get(name);
      const now = performance.now();
      if (known?.stamp !== stamp) this.#since.set(name, { stamp, at: now });
      const age = known?.stamp === stamp ? now - known.at : 0;
      if (age > KEEP_MS) {
        this.#drop(name);
        continue;
      }
      // It was compared when it had the same stamp already.
      if (age > COMPARED_MS) continue;
      const seen = directory.lookAside(name);
      if (seen.kind === 'file' && seen.digest === digest) continue;
      if (seen.kind === 'unstable' || age < SETTLE_MS) isSettled = false;
      else if (seen.kind === 'file') {
        const text = seen.bytes.toString();
        const begin = { opId: newId(), path, base: digest, text, isAside: true };
        journal.append({ begin, aside: { name, path, digest: seen.digest } });
        edited.push(path);
      } else {
        const bytes = directory.asideBytes(name);
        if (bytes !== undefined) keep(path, bytes);
        this.#drop(name);
      }
    }
    return { edited, isSettled };
  }

  #drop(name: string): void {
    this.#options.directory.dropAside(name);
    this.#options.journal.append({ drop: name });
    this.#since.delete(name);
  }
}
