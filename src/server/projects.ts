/** Projects: listing, making, and the one resolver of their names. */
import { AachatError } from '#base/errors.ts';
import { newId } from '#base/id.ts';
import { nearest } from '#base/nearest.ts';
import type { Project } from '#contract/entities.ts';
import { matchId, type ProjectId } from '#contract/ids.ts';
import type { ROUTES } from '#contract/routes.ts';
import { cooldownsOf } from './cooldowns.ts';
import { updateCoverage } from './coverage.ts';
import type { ProjectRow } from './database/schema.ts';
import type { View } from './database/store.ts';
import { type ProjectInTeam, projectFacts, readableProjects, teamFacts } from './facts.ts';
import { person, type Reading, type Writing } from './request.ts';
import { partyOf } from './signals.ts';
import { announceMembership, DEFAULT_HOP_LIMIT, emitMember } from './teams.ts';

export const projectOf = (row: ProjectInTeam): Project => ({
  id: row.id,
  teamId: row.team_id,
  team: row.team,
  name: row.name,
  kind: row.kind,
  status: row.status,
  description: row.description,
  hopLimit: row.hop_limit,
  loopStoppedAt: row.loop_stopped_at,
  cooldowns: cooldownsOf(row),
  createdAt: row.created_at,
});

export const listProjects: Reading<typeof ROUTES.listProjects> = async (view, { actor, query, ask }) => {
  ask({ kind: 'own' });
  const { team, status, kind, limit, offset } = query;
  const matching = (await readableProjects(view, actor)).filter(
    (project) =>
      (team === undefined || project.team === team) &&
      (status === 'all' || project.status === status) &&
      (kind === undefined || project.kind === kind),
  );
  const active = await lastActivity(view, matching);
  const at = (project: ProjectRow) => active.get(project.id) ?? project.created_at;
  const sorted = matching.toSorted((a, b) => compare(at(b), at(a)) || compare(b.id, a.id));
  return {
    projects: sorted.slice(offset, offset + limit).map(projectOf),
    hasMore: sorted.length > offset + limit,
  };
};

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

async function lastActivity({ q }: View, projects: readonly ProjectRow[]): Promise<ReadonlyMap<ProjectId, string>> {
  if (projects.length === 0) return new Map();
  const rows = await q
    .selectFrom('streams')
    .innerJoin('events', (join) =>
      join.onRef('events.stream_id', '=', 'streams.id').onRef('events.seq', '=', 'streams.seq'),
    )
    .select(['streams.id', 'events.at'])
    .where(
      'streams.id',
      'in',
      projects.map(({ id }) => id),
    )
    .execute();
  return new Map(rows.map(({ id, at }) => [id as ProjectId, at]));
}

export const resolveProject: Reading<typeof ROUTES.resolveProject> = async (view, { actor, query, ask }) => {
  ask({ kind: 'own' });
  return { project: projectOf(pickProject(query.name, query.team, await readableProjects(view, actor))) };
};

/**
 * Finds the project that a person means: by name, `team/name`, `dm:<agent>` with a full or bare name, or an id in any
 * form. Projects that are at work come before completed and archived ones.
 *
 * @throws AachatError `NOT_FOUND`, or `AMBIGUOUS_PROJECT` naming every match
 */
export function pickProject(
  typed: string,
  team: string | undefined,
  readable: readonly ProjectInTeam[],
): ProjectInTeam {
  const slash = typed.indexOf('/');
  const inTeam = slash > 0 ? typed.slice(0, slash) : team;
  const name = slash > 0 ? typed.slice(slash + 1) : typed;
  const candidates = readable.filter((project) => inTeam === undefined || project.team === inTeam);
  const named = candidates.filter((project) => isNamed(project, name));
  const atWork = named.filter(({ status }) => status === 'active' || status === 'planning');
  const matches = [atWork, named, matchId(name, candidates)].find(({ length }) => length > 0) ?? [];
  const [match] = matches;
  if (match !== undefined && matches.length === 1) return match;
  if (match === undefined) {
    throw new AachatError('NOT_FOUND', `You have no project "${typed}"${team === undefined ? '' : ` in ${team}`}.`, {
      hint: `${didYouMean(typed, readable)}Run \`aachat project list\` to see yours.`,
    });
  }
  const list = matches.map((project) => `${project.team}/${project.name}`).join(', ');
  throw new AachatError('AMBIGUOUS_PROJECT', `"${typed}" may be any of ${list}.`, {
    hint: 'Say which with `--team <team>`, or use the full name.',
  });
}

/** By the short name, or with the team where one was given. */
function didYouMean(typed: string, readable: readonly ProjectInTeam[]): string {
  const names = readable.flatMap((project) => [project.name, `${project.team}/${project.name}`]);
  const name = nearest(typed, names);
  return name === undefined ? '' : `Did you mean ${name}? `;
}

function isNamed(project: ProjectRow, name: string): boolean {
  if (project.name === name) return true;
  return project.kind === 'dm' && name.startsWith('dm:') && project.name.startsWith(`${name}.`);
}

export const createProject: Writing<typeof ROUTES.createProject> = async (tx, { actor, params, body, ask }) => {
  const { team, resource } = await teamFacts(tx, actor, params.teamId);
  ask(resource);
  const creator = person(actor);
  const taken = await tx.q
    .selectFrom('projects')
    .select('id')
    .where('team_id', '=', team.id)
    .where('name', '=', body.name)
    .executeTakeFirst();
  if (taken !== undefined) {
    throw new AachatError('CONFLICT', `The team ${team.slug} has a project "${body.name}" already.`, {
      hint: 'Choose another name.',
    });
  }
  const project: ProjectRow = {
    id: newId<ProjectId>(),
    team_id: team.id,
    name: body.name,
    kind: 'project',
    status: 'active',
    description: body.description,
    hop_limit: body.hopLimit ?? DEFAULT_HOP_LIMIT,
    loop_stopped_at: null,
    cooldowns: null,
    agent_id: null,
    created_at: tx.now,
  };
  await tx.q.insertInto('projects').values(project).execute();
  await tx.q
    .insertInto('project_members')
    .values({ project_id: project.id, party_kind: 'user', party_id: creator.id, role: 'admin', joined_at: tx.now })
    .execute();
  emitMember(tx, 'member.added', project.id, partyOf('user', creator.id, creator.name));
  announceMembership(tx, creator.id, team.id, project.id);
  return { project: projectOf({ ...project, team: team.slug }) };
};

export const setProjectStatus: Writing<typeof ROUTES.setProjectStatus> = async (tx, { actor, params, body, ask }) => {
  const { project, resource } = await projectFacts(tx, actor, params.projectId);
  ask(resource);
  const { status } = body;
  await tx.q.updateTable('projects').set({ status }).where('id', '=', project.id).execute();
  const agents = await tx.q
    .selectFrom('agents')
    .innerJoin('project_members', 'project_members.party_id', 'agents.id')
    .select(['agents.id', 'agents.owner_id'])
    .where('project_members.project_id', '=', project.id)
    .execute();
  await updateCoverage(
    tx,
    agents.map(({ id }) => id),
  );
  // Whoever brings these agents up may have a session to start.
  const owners = new Set([person(actor).id, ...agents.map(({ owner_id }) => owner_id)]);
  for (const owner of owners) announceMembership(tx, owner, project.team_id, project.id);
  return { project: projectOf({ ...project, status }) };
};
