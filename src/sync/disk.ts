/**
 * Every call to the file system that a mirror makes, so that a test can play all of them, and end a mirror between any
 * two. They are those of Node, with the few options that are used; errors are Node's system errors.
 */
import * as fs from 'node:fs';
import { promisify } from 'node:util';
import { exchange } from './exchange.ts';

export type Stats = Pick<
  fs.BigIntStats,
  | 'dev'
  | 'ino'
  | 'mode'
  | 'nlink'
  | 'size'
  | 'mtimeMs'
  | 'mtimeNs'
  | 'ctimeNs'
  | 'isFile'
  | 'isDirectory'
  | 'isSymbolicLink'
>;
export type Name = Pick<fs.Dirent, 'name' | 'isDirectory'>;

export interface Disk {
  lstatSync(path: string, options: { readonly bigint: true; readonly throwIfNoEntry: false }): Stats | undefined;
  realpathSync(path: string): string;
  /** Names that are no text in UTF-8 have U+FFFD in them. */
  readdirSync(path: string, options: { readonly withFileTypes: true }): readonly Name[];
  mkdirSync(path: string, options: { readonly recursive: boolean; readonly mode?: number }): unknown;
  rmdirSync(path: string): void;
  linkSync(from: string, to: string): void;
  renameSync(from: string, to: string): void;
  /** Two names change places in one step. @returns false if nothing happened: one is not there, or it cannot be done here */
  exchange(from: string, to: string): boolean;
  unlinkSync(path: string): void;
  copyFileSync(from: string, to: string): void;
  openSync(path: string, flags: number, mode?: number): number;
  fstatSync(fd: number, options: { readonly bigint: true }): Stats;
  /** All of it, from the position of a file that was just opened. */
  readFileSync(fd: number): Buffer;
  /** @returns how many of the bytes from `offset` on were written */
  writeSync(fd: number, bytes: Uint8Array, offset: number): number;
  ftruncateSync(fd: number, length: number): void;
  fchmodSync(fd: number, mode: number): void;
  /** Times in seconds. */
  futimesSync(fd: number, accessed: number, modified: number): void;
  fsyncSync(fd: number): void;
  /** Resolves when what was written is safe from a power cut. */
  sync(fd: number): Promise<void>;
  closeSync(fd: number): void;
}

export const realDisk: Disk = { ...fs, exchange, sync: promisify(fs.fdatasync) };
