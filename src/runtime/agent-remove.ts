/** Takes an agent out of service. Its repo is never deleted, and no folder that holds work. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isAachatError } from '#base/errors.ts';
import { exists } from '#base/fs.ts';
import type { HttpClient } from '#client/http.ts';
import type { Agent } from '#contract/entities.ts';
import { ROUTES } from '#contract/routes.ts';
import { hideAgent } from './agent-create.ts';
import { listValues } from './declared-environment.ts';
import type { Home } from './home.ts';
import { agentRemote } from './workspace.ts';

export interface Removed {
  readonly repo: string;
  /** One line for each thing that stays on this machine, with its place. */
  readonly kept: readonly string[];
}

/** @throws AachatError `CONFLICT` while a session of it lives */
export async function removeAgent(
  { home, http, signal }: { readonly home: Home; readonly http: HttpClient; readonly signal: AbortSignal },
  agent: Agent,
): Promise<Removed> {
  await http.call(ROUTES.removeAgent, { params: { agentId: agent.id } }, signal);
  const repo = agentRemote(home, agent);
  const isElsewhere = agent.repo === null && !(await exists(repo));
  const names = (await exists(home.workspaces)) ? await readdir(home.workspaces) : [];
  const left = names.filter((name) => name.startsWith(`${agent.name}--`));
  const kept = [
    isElsewhere ? 'Its repo stays on the machine where it was made.' : `Its repo stays: ${repo}`,
    ...(await hide(home, agent, signal)),
    ...(await leftValues(home, agent)),
    ...left.map((name) => `What a session left stays: ${join(home.workspaces, name)}`),
  ];
  return { repo, kept };
}

async function hide(home: Home, agent: Agent, signal: AbortSignal): Promise<readonly string[]> {
  const stays = (why: string) => [`Its folder stays: ${join(home.agents, agent.name)}: ${why}`];
  try {
    const removal = await hideAgent(home, agent, signal);
    return removal.removed ? [] : stays(removal.detail);
  } catch (thrown) {
    if (!isAachatError(thrown)) throw thrown;
    // The agent is out of service all the same.
    return stays(thrown.message);
  }
}

async function leftValues(home: Home, { name }: Agent): Promise<readonly string[]> {
  try {
    const own = (await listValues(home.envValues)).filter(({ agent }) => agent === name);
    return own.map((value) => `A value stays for it: \`aachat env unset ${value.name} --agent ${name}\` forgets it.`);
  } catch (thrown) {
    if (!isAachatError(thrown, 'VALIDATION_ERROR')) throw thrown;
    return [thrown.message];
  }
}
