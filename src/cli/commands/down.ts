/** `aachat down`: stops the running `up` and everything that it started, or what it left behind. */
import { isAachatError } from '#base/errors.ts';
import { readPidFile } from '#base/pid-file.ts';
import { isRunning } from '#base/process.ts';
import { sleep } from '#base/time.ts';
import type { CommandContext } from '#cli/context.ts';
import { CONTROL_ROUTES } from '#contract/control.ts';
import { openControlClient } from '#runtime/control.ts';
import type { Home } from '#runtime/home.ts';
import { reapLeases } from '#runtime/lease.ts';
import { UpFile } from '#runtime/supervisor.ts';

/** A turn gets 10 s to end and 10 s to be cancelled; processes some more. */
const DOWN_MS = 60_000;

/** `aachat down [--force]` */
export async function down(context: CommandContext, args: { readonly force: boolean }): Promise<void> {
  const { home, output, signal } = context;
  const holder = await readPidFile(home.upFile, UpFile);
  if (holder !== undefined) {
    await askToStop(home, holder.pid, args.force);
    for (const end = Date.now() + DOWN_MS; isRunning(holder) && Date.now() < end; await sleep(50, signal));
    if (isRunning(holder)) process.kill(holder.pid, 'SIGKILL');
  }
  // Also without an `up`: one that was killed leaves its agents behind.
  const reaped = await reapLeases(home.leases);
  const killed = reaped.reduce((sum, lease) => sum + lease.killed.length, 0);
  const said = holder === undefined ? 'aachat up does not run here.' : 'Stopped.';
  output.result(
    { stopped: holder !== undefined, reaped: killed },
    killed === 0 ? said : `${said} Ended ${killed} processes that a crash left behind.`,
  );
}

async function askToStop(home: Home, pid: number, force: boolean): Promise<void> {
  await using up = await openControlClient(home.controlSocket);
  try {
    await up.call(CONTROL_ROUTES.stopUp, { body: { force } });
  } catch (thrown) {
    if (!isAachatError(thrown, 'SERVER_UNREACHABLE', 'TIMEOUT')) throw thrown;
    // It does not listen (yet, or any more): the signal says the same.
    process.kill(pid, 'SIGTERM');
  }
}

/** Names of the agents whose sessions a running `up` of this home has. */
export async function ownedSessions(home: Home): Promise<readonly string[]> {
  if ((await readPidFile(home.upFile, UpFile)) === undefined) return [];
  await using up = await openControlClient(home.controlSocket);
  try {
    const { sessions } = await up.call(CONTROL_ROUTES.getStatus, {});
    return sessions.filter(({ phase }) => phase !== 'stopped' && phase !== 'failed').map(({ agent }) => agent);
  } catch (thrown) {
    if (!isAachatError(thrown, 'SERVER_UNREACHABLE', 'TIMEOUT')) throw thrown;
    return [];
  }
}
