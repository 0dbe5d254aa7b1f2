/**
 * Who may do what: one pure function, asked by every route, every subscription and every delivered event. Facts about
 * the actor's relation to a thing are loaded elsewhere (`facts.ts`) and travel in the resource.
 */
import type { ProjectKind, ProjectRole, TeamRole } from '#contract/entities.ts';
import type { AgentId, ProjectId, RunId, SessionId, UserId } from '#contract/ids.ts';
import type { RouteName } from '#contract/routes.ts';

export type Actor =
  | { readonly kind: 'anonymous' }
  /** Whoever runs the server. */
  | { readonly kind: 'operator' }
  | { readonly kind: 'user'; readonly id: UserId; readonly name: string }
  /** An agent, in one run of one session. */
  | {
      readonly kind: 'session';
      readonly id: AgentId;
      readonly name: string;
      readonly sessionId: SessionId;
      readonly runId: RunId;
      readonly coverage: ReadonlySet<ProjectId>;
    };

export type Action = RouteName | 'subscribe' | 'relayTitle';

/** What is asked about, with what the actor is to it. */
export type Resource =
  /** The caller's own things, or lists that are filtered by what the caller may read. */
  | { readonly kind: 'own' }
  | { readonly kind: 'stream-of-user'; readonly own: boolean }
  | {
      readonly kind: 'team';
      readonly role: TeamRole | null;
      readonly personal: boolean;
      /** The action is about the actor. */
      readonly self?: boolean;
    }
  | {
      readonly kind: 'project';
      readonly id: ProjectId;
      readonly of: typeof ProjectKind._output;
      readonly teamRole: TeamRole | null;
      readonly role: ProjectRole | null;
      /** The actor owns the agent of this dm. */
      readonly ownsDm: boolean;
      /** Whom a change of members is about. */
      readonly subject?: 'self' | 'own-agent' | 'other';
    }
  | { readonly kind: 'agent'; readonly owned: boolean }
  | { readonly kind: 'machine'; readonly owned: boolean }
  | {
      readonly kind: 'session';
      readonly id: SessionId;
      /** The actor owns its agent. */
      readonly owned: boolean;
      /** The actor may read a project that it covers. */
      readonly visible: boolean;
    };

/** `login`: the actor must say who it is. `hide`: it may not even know that the thing exists. */
export type Decision = 'allow' | 'deny' | 'hide' | 'login';

type Need =
  | 'public'
  | 'operator'
  | 'person'
  | 'anyone'
  | 'team.read'
  | 'team.manage'
  | 'team.leave'
  | 'project.read'
  | 'project.post'
  | 'project.admit'
  | 'project.dismiss'
  | 'project.purge'
  | 'project.manage'
  | 'control'
  | 'session.read'
  | 'session.spawn'
  | 'session.signals';

/** A route that is not listed does not compile. */
const NEEDS: Record<Action, Need> = {
  getInfo: 'public',
  login: 'public',
  refresh: 'public',
  logout: 'public',
  createInvite: 'operator',
  getServerStatus: 'operator',
  getMe: 'anyone',
  listTeams: 'person',
  createTeam: 'person',
  setTeamRepo: 'team.manage',
  listTeamMembers: 'team.read',
  addTeamMember: 'team.manage',
  removeTeamMember: 'team.leave',
  listProjects: 'anyone',
  resolveProject: 'anyone',
  createProject: 'team.read',
  setProjectStatus: 'project.manage',
  listMembers: 'project.read',
  addMember: 'project.admit',
  removeMember: 'project.dismiss',
  sendMessage: 'project.post',
  listMessages: 'project.read',
  markRead: 'project.read',
  getInbox: 'anyone',
  listMentions: 'anyone',
  find: 'anyone',
  listDocuments: 'anyone',
  resolveDocument: 'anyone',
  listConflicts: 'anyone',
  pushDocument: 'project.post',
  readDocument: 'project.read',
  listVersions: 'project.read',
  listPast: 'project.read',
  restoreDocument: 'project.post',
  settleConflict: 'project.post',
  purgeVersions: 'project.purge',
  createAgent: 'person',
  listAgents: 'person',
  removeAgent: 'control',
  getBudget: 'control',
  setBudget: 'control',
  putMachine: 'control',
  heartbeat: 'control',
  createSession: 'control',
  listSessions: 'person',
  getSession: 'session.read',
  getFamily: 'session.read',
  forkSession: 'control',
  spawnSession: 'session.spawn',
  removeSession: 'control',
  openRun: 'control',
  setActivity: 'control',
  endRun: 'control',
  mintSessionToken: 'control',
  listSignals: 'session.signals',
  signalSession: 'control',
  closeSignal: 'control',
  startTurn: 'control',
  getTurnMessages: 'control',
  endTurn: 'control',
  reportPermission: 'control',
  settlePermission: 'control',
  getPermissions: 'person',
  getPermission: 'control',
  decidePermission: 'control',
  subscribe: 'project.read',
  relayTitle: 'control',
};

