/**
 * The guard of an `up`: ends what a launcher leaves that was killed, also when nobody runs a command afterwards. An agent
 * program that ends with its input needs none; its tools, and programs that do not, would work on.
 *
 * It is a shell that waits at the end of a pipe, in a session of its own, so that neither a terminal nor a sweep ends
 * it. When the pipe closes without a goodbye it becomes `reapAfter`.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { isRunning, ownIdentity, type ProcessIdentity } from '#base/process.ts';
import { sleep } from '#base/time.ts';
import type { Command } from './engine.ts';
import { LEASE_MARKER, reapLeases } from './lease.ts';

const WAIT = 'read -r goodbye || exec "$@"';
/** The pipe of a process that dies closes before its entry in the process table goes. */
const DYING_MS = 10_000;

/**
 * Guards this process.
 *
 * @param self how to start this program
 * @returns says goodbye and waits until the guard is gone
 */
export async function openGuard(self: Command, leasesDir: string): Promise<() => Promise<void>> {
  const { pid, startedAt } = ownIdentity();
  const { [LEASE_MARKER]: _, ...env } = process.env;
  const words = [...self, 'reap', leasesDir, String(pid), startedAt];
  const shell = spawn('/bin/sh', ['-c', WAIT, 'aachat-guard', ...words], {
    cwd: '/',
    env,
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const ended = once(shell, 'close');
  // Somebody may have ended it; then there is nobody to say goodbye to.
  shell.stdin.on('error', () => {});
  await once(shell, 'spawn');
  return async () => {
    shell.stdin.end('goodbye\n');
    await ended;
  };
}

/** What becomes of the guard: ends what the process that it guarded has left. */
export async function reapAfter(leasesDir: string, launcher: ProcessIdentity): Promise<void> {
  for (const end = Date.now() + DYING_MS; isRunning(launcher) && Date.now() < end; ) await sleep(20);
  await reapLeases(leasesDir);
}
