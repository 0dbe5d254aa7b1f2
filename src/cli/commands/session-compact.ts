/** `aachat session compact`: the agent program makes the conversation of a session shorter. */
import { AachatError } from '#base/errors.ts';
import { newId } from '#base/id.ts';
import type { CommandContext } from '#cli/context.ts';
import { shortId } from '#contract/ids.ts';
import { ROUTES } from '#contract/routes.ts';
import { offeredCommands } from '#runtime/offered-commands.ts';
import { COMPACT } from '#runtime/turn.ts';
import { findSession } from './session.ts';

/** `aachat session compact <session>` */
export async function compact(context: CommandContext, args: { readonly session: string }): Promise<void> {
  const { http } = await context.connect();
  const session = await findSession(context, http, args.session);
  const who = `session ${shortId(session.id)} of ${session.agent}`;
  const offered = await offeredCommands(context.home.session(session.id).log);
  if (offered === undefined) {
    throw new AachatError('CONFLICT', `It is not known whether the program of ${who} can do that.`, {
      hint: `It has said nothing of itself on this machine${session.run === null ? '' : `; it ran on ${session.run.machine} last`}. Run \`aachat session resume ${shortId(session.id)}\` here first.`,
    });
  }
  if (!offered.commands.includes(COMPACT.slice(1))) {
    throw new AachatError('CONFLICT', `The program of ${who} has no command for that: ${offered.program}.`, {
      hint: 'Claude Code has one. Others make their conversations shorter by themselves, or not at all.',
    });
  }
  const body = { clientId: newId(), kind: 'prompt', text: COMPACT } as const;
  const { signal } = await http.call(ROUTES.signalSession, { params: { sessionId: session.id }, body }, context.signal);
  const when = session.state === 'stopped' ? 'once it runs again' : 'as a turn of its own';
  context.output.result({ signal }, `Asked the program of ${who} to compact its conversation, ${when}.`);
}
