/** Who gets what from which route and from the event socket of a real server. A new action fails to compile until it is listed. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newId } from '#base/id.ts';
import { CLOSE } from '#contract/frames.ts';
import type { MachineId, PermissionId } from '#contract/ids.ts';
import type { Route } from '#contract/route.ts';
import { ROUTES, type RouteName } from '#contract/routes.ts';
import type { Action } from '#server/authorize.ts';
import { movableClock } from '../support/clock.ts';
import {
  addMachine,
  createAgent,
  createProject,
  createTeam,
  joinProject,
  joinTeam,
  leaveProject,
  liveSession,
  openRun,
  push,
  send,
  startTurn,
} from '../support/company.ts';
import { eventually } from '../support/eventually.ts';
import {
  type Caller,
  caller,
  clientId,
  type RawInput,
  type TestSocket,
  testServer,
  testSocket,
} from '../support/server.ts';

const ACTORS = [
  'anonymous',
  'expired',
  'operator',
  'owner',
  'admin',
  'collaborator',
  'viewer',
  'outsider',
  'stranger',
  'removed',
  'inside',
  'outside',
  'old',
] as const;
type ActorKind = (typeof ACTORS)[number];

/**
 * The world: `owner` owns team acme; `admin` made project launch in it and owns agent helper; `collaborator` and
 * `viewer` are in launch; `outsider` is in acme only; `stranger` in another team; `removed` was in acme and launch.
 * `inside` is a session of helper that covers launch, `outside` one that covers another project, `old` an older run.
 */
const row = (text: string): Record<ActorKind, number> => {
  const statuses = text.trim().split(/\s+/).map(Number);
  if (statuses.length !== ACTORS.length) throw new Error(`A row has ${ACTORS.length} columns: ${text}`);
  return Object.fromEntries(ACTORS.map((actor, index) => [actor, statuses[index]])) as Record<ActorKind, number>;
};

