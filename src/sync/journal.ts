/**
 * What a mirror remembers: for each path what its text on disk began from, what was handed in and not answered yet,
 * and old files that were linked aside.
 *
 * An append-only file, one change a line. A change is written as a whole or not at all: what a crash left of the last
 * line is cut off. Every entry describes what is on disk already, never what shall be.
 */
import { constants } from 'node:fs';
import { PRIVATE_FILE } from '#base/fs.ts';
import { parseJson } from '#base/json.ts';
import { bootId } from '#base/process.ts';
import type { Digest } from './core/plan.ts';
import type { Disk } from './disk.ts';
import { remove } from './file.ts';
import type { Staged } from './staging.ts';

export interface Entry {
  /** What the text on disk began from. */
  readonly base: Digest;
  /** Bytes of the base. */
  readonly size: number;
  /** What `Directory` said of the file when it had the base; as long as it says so the file was not touched. Empty: look. */
  readonly stamp: string;
  /** A staged file that is about to take its place. Once it is staged no longer, its digest is the base. */
  readonly writing?: Staged & { readonly digest: string };
  /** Name of the aside that the file is about to become. Once it lies there and nothing is in its place, there is no entry. */
  readonly removing?: string;
}

/** Something for the server, until it has answered. It keeps its id over a crash, so it happens exactly once. */
export interface Operation {
  readonly opId: string;
  readonly path: string;
  readonly base: Digest;
  /** null: delete. */
  readonly text: string | null;
  /** The text was found in an old file that lies aside, not at the path. */
  readonly isAside: boolean;
}

/** An old file, kept because a program may still hold it open and write there. */
export interface Aside {
  readonly path: string;
  /** What of it is known to the server. */
  readonly digest: string;
}

/** All of it happens, or nothing. */
export interface Change {
  readonly path?: string;
  /** Of `path`; null: forget it. */
  readonly entry?: Entry | null;
  readonly begin?: Operation;
  /** `opId` of an operation that was answered. */
  readonly end?: string;
  readonly aside?: Aside & { readonly name: string };
  /** Name of an aside that is gone. */
  readonly drop?: string;
  /** The run of the machine in which the rest was written. */
  readonly boot?: string;
}

/** No descriptor. */
const NONE = -1;
/** Past this size, and twice what it had after the last time, the file is written anew. */
const COMPACT_BYTES = 4 * 1024 * 1024;
const OPEN = constants.O_RDWR | constants.O_CREAT | constants.O_APPEND;
/** Appending, so that nothing is left out after a failed write was taken back. */
const FRESH = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_APPEND;

export class Journal {
  readonly entries = new Map<string, Entry>();
  readonly operations = new Map<string, Operation>();
  readonly asides = new Map<string, Aside>();
  /** The machine was started since it was written: what was not synced may be lost. */
  readonly isOfEarlierBoot: boolean;
  readonly #disk: Disk;
  readonly #file: string;
  #fd: number;
  #bytes = 0;
  #compactedBytes = 0;
  #syncing = Promise.resolve();
  #next: Promise<void> | undefined;
  #hasPast: boolean = false;
  #boot: string | undefined;
  readonly #ownBoot = process.platform === 'linux' ? bootId() : '';

  /** Opens the file, or begins one; the folder must exist. The caller must `close` it. */
  constructor(disk: Disk, file: string) {
    this.#disk = disk;
    this.#file = file;
    this.#fd = disk.openSync(file, OPEN, PRIVATE_FILE);
    this.#load();
    this.isOfEarlierBoot = this.#boot !== this.#ownBoot;
    this.#compact();
  }

