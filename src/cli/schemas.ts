/**
 * What commands print with `--json`, as schemas: `data` of the one result, or each of the lines of a command that goes
 * on. `aachat schema` shows them; a test runs the commands and holds them to it.
 */
import { z } from 'zod';
import { ERROR_CODES } from '#base/errors.ts';
import { SessionEvent } from '#contract/attachment.ts';
import { BudgetState } from '#contract/budget.ts';
import { CONTROL_ROUTES, LiveSession, MirrorView, PendingPermission } from '#contract/control.ts';
import { Document, DocumentConflict } from '#contract/documents.ts';
import { Agent, Counters, Member, Message, Project, Session, Signal, Team, User } from '#contract/entities.ts';
import { StreamEvent } from '#contract/frames.ts';
import { AgentName, PermissionId, ProjectId, RunId, Seq, SessionId, StreamId, TurnId } from '#contract/ids.ts';
import { ROUTES } from '#contract/routes.ts';
import { Repos, SessionFacts } from '#runtime/log-events.ts';
import { POLICIES } from '#runtime/policy.ts';

export interface CommandOutput {
  /** Absent: the command has no result, it prints lines until it ends. */
  readonly data?: z.ZodType;
  /** One JSON object each, for `data` is too late: with `--follow`, or always. */
  readonly line?: z.ZodType;
}

export const ErrorOutput = z.object({
  error: z.object({ code: z.enum(ERROR_CODES), message: z.string(), hint: z.string().optional() }),
});

const { object, array, string, boolean, int, literal } = z;
const texts = array(string());
const Url = string().nullable();

const ListedDocument = Document.extend({ path: string() });
const Overlap = object({ line: int(), document: string(), keptAside: string() });
const OpenConflict = DocumentConflict.extend({
  isYours: boolean().optional(),
  overlaps: array(Overlap).optional(),
  diff: string().nullable().optional(),
});
const Left = object({ path: string(), reason: string() });
const Setting = object({
  key: string(),
  value: string().nullable(),
  origin: z.enum(['environment', 'repository', 'file', 'default']),
  what: string(),
});
const Finding = object({
  name: string(),
  state: z.enum(['ok', 'note', 'wrong']),
  message: string(),
  hint: string().optional(),
});
const WithTeams = Agent.extend({ teams: array(Team) });
const PolicyName = z.enum(POLICIES);
const EnvironmentName = object({
  name: string(),
  agent: AgentName.nullable(),
  declared: boolean(),
  value: z.enum(['set', 'own', 'missing']),
});
const LogLine = z.looseObject({ seq: int(), at: z.iso.datetime(), type: string() });
const SearchHit = object({
  sessionId: SessionId,
  agent: string().nullable(),
  seq: int(),
  at: z.iso.datetime(),
  type: string(),
  turnId: TurnId.nullable(),
  text: string(),
});
const Totals = Counters.extend({ turns: int() });
const LocalTurn = object({
  turnId: TurnId,
  projectId: ProjectId,
  startedAt: z.iso.datetime(),
  state: string(),
  stopReason: string().nullable(),
  counters: Counters.nullable(),
  tools: int(),
  prompts: int(),
  git: Repos.nullable(),
});
const History = object({
  about: SessionFacts.nullable(),
  imported: object({ from: string(), digest: string(), source: string().nullable() }).nullable(),
  run: object({
    runId: RunId,
    epoch: int(),
    startedAt: z.iso.datetime(),
    endedAt: z.iso.datetime().nullable(),
    reason: string().nullable(),
  }).nullable(),
  program: string().nullable(),
  conversation: string().nullable(),
  turns: array(LocalTurn),
  totals: Totals,
  permissionsAsked: int(),
  problem: object({ at: z.iso.datetime(), message: string(), hint: string().nullable() }).nullable(),
  lastAt: z.iso.datetime().nullable(),
});
const Relative = object({
  id: SessionId,
  agent: string().nullable(),
  name: string().nullable(),
  state: z.enum(['running', 'stopped']),
  how: z.enum(['spawned', 'forked']).nullable(),
  level: int(),
});
const UpLogLine = z.looseObject({ level: string(), at: z.iso.datetime(), event: string() });
const inProject = { stream: StreamId, project: string().nullable() };
const member = { data: object({ project: Project, member: Member }) };
const ListedPermission = PendingPermission.omit({ title: true, options: true }).extend({
  title: string().nullable(),
  optionKinds: texts,
  machine: string().nullable(),
});
const answered = {
  data: object({
    id: PermissionId,
    agent: AgentName,
    outcome: z.enum(['allowed', 'denied']),
    title: string().nullable(),
    machine: string().nullable(),
    arrived: boolean(),
  }),
};
const signalled = { data: object({ signal: Signal }) };
const setting = { data: object({ key: string(), value: string().nullable() }) };
const madeAgent = { data: object({ agent: Agent, dir: string(), repo: string(), warnings: texts }) };
const environment = { data: object({ name: string(), agent: AgentName.nullable() }) };

