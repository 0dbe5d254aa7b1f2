/** `aachat session resume`: a session that does not run goes on where it was. */

import { AachatError } from '#base/errors.ts';
import { newId } from '#base/id.ts';
import { readPidFile } from '#base/pid-file.ts';
import type { CommandContext } from '#cli/context.ts';
import type { HttpClient } from '#client/http.ts';
import type { Session } from '#contract/entities.ts';
import { shortId } from '#contract/ids.ts';
import { ROUTES } from '#contract/routes.ts';
import { activeOrLatest, withSessionIndex } from '#runtime/session-search.ts';
import { UpFile } from '#runtime/up-file.ts';
import { findAgent } from './agent.ts';
import { findSession, thisSide, whenItStarts } from './session.ts';
import { LONG_INDEX } from './session-search.ts';

/** `aachat session resume [session] [--agent <agent>]`; without one the active session of this machine, else the latest */
export async function resume(
  context: CommandContext,
  args: { readonly session: string | undefined; readonly agent?: string },
): Promise<void> {
  const { home, output, signal } = context;
  const { http } = await context.connect();
  const session = await chosen(context, http, args);
  const who = `Session ${shortId(session.id)} of ${session.agent}`;
  const up = await readPidFile(home.upFile, UpFile);
  const here = await thisSide(context);
  if (session.state !== 'stopped' && !here.isCut(session)) {
    output.result({ session, starts: false }, `${who} runs already${place(session)}.`);
    return;
  }
  const body = { clientId: newId(), kind: 'resume' } as const;
  await http.call(ROUTES.signalSession, { params: { sessionId: session.id }, body }, signal);
  const { starts, when } = whenItStarts(up, session);
  const elsewhere = here.wasElsewhere(session)
    ? ` It ran${place(session)} last: here it begins in a new conversation, and what it did not push stays there.`
    : '';
  output.result({ session: { ...session, parked: false }, starts }, `${who} is resumed. ${when}${elsewhere}`);
}

const place = ({ run }: Session): string => (run === null ? '' : ` on ${run.machine}`);

async function chosen(
  context: CommandContext,
  http: HttpClient,
  args: { readonly session: string | undefined; readonly agent?: string },
): Promise<Session> {
  const { home, output, signal } = context;
  const agent = args.agent === undefined ? undefined : (await findAgent(context, http, args.agent)).name;
  if (args.session !== undefined) {
    const session = await findSession(context, http, args.session);
    if (agent === undefined || session.agent === agent) return session;
    throw new AachatError('NOT_FOUND', `Session ${shortId(session.id)} is one of ${session.agent}, not of ${agent}.`, {
      hint: 'Leave out --agent, or the id.',
    });
  }
  const options = { signal, onLong: () => output.note(LONG_INDEX) };
  const id = await withSessionIndex(home, (index) => activeOrLatest(home, index, agent), options);
  if (id !== undefined) return await findSession(context, http, id);
  throw new AachatError(
    'NOT_FOUND',
    `No session${agent === undefined ? '' : ` of ${agent}`} has run on this machine.`,
    {
      hint: 'Run `aachat up` to start those of your agents.',
    },
  );
}
