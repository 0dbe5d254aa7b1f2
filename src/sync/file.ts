/** One file as a mirror sees it: what it has, what tells one state of it from another, and whether it may be shared. */
import { hash } from 'node:crypto';
import { constants } from 'node:fs';
import { isSystemError } from '#base/errors.ts';
import type { Disk, Stats } from './disk.ts';
import { textProblem, tooLarge } from './names.ts';

export type Seen =
  | { readonly kind: 'absent' }
  | { readonly kind: 'file'; readonly digest: string; readonly bytes: Buffer; readonly stamp: string }
  /** It changed while it was read. */
  | { readonly kind: 'unstable' }
  | { readonly kind: 'problem'; readonly reason: string };

export const digestOf = (bytes: Uint8Array): string => hash('sha256', bytes);

const READ = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;

/** @returns undefined if nothing is there, also where a file is in the place of a folder above */
export function stat(disk: Disk, path: string): Stats | undefined {
  try {
    return disk.lstatSync(path, { bigint: true, throwIfNoEntry: false });
  } catch (thrown) {
    if (isSystemError(thrown, 'ENOTDIR')) return undefined;
    throw thrown;
  }
}

export const identity = ({ dev, ino }: Stats): string => `${dev}:${ino}`;
export const stampOf = ({ size, mtimeNs, ctimeNs, ino }: Stats): string => `${size}:${mtimeNs}:${ctimeNs}:${ino}`;

const [MODIFIED, CHANGED] = [1, 2];
const isWithin = (stamp: string, time: number, ms: number): boolean =>
  Math.abs(Date.now() - Number(stamp.split(':')[time]) / 1_000_000) < ms;

/** Whether something was written to the file less than `ms` ago. */
export const isYoung = (stamp: string, ms: number): boolean => isWithin(stamp, MODIFIED, ms);

/** A file's times have steps of some milliseconds: one that was changed a moment ago may change again unseen. */
const RACY_MS = 100;
/** The stamp if it tells every later state from this one; otherwise empty. */
export const lasting = (stamp: string): string => (isWithin(stamp, CHANGED, RACY_MS) ? '' : stamp);

export function read(disk: Disk, file: string, links = 1n): Seen {
  const before = stat(disk, file);
  if (before === undefined) return { kind: 'absent' };
  const odd = oddity(before, links) ?? tooLarge(Number(before.size));
  if (odd !== undefined) return { kind: 'problem', reason: odd };
  const fd = disk.openSync(file, READ);
  try {
    const bytes = disk.readFileSync(fd);
    const stamp = stampOf(disk.fstatSync(fd, { bigint: true }));
    if (stamp !== stampOf(before)) return { kind: 'unstable' };
    const reason = textProblem(bytes);
    return reason === undefined ? { kind: 'file', digest: digestOf(bytes), bytes, stamp } : { kind: 'problem', reason };
  } finally {
    disk.closeSync(fd);
  }
}

/** @returns undefined if there is no file */
export function bytesOf(disk: Disk, file: string): Buffer | undefined {
  if (stat(disk, file)?.isFile() !== true) return undefined;
  const fd = disk.openSync(file, READ);
  try {
    return disk.readFileSync(fd);
  } finally {
    disk.closeSync(fd);
  }
}

/** Makes a file that is not there yet, as a whole or not at all. @throws `EEXIST` if there is something */
export function create(disk: Disk, file: string, bytes: Uint8Array, mode?: number, finish = (_fd: number) => {}): void {
  const fd = disk.openSync(file, CREATE, mode);
  try {
    for (let at = 0; at < bytes.length; ) at += disk.writeSync(fd, bytes, at);
    finish(fd);
  } catch (thrown) {
    // On a full disk every byte counts.
    remove(disk, file);
    throw thrown;
  } finally {
    disk.closeSync(fd);
  }
}

/** Removes it if it is there. */
export function remove(disk: Disk, file: string): void {
  try {
    disk.unlinkSync(file);
  } catch (thrown) {
    if (!isSystemError(thrown, 'ENOENT')) throw thrown;
  }
}

export function oddity(stats: Stats, links = 1n): string | undefined {
  if (stats.isSymbolicLink()) return 'It is a link; links are not followed.';
  if (stats.isDirectory()) return 'It is a folder where a document would be.';
  if (!stats.isFile()) return 'It is not a file.';
  if (stats.nlink > links) return 'It has a second name (a hard link), so a change here would change another file.';
  return undefined;
}