/** What a session may do at all: take part in the projects that it covers, look at itself, and start children. */
const SESSION_NEEDS: ReadonlySet<Need> = new Set<Need>([
  'anyone',
  'project.read',
  'project.post',
  'session.read',
  'session.spawn',
  'session.signals',
]);

/** Whether the action needs no login; then a token is not even looked at. */
export const isPublic = (action: Action): boolean => NEEDS[action] === 'public';

export function authorize(actor: Actor, action: Action, resource: Resource): Decision {
  const need = NEEDS[action];
  if (need === 'public') return 'allow';
  if (actor.kind === 'anonymous') return 'login';
  if (actor.kind === 'operator' || need === 'operator') {
    return actor.kind === 'operator' && need === 'operator' ? 'allow' : 'deny';
  }
  if (actor.kind === 'session') {
    if (!SESSION_NEEDS.has(need)) return 'deny';
    if (resource.kind === 'own') return 'allow';
    if (resource.kind === 'project') return actor.coverage.has(resource.id) ? 'allow' : 'hide';
    return resource.kind === 'session' && resource.id === actor.sessionId ? 'allow' : 'hide';
  }
  switch (resource.kind) {
    case 'own':
      return 'allow';
    case 'stream-of-user':
      return resource.own ? 'allow' : 'hide';
    case 'team':
      return teamDecision(need, resource);
    case 'project':
      return projectDecision(need, resource);
    case 'agent':
    case 'machine':
      return resource.owned ? 'allow' : 'hide';
    case 'session':
      if (resource.owned) return 'allow';
      if (!resource.visible) return 'hide';
      return need === 'session.read' ? 'allow' : 'deny';
  }
}

function teamDecision(need: Need, { role, personal, self }: Resource & { kind: 'team' }): Decision {
  if (role === null) return 'hide';
  if (need === 'team.read') return 'allow';
  if (need === 'team.leave' && self === true) return 'allow';
  // A personal team has one member for ever; its repo is still its owner's to choose.
  if (personal && self !== true && need === 'team.leave') return 'deny';
  return role === 'member' ? 'deny' : 'allow';
}

/** Rising: what one level may, the next may too. `known` is the existence. */
const LEVELS = ['none', 'known', 'read', 'post', 'manage'] as const;
type Level = (typeof LEVELS)[number];

const ROLE_LEVEL: Record<ProjectRole, Level> = { viewer: 'read', collaborator: 'post', admin: 'manage' };

/** What a person may do in a project. */
export function projectLevel(
  facts: Pick<Resource & { kind: 'project' }, 'of' | 'teamRole' | 'role' | 'ownsDm'>,
): Level {
  if (facts.of === 'dm') return facts.ownsDm ? 'post' : 'none';
  if (facts.teamRole === null) return 'none';
  if (facts.of === 'stream') return 'post';
  if (facts.teamRole !== 'member') return 'manage';
  return facts.role === null ? 'known' : ROLE_LEVEL[facts.role];
}

function projectDecision(need: Need, resource: Resource & { kind: 'project' }): Decision {
  const level = projectLevel(resource);
  if (level === 'none') return 'hide';
  // A dm has no admins but its owner, a stream those of its team.
  if (need === 'project.purge' && resource.of !== 'project') {
    return resource.ownsDm || resource.teamRole !== 'member' ? 'allow' : 'deny';
  }
  return LEVELS.indexOf(level) >= LEVELS.indexOf(requiredLevel(need, resource)) ? 'allow' : 'deny';
}

function requiredLevel(need: Need, { subject, of }: Resource & { kind: 'project' }): Level {
  if (need === 'project.read') return 'read';
  if (need === 'project.post') return 'post';
  if (of === 'project' && subject === 'own-agent') return 'post';
  // Whoever is in a project may leave it.
  if (of === 'project' && subject === 'self' && need === 'project.dismiss') return 'read';
  return 'manage';
}
