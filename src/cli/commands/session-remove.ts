/** `aachat session remove`: a session that does not run leaves the lists, and this machine. */
import { AachatError, isAachatError } from '#base/errors.ts';
import { removeAll } from '#base/fs.ts';
import { setSessionPolicy } from '#cli/agent-settings.ts';
import { confirm } from '#cli/ask.ts';
import type { CommandContext } from '#cli/context.ts';
import { handDownPolicy } from '#cli/session-origins.ts';
import type { HttpClient } from '#client/http.ts';
import type { Session } from '#contract/entities.ts';
import { type SessionId, shortId } from '#contract/ids.ts';
import { ROUTES } from '#contract/routes.ts';
import { isWritten } from '#runtime/event-log.ts';
import { removeLeftWorkspaces } from '#runtime/leftover.ts';
import { thisMachine } from '#runtime/machine.ts';
import { dropSnapshots } from '#runtime/snapshot.ts';
import { claudeConfig, removeCopy } from '#runtime/transcript-import.ts';
import { liveSessions } from './down.ts';
import { findSession } from './session.ts';
import { findLocal } from './session-log.ts';

/** `aachat session remove <session> [--yes]` */
export async function remove(
  context: CommandContext,
  args: { readonly session: string; readonly yes: boolean },
): Promise<void> {
  const { home, output, signal } = context;
  const { http } = await context.connect();
  const session = await find(context, http, args.session);
  const { id } = session;
  const name = `session ${shortId(id)}${session.agent === undefined ? '' : ` of ${session.agent}`}`;
  await refuseRunning(context, http, session, name);
  await confirm(context, {
    why: `This removes ${name}: its log on this machine goes for ever, its messages stay.`,
    question: 'Remove it?',
    yes: args.yes,
  });
  const kept = await removeLeftWorkspaces({ home, http, signal }, id);
  if (kept.length > 0) {
    throw new AachatError('CONFLICT', `The session stays, because work would be lost.\n${kept.join('\n')}`, {
      hint: 'Commit and push what is there; `aachat up` hands in documents. Then try again.',
    });
  }
  await handDownPolicy(context.config, http, id);
  await forget(http, id, signal);
  await setSessionPolicy(context.config, id, undefined);
  await dropSnapshots(home.cache, id);
  await removeCopy(home, id, claudeConfig(context.env));
  await removeAll(home.session(id).dir);
  output.result({ sessionId: id }, `Removed ${name}.`);
}

/** At the server, or only here: an earlier removal may have been interrupted. */
type Found = Pick<Session, 'id'> & Partial<Pick<Session, 'agent' | 'state' | 'run'>>;

async function find(context: CommandContext, http: HttpClient, text: string): Promise<Found> {
  try {
    return await findSession(context, http, text);
  } catch (thrown) {
    if (!isAachatError(thrown, 'NOT_FOUND')) throw thrown;
    return { id: await findLocal(context.home, text) };
  }
}

async function refuseRunning(
  { home, signal }: CommandContext,
  http: HttpClient,
  { id, state = 'stopped', run = null }: Found,
  name: string,
): Promise<void> {
  const isUpHere = (await liveSessions(home)).some(({ sessionId }) => sessionId === id);
  if (state === 'stopped' && !isUpHere) return;
  const isCut = !isUpHere && run?.machineId === (await thisMachine(home.machine)).id;
  // That a launcher of this machine was killed, the server learns only after a while by itself.
  if (isCut && !(await isWritten(home.session(id).log))) {
    await http.call(ROUTES.endRun, { params: { runId: run.id }, body: { reason: 'lost' } }, signal);
    return;
  }
  throw new AachatError('CONFLICT', `This does not remove ${name} while it runs.`, {
    hint: `Stop it first: aachat session stop ${shortId(id)}`,
  });
}

async function forget(http: HttpClient, sessionId: SessionId, signal: AbortSignal): Promise<void> {
  try {
    await http.call(ROUTES.removeSession, { params: { sessionId } }, signal);
  } catch (thrown) {
    if (!isAachatError(thrown, 'NOT_FOUND')) throw thrown;
  }
}
