/** Makes a new agent: its repo, its name at the server, its visible folder. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AachatError } from '#base/errors.ts';
import { exists, removeAll } from '#base/fs.ts';
import type { HttpClient } from '#client/http.ts';
import type { Agent } from '#contract/entities.ts';
import { AgentBase } from '#contract/ids.ts';
import { ROUTES } from '#contract/routes.ts';
import { type AgentRepo, readAgentRepo, refuseNoAgent } from './agent-repo.ts';
import { agentTemplate, type Described, fillTemplate } from './agent-template.ts';
import { type Clone, copyRemote, createRemote, openClone } from './clone.ts';
import type { Author } from './git.ts';
import type { Home } from './home.ts';
import { saveRepo } from './save.ts';
import { agentRemote } from './workspace.ts';
import { checkoutVisible, type Removal, removeVisible } from './worktree.ts';

/** Where the repo of a new agent comes from. */
export type Origin =
  /** The bundled template, with the text of a `runtime.yaml`; undefined: the agent runs on what its owner has set. */
  | { readonly kind: 'template'; readonly description: string; readonly runtime: string | undefined }
  /** It exists, and stays where it is. */
  | { readonly kind: 'repo'; readonly address: string }
  /** A copy of somebody's; a description fills in what a template left open. */
  | { readonly kind: 'copy'; readonly source: string; readonly description: string | undefined };

export interface NewAgent {
  readonly base: string;
  readonly origin: Origin;
  readonly clientId: string;
}

export interface MadeAgent {
  readonly agent: Agent;
  /** Its visible folder. */
  readonly dir: string;
  readonly repo: string;
  /** What is odd about the repo, as sentences. */
  readonly warnings: readonly string[];
}

/**
 * @throws AachatError `CONFLICT` if the owner has an agent of that name, `VALIDATION_ERROR` if the repo is no agent
 */
export async function createAgent(
  context: {
    readonly home: Home;
    readonly http: HttpClient;
    readonly owner: string;
    readonly skillsDir: string;
    readonly signal: AbortSignal;
  },
  { base, origin, clientId }: NewAgent,
): Promise<MadeAgent> {
  const { home, http, owner, signal } = context;
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
  const kept: Kept = { name, repo: origin.kind === 'repo' ? origin.address : null };
  const remote = agentRemote(home, kept);
  const made = await makeRepo(remote, name, origin, context);
  try {
    // Whatever is wrong with the repo is found before anybody hears of the agent.
    const dir = await showAgent(home, kept, signal);
    let read = await readAgentRepo(dir, remote);
    if (origin.kind === 'copy' && origin.description !== undefined) {
      read = await introduce(home, dir, read, { name, description: origin.description }, signal);
    }
    const body = { clientId, base: parsed.data, ...(kept.repo === null ? {} : { repo: kept.repo }) };
    const { agent } = await http.call(ROUTES.createAgent, { body }, signal);
    const goesOn =
      origin.kind === 'template' && !made ? [`${remote} was there already: the agent goes on with it.`] : [];
    return { agent, dir, repo: remote, warnings: [...goesOn, ...read.warnings] };
  } catch (thrown) {
    await hideAgent(home, kept, signal);
    if (made) await removeAll(remote);
    throw thrown;
  }
}

/** @returns whether it was made here and now */
async function makeRepo(
  remote: string,
  name: string,
  origin: Origin,
  { skillsDir, signal }: { readonly skillsDir: string; readonly signal: AbortSignal },
): Promise<boolean> {
  switch (origin.kind) {
    case 'repo':
      return false;
    case 'template':
      if (await exists(remote)) {
        if (origin.runtime !== undefined) refuseRuntime(remote);
        return false;
      }
      await createRemote(
        remote,
        {
          ...(await agentTemplate(skillsDir, { name, description: origin.description })),
          ...(origin.runtime === undefined ? {} : { 'runtime.yaml': origin.runtime }),
        },
        authorOf(name),
      );
      return true;
    case 'copy':
      if (await exists(remote)) {
        throw new AachatError('CONFLICT', `There is still the repo of an earlier ${name}: ${remote}.`, {
          hint: 'Choose another name with --name, or move that repo away.',
        });
      }
      await copyRemote(remote, origin.source, { signal, check: (names) => refuseNoAgent(names, origin.source) });
      return true;
  }
}

/** @throws AachatError `USAGE`: a repo says itself what its agent runs on */
export function refuseRuntime(repo: string): never {
  throw new AachatError('USAGE', `${repo} is there already: its runtime.yaml says what the agent runs on.`, {
    hint: 'Leave out --runtime; correct runtime.yaml in the repo, commit and push it.',
  });
}

const authorOf = (name: string): Author => ({ name, email: 'noreply@aachat' });

/** Writes into its identity who the agent is, where a template left that open, and publishes it. */
async function introduce(
  home: Home,
  dir: string,
  repo: AgentRepo,
  agent: Described,
  signal: AbortSignal,
): Promise<AgentRepo> {
  const identity = fillTemplate(repo.identity, agent);
  if (identity === repo.identity) {
    const warning = 'identity.md has no placeholder like {{description}}: it stays as it was written.';
    return { ...repo, warnings: [...repo.warnings, warning] };
  }
  await writeFile(join(dir, 'identity.md'), identity);
  const message = `Become ${agent.name}`;
  await saveRepo(dir, { cacheDir: home.cache, message, author: authorOf(agent.name), signal });
  return await readAgentRepo(dir);
}

type Kept = Pick<Agent, 'name' | 'repo'>;

/** Takes the visible folder away again, unless it holds work. */
export async function hideAgent(home: Home, agent: Kept, signal: AbortSignal): Promise<Removal> {
  const dir = join(home.agents, agent.name);
  if (!(await exists(dir))) return { removed: true };
  return await removeVisible(await agentClone(home, agent, signal), dir);
}

const agentClone = (home: Home, agent: Kept, signal: AbortSignal): Promise<Clone> =>
  openClone(home.cache, agentRemote(home, agent), { signal, exclude: [] });

/** Brings the visible folder of an agent up to date with its repo, if it has no changes of its own. */
async function showAgent(home: Home, agent: Kept, signal: AbortSignal): Promise<string> {
  const dir = join(home.agents, agent.name);
  await checkoutVisible(await agentClone(home, agent, signal), dir, signal);
  return dir;
}
