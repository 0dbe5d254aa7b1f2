/** Programs of people that save documents in every way, and what must become of each word that they saved. */
import { constants } from 'node:fs';
import { dirname } from 'node:path/posix';
import type { MemoryDisk } from './memory-disk.ts';

const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_APPEND, O_TRUNC } = constants;

/** Ways of saving. The file that it began from is open for long in `held`. */
export const WAYS = ['in place', 'over', 'rename', 'recreate', 'backup', 'append', 'held'] as const;
export type Way = (typeof WAYS)[number];

/** Puts another file in the place of one. */
export const replaces = (way: Way): boolean => way === 'rename' || way === 'recreate' || way === 'backup';

export const EDITS = ['insert', 'replace', 'cut', 'shrink'] as const;
export interface Edit {
  readonly how: (typeof EDITS)[number];
  /** In lines, from the first one on and round again. */
  readonly at: number;
}

/** @returns the text with `word` in it; a word as long as those before keeps the size when it replaces one */
export function edited(text: string, way: Way, { how, at }: Edit, word: string): string {
  if (way === 'append') return `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${word}\n`;
  const lines = text.split('\n').slice(0, -1);
  const line = lines.length === 0 ? 0 : at % lines.length;
  if (how === 'shrink') return [...lines.slice(0, 1), word, ''].join('\n');
  const removed = lines.length === 0 || how === 'insert' ? 0 : how === 'replace' ? 1 : 3;
  return [...lines.slice(0, line), word, ...lines.slice(line + removed), ''].join('\n');
}

export function readText(disk: MemoryDisk, file: string): string | undefined {
  try {
    if (disk.lstatSync(file)?.isFile() !== true) return undefined;
    const fd = disk.openSync(file, O_RDONLY);
    const text = disk.readFileSync(fd).toString();
    disk.closeSync(fd);
    return text;
  } catch {
    return undefined;
  }
}

/**
 * Saves in steps, and gives way between them. What is given is what the file has meanwhile (null: there is none;
 * undefined: nothing happened yet).
 *
 * @param overwrites called with each text that is about to be overwritten, or to lose its name
 */
export function* save(
  disk: MemoryDisk,
  file: string,
  way: Way,
  text: string,
  overwrites: (text: string | undefined) => void,
): Generator<string | null | undefined, void> {
  const bytes = Buffer.from(text);
  const half = Math.floor(bytes.length * 0.7);
  const part = bytes.subarray(0, half).toString();
  const write = (fd: number, from: number, to: number) => disk.writeSync(fd, bytes.subarray(0, to), from);
  disk.mkdirSync(dirname(file), { recursive: true });
  if (way === 'rename') {
    const temp = `${file}.tmp.1.ab`;
    const fd = disk.openSync(temp, O_WRONLY | O_CREAT | O_TRUNC);
    write(fd, 0, bytes.length);
    disk.closeSync(fd);
    overwrites(readText(disk, file));
    disk.renameSync(temp, file);
    return;
  }
  if (way === 'recreate' || way === 'backup') {
    overwrites(readText(disk, file));
    const isThere = disk.lstatSync(file) !== undefined;
    if (isThere && way === 'backup') disk.renameSync(file, `${file}~`);
    else if (isThere) disk.unlinkSync(file);
    yield null;
    // Somebody else may have put one there.
    overwrites(readText(disk, file));
    const fd = disk.openSync(file, O_WRONLY | O_CREAT | O_TRUNC);
    yield '';
    write(fd, 0, half);
    yield part;
    write(fd, half, bytes.length);
    disk.closeSync(fd);
    if (isThere && way === 'backup') disk.unlinkSync(`${file}~`);
    return;
  }
  const before = readText(disk, file);
  if (before === undefined || way === 'in place') {
    overwrites(before);
    const fd = disk.openSync(file, before === undefined ? O_WRONLY | O_CREAT | O_EXCL : O_WRONLY | O_TRUNC);
    yield '';
    write(fd, 0, half);
    yield part;
    write(fd, half, bytes.length);
    disk.closeSync(fd);
    return;
  }
  const fd = disk.openSync(file, way === 'append' ? O_WRONLY | O_APPEND : O_WRONLY);
  if (way === 'append') write(fd, Buffer.byteLength(before), bytes.length);
  else {
    if (way === 'held') yield undefined;
    overwrites(before);
    write(fd, 0, half);
    yield Buffer.concat([bytes.subarray(0, half), Buffer.from(before).subarray(half)]).toString();
    write(fd, half, bytes.length);
    disk.ftruncateSync(fd, bytes.length);
  }
  disk.closeSync(fd);
}

