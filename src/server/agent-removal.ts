/** Takes an agent out of service. Its row and its name stay: what it said is still its own. */
import { AachatError } from '#base/errors.ts';
import { type AgentId, shortId } from '#contract/ids.ts';
import type { ROUTES } from '#contract/routes.ts';
import { setDm } from './agents.ts';
import type { Tx } from './database/store.ts';
import { agentFacts, sessionsWithNames } from './facts.ts';
import type { Writing } from './request.ts';
import { sweepLostRuns } from './runs.ts';
import { moveSignals, partyOf } from './signals.ts';
import { announceMembership, emitMember } from './teams.ts';

export const removeAgent: Writing<typeof ROUTES.removeAgent> = async (tx, { actor, params, ask }) => {
  const { q, now } = tx;
  const { agent, resource } = await agentFacts(tx, actor, params.agentId);
  ask(resource);
  // What is lost shows as stopped already; it only has to be written down.
  await sweepLostRuns(tx);
  await tx.engine.lock(q, 'agents', [agent.id]);
  const live = await sessionsWithNames(tx)
    .where('sessions.agent_id', '=', agent.id)
    .where('sessions.state', '!=', 'stopped')
    .orderBy('sessions.created_at')
    .execute();
  if (live.length > 0) {
    const names = live.map(({ id, name, team }) => `${name ?? shortId(id)} in ${team}`).join(', ');
    throw new AachatError('CONFLICT', `${agent.name} is at work: ${names}.`, {
      hint: 'Stop it with `aachat session stop <session>`, or `aachat down`; if its machine is gone, wait two minutes.',
    });
  }
  await q.updateTable('agents').set({ removed_at: now }).where('id', '=', agent.id).execute();
  await forgetRuns(tx, agent.id);
  await setDm(tx, agent.id, 'archived');
  const left = await q.deleteFrom('project_members').where('party_id', '=', agent.id).returning('project_id').execute();
  const ids = left.map(({ project_id }) => project_id);
  const projects = await q.selectFrom('projects').select(['id', 'team_id']).where('id', 'in', ids).execute();
  for (const { id, team_id } of projects) {
    emitMember(tx, 'member.removed', id, partyOf('agent', agent.id, agent.name));
    announceMembership(tx, agent.owner_id, team_id, id);
  }
  return {};
};

/** A run that was only given up as lost must not come back, and nobody will take what still waits. */
async function forgetRuns(tx: Tx, agentId: AgentId): Promise<void> {
  await tx.q
    .updateTable('runs')
    .set({ reason: 'stopped' })
    .where('reason', '=', 'lost')
    .where('session_id', 'in', (eb) => eb.selectFrom('sessions').select('sessions.id').where('agent_id', '=', agentId))
    .execute();
  const waiting = await tx.q
    .selectFrom('signals')
    .selectAll()
    .where('recipient_id', '=', agentId)
    .where('state', 'in', ['queued', 'delivered'])
    .execute();
  await moveSignals(tx, waiting, { state: 'expired' });
}
