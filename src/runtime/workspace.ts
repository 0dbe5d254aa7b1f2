/**
 * The folder that a session works in: a worktree of the team's repo, with the agent's own repo as a worktree inside
 * it, and our files in places that its git does not see.
 */
import { dirname, join } from 'node:path';
import { AachatError, isAachatError, toAachatError } from '#base/errors.ts';
import { exists, hasLink } from '#base/fs.ts';
import type { Agent, Session } from '#contract/entities.ts';
import { type SessionId, shortId } from '#contract/ids.ts';
import { type AgentRepo, readAgentRepo } from './agent-repo.ts';
import { type Clone, cloneName, createRemote, excludePaths } from './clone.ts';
import type { ClonePool } from './clone-pool.ts';
import { git } from './git.ts';
import { gitStateOf } from './git-state.ts';
import { DOCUMENTS, type Home } from './home.ts';
import type { GitState, Repos } from './log-events.ts';
import { listSkills, projectSkills, SKILL_FOLDERS, type Skill } from './skills.ts';
import { takeSnapshot } from './snapshot.ts';
import { addWorktree, checkoutVisible, holderOf, removeWorktree } from './worktree.ts';
import { pointerTo } from './worktree-place.ts';

export interface WorkspaceOptions {
  readonly home: Home;
  readonly clones: ClonePool;
  readonly session: Session;
  /** Addresses; null: the local ones that `agent create` and teams without a repo have. */
  readonly teamRepo: string | null;
  readonly agentRepo: string | null;
  /** Folder of the skills that ship with the program. */
  readonly builtinSkills: string;
  /** Where worktrees that are made now begin; else, and where that is gone, at the remote's default branch. */
  readonly startsAt?: Repos | undefined;
  readonly onStep: (step: WorkspaceStep) => void;
  /** Told what is not as the session left it, in words to its agent. */
  readonly onLoss: (what: string) => void;
  readonly signal: AbortSignal;
}

export type WorkspaceStep = 'fetch' | 'worktree' | 'agent repo' | 'skills';

export interface Workspace {
  readonly path: string;
  readonly agentDir: string;
  readonly repo: AgentRepo;
  readonly skills: readonly Skill[];
  readonly warnings: readonly string[];
  /** The team's repo has files of its own where documents would lie. */
  readonly tracksDocuments: boolean;
  readonly commits: { readonly team: string; readonly agent: string };
  /** Where both repos stand now, with snapshots of their files. */
  gitState(signal: AbortSignal): Promise<Repos>;
  /**
   * Removes the folder if nothing in it would be lost.
   *
   * @param stays why it must not go, whatever git says; a line
   * @returns one line for each worktree that stays, with the reason
   */
  close(stays?: string): Promise<readonly string[]>;
}

/** Where the agent's repo lies inside the workspace. */
export const agentFolder = (agent: string): string => join('aachat', 'agents', agent);

/** What we put into worktrees: their git must not see it. */
export const EXCLUDED = ['/aachat/docs/', '/aachat/agents/', '/.claude/worktrees/'];
const SKILL_TARGETS = [join('.agents', 'skills'), join('.claude', 'skills')];
const AUTHOR = { name: 'aachat', email: 'noreply@aachat' };

/** Remote of a team that has connected no repo, made when first needed. */
const localTeamRepo = (home: Home, team: string): string =>
  join(home.repos, `${team.startsWith('~') ? 'personal' : 'team'}-${team.replace(/^~/, '')}.git`);

/** Where the repo of an agent is: the one that its owner named, else one of this machine's. */
export const agentRemote = (home: Home, { name, repo }: Pick<Agent, 'name' | 'repo'>): string =>
  repo ?? join(home.repos, `${name}.git`);

