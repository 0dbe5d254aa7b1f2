/** Teams, projects and who is in them. */
import { z } from 'zod';
import {
  Member,
  Project,
  ProjectKind,
  ProjectRole,
  ProjectStatus,
  RepoUrl,
  Team,
  TeamMember,
  TeamRole,
} from '#contract/entities.ts';
import { ClientId, Login, ProjectId, ProjectSlug, TeamId, TeamSlug, UserId } from '#contract/ids.ts';
import { route } from '#contract/route.ts';

const inTeam = z.object({ teamId: TeamId });
const inProject = z.object({ projectId: ProjectId });

export const listTeams = route({ method: 'GET', path: '/v1/teams', reply: z.object({ teams: z.array(Team) }) });

export const createTeam = route({
  method: 'POST',
  path: '/v1/teams',
  body: z.object({ clientId: ClientId, slug: TeamSlug, repo: RepoUrl.optional() }),
  reply: z.object({ team: Team }),
});

/** Connects the team to the repo that its sessions work in, or takes the connection back. */
export const setTeamRepo = route({
  method: 'PUT',
  path: '/v1/teams/:teamId/repo',
  params: inTeam,
  body: z.object({ repo: RepoUrl.nullable() }),
  reply: z.object({ team: Team }),
});

export const listTeamMembers = route({
  method: 'GET',
  path: '/v1/teams/:teamId/members',
  params: inTeam,
  reply: z.object({ members: z.array(TeamMember) }),
});

export const addTeamMember = route({
  method: 'POST',
  path: '/v1/teams/:teamId/members',
  params: inTeam,
  body: z.object({ clientId: ClientId, login: Login, role: TeamRole.exclude(['owner']) }),
  reply: z.object({ member: TeamMember }),
});

export const removeTeamMember = route({
  method: 'DELETE',
  path: '/v1/teams/:teamId/members/:userId',
  params: inTeam.extend({ userId: UserId }),
});

/** Everything that the caller may read, newest activity first; for a session its coverage. */
export const listProjects = route({
  method: 'GET',
  path: '/v1/projects',
  query: z.object({
    team: TeamSlug.optional(),
    status: ProjectStatus.or(z.literal('all')).default('active'),
    kind: ProjectKind.optional(),
    limit: z.coerce.number().int().min(1).max(200).default(100),
    offset: z.coerce.number().int().min(0).default(0),
  }),
  reply: z.object({ projects: z.array(Project), hasMore: z.boolean() }),
});

/**
 * The one resolver of project names. Several teams may use a name: then it answers `AMBIGUOUS_PROJECT` and `team`
 * decides. Takes a project's name, `dm:<agent>` with a full or bare agent name, or an id in any form.
 */
export const resolveProject = route({
  method: 'GET',
  path: '/v1/projects/resolve',
  query: z.object({ name: z.string().min(1).max(200), team: TeamSlug.optional() }),
  reply: z.object({ project: Project }),
});

export const createProject = route({
  method: 'POST',
  path: '/v1/teams/:teamId/projects',
  params: inTeam,
  body: z.object({
    clientId: ClientId,
    name: ProjectSlug,
    description: z.string().max(2000).default(''),
    hopLimit: z.int().min(1).max(100).optional(),
  }),
  reply: z.object({ project: Project }),
});

/**
 * A project that is completed or archived leaves the usual list, and sessions that serve whatever comes no longer serve
 * it. What was said and written stays, and may be added to.
 */
export const setProjectStatus = route({
  method: 'PUT',
  path: '/v1/projects/:projectId/status',
  params: inProject,
  body: z.object({ status: ProjectStatus }),
  reply: z.object({ project: Project }),
});

export const listMembers = route({
  method: 'GET',
  path: '/v1/projects/:projectId/members',
  params: inProject,
  reply: z.object({ members: z.array(Member) }),
});

/** Adds a person of the team (with a role) or an agent of a person of the team. A bare agent name must be unambiguous. */
export const addMember = route({
  method: 'POST',
  path: '/v1/projects/:projectId/members',
  params: inProject,
  body: z.object({ clientId: ClientId, name: z.string().min(1).max(100), role: ProjectRole.optional() }),
  reply: z.object({ member: Member }),
});

export const removeMember = route({
  method: 'POST',
  path: '/v1/projects/:projectId/members/remove',
  params: inProject,
  body: z.object({ clientId: ClientId, name: z.string().min(1).max(100) }),
  reply: z.object({ member: Member }),
});
