/** The table of all routes: what reads, what writes. A route without an entry does not compile. */
import { type Clock, isoTime } from '#base/time.ts';
import type { Route } from '#contract/route.ts';
import { PROTOCOL_VERSION } from '#contract/version.ts';
import { removeAgent } from './agent-removal.ts';
import * as agents from './agents.ts';
import * as auth from './auth.ts';
import * as budget from './budget.ts';
import * as documents from './documents.ts';
import * as documentsWriting from './documents-writing.ts';
import type { Handlers } from './http.ts';
import * as members from './members.ts';
import * as messages from './messages.ts';
import * as permissions from './permissions.ts';
import * as projects from './projects.ts';
import * as reading from './reading.ts';
import type { Handler, Reading, Writing } from './request.ts';
import * as runs from './runs.ts';
import * as tree from './session-tree.ts';
import * as sessions from './sessions.ts';
import * as teams from './teams.ts';
import type { Tokens } from './tokens.ts';
import * as turns from './turns.ts';

const read = <R extends Route>(run: Reading<R>): Handler<R> => ({ kind: 'read', run });
const write = <R extends Route>(run: Writing<R>): Handler<R> => ({ kind: 'write', run });

export interface HandlerOptions {
  readonly tokens: Tokens;
  readonly loopback: boolean;
  readonly version: string;
  readonly clock: Clock;
  readonly sockets: () => number;
  readonly onLoginEnd: auth.LoginEnded;
}

export function createHandlers(options: HandlerOptions): Handlers {
  const { tokens, loopback, version, clock, sockets, onLoginEnd } = options;
  const startedAt = isoTime(clock());
  return {
    getInfo: read(async (view, { ask }) => {
      ask({ kind: 'own' });
      return { product: 'aachat', version, protocol: PROTOCOL_VERSION, fresh: await auth.isFresh(view) };
    }),
    login: write(auth.login(tokens, loopback)),
    refresh: write(auth.refresh(tokens, onLoginEnd)),
    logout: write(auth.logout(onLoginEnd)),
    createInvite: write(auth.createInvite),
    getServerStatus: read(async ({ q, engine }, { ask }) => {
      ask({ kind: 'own' });
      const { users } = await q
        .selectFrom('users')
        .select((eb) => eb.fn.countAll<number>().as('users'))
        .executeTakeFirstOrThrow();
      return { version, engine: engine.name, startedAt, users: Number(users), sockets: sockets() };
    }),
    getMe: read(auth.getMe),
    listTeams: read(teams.listTeams),
    createTeam: write(teams.createTeam),
    setTeamRepo: write(teams.setTeamRepo),
    listTeamMembers: read(teams.listTeamMembers),
    addTeamMember: write(teams.addTeamMember),
    removeTeamMember: write(teams.removeTeamMember),
    listProjects: read(projects.listProjects),
    resolveProject: read(projects.resolveProject),
    createProject: write(projects.createProject),
    setProjectStatus: write(projects.setProjectStatus),
    listMembers: read(members.listMembers),
    addMember: write(members.addMember),
    removeMember: write(members.removeMember),
    sendMessage: write(messages.sendMessage),
    listMessages: read(messages.listMessages),
    markRead: write(messages.markRead),
    getInbox: read(reading.getInbox),
    listMentions: read(reading.listMentions),
    find: read(reading.find),
    listDocuments: read(documents.listDocuments),
    resolveDocument: read(documents.resolveDocument),
    listConflicts: read(documents.listConflicts),
    readDocument: read(documents.readDocument),
    listVersions: read(documents.listVersions),
    listPast: read(documents.listPast),
    pushDocument: write(documentsWriting.pushDocument),
    settleConflict: write(documentsWriting.settleConflict),
    restoreDocument: write(documentsWriting.restoreDocument),
    purgeVersions: write(documentsWriting.purgeVersions),
    createAgent: write(agents.createAgent),
    listAgents: read(agents.listAgents),
    removeAgent: write(removeAgent),
    getBudget: read(budget.getBudget),
    setBudget: write(budget.setBudget),
    putMachine: write(agents.putMachine),
    heartbeat: write(runs.heartbeat),
    createSession: write(sessions.createSession),
    forkSession: write(tree.forkSession),
    spawnSession: write(tree.spawnSession),
    getFamily: read(tree.getFamily),
    listSessions: read(sessions.listSessions),
    getSession: read(sessions.getSession),
    removeSession: write(sessions.removeSession),
    openRun: write(runs.openRun),
    setActivity: write(runs.setActivity),
    endRun: write(runs.endRun),
    mintSessionToken: write(runs.mintSessionToken(tokens)),
    listSignals: read(sessions.listSignals),
    signalSession: write(sessions.signalSession),
    closeSignal: write(runs.closeSignal),
    startTurn: write(turns.startTurn),
    getTurnMessages: read(turns.getTurnMessages),
    endTurn: write(turns.endTurn),
    reportPermission: write(permissions.reportPermission),
    settlePermission: write(permissions.settlePermission),
    getPermissions: read(permissions.getPermissions),
    getPermission: read(permissions.getPermission),
    decidePermission: write(permissions.decidePermission),
  };
}
