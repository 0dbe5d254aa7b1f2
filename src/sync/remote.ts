/** What a mirror knows of the server: the last listing, and what was heard since. The newer news wins, in any order. */
import type { Digest } from './core/plan.ts';
import type { Classified } from './names.ts';
import type { Listing, RemoteChange, RemoteConflict, RemoteDocument } from './replica.ts';

/** What a template asks of the documents beside it. */
export interface Template {
  /** What is wrong with the template itself. */
  readonly faults: readonly string[];
  /** @returns what is wrong with the text of a document */
  judge(text: string): readonly string[];
}

/** What templates are, which sync does not know. Nothing in it throws. */
export interface Templates {
  /** Name of the file that is one. */
  readonly file: string;
  read(text: string): Template;
}

/** Where documents, conflicts and templates lie: the grammar of paths, which sync does not know. */
export interface Grammar {
  classify(path: string): Classified;
  /** Path of the file that shows a conflict, beside its document. */
  conflictPath(conflict: RemoteConflict): string;
  readonly templates: Templates;
}

interface Known<T> {
  readonly value: T;
  /** When it was heard, in listings. */
  readonly heard: number;
}

interface ConflictRow {
  readonly conflict: RemoteConflict;
  readonly isSettled: boolean;
}

export class Remote {
  readonly #grammar: Grammar;
  readonly #documents = new Map<string, Known<RemoteDocument>>();
  readonly #conflicts = new Map<string, Known<ConflictRow>>();
  #listings = 0;

  constructor(grammar: Grammar) {
    this.#grammar = grammar;
  }

  /** Call before a listing is asked for; what is heard from then on is newer than that listing. */
  expectListing(): number {
    this.#listings += 1;
    return this.#listings;
  }

  /** Takes a listing in. What it does not name is gone, unless it was heard of after the listing was asked for. */
  list({ documents, conflicts }: Listing, asked: number): void {
    for (const document of documents) {
      const known = this.#documents.get(document.path);
      // Versions count anew where a project was made anew under its old name.
      if (known !== undefined && known.heard < asked) this.#documents.delete(document.path);
      this.#document(document, asked - 1);
    }
    const listed = new Set(documents.map(({ path }) => path));
    for (const [path, { heard }] of this.#documents) {
      if (heard < asked && !listed.has(path)) this.#documents.delete(path);
    }
    const open = new Map(conflicts.map((conflict) => [this.#grammar.conflictPath(conflict), conflict]));
    for (const [path, { value, heard }] of this.#conflicts) {
      // Not forgotten: news that it was opened may still be on its way.
      if (heard < asked && !open.has(path)) this.#conflicts.set(path, { value: { ...value, isSettled: true }, heard });
    }
    for (const [path, conflict] of open) {
      if ((this.#conflicts.get(path)?.heard ?? 0) < asked)
        this.#conflict(path, { conflict, isSettled: false }, asked - 1);
    }
  }

  /** @returns the path where something may have to be done, or undefined if it is no news */
  hear(change: RemoteChange): string | undefined {
    if ('document' in change) return this.#document(change.document, this.#listings) ? change.document.path : undefined;
    const path = this.#grammar.conflictPath(change.conflict);
    // A settled conflict is never opened again.
    if (this.#conflicts.get(path)?.value.isSettled === true) return undefined;
    return this.#conflict(path, change, this.#listings) ? path : undefined;
  }

  #document(document: RemoteDocument, heard: number): boolean {
    // Whatever comes from outside must not lead out of the folder.
    if (this.#grammar.classify(document.path).kind !== 'document') return false;
    const known = this.#documents.get(document.path);
    if (known !== undefined && known.value.version > document.version) return false;
    const { path, version, digest } = document;
    this.#documents.set(path, { value: { path, version, digest }, heard: Math.max(heard, known?.heard ?? 0) });
    return known?.value.digest !== digest;
  }

  #conflict(path: string, value: ConflictRow, heard: number): boolean {
    if (this.#grammar.classify(path).kind !== 'conflict') return false;
    this.#conflicts.set(path, { value, heard });
    return true;
  }

  /** @returns the digest of what belongs at the path; null: nothing any more; undefined: nothing is known */
  at(path: string): Digest | undefined {
    const document = this.#documents.get(path);
    if (document !== undefined) return document.value.digest;
    const row = this.#conflicts.get(path)?.value;
    if (row === undefined) return this.#grammar.classify(path).kind === 'conflict' ? null : undefined;
    return row.isSettled ? null : row.conflict.digest;
  }

  /** Paths of all documents, tombstones and conflicts. */
  *paths(): Iterable<string> {
    yield* this.#documents.keys();
    yield* this.#conflicts.keys();
  }

  /** Paths of the files that show open conflicts. */
  conflicts(): string[] {
    return [...this.#conflicts].filter(([, { value }]) => !value.isSettled).map(([path]) => path);
  }
}
