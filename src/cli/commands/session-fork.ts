/** `aachat session fork` and `spawn`: sessions that come from others. */

import { newId } from '#base/id.ts';
import { readPidFile } from '#base/pid-file.ts';
import type { CommandContext } from '#cli/context.ts';
import { messageText } from '#cli/messages.ts';
import { shortId } from '#contract/ids.ts';
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