/** @throws AachatError when a repo cannot be had at all, or is no agent; nothing half-made stays behind */
export async function openWorkspace(options: WorkspaceOptions): Promise<Workspace> {
  const { home, clones, session, builtinSkills, onStep, signal } = options;
  const warnings: string[] = [];
  onStep('fetch');
  const isGone = options.teamRepo !== null && (await isMissing(home, options.teamRepo));
  if (isGone) {
    warnings.push(
      `${options.teamRepo}, the repo of team ${session.team}, is gone: run \`aachat init\` where it is now. Until then the session works in an empty repo.`,
    );
  }
  const teamRemote = options.teamRepo === null || isGone ? localTeamRepo(home, session.team) : options.teamRepo;
  if (teamRemote !== options.teamRepo && !(await exists(teamRemote))) await createRemote(teamRemote, {}, AUTHOR);
  const agentRepo = agentRemote(home, { name: session.agent, repo: options.agentRepo });
  if (options.agentRepo === null && (await isMissing(home, agentRepo))) {
    throw new AachatError(
      'NOT_FOUND',
      `The repo of ${session.agent} lies on the machine where it was made, not here.`,
      {
        hint: 'Bring it up there. An agent for several machines is made with `aachat agent create <name> --repo <url>`.',
      },
    );
  }
  const fetched = async (remote: string): Promise<Clone> => {
    const clone = await clones.open(remote, signal);
    const isAway = remote.startsWith('/') && !(await exists(remote));
    const why = isAway ? `${remote} is not there any more.` : clone.problem?.message;
    if (clone.problem !== undefined) warnings.push(`${why} Working with what was fetched before.`);
    return clone;
  };
  const path = home.workspace(session.agent, session.id);
  const agentDir = join(path, agentFolder(session.agent));
  /** The clone of the repo that was in the place of this one before, while a folder holds work in it. */
  const formerOf = async (remote: string, folder: string): Promise<Clone | undefined> => {
    const holder = await holderOf(home.cache, folder);
    if (holder === undefined || holder.gitDir === join(home.cache, cloneName(remote), '.git')) return undefined;
    warnings.push(`${folder} holds work in ${holder.remote}; once that is published, the session works in ${remote}.`);
    return holder;
  };
  const [formerTeam, agent, formerAgent] = await Promise.all([
    formerOf(teamRemote, path),
    fetched(agentRepo),
    formerOf(agentRepo, agentDir),
  ]);
  const team = formerTeam ?? (await fetched(teamRemote));
  const inside = formerAgent ?? agent;
  const close = (stays?: string) => closeWorkspace({ team, agent: inside, path, agentDir, stays });
  let skills: readonly Skill[] = [];
  onStep('worktree');
  const visible = checkoutVisible(agent, join(home.agents, session.agent), signal);
  visible.catch(() => {});
  try {
    const lost = (folder: string) => (what: string) => {
      warnings.push(`The agent is told: ${folder} ${what}`);
      options.onLoss(`${folder} ${what}`);
    };
    const startOf = async (clone: Clone, state: GitState | null | undefined) => {
      const start = await startIn(clone, state, session.id);
      if (start.missing !== undefined) {
        warnings.push(`Commit ${start.missing} is not in ${clone.remote} here: work begins at ${clone.defaultBranch}.`);
      }
      return start;
    };
    const teamStart = await startOf(team, options.startsAt?.team);
    const teamCommit = await addWorktree(team, path, { ...teamStart, signal, onLoss: lost('Your workspace') });
    const shown = await visible;
    if (shown === 'dirty' || shown === 'diverged') {
      const what = shown === 'dirty' ? 'changes' : 'commits';
      warnings.push(
        `${join(home.agents, session.agent)} has ${what} of its own: publish them with \`aachat agent save ${session.agent}\`.`,
      );
    }
    onStep('agent repo');
    const tracking = trackedNames(path);
    tracking.catch(() => {});
    if (await hasLink(path, dirname(agentFolder(session.agent)))) {
      throw new AachatError(
        'FORBIDDEN',
        `The repo ${teamRemote} has a link where the folder \`aachat/agents\` belongs.`,
        {
          hint: 'Remove the link from the repo, or rename it.',
        },
      );
    }
    const onLoss = lost(`Your own repo in \`${agentFolder(session.agent)}\``);
    const agentStart = await startOf(inside, options.startsAt?.agent);
    const agentCommit = await addWorktree(inside, agentDir, { ...agentStart, signal, onLoss });
    const repo = await readAgentRepo(agentDir, agentRepo);
    onStep('skills');
    const tracked = await tracking;
    const linked = await Promise.all(SKILL_TARGETS.map((target) => hasLink(path, target)));
    // A link leads to skills of this machine, or nowhere.
    const leads = await Promise.all(SKILL_FOLDERS.map((folder) => hasLink(agentDir, folder)));
    for (const folder of SKILL_FOLDERS.filter((_, index) => leads[index]))
      warnings.push(`The agent's repo has a link at ${folder}: no skills were taken from there.`);
    const listed = await listSkills([
      { owner: 'aachat', dir: builtinSkills },
      ...SKILL_TARGETS.filter((_, index) => !linked[index]).map((folder) => ({
        owner: 'team',
        dir: join(path, folder),
        only: tracked(folder),
      })),
      ...SKILL_FOLDERS.filter((_, index) => !leads[index]).map((folder) => ({
        owner: 'agent',
        dir: join(agentDir, folder),
      })),
    ]);
    const wanted = listed.skills.filter(({ owner, name }) => owner !== 'aachat' || name === SESSION_SKILL);
    const left = await projectSkills(wanted, join(home.session(session.id).claude, '.claude', 'skills'));
    skills = wanted.filter(({ name }) => !left.has(name));
    warnings.push(...repo.warnings, ...listed.warnings, ...left.values());
    for (const [index, target] of SKILL_TARGETS.entries()) {
      if (linked[index]) {
        warnings.push(`The team's repo has a link at ${target}: no skills were placed there.`);
        continue;
      }
      // What the team's repo tracks is never changed.
      const placed = skills.filter(({ owner, name }) => owner !== 'team' && !tracked(target).has(name));
      await excludePaths(
        team,
        placed.map(({ name }) => `/${target}/${name}/`),
      );
      warnings.push(...(await projectSkills(placed, join(path, target))).values());
    }
    const [teamState, agentState] = await Promise.all([
      stateOf(team, path, session.id),
      stateOf(inside, agentDir, session.id),
    ]);
    return {
      path,
      agentDir,
      repo,
      skills,
      warnings: [...new Set(warnings)],
      tracksDocuments: tracked(DOCUMENTS).size > 0,
      commits: { team: teamCommit, agent: agentCommit },
      gitState: async (ended) => {
        const [ofTeam, ofAgent] = await Promise.all([teamState(ended), agentState(ended)]);
        return { team: ofTeam, agent: ofAgent };
      },
      close,
    };
  } catch (thrown) {
    await Promise.allSettled([visible]);
    await close();
    throw thrown;
  }
}

