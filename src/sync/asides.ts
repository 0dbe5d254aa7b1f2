/**
 * Old files that went aside when they were replaced. A program that held one open writes there, where nobody
 * would look: that is an edit of what the old file had.
 */
import { newId } from '#base/id.ts';
import type { Directory } from './directory.ts';
import type { Aside, Journal } from './journal.ts';

/** A changed one must be the same this long, like a file that shrank. */
const SETTLE_MS = 300;
/** A stamp that has been the same this long says that nothing changed; before, only the text does. */
const STEADY_MS = 1_000;
const KEEP_MS = 60_000;

export interface AsidesOptions {
  readonly directory: Directory;
  readonly journal: Journal;
  /** Copies a text that cannot be handed in to a safe place. */
  readonly keep: (path: string, bytes: Uint8Array) => void;
  /** Called once for each that has to be tried again. */
  readonly onFailure: (path: string, error: unknown) => void;
}

interface Known {
  readonly stamp: string;
  /** When it was first seen with this stamp. */
  readonly since: number;
  /** With this stamp it has what the server knows: it need not be read again. */
  isCompared: boolean;
}

export class Asides {
  readonly #options: AsidesOptions;
  readonly #known = new Map<string, Known>();
  /** Names of those whose text could not be handed in or kept, a full disk for example. */
  readonly #failed = new Set<string>();
  /** Paths of those that were changed and are neither handed in nor kept → since when, in ms since the epoch. */
  readonly unsettled = new Map<string, number>();

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
   * @returns paths that have a new operation
   */
  check(): readonly string[] {
    const edited: string[] = [];
    const before = new Map(this.unsettled);
    this.unsettled.clear();
    const wait = (path: string) => void this.unsettled.set(path, before.get(path) ?? Date.now());
    for (const [name, aside] of this.#options.journal.asides) {
      try {
        const found = this.#look(name, aside);
        if (found === 'edited') edited.push(aside.path);
        if (found === 'unsettled') wait(aside.path);
      } catch (error) {
        // It lies there still, and the others are not to wait for it.
        if (!this.#failed.has(name)) this.#options.onFailure(aside.path, error);
        this.#failed.add(name);
        wait(aside.path);
      }
    }
    return edited;
  }

  #look(name: string, { path, digest }: Aside): 'edited' | 'unsettled' | 'settled' {
    const { directory, journal, keep } = this.#options;
    const { staging } = directory;
    const stamp = staging.asideStamp(name);
    if (stamp === undefined) {
      this.#forget(name);
      return 'settled';
    }
    const now = performance.now();
    const before = this.#known.get(name);
    const known = before?.stamp === stamp ? before : { stamp, since: now, isCompared: false };
    this.#known.set(name, known);
    const age = now - known.since;
    if (known.isCompared) {
      if (age > KEEP_MS) this.#drop(name);
      return 'settled';
    }
    const seen = staging.lookAside(name);
    if (seen.kind === 'file' && seen.digest === digest) {
      known.isCompared = age > STEADY_MS;
      return 'settled';
    }
    if (seen.kind === 'unstable' || age < SETTLE_MS) return 'unsettled';
    if (seen.kind === 'file') {
      const text = seen.bytes.toString();
      const begin = { opId: newId(), path, base: digest, text, isAside: true };
      journal.append({ begin, aside: { name, path, digest: seen.digest } });
      this.#failed.delete(name);
      return 'edited';
    }
    const bytes = staging.asideBytes(name);
    // What has no text, a folder for example, stays where it is: it is not ours to remove.
    if (bytes === undefined) this.#forget(name);
    else {
      keep(path, bytes);
      this.#drop(name);
    }
    return 'settled';
  }

  #drop(name: string): void {
    this.#options.directory.staging.dropAside(name);
    this.#forget(name);
  }

  #forget(name: string): void {
    this.#options.journal.append({ drop: name });
    this.#known.delete(name);
    this.#failed.delete(name);
  }
}
