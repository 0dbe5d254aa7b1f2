/** `aachat session policy`: what one session may do without asking. Noted on this machine only. */
import { decidedFor, ownPolicyOf, policyOf, setSessionPolicy } from '#cli/agent-settings.ts';
import type { CommandContext } from '#cli/context.ts';
import { originsAt } from '#cli/session-origins.ts';
import { shortId } from '#contract/ids.ts';
import type { Policy } from '#runtime/policy.ts';
import { openTurnsNote } from './down.ts';
import { findSession } from './session.ts';

/** `aachat session policy <session> [policy | agent]` */
export async function policy(
  context: CommandContext,
  args: { readonly session: string; readonly policy: Policy | 'agent' | undefined },
): Promise<void> {
  const { config, home, output } = context;
  const { http } = await context.connect();
  const session = await findSession(context, http, args.session);
  const { id, agent } = session;
  if (args.policy !== undefined) {
    await setSessionPolicy(config, id, args.policy === 'agent' ? undefined : args.policy);
  }
  const own = ownPolicyOf(config, id);
  const decided = await decidedFor(config, session, originsAt(http));
  const current = decided ?? policyOf(config, agent);
  const from =
    decided === undefined ? ', as its agent' : own === undefined ? ', as the session that it comes from' : '';
  const said = [
    `Session ${shortId(id)} of ${agent}: ${current}${from}`,
    ...(args.policy === undefined ? [] : ['from its next turn on']),
  ].join(', ');
  const next = args.policy === undefined ? '' : await openTurnsNote(home, ({ sessionId }) => sessionId === id);
  output.result({ sessionId: id, policy: current, own: own !== undefined }, `${said}.${next}`);
}