//                       anon expd oper ownr admn coll view outs strg rmvd insd outs old
const EXPECTED: Record<Action, Record<ActorKind, number>> = {
  getInfo: /*         */ row('200  200  200  200  200  200  200  200  200  200  200  200  200'),
  login: /*           */ row('401  401  401  401  401  401  401  401  401  401  401  401  401'),
  refresh: /*         */ row('401  401  401  401  401  401  401  401  401  401  401  401  401'),
  logout: /*          */ row('200  200  200  200  200  200  200  200  200  200  200  200  200'),
  createInvite: /*    */ row('401  401  200  403  403  403  403  403  403  403  403  403  409'),
  getServerStatus: /* */ row('401  401  200  403  403  403  403  403  403  403  403  403  409'),
  getMe: /*           */ row('401  401  403  200  200  200  200  200  200  200  200  200  409'),
  listTeams: /*       */ row('401  401  403  200  200  200  200  200  200  200  403  403  409'),
  createTeam: /*      */ row('401  401  403  200  200  200  200  200  200  200  403  403  409'),
  setTeamRepo: /*     */ row('401  401  403  200  403  403  403  403  404  404  403  403  409'),
  listTeamMembers: /* */ row('401  401  403  200  200  200  200  200  404  404  403  403  409'),
  addTeamMember: /*   */ row('401  401  403  200  403  403  403  403  404  404  403  403  409'),
  removeTeamMember: /**/ row('401  401  403  404  403  403  403  403  404  404  403  403  409'),
  listProjects: /*    */ row('401  401  403  200  200  200  200  200  200  200  200  200  409'),
  resolveProject: /*  */ row('401  401  403  200  200  200  200  404  404  404  200  404  409'),
  createProject: /*   */ row('401  401  403  200  200  200  200  200  404  404  403  403  409'),
  setProjectStatus: /**/ row('401  401  403  200  200  403  403  403  404  404  403  403  409'),
  listMembers: /*     */ row('401  401  403  200  200  200  200  403  404  404  200  404  409'),
  addMember: /*       */ row('401  401  403  200  200  403  403  403  404  404  403  403  409'),
  removeMember: /*    */ row('401  401  403  404  404  403  403  403  404  404  403  403  409'),
  sendMessage: /*     */ row('401  401  403  200  200  200  403  403  404  404  200  404  409'),
  listMessages: /*    */ row('401  401  403  200  200  200  200  403  404  404  200  404  409'),
  markRead: /*        */ row('401  401  403  200  200  200  200  403  404  404  200  404  409'),
  getInbox: /*        */ row('401  401  403  200  200  200  200  200  200  200  200  200  409'),
  listMentions: /*    */ row('401  401  403  200  200  200  200  404  404  404  200  404  409'),
  find: /*            */ row('401  401  403  200  200  200  200  404  404  404  200  404  409'),
  listDocuments: /*   */ row('401  401  403  200  200  200  200  404  404  404  200  404  409'),
  resolveDocument: /* */ row('401  401  403  200  200  200  200  404  404  404  200  404  409'),
  listConflicts: /*   */ row('401  401  403  200  200  200  200  404  404  404  200  404  409'),
  pushDocument: /*    */ row('401  401  403  200  200  200  403  403  404  404  200  404  409'),
  readDocument: /*    */ row('401  401  403  200  200  200  200  403  404  404  200  404  409'),
  listVersions: /*    */ row('401  401  403  200  200  200  200  403  404  404  200  404  409'),
  listPast: /*        */ row('401  401  403  200  200  200  200  403  404  404  200  404  409'),
  restoreDocument: /* */ row('401  401  403  200  200  200  403  403  404  404  200  404  409'),
  settleConflict: /*  */ row('401  401  403  200  200  200  403  403  404  404  200  404  409'),
  purgeVersions: /*   */ row('401  401  403  200  200  403  403  403  404  404  403  403  409'),
  createAgent: /*     */ row('401  401  403  200  200  200  200  200  200  200  403  403  409'),
  listAgents: /*      */ row('401  401  403  200  200  200  200  200  200  200  403  403  409'),
  removeAgent: /*     */ row('401  401  403  404  409  404  404  404  404  404  403  403  409'),
  getBudget: /*       */ row('401  401  403  404  200  404  404  404  404  404  403  403  409'),
  setBudget: /*       */ row('401  401  403  404  200  404  404  404  404  404  403  403  409'),
  putMachine: /*      */ row('401  401  403  404  200  404  404  404  404  404  403  403  409'),
  heartbeat: /*       */ row('401  401  403  404  200  404  404  404  404  404  403  403  409'),
  createSession: /*   */ row('401  401  403  404  200  404  404  404  404  404  403  403  409'),
  listSessions: /*    */ row('401  401  403  200  200  200  200  200  200  200  403  403  409'),
  getSession: /*      */ row('401  401  403  200  200  200  200  404  404  404  200  404  409'),
  forkSession: /*     */ row('401  401  403  403  200  403  403  404  404  404  403  403  409'),
  spawnSession: /*    */ row('401  401  403  403  200  403  403  404  404  404  200  404  409'),
  getFamily: /*       */ row('401  401  403  200  200  200  200  404  404  404  200  404  409'),
  removeSession: /*   */ row('401  401  403  403  200  403  403  404  404  404  403  403  409'),
  openRun: /*         */ row('401  401  403  403  200  403  403  404  404  404  403  403  409'),
  setActivity: /*     */ row('401  401  403  403  200  403  403  404  404  404  403  403  409'),
  endRun: /*          */ row('401  401  403  403  200  403  403  404  404  404  403  403  409'),
  mintSessionToken: /**/ row('401  401  403  403  200  403  403  404  404  404  403  403  409'),
  listSignals: /*     */ row('401  401  403  403  200  403  403  404  404  404  200  404  409'),
  signalSession: /*   */ row('401  401  403  403  200  403  403  404  404  404  403  403  409'),
  closeSignal: /*     */ row('401  401  403  403  404  403  403  404  404  404  403  403  409'),
  startTurn: /*       */ row('401  401  403  403  200  403  403  404  404  404  403  403  409'),
  getTurnMessages: /* */ row('401  401  403  403  200  403  403  404  404  404  403  403  409'),
  endTurn: /*         */ row('401  401  403  403  200  403  403  404  404  404  403  403  409'),
  reportPermission: /**/ row('401  401  403  403  200  403  403  404  404  404  403  403  409'),
  settlePermission: /**/ row('401  401  403  403  200  403  403  404  404  404  403  403  409'),
  getPermissions: /*  */ row('401  401  403  200  200  200  200  200  200  200  403  403  409'),
  getPermission: /*   */ row('401  401  403  403  200  403  403  404  404  404  403  403  409'),
  decidePermission: /**/ row('401  401  403  403  200  403  403  404  404  404  403  403  409'),
  // On the socket 200 is live, 404 denied, 401 closed as unauthorized: whose token is no reader's does not get in.
  subscribe: /*       */ row('401  401  401  200  200  200  200  404  404  404  200  404  401'),
  // The same for a title: 200 reached the owner of the agent, 404 did not.
  relayTitle: /*      */ row('401  401  401  404  200  404  404  404  404  404  404  404  401'),
};