  #load(): void {
    for (const line of this.#disk.readFileSync(this.#fd).toString().split('\n').slice(0, -1)) {
      const change = parseJson(line);
      // After a power cut the tail may be anything; what came before it was written in order.
      if (!isChange(change)) break;
      this.#apply(change);
    }
  }

  #apply({ path, entry, begin, end, aside, drop, boot }: Change): void {
    this.#boot = boot ?? this.#boot;
    if (path !== undefined) {
      if (entry === null) this.entries.delete(path);
      else if (entry !== undefined) this.entries.set(path, entry);
    }
    if (begin !== undefined) this.operations.set(begin.opId, begin);
    if (end !== undefined) this.#hasPast = this.operations.delete(end) || this.#hasPast;
    if (aside !== undefined) this.asides.set(aside.name, { path: aside.path, digest: aside.digest });
    if (drop !== undefined) this.asides.delete(drop);
  }

  /** Whether it holds texts that were answered. */
  get hasPast(): boolean {
    return this.#hasPast;
  }

  /** Survives the end of this process at once, and of the machine after `sync`. */
  append(change: Change): void {
    this.#bytes += this.#write(this.#fd, `${JSON.stringify(change)}\n`, this.#bytes);
    this.#apply(change);
    if (this.#bytes > Math.max(COMPACT_BYTES, 2 * this.#compactedBytes)) this.compact();
  }

  /** Remembers that the file was in step with this stamp; not over a crash, which costs one look. */
  note(path: string, stamp: string): void {
    const entry = this.entries.get(path);
    if (entry !== undefined && entry.stamp !== stamp) this.entries.set(path, { ...entry, stamp });
  }

  /** @returns bytes written; on failure (a full disk) the file ends as before */
  #write(fd: number, text: string, end: number): number {
    const bytes = Buffer.from(text);
    try {
      for (let at = 0; at < bytes.length; ) at += this.#disk.writeSync(fd, bytes, at);
    } catch (thrown) {
      this.#disk.ftruncateSync(fd, end);
      throw thrown;
    }
    return bytes.length;
  }

  /** Resolves when all that was appended is safe from a power cut. One wait serves all who came before it began. */
  sync(): Promise<void> {
    this.#next ??= this.#syncing.then(() => {
      this.#next = undefined;
      const done = this.#disk.sync(this.#fd);
      this.#syncing = done.catch(() => undefined);
      return done;
    });
    return this.#next;
  }

  /**
   * Writes the file anew with these changes, all or none of them; it may have gone with its folder.
   *
   * @throws if it cannot be written; until the end of this process the changes are remembered all the same
   */
  rewrite(changes: readonly Change[]): void {
    for (const change of changes) this.#apply(change);
    this.#compact();
  }

  /** Makes the file as small as it can be; on a full disk it stays as it is. */
  compact(): void {
    try {
      this.#compact();
    } catch {
      // What is there says the same in more words.
      this.#compactedBytes = this.#bytes;
    }
  }

  /** Writes what is remembered into a new file, which takes the place of the old one as a whole. */
  #compact(): void {
    const fresh = `${this.#file}.new`;
    const fd = this.#disk.openSync(fresh, FRESH, PRIVATE_FILE);
    try {
      this.#bytes = this.#replace(fd, fresh);
    } catch (thrown) {
      this.#disk.closeSync(fd);
      remove(this.#disk, fresh);
      throw thrown;
    }
    this.#compactedBytes = this.#bytes;
    this.#hasPast = false;
    const old = this.#fd;
    this.#fd = fd;
    // It may be on its way to the disk: closed, it would not arrive, or another file would in its place.
    void this.#syncing.then(() => this.#disk.closeSync(old));
  }

  #replace(fd: number, fresh: string): number {
    const changes: readonly Change[] = [
      { boot: this.#ownBoot },
      ...Array.from(this.entries, ([path, entry]) => ({ path, entry })),
      ...Array.from(this.operations.values(), (begin) => ({ begin })),
      ...Array.from(this.asides, ([name, aside]) => ({ aside: { name, ...aside } })),
    ];
    const bytes = this.#write(fd, changes.map((change) => `${JSON.stringify(change)}\n`).join(''), 0);
    this.#disk.fsyncSync(fd);
    this.#disk.renameSync(fresh, this.#file);
    return bytes;
  }

  async close(): Promise<void> {
    await this.#syncing;
    const fd = this.#fd;
    // Its number may be that of another file from now on.
    this.#fd = NONE;
    this.#disk.closeSync(fd);
  }
}

/** Whoever can write to the mirror can write here: no name may lead out of it, and nothing may be what it is not. */
function isChange(value: unknown): value is Change {
  if (!isRecord(value)) return false;
  const { path, entry, begin, end, aside, drop, boot } = value;
  return (
    isOptional(path, isPath) &&
    isOptional(entry, (one) => one === null || isEntry(one)) &&
    isOptional(begin, isOperation) &&
    isOptional(end, isText) &&
    isOptional(aside, (one) => isRecord(one) && isName(one['name']) && isPath(one['path']) && isText(one['digest'])) &&
    isOptional(drop, isName) &&
    isOptional(boot, isText)
  );
}

const isEntry = (value: unknown): boolean =>
  isRecord(value) &&
  isTextOrNull(value['base']) &&
  typeof value['size'] === 'number' &&
  isText(value['stamp']) &&
  isOptional(value['removing'], isName) &&
  isOptional(
    value['writing'],
    (one) => isRecord(one) && isName(one['name']) && isText(one['ino']) && isText(one['digest']),
  );

const isOperation = (value: unknown): boolean =>
  isRecord(value) &&
  isText(value['opId']) &&
  isPath(value['path']) &&
  isTextOrNull(value['base']) &&
  isTextOrNull(value['text']) &&
  typeof value['isAside'] === 'boolean';

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
const isOptional = (value: unknown, is: (one: unknown) => boolean): boolean => value === undefined || is(value);
const isText = (value: unknown): value is string => typeof value === 'string';
const isTextOrNull = (value: unknown): boolean => value === null || isText(value);
const isName = (value: unknown): boolean => isText(value) && NAME.test(value);
const isPath = (value: unknown): boolean => isText(value) && !LEADS_OUT.test(value);
const NAME = /^[0-9a-f-]{36}$/;
const LEADS_OUT = /(^|\/)\.{0,2}(\/|$)/;
