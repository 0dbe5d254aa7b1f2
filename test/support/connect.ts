/** Somebody with a repository, a team and a server: what `aachat init` connects. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ROUTES } from '#contract/routes.ts';
import { openHome } from '#runtime/home.ts';
import { listConnectedRepos } from '#runtime/workspaces.ts';
import { createTeam } from './company.ts';
import { person } from './person.ts';
import { testServer } from './server.ts';
import { gitIn, tempRepo } from './temp.ts';

export const REMOTE = 'git@example.org:acme/launch.git';
export const SKILLS = ['.agents', '.claude', '.cursor'].map((tool) => `${tool}/skills/aachat/SKILL.md`);

interface Made {
  readonly wrote: readonly string[];
  readonly removed: readonly string[];
  readonly left: readonly { readonly path: string; readonly reason: string }[];
  readonly notes: readonly string[];
  readonly teamRepo: string | null;
  readonly team: { readonly slug: string };
}

/** mia, who works with a team `acme` and an agent, and a repo of hers with a remote. */
export async function connectScene() {
  const server = await testServer();
  const owner = await server.login('mia');
  const mia = await person(server, 'mia');
  const acme = await createTeam(owner, 'acme');
  const repo = await tempRepo();
  await gitIn(repo.path, 'remote', 'add', 'origin', REMOTE);
  const init = (cwd: string, ...flags: string[]) => mia.command(['init', ...flags], { env: mia.env, cwd });
  return {
    server,
    owner,
    mia,
    acme,
    repo: repo.path,
    /** Runs it as a person would; `status` and what was said. */
    init,
    /** Runs it where it must succeed. */
    async made(cwd: string, ...flags: string[]): Promise<Made> {
      const { status, stdout, stderr } = await init(cwd, ...flags, '--json');
      if (status !== 0) throw new Error(`${stdout}${stderr}`);
      return (JSON.parse(stdout) as { data: Made }).data;
    },
    teamRepo: async (slug = 'acme') => {
      const { teams } = await owner.call(ROUTES.listTeams, {});
      return teams.find((team) => team.slug === slug)?.repo;
    },
    connected: () => listConnectedRepos(openHome(mia.home)),
    async [Symbol.asyncDispose]() {
      await repo[Symbol.asyncDispose]();
      await mia[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

export const untracked = (repo: string) => gitIn(repo, 'status', '--porcelain', '--untracked-files=all');

/** Every file and link below a folder, `.git` left out. */
export async function filesOf(root: string): Promise<readonly string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => !entry.isDirectory()).map(({ parentPath, name }) => join(parentPath, name));
  return paths
    .map((path) => path.slice(root.length + 1))
    .filter((path) => !path.startsWith('.git/'))
    .sort();
}