const HOUR_MS = 60 * 60_000;

async function world() {
  const { clock, advance } = movableClock();
  advance(-HOUR_MS);
  const server = await testServer({ clock });
  // This token is an hour old when the others begin.
  const expired = caller(server.url, (await server.login('owner')).token);
  advance(HOUR_MS);
  const [owner, admin, collaborator, viewer, outsider, stranger, removed] = await Promise.all(
    ['owner', 'admin', 'collaborator', 'viewer', 'outsider', 'stranger', 'removed'].map((name) => server.login(name)),
  );
  if (!owner || !admin || !collaborator || !viewer || !outsider || !stranger || !removed) throw new Error('nobody');
  const team = await createTeam(owner, 'acme');
  for (const { name } of [admin, collaborator, viewer, outsider, removed]) await joinTeam(owner, team, name);
  const project = await createProject(admin, team, 'launch');
  await joinProject(admin, project, 'collaborator', 'collaborator');
  await joinProject(admin, project, 'viewer', 'viewer');
  await joinProject(admin, project, 'removed', 'admin');
  await leaveProject(admin, project, 'removed');
  await owner.call(ROUTES.removeTeamMember, { params: { teamId: team.id, userId: removed.id as never } });
  await createTeam(stranger, 'elsewhere');

  const agent = await createAgent(admin, 'helper');
  await joinProject(admin, project, 'helper');
  const aside = await createProject(admin, team, 'aside');
  await joinProject(admin, aside, 'helper');
  const machine = await addMachine(admin, 'laptop');
  const former = await liveSession(server, admin, agent, team, machine, { projects: [project.id] });
  const run = await openRun(admin, former.session, machine);
  const { token } = await admin.call(ROUTES.mintSessionToken, { params: { runId: run.id } });
  const outside = await liveSession(server, admin, agent, team, machine, { projects: [aside.id] });
  await send(owner, project, 'hello');
  const turn = await startTurn(admin, run, project, []);

  const { document: first } = await push(admin, project, 'plan', null, 'one');
  const { document } = await push(admin, project, 'plan', first, 'two');
  const { conflict } = await push(admin, project, 'plan', null, 'three');

  /** Each call finds the same world: what would change it for the next one is made anew. */
  const disposable = async () => {
    const planned = await liveSession(server, admin, agent, team, machine, { projects: [project.id] });
    return { ...planned, turn: await startTurn(admin, planned.run, project, []) };
  };
  const callers: Record<ActorKind, Caller> = {
    anonymous: server.anonymous,
    expired,
    operator: server.operator,
    owner,
    admin,
    collaborator,
    viewer,
    outsider,
    stranger,
    removed,
    inside: caller(server.url, token),
    outside: outside.agent,
    old: former.agent,
  };
  return {
    server,
    callers,
    team,
    project,
    agent,
    machine,
    session: former.session,
    run,
    turn,
    document,
    conflict,
    disposable,
  };
}

type World = Awaited<ReturnType<typeof world>>;

let names = 0;
const fresh = (): string => {
  names += 1;
  return `n${names}`;
};

const REQUEST = {
  turnId: null,
  toolKind: 'execute',
  optionKinds: ['allow_once', 'reject_once'],
  digest: 'a'.repeat(64),
  askedAt: new Date().toISOString(),
  expiresAt: new Date(Date.now() + HOUR_MS).toISOString(),
} as const;

async function asked({ callers, run }: World): Promise<PermissionId> {
  const params = { runId: run.id, permissionId: newId<PermissionId>() };
  const body = { ...REQUEST, optionKinds: [...REQUEST.optionKinds] };
  return (await callers.admin.call(ROUTES.reportPermission, { params, body })).permission.id;
}

