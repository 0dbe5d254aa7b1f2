/** Tells files that somebody deleted from a folder that was lost: a mirror that lost it stops and asks. */
import { massChange } from './core/plan.ts';
import type { Directory } from './directory.ts';
import type { Journal } from './journal.ts';
import type { Pause } from './status.ts';

export interface GuardOptions {
  readonly directory: Directory;
  readonly journal: Journal;
  /** Called once; nothing more may be decided until `answer`. */
  readonly onHalt: (reason: string) => void;
}

/** A census that was taken this long after a file was first missed has seen what went with it. */
const CENSUS_MS = 500;

export class Guard {
  readonly #options: GuardOptions;
  #halted: Pause | undefined;
  #censusAt = Number.NEGATIVE_INFINITY;
  /** Files that a person gave up, until they are gone. */
  #mayGo = new Set<string>();

  constructor(options: GuardOptions) {
    this.#options = options;
  }

  /** Why the mirror waits for an answer; undefined: it does not. */
  get halted(): Pause | undefined {
    return this.#halted;
  }

  /** Whether a file that was missed at `sinceMs` (of the steady clock) was deleted by hand; otherwise it halts. */
  mayDelete(path: string, sinceMs: number): boolean {
    if (this.#mayGo.has(path) || this.#censusAt > sinceMs + CENSUS_MS) return this.checkMarker();
    const { directory, journal } = this.#options;
    const missing = this.#missing().length;
    const known = journal.entries.size;
    const hasMarker = directory.hasMarker();
    const reason = massChange({ known, missing, hasMarker, isEmpty: hasMarker && directory.isEmpty() });
    if (reason !== undefined) this.#halt(reason);
    else this.#censusAt = performance.now();
    return reason === undefined;
  }

  /** Halts if the marker is gone. @returns whether it is there */
  checkMarker(): boolean {
    if (this.#options.directory.hasMarker()) return true;
    this.#halt(massChange({ known: 0, missing: 0, hasMarker: false, isEmpty: false }) ?? '');
    return false;
  }

  /** A path is in step: it may not go once more. */
  settled(path: string): void {
    this.#mayGo.delete(path);
  }

  /**
   * Goes on as a person said, in a folder that is the mirror's from now on. Until all of it is done the answer counts
   * for nothing, whatever fails or ends in between: what is gone must not pass for deleted by hand.
   *
   * @param forget takes whether nothing is to be remembered of a path, and forgets for good
   */
  answer(how: 'restore' | 'delete', forget: (isForgotten: (path: string) => boolean) => void): void {
    const { directory } = this.#options;
    const hasMemory = directory.hasJournal();
    directory.adopt();
    if (how === 'delete') this.#mayGo = new Set(this.#missing());
    // What is in a folder that lost its journal began from nothing that is known.
    forget((path) => (directory.isAbsent(path) ? how === 'restore' : !hasMemory));
    directory.mark();
    this.#halted = undefined;
  }

  #missing(): string[] {
    return Array.from(this.#options.journal.entries)
      .filter(([path, { base }]) => base !== null && this.#options.directory.isAbsent(path))
      .map(([path]) => path);
  }

  #halt(reason: string): void {
    if (this.#halted !== undefined) return;
    this.#halted = { reason, since: Date.now() };
    this.#options.onHalt(reason);
  }
}
