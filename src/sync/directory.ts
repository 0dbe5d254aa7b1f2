/**
 * Files of a mirror, read and replaced without ever losing what somebody else writes there meanwhile.
 *
 * Synchronous on purpose: between the last comparison and the rename nothing of ours may run, and the files are small.
 * At each read, write and removal every parent must be a real folder below the real root; links are never followed.
 */
import { randomUUID } from 'node:crypto';
import {
  closeSync,
  copyFileSync,
  fchmodSync,
  fstatSync,
  futimesSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import { AachatError, isSystemError } from '#base/errors.ts';
import { PRIVATE_DIR } from '#base/fs.ts';
import type { Digest } from './core/plan.ts';
import { identity, oddity, read, type Seen, stampOf, stat } from './file.ts';
import { FOLDERS, isForeign, OURS } from './names.ts';
import { CannotShare, reasonOf } from './refusal.ts';

export type Swapped = { readonly isDone: false } | { readonly isDone: true; readonly stamp: string };

/** What a walk found: what each file's stamp is, and what is neither a file nor a folder that may hold documents. */
export interface Walk {
  readonly files: ReadonlyMap<string, string>;
  readonly odd: ReadonlyMap<string, string>;
}

const NO_TEXT = 'Its name is not text in UTF-8.';

const MARKER = `This folder is a mirror of shared documents, and aachat keeps here what it needs to know about them.
Without this file the mirror stops.
`;
/** What file systems without hard links say. */
const NO_LINKS = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EINVAL'];

export class Directory {
  readonly root: string;
  /** False once the file system turned out to have no hard links; a save in the moment of a replacement may then be lost. */
  hasLinks: boolean = true;
  readonly #ours: string;
  #identity: string;

  /** Opens the folder, or makes it. @throws AachatError `FORBIDDEN` if something of ours in it is a link */
  constructor(root: string) {
    mkdirSync(root, { recursive: true });
    this.root = realpathSync(root);
    this.#identity = identity(lstatSync(this.root, { bigint: true }));
    this.#ours = join(this.root, OURS);
    // A folder that had a journal once and lost its marker must not get a new one by itself.
    const isNew = stat(this.journalFile) === undefined;
    this.#makeOurs();
    if (isNew) this.mark();
  }

  get journalFile(): string {
    return join(this.#ours, 'journal');
  }

  /** Makes what a mirror needs, also where it was removed: from now on this is the folder of the mirror. */
  mark(): void {
    mkdirSync(this.root, { recursive: true });
    const root = lstatSync(this.root, { bigint: true });
    if (!root.isDirectory()) throw new AachatError('FORBIDDEN', `${this.root} is a link: put a folder in its place.`);
    this.#identity = identity(root);
    this.#makeOurs();
    writeFileSync(join(this.#ours, 'marker'), MARKER);
  }

  #makeOurs(): void {
    for (const name of ['', 'marker', 'journal', 'journal.new', 'tmp', 'aside']) {
      const path = join(this.#ours, name);
      if (stat(path)?.isSymbolicLink() === true) throw new AachatError('FORBIDDEN', `${path} is a link: remove it.`);
    }
    for (const folder of ['tmp', 'aside']) mkdirSync(join(this.#ours, folder), { recursive: true, mode: PRIVATE_DIR });
  }

  /** Whether the marker is there; one that cannot be looked at is as good as gone. */
  hasMarker(): boolean {
    try {
      const root = stat(this.root);
      return root !== undefined && identity(root) === this.#identity && stat(join(this.#ours, 'marker')) !== undefined;
    } catch {
      return false;
    }
  }

  /** Whether the folder has nothing but ours. */
  isEmpty(): boolean {
    return readdirSync(this.root).every((name) => name === OURS);
  }

  /** Whether it is surely a folder. */
  isFolder(path: string): boolean {
    try {
      return stat(this.#at(path))?.isDirectory() === true;
    } catch {
      return false;
    }
  }

  /** @returns why nobody can look into a folder; undefined: one can */
  folderProblem(path: string): string | undefined {
    try {
      if (this.#hasParents(path)) readdirSync(this.#at(path));
      return undefined;
    } catch (thrown) {
      return reasonOf(thrown);
    }
  }

  /** Whether surely nothing is there; what cannot be looked at is not absent. */
  isAbsent(path: string): boolean {
    try {
      return !this.#hasParents(path) || stat(this.#at(path)) === undefined;
    } catch {
      return false;
    }
  }

  look(path: string): Seen {
    try {
      if (!this.#hasParents(path)) return { kind: 'absent' };
      // What is no text has another name here than on disk.
      if (path.includes('\ufffd')) return this.#lists(path) ? { kind: 'problem', reason: NO_TEXT } : { kind: 'absent' };
      return read(this.#at(path));
    } catch (thrown) {
      if (isSystemError(thrown, 'ENOENT')) return { kind: 'unstable' };
      return { kind: 'problem', reason: reasonOf(thrown) };
    }
  }

  #lists(path: string): boolean {
    return readdirSync(this.#at(dirname(path))).includes(basename(path));
  }

  /** @returns undefined if there is no file */
  stampOf(path: string): string | undefined {
    const stats = stat(this.#at(path));
    return stats?.isFile() === true ? stampOf(stats) : undefined;
  }

  /** Writes `bytes` where they can take the place of `path` at once. @returns the name of the staged file */
  stage(path: string, bytes: Uint8Array): string {
    this.#hasParents(path, true);
    this.#checkOurs();
    const name = randomUUID();
    const old = stat(this.#at(path));
    const fd = openSync(this.#staged(name), 'wx');
    try {
      writeFileSync(fd, bytes);
      if (old?.isFile() === true) {
        fchmodSync(fd, Number(old.mode & 0o7777n));
        // Programs take a file for unchanged, or for older than what they read, if its time does not move forward.
        if (fstatSync(fd, { bigint: true }).mtimeNs <= old.mtimeNs) {
          const later = Number(old.mtimeMs) / 1_000 + 0.002;
          futimesSync(fd, later, later);
        }
      }
    } catch (thrown) {
      // On a full disk every byte counts.
      this.discard(name);
      throw thrown;
    } finally {
      closeSync(fd);
    }
    return name;
  }

  /**
   * Puts a staged file into its place if that has `expected` (null: nothing). The old file is linked aside under the
   * same name, because somebody may be writing there.
   */
  swap(path: string, name: string, expected: Digest): Swapped {
    if (!this.#hasParents(path)) return { isDone: false };
    const [staged, target] = [this.#staged(name), this.#at(path)];
    if (expected === null) {
      if (!this.#putNew(staged, target)) return { isDone: false };
    } else {
      if (!this.#capture(target, name, expected)) return { isDone: false };
      this.#giveWay(name, () => renameSync(staged, target));
    }
    return { isDone: true, stamp: this.stampOf(path) ?? '' };
  }

  /** Removes the file if it has `expected`; it lies aside as `name` then. @returns whether it was removed */
  remove(path: string, name: string, expected: string): boolean {
    if (!this.#hasParents(path) || !this.#capture(this.#at(path), name, expected)) return false;
    // Moved, not unlinked: a file that somebody has put there since is an edit that lies aside. Two names would both stay.
    this.dropAside(name);
    renameSync(this.#at(path), this.#aside(name));
    return true;
  }

  /** Takes the place of a file that lies aside; if that fails it keeps its place, and must not keep a second name. */
  #giveWay(name: string, step: () => void): void {
    try {
      step();
    } catch (thrown) {
      this.dropAside(name);
      throw thrown;
    }
    if (!this.hasLinks) this.dropAside(name);
  }

  /** Removes the folders above that are empty now. */
  prune(path: string): void {
    for (let folder = dirname(path); folder !== '.'; folder = dirname(folder)) {
      try {
        if (this.#hasParents(folder)) rmdirSync(this.#at(folder));
      } catch {
        return;
      }
    }
  }

  /** Never over a file that came meanwhile. */
  #putNew(staged: string, target: string): boolean {
    try {
      if (this.#link(staged, target)) {
        unlinkSync(staged);
        return true;
      }
    } catch (thrown) {
      if (isSystemError(thrown, 'EEXIST')) return false;
      throw thrown;
    }
    if (stat(target) !== undefined) return false;
    renameSync(staged, target);
    return true;
  }

  /** @returns false where there are no hard links */
  #link(from: string, to: string): boolean {
    if (!this.hasLinks) return false;
    try {
      linkSync(from, to);
    } catch (thrown) {
      if (!isSystemError(thrown, ...NO_LINKS)) throw thrown;
      this.hasLinks = false;
    }
    return this.hasLinks;
  }

  #checkOurs(): void {
    for (const name of ['', 'tmp', 'aside']) {
      const path = join(this.#ours, name);
      if (stat(path)?.isDirectory() !== true) throw new CannotShare(`${path} is no folder any more.`);
    }
  }

  /** Links the file aside and compares it through that link. The very next thing must be to replace or remove it. */
  #capture(target: string, name: string, expected: string): boolean {
    const found = stat(target);
    if (found === undefined) return false;
    const odd = oddity(found);
    if (odd !== undefined) throw new CannotShare(odd);
    const aside = this.#aside(name);
    this.#checkOurs();
    try {
      if (!this.#link(target, aside)) copyFileSync(target, aside);
    } catch (thrown) {
      if (isSystemError(thrown, 'ENOENT')) return false;
      throw thrown;
    }
    const held = read(aside, this.hasLinks ? 2n : 1n);
    const isExpected = held.kind === 'file' && held.digest === expected;
    const now = stat(target);
    if (isExpected && now !== undefined && now.ino === found.ino && now.mtimeNs === found.mtimeNs) return true;
    this.dropAside(name);
    return false;
  }

  isStaged(name: string, path: string): boolean {
    const staged = stat(this.#staged(name));
    return staged !== undefined && staged.ino !== stat(this.#at(path))?.ino;
  }

  discard(name: string): void {
    rmSync(this.#staged(name), { force: true });
  }

  /** Removes what an earlier process staged. */
  discardAll(): void {
    for (const name of readdirSync(join(this.#ours, 'tmp'))) this.discard(name);
  }

  lookAside(name: string): Seen {
    try {
      return read(this.#aside(name));
    } catch (thrown) {
      return { kind: 'problem', reason: reasonOf(thrown) };
    }
  }

  /** @returns undefined if it is gone */
  asideStamp(name: string): string | undefined {
    const stats = stat(this.#aside(name));
    return stats === undefined ? undefined : stampOf(stats);
  }

  /** Whatever it has, also what cannot be shared; undefined if it is no file any more. */
  asideBytes(name: string): Buffer | undefined {
    const file = this.#aside(name);
    return stat(file)?.isFile() === true ? readFileSync(file) : undefined;
  }

  /** Whether the old file never lost its place: it was linked aside, and then nothing happened. */
  isInPlace(name: string, path: string): boolean {
    const aside = stat(this.#aside(name));
    return aside !== undefined && aside.ino === stat(this.#at(path))?.ino;
  }

  dropAside(name: string): void {
    rmSync(this.#aside(name), { force: true });
  }

  /** Replaces a file of ours that no document can be. null removes it. Equal bytes are not written again. */
  writeOwn(path: string, text: string | null): void {
    if (!this.#hasParents(path)) return;
    const seen = this.look(path);
    if (text === null) {
      if (seen.kind === 'file') unlinkSync(this.#at(path));
      return;
    }
    if (seen.kind === 'problem' || (seen.kind === 'file' && seen.bytes.toString() === text)) return;
    renameSync(this.#staged(this.stage(path, Buffer.from(text))), this.#at(path));
  }

  /** Looks at everything below `folder` that may hold documents, and gives way between folders. */
  async walk(folder = ''): Promise<Walk> {
    const found = { files: new Map<string, string>(), odd: new Map<string, string>() };
    const folders = [folder];
    for (let next = folders.pop(); next !== undefined; next = folders.pop()) {
      try {
        if (next === '' || this.#hasParents(`${next}/`)) this.#list(next, found, folders);
      } catch (thrown) {
        if (!isSystemError(thrown, 'ENOENT')) found.odd.set(next, reasonOf(thrown));
      }
      await breathe();
    }
    return found;
  }

  #list(
    folder: string,
    found: { readonly files: Map<string, string>; readonly odd: Map<string, string> },
    folders: string[],
  ): void {
    for (const entry of readdirSync(this.#at(folder), { withFileTypes: true })) {
      if (isForeign(entry.name)) continue;
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory() && path.split('/').length <= FOLDERS) folders.push(path);
      else {
        const stats = stat(this.#at(path));
        const odd = entry.name.includes('\ufffd') ? NO_TEXT : stats === undefined ? undefined : oddity(stats);
        if (odd !== undefined) found.odd.set(path, odd);
        else if (stats !== undefined) found.files.set(path, stampOf(stats));
      }
    }
  }

  /** @returns false if one of them is absent @throws if one is not a real folder */
  #hasParents(path: string, make = false): boolean {
    const root = stat(this.root);
    if (root === undefined || identity(root) !== this.#identity)
      throw new CannotShare('The folder of the mirror is gone.');
    for (let end = path.indexOf('/'); end >= 0; end = path.indexOf('/', end + 1)) {
      const folder = path.slice(0, end);
      const stats = stat(this.#at(folder));
      if (stats === undefined && !make) return false;
      if (stats === undefined) mkdirSync(this.#at(folder));
      else if (!stats.isDirectory()) {
        throw new CannotShare(`\`${folder}\` is ${stats.isSymbolicLink() ? 'a link' : 'not a folder'}.`);
      }
    }
    return true;
  }

  #at = (path: string): string => join(this.root, path);
  #staged = (name: string): string => join(this.#ours, 'tmp', name);
  #aside = (name: string): string => join(this.#ours, 'aside', name);
}
