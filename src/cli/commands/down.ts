/** `aachat down`: stops the running `up` and everything that it started, or what it left behind. */
import { isAachatError } from '#base/errors.ts';
import { readPidFile } from '#base/pid-file.ts';
import { isRunning } from '#base/process.ts';
import { sleep } from '#base/time.ts';
import { confirm } from '#cli/ask.ts';
import type { CommandContext } from '#cli/context.ts';
import { CONTROL_ROUTES, type LiveSession } from '#contract/control.ts';
import { shortId } from '#contract/ids.ts';
import { openControlClient } from '#runtime/control.ts';
import type { Home } from '#runtime/home.ts';
import { reapLeases } from '#runtime/lease.ts';
import { UpFile } from '#runtime/up-file.ts';

/** Longer than any stop takes, also where documents still have to be handed in. */
const DOWN_MS = 60_000;

/** `aachat down [--force] [--yes]` */
export async function down(
  context: CommandContext,
  args: { readonly force: boolean; readonly yes: boolean },
): Promise<void> {
  const { home, output, signal } = context;
  await confirmInterruption(context, 'Stop them and `aachat up`?', args.yes);
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

/**
 * Whatever interrupts the sessions of a running `up` of this home names them first, and asks.
 *
 * @param yes the person said so already
 * @throws AachatError `CONFLICT` where nobody can be asked, `CANCELLED` for any answer but yes
 */
export async function confirmInterruption(context: CommandContext, question: string, yes: boolean): Promise<void> {
  const sessions = yes ? [] : await liveSessions(context.home);
  if (sessions.length === 0) return;
  const names = sessions.map(
    ({ agent, sessionId, phase, activity }) =>
      `${agent} (${shortId(sessionId)}, ${activity?.replaceAll('_', ' ') ?? phase})`,
  );
  await confirm(context, { why: `Sessions are up: ${names.join(', ')}.`, question, yes });
}

/** Those of the running `up`; none where it does not listen (yet, or any more). */
export async function liveSessions(home: Home): Promise<readonly LiveSession[]> {
  if ((await readPidFile(home.upFile, UpFile)) === undefined) return [];
  await using up = await openControlClient(home.controlSocket);
  try {
    const { sessions } = await up.call(CONTROL_ROUTES.getStatus, {});
    return sessions.filter(({ phase }) => phase !== 'stopped' && phase !== 'failed');
  } catch (thrown) {
    if (!isAachatError(thrown, 'SERVER_UNREACHABLE', 'TIMEOUT')) throw thrown;
    return [];
  }
}

/** What a new policy does not reach: turns that have begun. */
export async function openTurnsNote(home: Home, isMeant: (session: LiveSession) => boolean): Promise<string> {
  const isOpen = ({ activity }: LiveSession) =>
    activity === 'working' || activity === 'awaiting_permission' || activity === 'stalled';
  const open = (await liveSessions(home)).filter((session) => isOpen(session) && isMeant(session));
  if (open.length === 0) return '';
  const ids = open.map(({ sessionId }) => shortId(sessionId)).join(', ');
  return `\nA turn that runs ends with the one that it began with (${ids}): aachat session cancel <session> ends it now.`;
}