/** A call of each route that is right for whoever may make it. */
const INPUTS: Record<RouteName, (world: World) => RawInput | Promise<RawInput>> = {
  getInfo: () => ({}),
  login: () => ({ body: { code: 'not-a-code' } }),
  refresh: () => ({ body: { refreshToken: 'not-a-token' } }),
  logout: () => ({ body: { refreshToken: 'not-a-token' } }),
  createInvite: () => ({ body: {} }),
  getServerStatus: () => ({}),
  getMe: () => ({}),
  listTeams: () => ({}),
  createTeam: () => ({ body: { clientId: clientId(), slug: fresh() } }),
  setTeamRepo: ({ team }) => ({ params: { teamId: team.id }, body: { repo: null } }),
  listTeamMembers: ({ team }) => ({ params: { teamId: team.id } }),
  addTeamMember: ({ team }) => ({
    params: { teamId: team.id },
    body: { clientId: clientId(), login: 'outsider', role: 'member' },
  }),
  removeTeamMember: ({ team }) => ({ params: { teamId: team.id, userId: newId() } }),
  listProjects: () => ({}),
  resolveProject: () => ({ query: { name: 'launch' } }),
  createProject: ({ team }) => ({ params: { teamId: team.id }, body: { clientId: clientId(), name: fresh() } }),
  setProjectStatus: ({ project }) => ({ params: { projectId: project.id }, body: { status: 'active' } }),
  listMembers: ({ project }) => ({ params: { projectId: project.id } }),
  addMember: ({ project }) => ({
    params: { projectId: project.id },
    body: { clientId: clientId(), name: 'viewer', role: 'viewer' },
  }),
  removeMember: ({ project }) => ({
    params: { projectId: project.id },
    body: { clientId: clientId(), name: 'nobody' },
  }),
  sendMessage: ({ project }) => ({ params: { projectId: project.id }, body: { clientId: clientId(), body: 'hi' } }),
  listMessages: ({ project }) => ({ params: { projectId: project.id } }),
  markRead: ({ project }) => ({ params: { projectId: project.id }, body: { seq: 1 } }),
  getInbox: () => ({}),
  listMentions: ({ project }) => ({ query: { project: project.id } }),
  find: ({ project }) => ({ query: { q: 'hello', project: project.id } }),
  listDocuments: ({ project }) => ({ query: { project: project.id } }),
  resolveDocument: () => ({ query: { name: 'launch/notes/plan' } }),
  listConflicts: ({ project }) => ({ query: { project: project.id } }),
  pushDocument: ({ project }) => ({
    params: { projectId: project.id },
    body: { clientId: clientId(), kind: 'notes', name: fresh(), baseDigest: null, text: 'hi' },
  }),
  readDocument: ({ document }) => ({ params: { documentId: document.id, digest: String(document.digest) } }),
  listVersions: ({ document }) => ({ params: { documentId: document.id } }),
  listPast: ({ project }) => ({ params: { projectId: project.id }, query: { at: new Date().toISOString() } }),
  restoreDocument: ({ document }) => ({
    params: { documentId: document.id },
    body: { clientId: clientId(), version: document.version },
  }),
  settleConflict: ({ document, conflict }) => ({
    params: { documentId: document.id, number: String(conflict?.number) },
    body: { clientId: clientId(), text: null },
  }),
  purgeVersions: ({ document }) => ({
    params: { documentId: document.id },
    body: { clientId: clientId(), versions: [1] },
  }),
  createAgent: () => ({ body: { clientId: clientId(), base: fresh() } }),
  listAgents: () => ({}),
  // It is at work, which its owner is told.
  removeAgent: ({ agent }) => ({ params: { agentId: agent.id } }),
  getBudget: ({ agent }) => ({ params: { agentId: agent.id } }),
  setBudget: ({ agent }) => ({ params: { agentId: agent.id }, body: { turnsPerHour: 'unlimited' } }),
  putMachine: ({ machine }) => ({ params: { machineId: machine }, body: { name: 'laptop' } }),
  heartbeat: ({ machine }) => ({ params: { machineId: machine }, body: { runs: [] } }),
  createSession: ({ agent, team }) => ({ body: { clientId: clientId(), agentId: agent.id, teamId: team.id } }),
  listSessions: () => ({}),
  getSession: ({ session }) => ({ params: { sessionId: session.id } }),
  forkSession: ({ session }) => ({ params: { sessionId: session.id }, body: { clientId: clientId() } }),
  spawnSession: ({ session }) => ({ params: { sessionId: session.id }, body: { clientId: clientId(), text: 'go' } }),
  getFamily: ({ session }) => ({ params: { sessionId: session.id } }),
  removeSession: async ({ disposable, callers }) => {
    const { session, run } = await disposable();
    await callers.admin.call(ROUTES.endRun, { params: { runId: run.id }, body: { reason: 'stopped' } });
    return { params: { sessionId: session.id } };
  },
  openRun: async ({ disposable, machine }) => ({
    params: { sessionId: (await disposable()).session.id },
    body: { clientId: clientId(), machineId: machine, owes: null },
  }),
  setActivity: ({ run }) => ({ params: { runId: run.id }, body: { activity: 'working' } }),
  endRun: async ({ disposable }) => ({ params: { runId: (await disposable()).run.id }, body: { reason: 'stopped' } }),
  mintSessionToken: ({ run }) => ({ params: { runId: run.id } }),
  listSignals: ({ session }) => ({ params: { sessionId: session.id } }),
  signalSession: ({ session }) => ({
    params: { sessionId: session.id },
    body: { clientId: clientId(), kind: 'prompt', text: 'go' },
  }),
  closeSignal: ({ run }) => ({ params: { runId: run.id, signalId: newId() }, body: { state: 'acted' } }),
  startTurn: async ({ disposable, project }) => ({
    params: { runId: (await disposable()).run.id },
    body: { turnId: newId(), projectId: project.id, signals: [] },
  }),
  getTurnMessages: ({ turn }) => ({ params: { turnId: turn.id } }),
  endTurn: async ({ disposable }) => {
    const { run, turn } = await disposable();
    return { params: { turnId: turn.id }, body: { runId: run.id, state: 'ended', stopReason: null, counters: null } };
  },
  reportPermission: ({ run }) => ({ params: { runId: run.id, permissionId: newId() }, body: REQUEST }),
  settlePermission: async (world) => ({
    params: { runId: world.run.id, permissionId: await asked(world) },
    body: { outcome: 'expired', by: null },
  }),
  getPermissions: () => ({}),
  getPermission: async (world) => ({ params: { permissionId: await asked(world) } }),
  decidePermission: async (world) => ({
    params: { permissionId: await asked(world) },
    body: { clientId: clientId(), allow: true, digest: REQUEST.digest, by: 'a test' },
  }),
};

