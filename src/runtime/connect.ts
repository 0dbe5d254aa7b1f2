/**
 * Connects the repo of a project to a team: a folder `aachat/` with the team's documents and the person's agents, the
 * skill for tools that work in the repo, and the repo as the one that the team's sessions work in. All of it can be
 * taken back, and nothing that somebody else made is changed or removed.
 */
import { hash } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { AachatError, isAachatError } from '#base/errors.ts';
import { ensureDir, exists, isInside, readIfExists } from '#base/fs.ts';
import type { HttpClient } from '#client/http.ts';
import type { Document } from '#contract/documents.ts';
import type { Team } from '#contract/entities.ts';
import { formatDocumentPath, parseConflictPath } from '#contract/paths.ts';
import { ROUTES } from '#contract/routes.ts';
import { OURS } from '#sync/names.ts';
import { isReport } from '#sync/report.ts';
import { cloneName } from './clone.ts';
import { GRAMMAR } from './document-replica.ts';
import { DOCUMENTS, type Home, MIRROR_FOLDER } from './home.ts';
import { type Content, type Left, lstatIfExists, markOf, placeFiles, removeEmpty } from './placed-files.ts';
import { excludeFolders, type ProjectRepo, trackedPaths } from './project-repo.ts';
import { type ConnectedRepo, forgetConnectedRepo, listConnectedRepos, saveConnectedRepo } from './workspaces.ts';

/** Our folder in the repo. */
const FOLDER = 'aachat';
const AGENTS = `${FOLDER}/agents`;
const README = `${FOLDER}/README.md`;
const SKILLS = ['.cursor', '.agents', '.claude'].map((tool) => `${tool}/skills/aachat`);

export interface Connecting {
  readonly home: Home;
  readonly http: HttpClient;
  readonly repo: ProjectRepo;
  readonly team: Team;
  /** Origin of the server; null: the embedded platform. */
  readonly server: string | null;
  /** Full names of the person's agents. */
  readonly agents: readonly string[];
  /** Folder of the skills that ship with the program. */
  readonly skillsDir: string;
}

export interface Connected {
  readonly wrote: readonly string[];
  readonly removed: readonly string[];
  readonly left: readonly Left[];
  /** The repo that sessions of the team work in from now on; null: an empty one. */
  readonly teamRepo: string | null;
  /** What a person should know, as sentences. */
  readonly notes: readonly string[];
}

/** Teams that a repo may be meant for, best first; one is an answer. */
export function teamsOf(teams: readonly Team[], remote: string | undefined): readonly Team[] {
  const sameRepo = teams.filter(({ repo }) => isSame(repo, remote));
  return sameRepo.length > 0 ? sameRepo : teams;
}

const isSame = (a: string | null, b: string | null | undefined): boolean =>
  a !== null && typeof b === 'string' && cloneName(a) === cloneName(b);

/**
 * Connects the repo, or brings what it has from us up to date.
 *
 * @throws AachatError `CONFLICT` if the repo has an `aachat` that is not ours, or is connected to another team
 */
export async function connectRepo(options: Connecting): Promise<Connected> {
  const { home, http, repo, team, server, agents, skillsDir } = options;
  const { root, exclude } = repo;
  const known = await knownRepo(home, root);
  if (known === undefined) await refuseStrangers(home, root);
  else if (known.teamId !== team.id || known.server !== server) {
    throw new AachatError('CONFLICT', `${root} is connected to team ${known.team}${at(known.server)}.`, {
      hint: 'Run `aachat init --uninstall` there first.',
    });
  }
  const wanted = new Map<string, Content>([
    [README, { text: readme(team.slug, server) }],
    ...(await agentLinks(home, agents)),
    ...(await skillFiles(skillsDir)),
  ]);
  const before = known?.files ?? {};
  const record = { path: root, teamId: team.id, team: team.slug, server, exclude };
  const marks = Object.fromEntries([...wanted].map(([path, content]) => [path, markOf(content)]));
  const save = (files: Readonly<Record<string, string>>, gaveRepo: boolean) =>
    saveConnectedRepo(home, { ...record, gaveRepo, files });

  // Known before it is there: what a killed `init` left is ours, and git never sees it.
  await save({ ...marks, ...before }, known?.gaveRepo ?? false);
  await excludeFolders(exclude, [FOLDER, ...SKILLS]);
  const tracked = await trackedPaths(root, [...wanted.keys(), ...Object.keys(before)]);
  const { files, ...placed } = await placeFiles(root, wanted, before, tracked);
  const documents = join(root, DOCUMENTS);
  const made = (await exists(documents)) ? [] : [`${DOCUMENTS}/`];
  await ensureDir(documents);
  // It was this connection that gave it, and the repo has moved.
  const isGone = known?.gaveRepo === true && team.repo?.startsWith('/') === true && !(await exists(team.repo));
  const offer = await offerRepo(http, isGone ? { ...team, repo: null } : team, repo);
  await save(files, known?.gaveRepo === true || offer.gave);
  return { ...placed, wrote: [...made, ...placed.wrote], teamRepo: offer.teamRepo, notes: offer.notes };
}

