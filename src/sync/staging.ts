/**
 * How a file of a mirror is replaced or removed without ever losing what somebody else writes there meanwhile. What is
 * going to take a place lies in `tmp`, what lost its place in `aside`; both are in the mirror, so that they can be moved.
 *
 * Synchronous on purpose: between the last comparison and the rename nothing of ours may run, and the files are small.
 * Whoever calls has made sure that every parent of a target is a real folder below the real root.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { isSystemError } from '#base/errors.ts';
import type { Digest } from './core/plan.ts';
import type { Disk } from './disk.ts';
import { bytesOf, create, oddity, read, remove, type Seen, stampOf, stat } from './file.ts';
import { CannotShare, reasonOf } from './refusal.ts';

/** What file systems without hard links say. */
const NO_LINKS = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EINVAL'];

export class Staging {
  /** False once the file system turned out to have no hard links; a save in the moment of a replacement may then be lost. */
  hasLinks: boolean = true;
  readonly #disk: Disk;
  readonly #folder: string;

  /** @param folder holds `tmp` and `aside` */
  constructor(disk: Disk, folder: string) {
    this.#disk = disk;
    this.#folder = folder;
  }

  /** Writes `bytes` where they can take the place of `target` at once. @returns the name of the staged file */
  stage(target: string, bytes: Uint8Array): string {
    this.#checkFolders();
    const name = randomUUID();
    const old = stat(this.#disk, target);
    create(this.#disk, this.#staged(name), bytes, undefined, (fd) => {
      if (old?.isFile() !== true) return;
      this.#disk.fchmodSync(fd, Number(old.mode & 0o7777n));
      // Programs take a file for unchanged, or for older than what they read, if its time does not move forward.
      if (this.#disk.fstatSync(fd, { bigint: true }).mtimeNs <= old.mtimeNs) {
        const later = Number(old.mtimeMs) / 1_000 + 0.002;
        this.#disk.futimesSync(fd, later, later);
      }
    });
    return name;
  }

  /**
   * Puts a staged file into its place if that has `expected` (null: nothing). The old file is linked aside under the
   * same name, because somebody may be writing there.
   *
   * @returns whether it was done
   */
  swap(target: string, name: string, expected: Digest): boolean {
    const staged = this.#staged(name);
    if (expected === null) return this.#putNew(staged, target);
    if (!this.#capture(target, name, expected)) return false;
    this.#giveWay(name, () => this.#disk.renameSync(staged, target));
    return true;
  }

  /** Puts a staged file into its place, whatever is there. */
  place(name: string, target: string): void {
    this.#disk.renameSync(this.#staged(name), target);
  }

  /** Removes the file if it has `expected`; it lies aside as `name` then. @returns whether it was removed */
  remove(target: string, name: string, expected: string): boolean {
    if (!this.#capture(target, name, expected)) return false;
    // Moved, not unlinked: a file that somebody has put there since is an edit that lies aside. Two names would both stay.
    this.dropAside(name);
    this.#disk.renameSync(target, this.#aside(name));
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

  /** Never over a file that came meanwhile. */
  #putNew(staged: string, target: string): boolean {
    try {
      if (this.#link(staged, target)) {
        this.#disk.unlinkSync(staged);
        return true;
      }
    } catch (thrown) {
      if (isSystemError(thrown, 'EEXIST')) return false;
      throw thrown;
    }
    if (stat(this.#disk, target) !== undefined) return false;
    this.#disk.renameSync(staged, target);
    return true;
  }

  /** @returns false where there are no hard links */
  #link(from: string, to: string): boolean {
    if (!this.hasLinks) return false;
    try {
      this.#disk.linkSync(from, to);
    } catch (thrown) {
      if (!isSystemError(thrown, ...NO_LINKS)) throw thrown;
      this.hasLinks = false;
    }
    return this.hasLinks;
  }

  #checkFolders(): void {
    for (const path of [this.#folder, join(this.#folder, 'tmp'), join(this.#folder, 'aside')]) {
      if (stat(this.#disk, path)?.isDirectory() !== true) throw new CannotShare(`${path} is no folder any more.`);
    }
  }

  /** Links the file aside and compares it through that link. The very next thing must be to replace or remove it. */
  #capture(target: string, name: string, expected: string): boolean {
    const found = stat(this.#disk, target);
    if (found === undefined) return false;
    const odd = oddity(found);
    if (odd !== undefined) throw new CannotShare(odd);
    const aside = this.#aside(name);
    this.#checkFolders();
    try {
      if (!this.#link(target, aside)) this.#disk.copyFileSync(target, aside);
    } catch (thrown) {
      if (isSystemError(thrown, 'ENOENT')) return false;
      throw thrown;
    }
    const held = read(this.#disk, aside, this.hasLinks ? 2n : 1n);
    const isExpected = held.kind === 'file' && held.digest === expected;
    const now = stat(this.#disk, target);
    if (isExpected && now !== undefined && now.ino === found.ino && now.mtimeNs === found.mtimeNs) return true;
    this.dropAside(name);
    return false;
  }

  isStaged(name: string, target: string): boolean {
    const staged = stat(this.#disk, this.#staged(name));
    return staged !== undefined && staged.ino !== stat(this.#disk, target)?.ino;
  }

  discard(name: string): void {
    remove(this.#disk, this.#staged(name));
  }

  /** Removes what an earlier process staged. */
  discardAll(): void {
    const folder = join(this.#folder, 'tmp');
    for (const { name } of this.#disk.readdirSync(folder, { withFileTypes: true })) this.discard(name);
  }

  lookAside(name: string): Seen {
    try {
      return read(this.#disk, this.#aside(name));
    } catch (thrown) {
      return { kind: 'problem', reason: reasonOf(thrown) };
    }
  }

  /** @returns undefined if it is gone */
  asideStamp(name: string): string | undefined {
    const stats = stat(this.#disk, this.#aside(name));
    return stats === undefined ? undefined : stampOf(stats);
  }

  /** Whatever it has, also what cannot be shared; undefined if it is no file any more. */
  asideBytes(name: string): Buffer | undefined {
    return bytesOf(this.#disk, this.#aside(name));
  }

  /** Whether the old file never lost its place: it was linked aside, and then nothing happened. */
  isInPlace(name: string, target: string): boolean {
    const aside = stat(this.#disk, this.#aside(name));
    return aside !== undefined && aside.ino === stat(this.#disk, target)?.ino;
  }

  dropAside(name: string): void {
    remove(this.#disk, this.#aside(name));
  }

  #staged = (name: string): string => join(this.#folder, 'tmp', name);
  #aside = (name: string): string => join(this.#folder, 'aside', name);
}
