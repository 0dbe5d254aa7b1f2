/**
 * How a file of a mirror is replaced or removed without ever losing what somebody else writes there meanwhile. What is
 * going to take a place lies in `tmp`, what lost its place in `aside`; both are in the mirror, so that they can be moved.
 *
 * Synchronous on purpose: between the last comparison and the rename nothing of ours may run, and the files are small.
 * Whoever calls has made sure that every parent of a target is a real folder below the real root.
 */
import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { join } from 'node:path';
import { isSystemError } from '#base/errors.ts';
import type { Digest } from './core/plan.ts';
import type { Disk } from './disk.ts';
import { bytesOf, create, oddity, read, remove, type Seen, stampOf, stat } from './file.ts';
import { CannotShare, reasonOf } from './refusal.ts';

/** What file systems without hard links say. */
const NO_LINKS = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EINVAL'];

/** A file that is going to take a place: its name, and its inode, which no other file can have as long as it exists. */
export interface Staged {
  readonly name: string;
  readonly ino: string;
}

/** How a file is replaced. Only by exchange no save is ever lost in that moment; by link, none that is in place. */
export type Replacing = 'exchange' | 'link' | 'copy';

export class Staging {
  /** False once names turned out not to be exchangeable here; a save *by rename* in the moment of a replacement may be lost. */
  canExchange: boolean = true;
  /** False once the file system turned out to have no hard links; if names cannot be exchanged either, any save then. */
  hasLinks: boolean = true;
  readonly #disk: Disk;
  readonly #folder: string;

  /** @param folder holds `tmp` and `aside` */
  constructor(disk: Disk, folder: string) {
    this.#disk = disk;
    this.#folder = folder;
  }

  get replacesBy(): Replacing {
    return this.canExchange ? 'exchange' : this.hasLinks ? 'link' : 'copy';
  }

  /** Writes `bytes` where they can take the place of `target` at once. */
  stage(target: string, bytes: Uint8Array): Staged {
    this.#checkFolders();
    const name = randomUUID();
    const old = stat(this.#disk, target);
    let ino = 0n;
    create(this.#disk, this.#staged(name), bytes, undefined, (fd) => {
      const fresh = this.#disk.fstatSync(fd, { bigint: true });
      ino = fresh.ino;
      if (old?.isFile() !== true) return;
      this.#disk.fchmodSync(fd, Number(old.mode & 0o7777n));
      // Programs take a file for unchanged, or for older than what they read, if its time does not move forward.
      if (fresh.mtimeNs <= old.mtimeNs) {
        const later = Number(old.mtimeMs) / 1_000 + 0.002;
        this.#disk.futimesSync(fd, later, later);
      }
    });
    return { name, ino: String(ino) };
  }

  /** Resolves when a staged file is safe from a power cut: the name of a good file must not get an empty one then. */
  async secure(name: string): Promise<void> {
    const fd = this.#disk.openSync(this.#staged(name), constants.O_RDONLY);
    try {
      await this.#disk.sync(fd);
    } finally {
      this.#disk.closeSync(fd);
    }
  }

  /**
   * Puts a staged file into its place if that has `expected` (null: nothing). The old file lies aside under the same
   * name then, because somebody may be writing there.
   *
   * @returns whether it was done
   */
  swap(target: string, name: string, expected: Digest): boolean {
    this.#checkFolders();
    if (expected === null) return this.#putNew(this.#staged(name), target);
    const isDone = this.canExchange ? this.#exchange(target, name, expected) : undefined;
    return isDone ?? this.#replace(target, name, expected);
  }

  /** Removes the file if it has `expected`; it lies aside as `name` then. @returns whether it was removed */
  remove(target: string, name: string, expected: string): boolean {
    this.#checkFolders();
    if (this.#stampWith(target, expected) === undefined) return false;
    try {
      // Not unlinked: whatever was put there since is an edit that lies aside.
      this.#disk.renameSync(target, this.#aside(name));
    } catch (thrown) {
      if (isSystemError(thrown, 'ENOENT')) return false;
      throw thrown;
    }
    const odd = this.#oddity(this.#aside(name));
    if (odd === undefined) return true;
    // Over nothing that was put there since, where names can be exchanged.
    if (!this.#disk.exchange(this.#aside(name), target)) this.#disk.renameSync(this.#aside(name), target);
    throw new CannotShare(odd);
  }

  /** Puts a staged file into its place, whatever is there. */
  place(name: string, target: string): void {
    this.#disk.renameSync(this.#staged(name), target);
  }

  /**
   * Ends what the end of a process left half done: what a staged file was exchanged for goes aside.
   *
   * @returns whether the staged file took its place
   */
  settle({ name, ino }: Staged, target: string): boolean {
    const found = stat(this.#disk, this.#staged(name));
    if (found === undefined) return true;
    if (String(found.ino) === ino) return stat(this.#disk, target)?.ino === found.ino;
    this.#disk.renameSync(this.#staged(name), this.#aside(name));
    return true;
  }

  /** Whatever comes to lie aside, if only since the last look, is there as a whole. @returns undefined: not this way */
  #exchange(target: string, name: string, expected: string): boolean | undefined {
    const staged = this.#staged(name);
    const fresh = stat(this.#disk, staged)?.ino;
    const stamp = this.#stampWith(target, expected);
    if (stamp === undefined) return false;
    // If the file is another one by now, that may be why; the next look tells.
    if (!this.#disk.exchange(staged, target)) return this.#stamp(target) === stamp ? undefined : false;
    try {
      const odd = this.#oddity(staged);
      if (odd !== undefined) throw new CannotShare(odd);
      this.#disk.renameSync(staged, this.#aside(name));
    } catch (thrown) {
      this.#disk.exchange(staged, target);
      // Whatever came back in its stead was put there since.
      if (stat(this.#disk, staged)?.ino !== fresh) this.#disk.renameSync(staged, this.#aside(name));
      throw thrown;
    }
    return true;
  }

  /** The next best: over a link to the old file. */
  #replace(target: string, name: string, expected: string): boolean {
    if (!this.#capture(target, name, expected)) return false;
    try {
      this.place(name, target);
    } catch (thrown) {
      // It keeps its place, and must not keep a second name.
      this.dropAside(name);
      throw thrown;
    }
    this.canExchange = false;
    if (!this.hasLinks) this.dropAside(name);
    return true;
  }

  /** @returns the stamp of the file if it has `expected` */
  #stampWith(target: string, expected: string): string | undefined {
    const seen = read(this.#disk, target);
    if (seen.kind === 'problem') throw new CannotShare(seen.reason);
    return seen.kind === 'file' && seen.digest === expected ? seen.stamp : undefined;
  }

  #oddity(file: string): string | undefined {
    const stats = stat(this.#disk, file);
    return stats && oddity(stats);
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
    return this.#stamp(this.#aside(name));
  }

  #stamp(file: string): string | undefined {
    const stats = stat(this.#disk, file);
    return stats && stampOf(stats);
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