export interface Disconnected {
  readonly removed: readonly string[];
  /** What was changed, or is not ours. */
  readonly left: readonly Left[];
  readonly notes: readonly string[];
}

/**
 * Takes back what `connectRepo` did. A document goes only if the server has its text.
 *
 * @param http undefined: the server cannot be asked, so that documents stay
 */
export async function disconnectRepo(
  home: Home,
  repo: ConnectedRepo,
  http: HttpClient | undefined,
): Promise<Disconnected> {
  const { path: root, team, exclude } = repo;
  const others = (await listConnectedRepos(home)).filter(({ path }) => path !== root);
  const notes = await takeRepoBack(home, repo, others, http);
  const documents = await removeDocuments(root, team, http);
  const tracked = await trackedPaths(root, Object.keys(repo.files));
  const placed = await placeFiles(root, new Map(), repo.files, tracked);
  for (const folder of [DOCUMENTS, AGENTS]) await removeEmpty(root, folder);
  const named = new Set([...documents.left, ...placed.left].map(({ path }) => path));
  const strangers = (await filesBelow(root, FOLDER))
    .filter((path) => !named.has(path) && !path.startsWith(`${MIRROR_FOLDER}/`))
    .map((path) => ({ path, reason: 'is not of aachat' }));
  const left = [...documents.left, ...placed.left, ...strangers];
  // What stays is still hidden from git: a `git clean` must not take it.
  if (left.length === 0 && !others.some((other) => other.exclude === exclude)) await excludeFolders(exclude, []);
  await forgetConnectedRepo(home, root);
  return { removed: [...documents.removed, ...placed.removed], left, notes };
}

/** Forgets a repo that is not there any more. @returns what a person should know, as sentences */
export async function forgetRepo(
  home: Home,
  repo: ConnectedRepo,
  http: HttpClient | undefined,
): Promise<readonly string[]> {
  const others = (await listConnectedRepos(home)).filter(({ path }) => path !== repo.path);
  const notes = await takeRepoBack(home, repo, others, http);
  await forgetConnectedRepo(home, repo.path);
  return notes;
}

/** What we know of the repo at `root`; one that was moved is known by the place it had. */
async function knownRepo(home: Home, root: string): Promise<ConnectedRepo | undefined> {
  const all = await listConnectedRepos(home);
  const here = all.find(({ path }) => path === root);
  if (here !== undefined) return here;
  const text = await readIfExists(join(root, README));
  for (const candidate of text === undefined ? [] : all) {
    if (text !== readme(candidate.team, candidate.server) || (await exists(candidate.path))) continue;
    await saveConnectedRepo(home, { ...candidate, path: root });
    await forgetConnectedRepo(home, candidate.path);
    return { ...candidate, path: root };
  }
  return undefined;
}