/** The same commit, and if a branch was checked out there, a branch of its own: git lets no two worktrees share one. */
async function startIn(
  clone: Clone,
  state: GitState | null | undefined,
  sessionId: string,
): Promise<{ readonly at?: string; readonly branch?: string; readonly missing?: string }> {
  if (state == null) return {};
  const { commit, ref } = state;
  try {
    await git(['rev-parse', '--verify', '--quiet', `${commit}^{commit}`], { gitDir: clone.gitDir });
  } catch (thrown) {
    if (!isAachatError(thrown, 'GIT_FAILED')) throw thrown;
    return { missing: commit.slice(0, 7) };
  }
  const name = ref?.startsWith('refs/heads/') === true ? ref.slice('refs/heads/'.length) : undefined;
  return name === undefined ? { at: commit } : { at: commit, branch: `${name}-${shortId(sessionId)}` };
}

/** A turn does not wait longer for a snapshot of what it did. */
const SNAPSHOT_MS = 10_000;

/** Asks anew each time; a snapshot that cannot be taken is no reason for a turn to fail. */
async function stateOf(
  clone: Clone,
  path: string,
  session: SessionId,
): Promise<(ended: AbortSignal) => Promise<GitState | null>> {
  const worktree = await pointerTo(clone.gitDir, path);
  const ask = gitStateOf(worktree, `refs/remotes/origin/${clone.defaultBranch}`);
  return async (ended) => {
    const state = await ask();
    if (state === null || worktree === undefined) return state;
    const signal = AbortSignal.any([ended, AbortSignal.timeout(SNAPSHOT_MS)]);
    const snapshot = await takeSnapshot(clone, worktree, session, signal).catch(() => undefined);
    return snapshot === undefined ? state : { ...state, snapshot };
  };
}

/** Whether a local repo is neither at its place nor known from an earlier fetch. */
const isMissing = async (home: Home, remote: string): Promise<boolean> =>
  remote.startsWith('/') && !(await exists(remote)) && !(await exists(join(home.cache, cloneName(remote))));

/** The one of our skills that agents get; the others are for tools outside sessions. */
const SESSION_SKILL = 'aachat-session';

/** What the team's repo itself has in a folder: our copies of skills from an earlier run lie beside them. */
async function trackedNames(workspace: string): Promise<(folder: string) => ReadonlySet<string>> {
  const paths = (await git(['ls-files', '-z', '--', ...SKILL_TARGETS, DOCUMENTS], { cwd: workspace })).split('\0');
  return (folder) => {
    const inside = paths.filter((path) => path.startsWith(`${folder}/`));
    return new Set(inside.map((path) => path.slice(folder.length + 1).split('/')[0] ?? ''));
  };
}

/**
 * Removes the folder of a session that does not run, by the rules of `Workspace.close`.
 *
 * @param stays why it must not go, whatever git says; a line
 * @returns one line for each worktree that stays, with the reason
 */
export async function removeWorkspace(
  home: Home,
  agentName: string,
  path: string,
  stays?: string,
): Promise<readonly string[]> {
  const agentDir = join(path, agentFolder(agentName));
  const [team, agent] = await Promise.all([holderOf(home.cache, path), holderOf(home.cache, agentDir)]);
  return await closeWorkspace({ team, agent, path, agentDir, stays });
}

/** @param parts.team clone that has the worktree; undefined: none knows it */
async function closeWorkspace(parts: {
  readonly team: Clone | undefined;
  readonly agent: Clone | undefined;
  readonly path: string;
  readonly agentDir: string;
  readonly stays: string | undefined;
}): Promise<readonly string[]> {
  const { team, agent, path, agentDir, stays } = parts;
  const kept = stays === undefined ? [] : [stays];
  const remove = async (clone: Clone | undefined, folder: string) => {
    if (!(await exists(folder))) return;
    const removal = clone === undefined ? UNKNOWN : await removeWorktree(clone, folder).catch(unjudged);
    if (!removal.removed) kept.push(`${folder} stays: ${removal.detail}`);
  };
  await remove(agent, agentDir);
  if (kept.length === 0) await remove(team, path);
  return kept;
}

/** What nobody could look at may hold work: a broken index, a folder of another user, a full disk. */
const unjudged = (thrown: unknown) => ({ removed: false, detail: toAachatError(thrown).message }) as const;

const UNKNOWN = { removed: false, detail: 'it is no worktree of a repo that aachat knows' } as const;
