/**
 * The agent program of one session: found, allowed and furnished once, then started with the session's conversation
 * as often as it is needed.
 */
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ensureDir, realPlace, writePrivate } from '#base/fs.ts';
import type { Session } from '#contract/entities.ts';
import {
  type Agent,
  type AgentOptions,
  type AgentUpdate,
  openAgent,
  type PermissionAnswer,
  type PermissionRequest,
} from './agent.ts';
import { type AgentProgram, findAgentProgram, ownRules, refuseUnknownProgram } from './agent-program.ts';
import { branchNote } from './branch-note.ts';
import { claudeEnvFile, claudeEnvironment, claudeMeta, claudeMode } from './claude.ts';
import { agentEnvironment } from './environment.ts';
import { foldLog, outputsOf } from './event-log.ts';
import { refuseForeignSettings } from './foreign-settings.ts';
import { authorEnvironment } from './git.ts';
import { type Home, MIRROR_FOLDER } from './home.ts';
import { identityText, managedText } from './instructions.ts';
import type { Launcher } from './launcher.ts';
import { type LoginKey, loginOf } from './logins.ts';
import { opencodeEnvironment } from './opencode.ts';
import { pastOf } from './past-turns.ts';
import type { PermissionScope } from './permissions.ts';
import type { Policy } from './policy.ts';
import { type OpenBranch, RECOVERY } from './recovery.ts';
import { agentFolder, type Workspace } from './workspace.ts';

export interface SessionProgram extends Pick<AgentProgram, 'kind' | 'origin'> {
  /** The process that runs, while one does. */
  readonly agent: Agent | undefined;
  /** What a person should know about it. */
  readonly warnings: readonly string[];
  /**
   * Text for the head of the first prompt: for programs without a field for it what they are told about where they
   * are, and for all of them what a conversation goes on from; else empty.
   */
  readonly preamble: string;
  /** Starts the process with the newest conversation. One at a time: it is a bug to call it while one runs. */
  open(): Promise<Agent>;
  /** Takes on what its owner allows by now. @returns false: only a new process would, because it has rules of its own */
  takePolicy(): Promise<boolean>;
  /** Ends the process and everything that it started, if one runs; resolves when it is gone. */
  end(): Promise<void>;
}

/** Environment names whose values no log should show. */
const SECRET_NAME = /(KEY|TOKEN|SECRET|PASSWORD)$/;

export interface ProgramOptions {
  readonly launcher: Launcher;
  /** Earlier conversation of the agent program, to be resumed. */
  readonly conversation: string | null;
  /** What that conversation cost so far. */
  readonly costMicros: number;
  /** What it goes on from, and the agent has still to be told about. */
  readonly branch: OpenBranch | null;
  readonly onUpdate: (update: AgentUpdate) => void;
  readonly onPermission: (
    request: PermissionRequest,
    scope: PermissionScope,
    policy: Policy,
  ) => Promise<PermissionAnswer>;
  readonly onUnprompted: (state: 'started' | 'ended') => void;
  /** It will use this login. @returns what starts a process, when no other one is at the same login */
  readonly join: (login: LoginKey) => <T>(open: () => Promise<T>) => Promise<T>;
  readonly signal: AbortSignal;
}

