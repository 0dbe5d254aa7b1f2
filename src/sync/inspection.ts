/** Which documents are not as the template of their folder asks. They are shared all the same. */

import { basename, dirname } from 'node:path/posix';
import { setImmediate as turn } from 'node:timers/promises';
import type { Directory } from './directory.ts';
import type { Grammar, Template } from './remote.ts';

/** Others have their turn in between. */
const SLICE_MS = 10;

export class Inspection {
  /** Path → what is wrong. */
  readonly faults = new Map<string, readonly string[]>();
  readonly #directory: Directory;
  readonly #grammar: Grammar;
  /** By folder. */
  readonly #templates = new Map<string, { readonly digest: string; readonly template: Template }>();
  #touched = new Set<string>();
  #isClosed: boolean = false;

  constructor(directory: Directory, grammar: Grammar) {
    this.#directory = directory;
    this.#grammar = grammar;
  }

  close(): void {
    this.#isClosed = true;
  }

  /** It may be another text now. */
  touch(path: string): void {
    this.#touched.add(path);
  }

  /**
   * Judges what was touched, and everything beside a template that is another one now.
   *
   * @param known paths of what the mirror holds
   * @returns whether something else is wrong than before
   */
  async run(known: () => Iterable<string>): Promise<boolean> {
    const touched = this.#touched;
    this.#touched = new Set();
    const folders = new Set<string>();
    let isChanged = false;
    const found = (path: string, faults: readonly string[]) => {
      const before = this.faults.get(path) ?? [];
      if (faults.length === 0) this.faults.delete(path);
      else this.faults.set(path, faults);
      isChanged ||= before.length !== faults.length || before.some((fault, index) => fault !== faults[index]);
    };
    for (const path of touched) {
      if (basename(path) !== this.#grammar.templates.file || !this.#isDocument(path)) continue;
      touched.delete(path);
      if (!this.#readTemplate(path)) continue;
      folders.add(dirname(path));
      found(path, this.#templates.get(dirname(path))?.template.faults ?? []);
    }
    if (folders.size > 0) for (const path of known()) if (folders.has(dirname(path))) touched.add(path);
    let until = performance.now() + SLICE_MS;
    for (const path of touched) {
      const template = this.#templates.get(dirname(path))?.template;
      if (template === undefined) {
        // Most folders have none, so this must cost nothing.
        if (this.faults.has(path)) found(path, []);
        continue;
      }
      if (basename(path) === this.#grammar.templates.file || !this.#isDocument(path)) continue;
      const seen = this.#directory.look(path);
      // It is being saved, and will be touched.
      if (seen.kind !== 'unstable') found(path, seen.kind === 'file' ? template.judge(seen.bytes.toString()) : []);
      if (performance.now() < until) continue;
      await turn();
      if (this.#isClosed) break;
      until = performance.now() + SLICE_MS;
    }
    return isChanged;
  }

  /** @returns whether it is another one than before */
  #readTemplate(path: string): boolean {
    const seen = this.#directory.look(path);
    const before = this.#templates.get(dirname(path));
    if (seen.kind === 'unstable') return false;
    if (seen.kind !== 'file') return this.#templates.delete(dirname(path));
    if (seen.digest === before?.digest) return false;
    const template = this.#grammar.templates.read(seen.bytes.toString());
    this.#templates.set(dirname(path), { digest: seen.digest, template });
    return true;
  }

  #isDocument(path: string): boolean {
    return this.#grammar.classify(path).kind === 'document';
  }
}
