/** `aachat init`: connects the repository of a project to a team, or takes that back. */
import { join, resolve as resolvePath } from 'node:path';
import { AachatError, isAachatError } from '#base/errors.ts';
import { exists } from '#base/fs.ts';
import { readPidFile } from '#base/pid-file.ts';
import type { CommandContext } from '#cli/context.ts';
import { documentTroubles } from '#cli/documents-view.ts';
import { plain } from '#cli/output.ts';
import { serverAddress } from '#client/address.ts';
import type { HttpClient } from '#client/http.ts';
import type { Team } from '#contract/entities.ts';
import { ROUTES } from '#contract/routes.ts';
import { connectRepo, disconnectRepo, forgetRepo, teamsOf } from '#runtime/connect.ts';
import { DOCUMENTS } from '#runtime/home.ts';
import type { Left } from '#runtime/placed-files.ts';
import { openProjectRepo, type ProjectRepo } from '#runtime/project-repo.ts';
import { UpFile } from '#runtime/up-file.ts';
import { listConnectedRepos } from '#runtime/workspaces.ts';
import { beginMirrors } from './mirror.ts';

export interface InitArgs {
  readonly team: string | undefined;
  readonly folder: string | undefined;
}

/** `aachat init [folder] [--team <team>]` */
export async function init(context: CommandContext, args: InitArgs): Promise<void> {
  const { home, config, cwd, skillsDir, signal, output } = context;
  const repo = await openProjectRepo(resolvePath(cwd, args.folder ?? '.'));
  const { http } = await context.connect();
  const { teams } = await http.call(ROUTES.listTeams, {}, signal);
  const setting = config.get('team');
  const named = args.team ?? (setting?.origin === 'repository' ? setting.value : undefined);
  const team = chooseTeam(teams, repo, named, setting?.value);
  const { agents } = await http.call(ROUTES.listAgents, { query: { scope: 'mine' } }, signal);
  const configured = config.get('server')?.value;
  const server = configured === undefined ? null : serverAddress(configured).origin;
  const names = agents.map(({ name }) => name);
  const made = await connectRepo({ home, http, repo, team, server, agents: names, skillsDir });
  const mirrors = await beginMirrors(context);
  const mine = mirrors?.find(({ root }) => root === join(repo.root, DOCUMENTS));
  const changes = [...made.wrote.map((path) => `  wrote ${path}`), ...made.removed.map((path) => `  removed ${path}`)];
  const text = [
    `${repo.root} is connected to team ${team.slug}${server === null ? '' : ` at ${server}`}.`,
    ...(changes.length === 0 ? ['Nothing to do: all of it is in place.'] : changes),
    ...made.left.map(leftLine),
    ...(made.teamRepo === null ? [] : [`Sessions of the team work in ${made.teamRepo}.`]),
    ...made.notes,
    mine === undefined
      ? 'aachat up keeps aachat/docs in step with the documents of the team.'
      : `aachat/docs, kept by the running aachat up: ${mine.state}.${mine.reason === undefined ? '' : ` ${mine.reason}`}`,
    ...(mine?.state === 'stopped' ? documentTroubles([mine]) : []),
    ...(mirrors === undefined || made.teamRepo === null
      ? []
      : ['Sessions that run now stay where they are until `aachat up` is started again.']),
  ];
  output.result({ root: repo.root, team, server, ...made }, plain(text.join('\n')));
}

/** `aachat init --uninstall [folder]` */
export async function uninstall(context: CommandContext, args: { readonly folder: string | undefined }): Promise<void> {
  const { home, cwd, output } = context;
  const folder = resolvePath(cwd, args.folder ?? '.');
  const all = await listConnectedRepos(home);
  const gone = (await exists(folder)) ? undefined : all.find(({ path }) => path === folder);
  if (gone !== undefined) {
    const notes = await forgetRepo(home, gone, await connectIfPossible(context));
    const text = [`${folder} is gone, and no longer connected to team ${gone.team}.`, ...notes];
    output.result({ root: folder, removed: [], left: [], notes }, plain(text.join('\n')));
    return;
  }
  const { root } = await openProjectRepo(folder);
  const repo = all.find(({ path }) => path === root);
  if (repo === undefined) {
    output.result({ root, removed: [], left: [], notes: [] }, `Nothing to do: ${root} is not connected.`);
    return;
  }
  if ((await readPidFile(home.upFile, UpFile)) !== undefined) {
    throw new AachatError('CONFLICT', '`aachat up` runs, and keeps the documents of this repository in step.', {
      hint: 'Run `aachat down`, then `aachat init --uninstall` again.',
    });
  }
  const undone = await disconnectRepo(home, repo, await connectIfPossible(context));
  const text = [
    `${root} is no longer connected to team ${repo.team}.`,
    ...undone.removed.map((path) => `  removed ${path}`),
    ...undone.left.map(leftLine),
    ...undone.notes,
  ];
  output.result({ root, ...undone }, plain(text.join('\n')));
}

const leftLine = ({ path, reason }: Left): string => `  left ${path}: it ${reason}`;

/** The team that was named, else the one that has this repo, else the preferred one, else the only one. */
function chooseTeam(
  teams: readonly Team[],
  { remote }: ProjectRepo,
  named: string | undefined,
  preferred: string | undefined,
): Team {
  const called = (slug: string | undefined) => (team: Team) => team.slug === slug;
  const candidates = named === undefined ? teamsOf(teams, remote) : teams.filter(called(named));
  const team = candidates.length === 1 ? candidates[0] : candidates.find(called(preferred));
  if (team !== undefined) return team;
  const slugs = (candidates.length === 0 ? teams : candidates).map(({ slug }) => slug).join(', ');
  if (named !== undefined) {
    throw new AachatError('NOT_FOUND', `You are in no team called ${named}.`, { hint: `Your teams: ${slugs}.` });
  }
  throw new AachatError('AMBIGUOUS_NAME', 'Several teams could be meant.', { hint: `Name one with --team: ${slugs}.` });
}

/** Without a server what can be taken back here is taken back. */
async function connectIfPossible(context: CommandContext): Promise<HttpClient | undefined> {
  try {
    const { http } = await context.connect();
    await http.call(ROUTES.getMe, {}, context.signal);
    return http;
  } catch (thrown) {
    if (!isAachatError(thrown, 'SERVER_UNREACHABLE', 'TIMEOUT', 'UNAUTHORIZED')) throw thrown;
    return undefined;
  }
}
