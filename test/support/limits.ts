/** Limits of the machine that are really in force, not played. */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

const isRoot = process.getuid?.() === 0;
const NOBODY = 65_534;

/** Until its end this process may do what any user may, and no more: nothing is refused to the super user. */
export function asNobody(): Disposable {
  if (!isRoot) return { [Symbol.dispose]: () => {} };
  process.seteuid?.(NOBODY);
  return { [Symbol.dispose]: () => process.seteuid?.(0) };
}

/** A disk of its own at `folder`, which is made. */
export function smallDisk(folder: string, size: string): Disposable & { remount(how: 'ro' | 'rw'): void } {
  mkdirSync(folder, { recursive: true });
  run('mount', '-t', 'tmpfs', '-o', `size=${size},mode=777`, 'none', folder);
  return {
    remount: (how) => run('mount', '-o', `remount,${how}`, folder),
    [Symbol.dispose]: () => run('umount', '--lazy', folder),
  };
}

function run(command: string, ...args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr}`);
}

const can = (command: string, ...args: readonly string[]): boolean => spawnSync(command, args).status === 0;

/** Only the super user of a real machine may make disks. */
export const canMount: boolean =
  isRoot && can('unshare', '--mount', 'mount', '-t', 'tmpfs', 'none', dirname(import.meta.dirname));

/** A command that runs another one where the system gives only so many of `what`. */
export const limited = (what: 'max_inotify_watches' | 'max_inotify_instances', count: number): readonly string[] => [
  ...['unshare', '--user', '--map-root-user'],
  ...['sh', '-c', `echo ${count} > /proc/sys/user/${what} && exec "$@"`, 'sh'],
];

const [unshare = '', ...trial] = limited('max_inotify_watches', 1);
/** Containers forbid this or that of it. */
export const canLimit: boolean = can(unshare, ...trial, 'true');

/** A process keeps the files that it has open, and opens no other one. */
export function noMoreFiles(pid: number): Disposable {
  const limit = (soft: number) => run('prlimit', `--pid=${pid}`, `--nofile=${soft}:`);
  limit(0);
  return { [Symbol.dispose]: () => limit(1_024) };
}

/** util-linux: changes the limits of a running process. */
export const hasPrlimit: boolean = can('prlimit', '--version');
