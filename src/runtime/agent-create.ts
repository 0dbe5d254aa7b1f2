/** Makes a new agent: its repo from the bundled template, its name at the server, its visible folder. */
import { join } from 'node:path';
import { AachatError } from '#base/errors.ts';
import { exists, removeAll } from '#base/fs.ts';
import type { HttpClient } from '#client/http.ts';
import type { Agent } from '#contract/entities.ts';
import { AgentBase } from '#contract/ids.ts';
import { ROUTES } from '#contract/routes.ts';
import { agentTemplate } from './agent-template.ts';
import { createRemote, openClone } from './clone.ts';
import type { Home } from './home.ts';
import { localAgentRepo } from './workspace.ts';
import { checkoutVisible } from './worktree.ts';

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
  const remote = repo ?? localAgentRepo(home, name);
  const made = repo === undefined && !(await exists(remote));
  if (made) {
    const files = await agentTemplate(skillsDir, { name, description });
    await createRemote(remote, files, { name, email: 'noreply@aachat' });
  }
  try {
    const body = { clientId, base: parsed.data, ...(repo === undefined ? {} : { repo }) };
    const { agent } = await http.call(ROUTES.createAgent, { body }, signal);
    const dir = await showAgent(home, agent, signal);
    return { agent, dir, repo: remote };
  } catch (thrown) {
    if (made) await removeAll(remote);
    throw thrown;
  }
}

/** Brings the visible folder of an agent up to date with its repo, if it has no changes of its own. */
export async function showAgent(home: Home, agent: Agent, signal: AbortSignal): Promise<string> {
  const dir = join(home.agents, agent.name);
  const clone = await openClone(home.cache, agent.repo ?? localAgentRepo(home, agent.name), { signal, exclude: [] });
  await checkoutVisible(clone, dir);
  return dir;
}
