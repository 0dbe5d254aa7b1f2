/** Makes a new agent: its repo from the bundled template, its name at the server, its visible folder. */
import { join } from 'node:path';
import { AachatError } from '#base/errors.ts';
import { exists, removeAll } from '#base/fs.ts';
import type { HttpClient } from '#client/http.ts';
import type { Agent } from '#contract/entities.ts';
import { AgentBase } from '#contract/ids.ts';
import { ROUTES } from '#contract/routes.ts';
import { readAgentRepo } from './agent-repo.ts';
import { agentTemplate } from './agent-template.ts';
import { type Clone, createRemote, openClone } from './clone.ts';
import type { Home } from './home.ts';
import { localAgentRepo } from './workspace.ts';
import { checkoutVisible, removeVisible } from './worktree.ts';

export interface NewAgent {
  readonly base: string;
  readonly description: string;
  /** Address of an existing repo; undefined: a new one on this machine. */
  readonly repo: string | undefined;
  readonly clientId: string;
}

/**
 * @returns the agent, and where its files lie
 * @throws AachatError `CONFLICT` if the owner has an agent of that name
 */
export async function createAgent(
  context: {
    readonly home: Home;
    readonly http: HttpClient;
    readonly owner: string;
    readonly skillsDir: string;
    readonly signal: AbortSignal;
  },
  { base, description, repo, clientId }: NewAgent,
): Promise<{ readonly agent: Agent; readonly dir: string; readonly repo: string }> {
  const { home, http, owner, skillsDir, signal } = context;
  const parsed = AgentBase.safeParse(base);
  if (!parsed.success) {
    throw new AachatError('USAGE', `"${base}" is no agent name: small letters, digits and \`-\`, at most 39 of them.`, {
      hint: `Give only the first part; the full name will be \`<name>.${owner}\`.`,
    });
  }
  const name = `${base}.${owner}`;
  const { agents } = await http.call(ROUTES.listAgents, { query: { scope: 'mine' } }, signal);
  if (agents.some((agent) => agent.name === name)) {
    throw new AachatError('CONFLICT', `You have an agent "${base}" already.`, {
      hint: 'Run `aachat agent list`, or choose another name.',
    });
  }
  const remote = repo ?? localAgentRepo(home, name);
  const made = repo === undefined && !(await exists(remote));
  if (made) {
    const files = await agentTemplate(skillsDir, { name, description });
    await createRemote(remote, files, { name, email: 'noreply@aachat' });
  }
  try {
    // Whatever is wrong with the repo is found before anybody hears of the agent.
    const dir = await showAgent(home, { name, repo: repo ?? null }, signal);
    await readAgentRepo(dir, remote);
    const body = { clientId, base: parsed.data, ...(repo === undefined ? {} : { repo }) };
    const { agent } = await http.call(ROUTES.createAgent, { body }, signal);
    return { agent, dir, repo: remote };
  } catch (thrown) {
    await hideAgent(home, { name, repo: repo ?? null }, signal);
    if (made) await removeAll(remote);
    throw thrown;
  }
}

type Kept = Pick<Agent, 'name' | 'repo'>;

/** Takes the visible folder away again, unless it holds work. */
async function hideAgent(home: Home, agent: Kept, signal: AbortSignal): Promise<void> {
  const dir = join(home.agents, agent.name);
  if (await exists(dir)) await removeVisible(await agentClone(home, agent, signal), dir);
}

const agentClone = (home: Home, agent: Kept, signal: AbortSignal): Promise<Clone> =>
  openClone(home.cache, agent.repo ?? localAgentRepo(home, agent.name), { signal, exclude: [] });

/** Brings the visible folder of an agent up to date with its repo, if it has no changes of its own. */
async function showAgent(home: Home, agent: Kept, signal: AbortSignal): Promise<string> {
  const dir = join(home.agents, agent.name);
  await checkoutVisible(await agentClone(home, agent, signal), dir);
  return dir;
}
