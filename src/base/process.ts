/**
 * Which process is meant. A pid alone proves nothing, because pids are reused: identity is the pid together with the
 * moment that the kernel started it, and with the boot it happened in.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { z } from 'zod';

/** `startedAt` is opaque: equal text means the same process, nothing else may be read from it. */
export const ProcessIdentity = z.object({ pid: z.int().positive(), startedAt: z.string().min(1) });
export type ProcessIdentity = z.infer<typeof ProcessIdentity>;

/** @returns when the process was started, or undefined if there is none (a zombie counts as none) */
export function processStart(pid: number): string | undefined {
  return process.platform === 'linux' ? linuxStart(pid) : posixStart(pid);
}

export function identityOf(pid: number): ProcessIdentity | undefined {
  const startedAt = processStart(pid);
  return startedAt === undefined ? undefined : { pid, startedAt };
}

/** This process. */
export function ownIdentity(): ProcessIdentity {
  const identity = identityOf(process.pid);
  if (identity === undefined) throw new Error('This process is not in the process table.');
  return identity;
}

/** Whether exactly this process is still running. */
export const isRunning = (identity: ProcessIdentity): boolean => processStart(identity.pid) === identity.startedAt;

function linuxStart(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // The command in parentheses may hold spaces and parentheses; the fields after the last one are fixed.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
  return `${bootId()}:${fields[19]}`;
}

let boot: string | undefined;
/** Of this run of the machine; Linux only. */
export function bootId(): string {
  boot ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim().slice(-12);
  return boot;
}

function posixStart(pid: number): string | undefined {
  try {
    const line = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' },
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
    return line === '' || line.startsWith('Z') ? undefined : line.replace(/^\S+\s+/, '');
  } catch {
    return undefined;
  }
}