async function refuseStrangers(home: Home, root: string): Promise<void> {
  if (isInside(home.root, root)) {
    throw new AachatError('USAGE', `${root} lies in the home of aachat, which looks after it already.`, {
      hint: 'Run it in the repository of a project.',
    });
  }
  if (isInside(join(root, FOLDER), home.root)) {
    throw new AachatError(
      'CONFLICT',
      `The home of aachat lies where this repository would have its folder ${FOLDER}.`,
      {
        hint: 'Move the home elsewhere and set AACHAT_HOME.',
      },
    );
  }
  const isTracked = (await trackedPaths(root, [FOLDER])).size > 0;
  const isFree = (await lstatIfExists(join(root, FOLDER))) === undefined;
  // What a disconnection left, because the server did not have it, is taken in again.
  const isLeft = (await lstatIfExists(join(root, MIRROR_FOLDER, 'marker')))?.isFile() === true;
  if (!isTracked && (isFree || isLeft)) return;
  throw new AachatError(
    'CONFLICT',
    isTracked
      ? `The repository tracks an \`${FOLDER}\` of its own.`
      : `There is an \`${FOLDER}\` in ${root} that was not made from here.`,
    { hint: 'Move or rename it, then run `aachat init` again. Nothing was changed.' },
  );
}

/** Each agent whose visible worktree is on this machine. */
async function agentLinks(home: Home, agents: readonly string[]): Promise<readonly [string, Content][]> {
  const here = await Promise.all(agents.map((name) => exists(join(home.agents, name))));
  return agents
    .filter((_, index) => here[index])
    .map((name) => [`${AGENTS}/${name}`, { link: join(home.agents, name) }]);
}

async function skillFiles(skillsDir: string): Promise<readonly [string, Content][]> {
  const text = await readFile(join(skillsDir, 'aachat', 'SKILL.md'), 'utf8');
  return SKILLS.map((folder) => [`${folder}/SKILL.md`, { text }]);
}

interface Offer {
  readonly teamRepo: string | null;
  readonly gave: boolean;
  readonly notes: readonly string[];
}

/** A team without a repo gets this one; one that a team has is never replaced. */
async function offerRepo(http: HttpClient, team: Team, repo: ProjectRepo): Promise<Offer> {
  const keeps = (...notes: readonly string[]): Offer => ({ teamRepo: team.repo, gave: false, notes });
  const local = repo.hasCommits && team.kind === 'personal' ? repo.folder : undefined;
  const address = repo.remote ?? local;
  if (team.repo !== null) {
    const same = isSame(team.repo, repo.remote) || isSame(team.repo, repo.folder);
    return same ? keeps() : keeps(`Sessions of team ${team.slug} go on working in ${team.repo}.`);
  }
  const without = `Sessions of team ${team.slug} work in an empty repository`;
  if (address === undefined || (address === local && /\s/.test(address))) {
    const remedy = team.kind === 'personal' && !repo.hasCommits ? 'Commit something' : 'Add a remote called origin';
    return keeps(`${without}. ${remedy}, then run \`aachat init\` again.`);
  }
  try {
    await http.call(ROUTES.setTeamRepo, { params: { teamId: team.id }, body: { repo: address } });
    return { teamRepo: address, gave: true, notes: [] };
  } catch (thrown) {
    if (!isAachatError(thrown, 'FORBIDDEN')) throw thrown;
    return keeps(`${without}: an owner of the team can change that by \`aachat init\` in a copy of theirs.`);
  }
}

/** Only what this connection gave; another one of the team here inherits it. */
async function takeRepoBack(
  home: Home,
  repo: ConnectedRepo,
  others: readonly ConnectedRepo[],
  http: HttpClient | undefined,
): Promise<readonly string[]> {
  if (!repo.gaveRepo) return [];
  const heir = others.find(({ teamId }) => teamId === repo.teamId);
  if (heir !== undefined) {
    await saveConnectedRepo(home, { ...heir, gaveRepo: true });
    return [];
  }
  try {
    if (http === undefined) return [`The server could not be asked: team ${repo.team} still has this repository.`];
    await http.call(ROUTES.setTeamRepo, { params: { teamId: repo.teamId }, body: { repo: null } });
    return [`Sessions of team ${repo.team} work in an empty repository again.`];
  } catch (thrown) {
    if (!isAachatError(thrown, 'FORBIDDEN', 'NOT_FOUND')) throw thrown;
    return [`Team ${repo.team} still has this repository: only its owners can change that.`];
  }
}

