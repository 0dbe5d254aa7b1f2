/** Which agent works in which team: what `up` has to bring up. */
import { AachatError } from '#base/errors.ts';
import type { HttpClient } from '#client/http.ts';
import type { Agent, Team } from '#contract/entities.ts';
import { ROUTES } from '#contract/routes.ts';

export interface Pair {
  readonly agent: Agent;
  readonly team: Team;
}

/**
 * An agent that is in no project yet lives in the owner's personal team.
 *
 * @param wanted.agents names, full or bare; empty: all of the owner
 * @param wanted.team undefined: all teams
 * @throws AachatError `NOT_FOUND` for a name or team that the owner does not have
 */
export async function planPairs(
  http: HttpClient,
  owner: string,
  wanted: { readonly agents: readonly string[]; readonly team: string | undefined },
): Promise<readonly Pair[]> {
  const { agents: names, team } = wanted;
  const [{ agents }, { teams }] = await Promise.all([
    http.call(ROUTES.listAgents, { query: { scope: 'mine' } }),
    http.call(ROUTES.listTeams, {}),
  ]);
  const home = teams.find(({ slug }) => slug === `~${owner}`);
  const chosen = names.length === 0 ? agents : names.map((name) => byName(agents, name, owner));
  if (team !== undefined && !teams.some(({ slug }) => slug === team)) {
    throw new AachatError('NOT_FOUND', `You are in no team called ${team}.`, {
      hint: `Your teams: ${teams.map(({ slug }) => slug).join(', ')}.`,
    });
  }
  return chosen.flatMap((agent) => {
    const where = agent.teams.length > 0 ? agent.teams : home === undefined ? [] : [home];
    return where.filter(({ slug }) => team === undefined || slug === team).map((place) => ({ agent, team: place }));
  });
}

function byName<T extends Agent>(agents: readonly T[], name: string, owner: string): T {
  const found = agents.find((agent) => agent.name === name || agent.name === `${name}.${owner}`);
  if (found !== undefined) return found;
  const known = agents.length === 0 ? 'You have none yet.' : `Yours: ${agents.map((agent) => agent.name).join(', ')}.`;
  throw new AachatError('NOT_FOUND', `You have no agent called ${name}. ${known}`, {
    hint: 'Make one with `aachat agent create <name>`.',
  });
}