/** By the words of the command. */
export const OUTPUTS: Readonly<Record<string, CommandOutput>> = {
  'project list': { data: ROUTES.listProjects.reply },
  'project create': { data: ROUTES.createProject.reply },
  'project read': { data: object({ project: Project, messages: array(Message), hasMore: boolean() }) },
  'project send': { data: ROUTES.sendMessage.reply },
  'project members': { data: object({ project: Project, members: array(Member) }) },
  'project assign': member,
  'project unassign': member,
  'project archive': { data: ROUTES.setProjectStatus.reply },
  inbox: { data: ROUTES.getInbox.reply },
  mentions: { data: ROUTES.listMentions.reply },
  find: { data: ROUTES.find.reply },
  watch: {
    line: z.union([
      ...StreamEvent.options.map((event) => event.extend(inProject)),
      object({ ...inProject, seq: Seq, type: literal('reset') }),
      object({ type: literal('permission_title'), permissionId: PermissionId, title: string() }),
    ]),
  },
  'doc list': { data: object({ documents: array(ListedDocument), hasMore: boolean() }) },
  'doc show': { data: object({ document: Document, version: int(), text: string() }) },
  'doc history': { data: ROUTES.listVersions.reply },
  'doc diff': { data: object({ document: Document, from: int(), to: int(), diff: string() }) },
  'doc restore': {
    data: z.union([
      object({ document: Document }),
      object({
        project: Project,
        at: string(),
        restored: int(),
        deleted: int(),
        unchanged: int(),
        left: array(object({ path: string(), reason: string() })),
      }),
    ]),
  },
  'doc conflicts': {
    data: z.union([
      object({ document: Document.optional(), conflicts: array(OpenConflict) }),
      object({ document: Document, conflict: DocumentConflict }),
    ]),
  },
  'doc resume': { data: object({ root: string(), how: z.enum(['restore', 'delete']) }) },
  'doc purge': { data: object({ document: Document, versions: ROUTES.purgeVersions.reply.shape.versions }) },
  up: {
    data: object({ pid: int(), sessions: array(LiveSession) }),
    line: z.discriminatedUnion('type', [
      LiveSession.extend({ type: literal('session') }),
      PendingPermission.extend({ type: literal('permission') }),
      MirrorView.extend({ type: literal('documents') }),
      object({
        type: literal('note'),
        text: string(),
        ready: boolean().optional(),
        warning: boolean().optional(),
        project: string().optional(),
      }),
    ]),
  },
  down: { data: object({ stopped: boolean(), reaped: int() }) },
  status: {
    data: object({
      server: object({ url: Url, answers: boolean(), version: string().nullable() }),
      up: CONTROL_ROUTES.getStatus.reply.nullable(),
      counts: object({ sessions: int(), attachments: int() }),
      leftovers: int(),
    }),
  },
  logs: { data: object({ lines: array(UpLogLine) }), line: UpLogLine },
  demo: { data: object({ messages: array(Message) }) },
  doctor: { data: object({ findings: array(Finding), mended: texts }) },
  'permission list': { data: object({ permissions: array(ListedPermission), hasMore: boolean() }) },
  'permission allow': answered,
  'permission deny': answered,
  init: {
    data: z.union([
      object({
        root: string(),
        team: Team,
        server: Url,
        wrote: texts,
        removed: texts,
        left: array(Left),
        teamRepo: string().nullable(),
        notes: texts,
      }),
      object({ root: string(), removed: texts, left: array(Left), notes: texts }),
    ]),
  },
  'session list': { data: ROUTES.listSessions.reply },
  'session show': {
    data: ROUTES.getSession.reply.extend({ totals: Totals, local: History.nullable(), family: array(Relative) }),
  },
  'session search': {
    data: object({
      hits: array(SearchHit),
      hasMore: boolean(),
      indexed: object({ sessions: int(), lines: int(), unread: array(SessionId) }),
    }),
  },
  'session run': { data: object({ session: Session, starts: boolean() }) },
  'session rewind': {
    data: object({
      sessionId: SessionId,
      turnId: TurnId,
      putBack: array(
        object({ path: string(), commit: string(), before: string(), left: int(), detachedFrom: string().nullable() }),
      ),
      resumed: boolean(),
    }),
  },
  'session fork': { data: object({ session: Session, starts: boolean() }) },
  'session spawn': { data: object({ session: Session, starts: boolean() }) },
  'session send': signalled,
  'session cancel': signalled,
  'session stop': signalled,
  'session resume': { data: object({ session: Session, starts: boolean() }) },
  'session attach': { line: SessionEvent },
  'session policy': { data: object({ sessionId: SessionId, policy: PolicyName, own: boolean() }) },
  'session compact': signalled,
  'session import': {
    data: object({
      imported: array(
        object({ file: string(), session: Session, isNew: boolean(), turns: int(), lines: int(), bad: int() }),
      ),
    }),
  },
  'session remove': { data: object({ sessionId: SessionId }) },
  'session log': { data: object({ sessionId: SessionId, lines: array(LogLine) }), line: LogLine },
  'agent create': madeAgent,
  'agent clone': madeAgent,
  'agent list': { data: ROUTES.listAgents.reply.extend({ hasMore: boolean() }) },
  'agent show': {
    data: object({ agent: WithTeams, sessions: array(Session), policy: PolicyName, budget: BudgetState }),
  },
  'agent remove': { data: object({ agent: WithTeams, repo: string(), kept: texts }) },
  'agent budget': { data: BudgetState.extend({ agent: AgentName }) },
  'agent save': { data: object({ committed: boolean(), pushed: boolean(), commit: string(), files: texts }) },
  'agent policy': { data: object({ agent: string(), policy: PolicyName }) },
  'agent trust': { data: object({ agent: string(), trusted: boolean(), program: string().nullable() }) },
  'env list': { data: object({ names: array(EnvironmentName) }) },
  'env set': environment,
  'env unset': environment,
  'auth login': { data: z.union([object({ user: User, server: string() }), ROUTES.getMe.reply]) },
  'auth logout': { data: object({ loggedOut: boolean(), revoked: boolean() }) },
  'auth status': {
    data: z.union([
      object({ server: Url, user: z.null() }),
      object({
        server: string(),
        origin: z.enum(['environment', 'repository', 'file', 'embedded']),
        me: ROUTES.getMe.reply,
      }),
    ]),
  },
  'auth token': { data: object({ token: string(), server: string() }) },
  'config list': { data: object({ settings: array(Setting) }) },
  'config set': setting,
  'config unset': setting,
  'server start': { data: object({ url: string(), pid: int() }) },
  'server status': {
    data: z.union([
      object({ running: literal(false) }),
      ROUTES.getServerStatus.reply.extend({ running: literal(true), url: string(), pid: int() }),
    ]),
  },
  'server stop': { data: object({ stopped: boolean() }) },
  'server invite': { data: ROUTES.createInvite.reply.extend({ server: string() }) },
  completion: { data: object({ shell: z.enum(['bash', 'zsh', 'fish']), script: string() }) },
  schema: {
    data: object({
      commands: array(object({ command: string(), data: z.json().optional(), line: z.json().optional() })),
      error: z.json(),
    }),
  },
};
