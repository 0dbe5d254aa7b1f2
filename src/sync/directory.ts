/**
 * Files of a mirror: what lies where, and the paths by which files are replaced and removed (how: `staging.ts`).
 *
 * At each read, write and removal every parent must be a real folder below the real root; links are never followed.
 */
import { basename, dirname, join } from 'node:path';
import { AachatError, isSystemError } from '#base/errors.ts';
import { PRIVATE_DIR } from '#base/fs.ts';
import type { Digest } from './core/plan.ts';
import type { Disk, Name, Stats } from './disk.ts';
import { create, identity, oddity, read, type Seen, stampOf, stat } from './file.ts';
import { FOLDERS, isForeign, OURS } from './names.ts';
import { CannotShare, reasonOf } from './refusal.ts';
import { type Staged, Staging } from './staging.ts';

/** What a walk found: what each file's stamp is, and what is neither a file nor a folder that may hold documents. */
export interface Walk {
  readonly files: ReadonlyMap<string, string>;
  readonly odd: ReadonlyMap<string, string>;
}

const NO_TEXT = 'Its name is not text in UTF-8.';

const MARKER = `This folder is a mirror of shared documents, and aachat keeps here what it needs to know about them.
Without this file the mirror stops.
`;
export class Directory {
  readonly root: string;
  /** By name: what is going to take a place, and what lost its place. */
  readonly staging: Staging;
  readonly #disk: Disk;
  readonly #ours: string;
  #identity: string;