/** @throws AachatError when there is no program, or its owner has to agree to something first */
export async function prepareProgram(
  options: ProgramOptions,
  session: Session,
  workspace: Workspace,
  declared: Readonly<Record<string, string>>,
): Promise<SessionProgram> {
  const { launcher, signal } = options;
  const { home } = launcher;
  const files = home.session(session.id);
  const setting = launcher.programSetting();
  const program = await findAgentProgram({
    ...(setting === undefined ? {} : { setting }),
    ...(workspace.repo.runtime === undefined ? {} : { runtimeYaml: workspace.repo.runtime }),
    path: launcher.parentEnv['PATH'] ?? '',
    managedDir: home.run,
    engine: launcher.engine,
  });
  refuseUnknownProgram(program, session.agent, launcher.trustedProgramOf(session.agent));
  const isTrusted = launcher.isTrusted(session.agent);
  let policy = await launcher.policyOf(session);
  const root = await realPlace(workspace.path);
  const scope: PermissionScope = {
    workspace: root,
    own: [join(root, 'aachat', 'docs'), await realPlace(workspace.agentDir)],
    ...(await boundaries(home, session)),
  };
  const texts = {
    managedText: managedText({
      agent: session.agent,
      owner: launcher.owner.login,
      sessionId: session.id,
      team: session.team,
      projects: session.projects.map(({ name }) => name),
      agentDir: agentFolder(session.agent),
    }),
    identity: identityText(workspace.repo.identity),
  };
  const own = ownEnvironment(launcher, session, workspace, files.token);
  await Promise.all([ensureDir(files.temp), ensureDir(files.claude)]);
  await writePrivate(files.envFile, claudeEnvFile({ shimDir: home.bin, own }));
  const isClaude = program.kind === 'claude';
  const environment = () => ({
    ...agentEnvironment({
      parent: launcher.parentEnv,
      declared,
      own,
      shimDir: home.bin,
      temp: files.temp,
      kind: program.kind,
    }),
    ...(isClaude ? claudeEnvironment({ policy, envFile: files.envFile, uid: process.getuid?.() ?? 0 }) : {}),
    ...(program.kind === 'opencode' ? opencodeEnvironment({ workspace: workspace.path, isTrusted }) : {}),
  });
  const env = environment();
  for (const [name, value] of Object.entries(env)) {
    if (name in declared || SECRET_NAME.test(name)) launcher.secrets.add(value);
  }

  let { conversation, costMicros }: { conversation: string | null; costMicros: number | undefined } = options;
  let { branch } = options;
  let note = '';
  let agent: Agent | undefined;
  const start = options.join(loginOf(program, env));
  let ended: Promise<void> = Promise.resolve();
  const refuse = async () => {
    if (!isTrusted) await refuseForeignSettings(workspace.path, session.agent, program.kind);
  };
  // Also where the process is to start later: who brings the session up reads it now.
  await refuse();
  return {
    kind: program.kind,
    origin: program.origin,
    warnings: ownRules(program, policy).warnings,
    get preamble() {
      return `${isClaude ? '' : `${texts.managedText}\n\n${texts.identity}\n\n`}${note}`;
    },
    get agent() {
      return agent;
    },
    async open() {
      // Each time: the workspace may have got such settings since, and new sessions places that are not for this one.
      await refuse();
      policy = await launcher.policyOf(session);
      // Once the agent has answered, it is a conversation of its own.
      if (branch !== null) branch = (await foldLog(files.log, RECOVERY)).branch;
      const claude = isClaude
        ? {
            meta: claudeMeta({
              policy,
              configRoot: files.claude,
              workspace: workspace.path,
              agentDir: workspace.agentDir,
              ...texts,
              denied: await foreignPlaces(home, session),
            }),
            mode: claudeMode(policy),
          }
        : {};
      const opening: AgentOptions = {
        program,
        env: environment(),
        leasesDir: home.leases,
        sessionId: session.id,
        open: {
          cwd: workspace.path,
          ...(conversation === null ? {} : { conversation }),
          ...(branch === null || branch.conversation === null
            ? {}
            : { fork: { ...branch, conversation: branch.conversation } }),
          ...(conversation === null || costMicros === undefined ? {} : { costMicros }),
          ...(program.mode === undefined ? {} : { mode: program.mode }),
          ...claude,
        },
        onUpdate: options.onUpdate,
        onPermission: (request) => options.onPermission(request, scope, policy),
        onUnprompted: options.onUnprompted,
        log: launcher.log,
        signal,
      };
      agent = await start(() => openAgent(opening));
      note = '';
      if (branch !== null) {
        const { opened } = agent;
        const isCarried = opened === 'resumed' || opened === 'loaded' ? branch.isCarried : opened === 'forked';
        const { turns } = await pastOf(home, session.id);
        note = branchNote({ branch, isCarried, session: session.id, workspace: workspace.path, turns });
      }
      conversation = agent.conversation;
      return agent;
    },
    async takePolicy() {
      const newest = await launcher.policyOf(session);
      // A process that is only starting has its rules, too: they are looked at when it runs.
      if (isClaude) return agent === undefined || newest === policy;
      policy = newest;
      return true;
    },
    async end() {
      const ending = agent;
      agent = undefined;
      if (ending !== undefined) {
        costMicros = ending.costMicros;
        ended = Promise.resolve(ending[Symbol.asyncDispose]());
      }
      await ended;
    },
  };
}

/** Everything under our home that is no business of this session, now or later. */
async function boundaries(home: Home, session: Session): Promise<Pick<PermissionScope, 'denied' | 'exempt'>> {
  const { dir, token, log } = home.session(session.id);
  const exempt = [dir, home.workspace(session.agent, session.id)];
  const denied = [...secretPlaces(home, session), home.sessions, home.workspaces, token, log, outputsOf(log)];
  return { denied: await Promise.all(denied.map(realPlace)), exempt: await Promise.all(exempt.map(realPlace)) };
}

/**
 * The same for Claude Code, whose rules know no exemptions: what holds secrets in any session, and all that other
 * sessions have so far. It asks about the rest, because that lies outside its workspace.
 */
async function foreignPlaces(home: Home, session: Session): Promise<readonly string[]> {
  const own = [home.session(session.id).dir, home.workspace(session.agent, session.id)];
  const others = await Promise.all(
    [home.sessions, home.workspaces].map(async (dir) => (await readdir(dir)).map((name) => join(dir, name))),
  );
  const { token, log } = home.session('*');
  return [
    ...secretPlaces(home, session),
    token,
    log,
    outputsOf(log),
    ...others.flat().filter((path) => !own.includes(path)),
  ];
}

/** What is edited in the person's documents counts as the person's word; what a mirror remembers decides what is shared. */
const secretPlaces = (home: Home, { agent, id }: Session): readonly string[] => [
  home.tokens,
  home.state,
  home.server,
  home.leases,
  dirname(home.sessionIndex),
  home.docs,
  join(home.workspace(agent, id), MIRROR_FOLDER),
];

function ownEnvironment(
  launcher: Launcher,
  session: Session,
  workspace: Workspace,
  tokenFile: string,
): Readonly<Record<string, string>> {
  return {
    AA_SESSION_ID: session.id,
    AA_AGENT: session.agent,
    AA_AGENT_DIR: workspace.agentDir,
    AA_WS_DIR: workspace.path,
    AA_TOKEN_FILE: tokenFile,
    AA_SERVER: launcher.serverUrl.href,
    // The agent's own `aachat` looks for clones there.
    AACHAT_HOME: launcher.home.root,
    // Without these every commit of the agent fails.
    ...authorEnvironment({ name: session.agent, email: 'noreply@aachat' }),
  };
}
