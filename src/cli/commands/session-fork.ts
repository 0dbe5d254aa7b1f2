/** `aachat session fork` and `spawn`: sessions that come from others. */

import { AachatError } from '#base/errors.ts';
import { newId } from '#base/id.ts';
import { readPidFile } from '#base/pid-file.ts';
import type { CommandContext } from '#cli/context.ts';
import { messageText } from '#cli/messages.ts';
import { SessionId, shortId } from '#contract/ids.ts';
import { ROUTES } from '#contract/routes.ts';
import { isHere, notHere } from '#runtime/past-turns.ts';
import { UpFile } from '#runtime/up-file.ts';
import { findSession, whenItStarts } from './session.ts';

/** `aachat session fork <session> [text...] [--name <name>]` */
export async function fork(
  context: CommandContext,
  args: { readonly session: string; readonly text: readonly string[]; readonly name?: string },
): Promise<void> {
  const { home, output, signal } = context;
  const text = args.text.length === 0 ? undefined : await messageText(context, args.text, false);
  const { http } = await context.connect();
  const source = await findSession(context, http, args.session);
  if (!(await isHere(home, source.id))) throw notHere(source.id);
  const body = {
    clientId: newId(),
    ...(text === undefined ? {} : { text }),
    ...(args.name === undefined ? {} : { name: args.name }),
  };
  const { session } = await http.call(ROUTES.forkSession, { params: { sessionId: source.id }, body }, signal);
  const { starts, when } = whenItStarts(await readPidFile(home.upFile, UpFile), session);
  const what = `Session ${shortId(session.id)} of ${session.agent}, forked from ${shortId(source.id)}.`;
  output.result({ session, starts }, `${what} ${when}`);
}

/** `aachat session spawn <session> <text...> [--agent <agent>] [--name <name>]`; inside a session without the first */
export async function spawn(
  context: CommandContext,
  args: { readonly words: readonly string[]; readonly agent?: string; readonly name?: string },
): Promise<void> {
  const { home, output, signal, inSession } = context;
  const [first = '', ...rest] = args.words;
  if (!inSession && rest.length === 0) {
    throw new AachatError('USAGE', 'A child needs the session that it belongs to, and something to do.', {
      hint: 'For example: aachat session spawn 1a2b3c4d "Check the numbers"',
    });
  }
  const text = await messageText(context, inSession ? args.words : rest, false);
  const { http } = await context.connect();
  const parent = inSession ? ownSession(context) : (await findSession(context, http, first)).id;
  const { agent, name } = args;
  const body = {
    clientId: newId(),
    text,
    ...(agent === undefined ? {} : { agent }),
    ...(name === undefined ? {} : { name }),
  };
  const { session } = await http.call(ROUTES.spawnSession, { params: { sessionId: parent }, body }, signal);
  const { starts, when } = whenItStarts(await readPidFile(home.upFile, UpFile), session);
  const report = `Its answer is reported to ${inSession ? 'you as a prompt: go on meanwhile' : shortId(parent)}.`;
  output.result({ session, starts }, `Session ${shortId(session.id)} of ${session.agent}. ${when} ${report}`);
}

function ownSession({ env }: CommandContext): SessionId {
  const id = SessionId.safeParse(env['AA_SESSION_ID']);
  if (id.success) return id.data;
  throw new AachatError('UNAUTHORIZED', 'This looks like a session, but AA_SESSION_ID is not set.', {
    hint: 'Run the command as the session was started, without changing its environment.',
  });
}