  /** Opens the folder, or makes it. @throws AachatError `FORBIDDEN` if something of ours in it is a link */
  constructor(disk: Disk, root: string) {
    this.#disk = disk;
    disk.mkdirSync(root, { recursive: true });
    this.root = disk.realpathSync(root);
    this.#identity = identity(this.#rootStats());
    this.#ours = join(this.root, OURS);
    this.staging = new Staging(disk, this.#ours);
    // A folder that had a journal once and lost its marker must not get a new one by itself.
    const isNew = !this.hasJournal();
    this.#makeOurs();
    if (isNew) this.mark();
  }

  get journalFile(): string {
    return join(this.#ours, 'journal');
  }

  /** Makes what a mirror needs but the marker, also where it was removed: from now on this is the folder of the mirror. */
  adopt(): void {
    this.#disk.mkdirSync(this.root, { recursive: true });
    this.#identity = identity(this.#rootStats());
    this.#makeOurs();
  }

  /** Without the marker a mirror stops. */
  mark(): void {
    const marker = join(this.#ours, 'marker');
    if (this.#stat(marker) === undefined) create(this.#disk, marker, Buffer.from(MARKER));
  }

  #rootStats(): Stats {
    const stats = this.#stat(this.root);
    if (stats?.isDirectory() === true) return stats;
    throw new AachatError('FORBIDDEN', `${this.root} is a link: put a folder in its place.`);
  }

  #makeOurs(): void {
    for (const name of ['', 'marker', 'journal', 'journal.new', 'tmp', 'aside']) {
      const path = join(this.#ours, name);
      if (this.#stat(path)?.isSymbolicLink() === true)
        throw new AachatError('FORBIDDEN', `${path} is a link: remove it.`);
    }
    for (const folder of ['tmp', 'aside']) {
      this.#disk.mkdirSync(join(this.#ours, folder), { recursive: true, mode: PRIVATE_DIR });
    }
  }

  /** Whether the marker is there; one that cannot be looked at is as good as gone. */
  hasMarker(): boolean {
    try {
      const root = this.#stat(this.root);
      return (
        root !== undefined && identity(root) === this.#identity && this.#stat(join(this.#ours, 'marker')) !== undefined
      );
    } catch {
      return false;
    }
  }

  hasJournal(): boolean {
    return this.#stat(this.journalFile) !== undefined;
  }

  /** Whether the folder has nothing but ours. */
  isEmpty(): boolean {
    return this.#names(this.root).every(({ name }) => name === OURS);
  }

  /** Whether it is surely a folder. */
  isFolder(path: string): boolean {
    try {
      return this.#stat(this.#at(path))?.isDirectory() === true;
    } catch {
      return false;
    }
  }

  /** @returns why nobody can look into a folder; undefined: one can */
  folderProblem(path: string): string | undefined {
    try {
      if (this.#hasParents(path)) this.#names(this.#at(path));
      return undefined;
    } catch (thrown) {
      return reasonOf(thrown);
    }
  }

  /** Whether surely nothing is there; what cannot be looked at is not absent. */
  isAbsent(path: string): boolean {
    try {
      return !this.#hasParents(path) || this.#stat(this.#at(path)) === undefined;
    } catch {
      return false;
    }
  }

  /** Whether it is surely a file with nothing in it. */
  isEmptyFile(path: string): boolean {
    try {
      const stats = this.#hasParents(path) ? this.#stat(this.#at(path)) : undefined;
      return stats?.isFile() === true && stats.size === 0n;
    } catch {
      return false;
    }
  }

  look(path: string): Seen {
    try {
      if (!this.#hasParents(path)) return { kind: 'absent' };
      // What is no text has another name here than on disk.
      if (path.includes('\ufffd')) return this.#lists(path) ? { kind: 'problem', reason: NO_TEXT } : { kind: 'absent' };
      return read(this.#disk, this.#at(path));
    } catch (thrown) {
      if (isSystemError(thrown, 'ENOENT')) return { kind: 'unstable' };
      return { kind: 'problem', reason: reasonOf(thrown) };
    }
  }

  #lists(path: string): boolean {
    return this.#names(this.#at(dirname(path))).some(({ name }) => name === basename(path));
  }

  /** Writes `bytes` where they can take the place of `path` at once. */
  stage(path: string, bytes: Uint8Array): Staged {
    this.#hasParents(path, true);
    return this.staging.stage(this.#at(path), bytes);
  }

  /**
   * Puts a staged file into its place if that has `expected` (null: nothing). The old file lies aside as `name` then.
   *
   * @returns whether it was done
   */
  swap(path: string, name: string, expected: Digest): boolean {
    return this.#hasParents(path) && this.staging.swap(this.#at(path), name, expected);
  }

  /** Removes the file if it has `expected`; it lies aside as `name` then. @returns whether it was removed */
  remove(path: string, name: string, expected: string): boolean {
    return this.#hasParents(path) && this.staging.remove(this.#at(path), name, expected);
  }

  /** Ends what the end of a process left half done. @returns whether the staged file took its place */
  settle(staged: Staged, path: string): boolean {
    return this.staging.settle(staged, this.#at(path));
  }

  /** Whether the file went aside as `name`, and nothing came since. */
  isRemoved(name: string, path: string): boolean {
    return this.staging.asideStamp(name) !== undefined && this.isAbsent(path);
  }

  /** Whether the old file never lost its place: it was linked aside, and then nothing happened. */
  isInPlace(name: string, path: string): boolean {
    return this.staging.isInPlace(name, this.#at(path));
  }

  /** Removes the folders above that are empty now. */
  prune(path: string): void {
    for (let folder = dirname(path); folder !== '.'; folder = dirname(folder)) {
      try {
        if (this.#hasParents(folder)) this.#disk.rmdirSync(this.#at(folder));
      } catch {
        return;
      }
    }
  }

  /** Replaces a file of ours that no document can be. null removes it. Equal bytes are not written again. */
  writeOwn(path: string, text: string | null): void {
    if (!this.#hasParents(path)) return;
    const seen = this.look(path);
    if (text === null) {
      if (seen.kind === 'file') this.#disk.unlinkSync(this.#at(path));
      return;
    }
    if (seen.kind === 'problem' || (seen.kind === 'file' && seen.bytes.toString() === text)) return;
    this.staging.place(this.stage(path, Buffer.from(text)).name, this.#at(path));
  }

  /** Looks at everything below `folder` that may hold documents, and gives way between folders, where it may be over. */
  async walk(folder = '', isOver = () => false): Promise<Walk> {
    const found = { files: new Map<string, string>(), odd: new Map<string, string>() };
    const folders = [folder];
    for (let next = folders.pop(); next !== undefined && !isOver(); next = folders.pop()) {
      try {
        if (next === '' || this.#hasParents(`${next}/`)) this.#list(next, found, folders);
      } catch (thrown) {
        if (!isSystemError(thrown, 'ENOENT')) found.odd.set(next, reasonOf(thrown));
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    return found;
  }

  #list(
    folder: string,
    found: { readonly files: Map<string, string>; readonly odd: Map<string, string> },
    folders: string[],
  ): void {
    for (const entry of this.#names(this.#at(folder))) {
      if (isForeign(entry.name)) continue;
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory() && path.split('/').length <= FOLDERS) folders.push(path);
      else {
        const stats = this.#stat(this.#at(path));
        const odd = entry.name.includes('\ufffd') ? NO_TEXT : stats === undefined ? undefined : oddity(stats);
        if (odd !== undefined) found.odd.set(path, odd);
        else if (stats !== undefined) found.files.set(path, stampOf(stats));
      }
    }
  }

  /** @returns false if one of them is absent @throws if one is not a real folder */
  #hasParents(path: string, make = false): boolean {
    const root = this.#stat(this.root);
    if (root === undefined || identity(root) !== this.#identity)
      throw new CannotShare('The folder of the mirror is gone.');
    for (let end = path.indexOf('/'); end >= 0; end = path.indexOf('/', end + 1)) {
      const folder = path.slice(0, end);
      const stats = this.#stat(this.#at(folder));
      if (stats === undefined && !make) return false;
      if (stats === undefined) this.#disk.mkdirSync(this.#at(folder), { recursive: false });
      else if (!stats.isDirectory()) {
        throw new CannotShare(`\`${folder}\` is ${stats.isSymbolicLink() ? 'a link' : 'not a folder'}.`);
      }
    }
    return true;
  }

  #at = (path: string): string => join(this.root, path);
  #stat = (file: string): Stats | undefined => stat(this.#disk, file);
  #names = (folder: string): readonly Name[] => this.#disk.readdirSync(folder, { withFileTypes: true });
}