/** Removes the files of the mirror that the server holds too, byte for byte. */
async function removeDocuments(
  root: string,
  team: string,
  http: HttpClient | undefined,
): Promise<{ readonly removed: readonly string[]; readonly left: readonly Left[] }> {
  const removed: string[] = [];
  const left: Left[] = [];
  const paths = (await filesBelow(root, DOCUMENTS)).map((path) => path.slice(DOCUMENTS.length + 1));
  const own = paths.filter((path) => path.startsWith(`${OURS}/`));
  const rest = paths.filter((path) => !own.includes(path));
  const isHeld = http === undefined || rest.length === 0 ? async () => false : await heldTexts(http, team);
  const reason = http === undefined ? 'could not be compared with the server' : 'is not at the server';
  for (const path of rest) {
    const shown = `${DOCUMENTS}/${path}`;
    const file = join(root, shown);
    const isPlain = (await lstatIfExists(file))?.isFile() === true;
    if (GRAMMAR.classify(path).kind === 'ours' && isPlain && isReport(await readFile(file, 'utf8'))) await rm(file);
    else if (isPlain && (await isHeld(path, await readFile(file)))) {
      await rm(file);
      removed.push(shown);
    } else left.push({ path: shown, reason });
    await removeEmpty(root, shown.slice(0, shown.lastIndexOf('/')));
  }
  if (left.length === 0) await rm(join(root, MIRROR_FOLDER), { recursive: true, force: true });
  return { removed, left };
}

/** Whether the server has, or ever had, this text in the document of a path, or kept it aside. */
async function heldTexts(http: HttpClient, team: string): Promise<(path: string, bytes: Buffer) => Promise<boolean>> {
  const documents = new Map<string, Document>();
  for (let more = true, last: Document | undefined; more; ) {
    const query = { team, state: 'all', limit: 2_000, ...(last === undefined ? {} : { after: last.id }) } as const;
    const page = await http.call(ROUTES.listDocuments, { query });
    for (const document of page.documents) documents.set(formatDocumentPath({ ...document }), document);
    last = page.documents.at(-1);
    more = page.hasMore;
  }
  return async (path, bytes) => {
    const conflict = parseConflictPath(path);
    const document = documents.get(conflict === undefined ? path : formatDocumentPath(conflict.document));
    if (document === undefined) return false;
    const digest = hash('sha256', bytes);
    if (document.digest === digest) return true;
    try {
      await http.call(ROUTES.readDocument, { params: { documentId: document.id, digest } });
      return true;
    } catch (thrown) {
      if (isAachatError(thrown, 'NOT_FOUND')) return false;
      throw thrown;
    }
  };
}

/** Paths below `root` of everything in a folder that is no folder. Links are not followed. */
async function filesBelow(root: string, folder: string): Promise<readonly string[]> {
  if ((await lstatIfExists(join(root, folder)))?.isDirectory() !== true) return [];
  const entries = await readdir(join(root, folder), { withFileTypes: true });
  const below = await Promise.all(
    entries.map((entry) => {
      const path = `${folder}/${entry.name}`;
      return entry.isDirectory() ? filesBelow(root, path) : [path];
    }),
  );
  return below.flat();
}

const at = (server: string | null): string => (server === null ? ' on this machine' : ` at ${server}`);

/** For whoever finds the folder; no program reads it. */
const readme = (team: string, server: string | null): string => `# aachat

This folder connects the repository with the team \`${team}\`${at(server)}. \`aachat init\` made it; git does not see it.

- \`docs/${team}/<project>/<kind>/<name>.md\` are the team's shared documents. Edit, add and delete them with any tool:
  while \`aachat up\` runs they stay in step with everybody else's, and what you change meanwhile is merged when it runs
  again. A file \`<name>.conflict-<n>-<who>.md\` holds an edit of the same lines: save it or delete it to settle that.
- \`agents/<name>\` leads to the repository of each of your agents: who it is and what it remembers.
- This file and files that begin with \`_\` are written by aachat.

\`aachat project send <project> "<text>"\` says something to the team, \`aachat inbox\` shows what is new,
\`aachat init --uninstall\` takes all of this back.
`;