/** A word that was saved, or is about to be. */
interface Word {
  isSaved: boolean;
  /**
   * `told`: it must be in a document, in a conflict or in `kept/`. `overwritten`: by somebody who did not look, so the
   * history has it. `taken out`: by somebody who had it before their eyes.
   */
  fate: 'told' | 'overwritten' | 'taken out';
  readonly path: string;
  readonly place: string;
  readonly how: string;
}

const LEVELS = ['told', 'overwritten', 'taken out'] as const;
export const wordsOf = (text: string): string[] => text.split(/\s+/).filter((word) => word !== '');

export class Ledger {
  readonly words = new Map<string, Word>();
  /** Words, and what a half-done save made of them. */
  readonly known = new Set<string>();
  /** `path` and text: a part of a save that no version may be. */
  readonly parts = new Set<string>();
  /** Texts that may be versions. */
  readonly wholes = new Set<string>();
  /** Documents where a conflict was saved over: that wins over lines that its author did not see. */
  readonly settled = new Set<string>();
  /** Versions that all saves together may make. */
  allowed = 0;
  #next = 0;

  newWord(path: string, place: string, how: string): string {
    this.#next += 1;
    const number = String(this.#next).padStart(4, '0');
    // Twice, so that no two halves of words make another one.
    const word = `w${number}q${number}`;
    this.words.set(word, { isSaved: false, fate: this.settled.has(path) ? 'overwritten' : 'told', path, place, how });
    this.known.add(word);
    return word;
  }

  saved(path: string, text: string): void {
    this.allow(path, text);
    for (const word of wordsOf(text)) {
      const known = this.words.get(word);
      if (known !== undefined) known.isSaved = true;
    }
  }

  /** This text may become a version. */
  allow(path: string, text: string | null): void {
    this.wholes.add(key(path, text));
    this.allowed += 1;
    for (const word of wordsOf(text ?? '')) this.known.add(word);
  }

  forbid(path: string, text: string | null): void {
    this.parts.add(key(path, text));
  }

  mayBe(path: string, text: string | null): boolean {
    return this.wholes.has(key(path, text));
  }

  isPart(path: string, text: string | null): boolean {
    return this.parts.has(key(path, text)) && !this.mayBe(path, text);
  }

  lower(words: Iterable<string>, fate: Word['fate']): void {
    for (const word of words) {
      const known = this.words.get(word);
      if (known !== undefined && LEVELS.indexOf(known.fate) < LEVELS.indexOf(fate)) known.fate = fate;
    }
  }

  /** What was before becomes what is after, by somebody who had seen `view`. */
  replaced(before: string | undefined, after: string | null, view: string): void {
    const left = wordsOf(after ?? '');
    const seen = new Set(wordsOf(view));
    // Where a word stands twice, two people may each take out one.
    const gone = wordsOf(before ?? '').filter((word) => {
      const at = left.indexOf(word);
      if (at >= 0) left.splice(at, 1);
      return at < 0;
    });
    this.lower(
      gone.filter((word) => seen.has(word)),
      'taken out',
    );
    this.lower(
      gone.filter((word) => !seen.has(word)),
      'overwritten',
    );
  }
}

const key = (path: string, text: string | null): string => JSON.stringify([path, text]);