/** @returns the status that says the same as the socket's answer */
async function subscribeAs({ server, callers, project }: World, actor: ActorKind): Promise<number> {
  await using socket = await testSocket(server.url, callers[actor].token);
  return await subscribeOn(socket, project.id);
}

async function subscribeOn(socket: TestSocket, stream: string): Promise<number> {
  socket.send({ type: 'subscribe', streams: [{ stream, after: 0 }] });
  let closed: number | undefined;
  void socket.closed.then(({ code }) => {
    closed = code === CLOSE.unauthorized ? 401 : code;
  });
  const said = (type: string) => socket.frames.some((frame) => frame.type === type && 'stream' in frame);
  return await eventually('the socket answers', () => closed ?? (said('denied') ? 404 : said('live') && 200));
}

/** @returns 200 if the owner of the agent, at another socket, is told the title */
async function relayAs(world: World, actor: ActorKind): Promise<number> {
  const { server, callers, project } = world;
  const permissionId = await asked(world);
  await using owner = await testSocket(server.url, callers.admin.token);
  await using socket = await testSocket(server.url, callers[actor].token);
  socket.send({ type: 'permission_title', permissionId, title: 'rm -rf /' });
  if ((await subscribeOn(socket, project.id)) === 401) return 401;
  // What was sent to the owner before comes before.
  await subscribeOn(owner, project.id);
  return owner.frames.some(({ type }) => type === 'permission_title') ? 200 : 404;
}

let here: World | undefined;
beforeAll(async () => {
  here = await world();
});
afterAll(() => here?.server[Symbol.asyncDispose]());

describe('each kind of caller is answered as the table says', () => {
  const rows = (Object.keys(ROUTES) as RouteName[]).flatMap((route) => ACTORS.map((actor) => ({ route, actor })));
  test.for(rows)('$route for $actor', async ({ route, actor }) => {
    if (here === undefined) throw new Error('no world');
    const response = await here.callers[actor].fetch(ROUTES[route] as Route, await INPUTS[route](here));
    expect(response.status, await response.text()).toBe(EXPECTED[route][actor]);
  });
  test.for(ACTORS)('subscribe for %s', async (actor) => {
    if (here === undefined) throw new Error('no world');
    expect(await subscribeAs(here, actor)).toBe(EXPECTED.subscribe[actor]);
  });
  test.for(ACTORS)('a title told by %s', async (actor) => {
    if (here === undefined) throw new Error('no world');
    expect(await relayAs(here, actor)).toBe(EXPECTED.relayTitle[actor]);
  });
});

test('a machine id that nobody has used is free for whoever comes first', async () => {
  if (here === undefined) throw new Error('no world');
  const machineId = newId<MachineId>();
  await here.callers.owner.call(ROUTES.putMachine, { params: { machineId }, body: { name: 'desk' } });
  const taken = await here.callers.admin.fetch(ROUTES.putMachine as Route, {
    params: { machineId },
    body: { name: 'mine' },
  });
  expect(taken.status).toBe(404);
});
