/**
 * Brings one session up, in the order that people are shown: fetch, worktree, agent repo, skills, environment, agent,
 * confirm. Either everything stands at the end, or nothing is left behind.
 */
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { toAachatError } from '#base/errors.ts';
import { ensureDir, realPlace, writePrivate } from '#base/fs.ts';
import { newId } from '#base/id.ts';
import type { Log } from '#base/log.ts';
import { createHttpClient, type HttpClient } from '#client/http.ts';
import type { Agent as AgentEntity, Run, Session, Team } from '#contract/entities.ts';
import type { TurnId } from '#contract/ids.ts';
import { ROUTES } from '#contract/routes.ts';
import type { Accepted } from '#sync/replica.ts';
import { type Agent, type AgentUpdate, openAgent, type PermissionAnswer, type PermissionRequest } from './agent.ts';
import { type AgentProgram, findAgentProgram, ownRules, refuseUnknownProgram } from './agent-program.ts';
import { claudeEnvFile, claudeEnvironment, claudeMeta, claudeMode } from './claude.ts';
import type { ClonePool } from './clone-pool.ts';
import { resolveDeclared } from './declared-environment.ts';
import type { Engine } from './engine.ts';
import { agentEnvironment } from './environment.ts';
import { outputsOf } from './event-log.ts';
import { refuseForeignSettings } from './foreign-settings.ts';
import { authorEnvironment } from './git.ts';
import { DOCUMENTS, type Home, MIRROR_FOLDER } from './home.ts';
import { identityText, managedText } from './instructions.ts';
import type { ThisMachine } from './machine.ts';
import type { Mirrors, SessionMirror } from './mirrors.ts';
import { opencodeEnvironment } from './opencode.ts';
import type { PermissionScope } from './permissions.ts';
import type { Policy } from './policy.ts';
import { openSessionToken } from './session-token.ts';
import { agentFolder, openWorkspace, type Workspace, type WorkspaceStep } from './workspace.ts';

export type BootStep = WorkspaceStep | 'register' | 'environment' | 'agent' | 'confirm';

/** What all sessions of one `up` share. */
export interface Launcher {
  readonly home: Home;
  readonly clones: ClonePool;
  readonly mirrors: Pick<Mirrors, 'openSession'>;
  readonly machine: ThisMachine;
  readonly serverUrl: URL;
  /** Acts as the owner. */
  readonly http: HttpClient;
  readonly owner: { readonly id: string; readonly login: string };
  readonly log: Log;
  /** Values that the log must never show; each boot adds its own. */
  readonly secrets: Set<string>;
  readonly parentEnv: NodeJS.ProcessEnv;
  readonly engine: Engine;
  readonly builtinSkills: string;
  /** `claude`, `scripted`, a preset, or a command line; undefined: looked for. */
  readonly programSetting: () => string | undefined;
  readonly policyOf: (agent: string) => Policy;
  /** Whether its owner lets the agent's program obey settings of the team's repo. */
  readonly isTrusted: (agent: string) => boolean;
  /** The program of the agent's `runtime.yaml` that its owner has agreed to. */
  readonly trustedProgramOf: (agent: string) => string | undefined;
  /** Resolves when the event socket is connected. */
  readonly connected: (signal: AbortSignal) => Promise<void>;
}

export interface BootOptions {
  readonly launcher: Launcher;
  readonly session: Session;
  readonly agent: AgentEntity;
  readonly team: Team;
  /** Earlier conversation of the agent program, to be resumed. */
  readonly conversation: string | null;
  /** The turn that the session's log still owes. */
  readonly owes: TurnId | null;
  /** What that conversation cost so far. */
  readonly costMicros: number;
  readonly onStep: (step: BootStep) => void;
  readonly onRun: (run: Run) => Promise<void>;
  readonly onUpdate: (update: AgentUpdate) => void;
  readonly onPermission: (
    request: PermissionRequest,
    scope: PermissionScope,
    policy: Policy,
  ) => Promise<PermissionAnswer>;
  readonly onUnprompted: (state: 'started' | 'ended') => void;
  /** What the session covers now. */
  readonly projects: () => Session['projects'];
  /** The server answered to an edit of a document in the workspace. */
  readonly onAccepted: (accepted: Accepted) => void;
  readonly signal: AbortSignal;
}

export interface Booted {
  readonly run: Run;
  readonly session: Session;
  readonly agent: Agent;
  readonly program: AgentProgram;
  /** Acts as the agent. */
  readonly agentHttp: HttpClient;
  readonly workspace: Workspace;
  /** undefined: there are none in the workspace. */
  readonly documents: SessionMirror | undefined;
  /** For the Launch Report. */
  readonly warnings: readonly string[];
  /** Names that were resolved; values stay where they are. */
  readonly environment: { readonly resolved: readonly string[]; readonly missing: readonly string[] };
  /** Text for the head of the first prompt, for programs without a field for it; empty otherwise. */
  readonly preamble: string;
  /** Gives process and folder back; returns one line for each thing that stays. Safe to call twice. */
  close(): Promise<readonly string[]>;
}

/** Environment names whose values no log should show. */
const SECRET_NAME = /(KEY|TOKEN|SECRET|PASSWORD)$/;

export async function bootSession(options: BootOptions): Promise<Booted> {
  const { launcher, agent: entity, team, conversation, onStep, signal } = options;
  const { home, http } = launcher;
  const files = home.session(options.session.id);

  onStep('register');
  const body = { clientId: newId(), machineId: launcher.machine.id, owes: options.owes };
  const opened = { params: { sessionId: options.session.id }, body };
  const { run, session } = await http.call(ROUTES.openRun, opened, signal);
  await options.onRun(run);

  const undo: (() => Promise<readonly string[]>)[] = [];
  const close = async (): Promise<readonly string[]> => {
    const kept: string[] = [];
    for (let step = undo.pop(); step !== undefined; step = undo.pop()) {
      try {
        kept.push(...(await step()));
      } catch (error) {
        // What else there is must be given back all the same.
        launcher.log.error('session.not_given_back', { error });
        kept.push(`Not everything of ${session.agent} was given back: ${toAachatError(error).message}`);
      }
    }
    return kept;
  };
  try {
    // It needs nothing of the workspace, so it is made beside it.
    const minting = openSessionToken(launcher, run, files.token, signal);
    const stopToken = minting.then(
      (token) => token.stop,
      () => () => {},
    );
    undo.push(async () => {
      (await stopToken)();
      return [];
    });
    const workspace = await openWorkspace({
      home,
      clones: launcher.clones,
      session,
      teamRepo: team.repo,
      agentRepo: entity.repo,
      builtinSkills: launcher.builtinSkills,
      onStep,
      signal,
    });
    let documents: SessionMirror | undefined;
    undo.push(async () => {
      const stays = await documents?.close();
      return await workspace.close(stays);
    });

    onStep('environment');
    const declared = await resolveDeclared(home.envValues, session.agent, workspace.repo.environment);
    const token = await minting;
    const agentHttp = createHttpClient({ baseUrl: launcher.serverUrl, token: token.value });
    const mirror = await openDocuments(options, workspace, agentHttp);
    documents = mirror.documents;
    const filling = documents?.fill();
    filling?.catch(() => {});

    onStep('agent');
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
    if (!isTrusted) await refuseForeignSettings(workspace.path, session.agent, program.kind);
    const policy = launcher.policyOf(session.agent);
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
    const env = {
      ...agentEnvironment({
        parent: launcher.parentEnv,
        declared: declared.values,
        own,
        shimDir: home.bin,
        temp: files.temp,
        kind: program.kind,
      }),
      ...(isClaude ? claudeEnvironment({ policy, envFile: files.envFile, uid: process.getuid?.() ?? 0 }) : {}),
      ...(program.kind === 'opencode' ? opencodeEnvironment({ workspace: workspace.path, isTrusted }) : {}),
    };
    for (const [name, value] of Object.entries(env)) {
      if (name in declared.values || SECRET_NAME.test(name)) launcher.secrets.add(value);
    }
    const agent = await openAgent({
      program,
      env,
      leasesDir: home.leases,
      sessionId: session.id,
      open: {
        cwd: workspace.path,
        ...(conversation === null ? {} : { conversation, costMicros: options.costMicros }),
        ...(program.mode === undefined ? {} : { mode: program.mode }),
        ...(isClaude
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
          : {}),
      },
      onUpdate: options.onUpdate,
      onPermission: (request) => options.onPermission(request, scope, policy),
      onUnprompted: options.onUnprompted,
      log: launcher.log,
      signal,
    });
    undo.push(async () => {
      await agent[Symbol.asyncDispose]();
      return [];
    });

    onStep('confirm');
    await filling;
    await launcher.connected(signal);
    const confirmed = await http.call(
      ROUTES.setActivity,
      { params: { runId: run.id }, body: { activity: 'input_ready' } },
      signal,
    );
    return {
      run,
      session: confirmed.session,
      agent,
      program,
      agentHttp,
      workspace,
      documents,
      warnings: [workspace, mirror, declared, agent, ownRules(program, policy)].flatMap(({ warnings }) => warnings),
      environment: { resolved: Object.keys(declared.values), missing: declared.missing },
      preamble: isClaude ? '' : `${texts.managedText}\n\n${texts.identity}\n\n`,
      close,
    };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

/** Keeps documents in step in the workspace; where that cannot be, the session works without them. */
async function openDocuments(
  { launcher, projects, onAccepted }: BootOptions,
  workspace: Workspace,
  agentHttp: HttpClient,
): Promise<{ readonly documents: SessionMirror | undefined; readonly warnings: readonly string[] }> {
  if (workspace.tracksDocuments) {
    return {
      documents: undefined,
      warnings: [`The team's repo has files in ${DOCUMENTS}: no documents are kept there.`],
    };
  }
  try {
    const documents = await launcher.mirrors.openSession({
      workspace: workspace.path,
      http: agentHttp,
      projects,
      onAccepted,
    });
    return { documents, warnings: [] };
  } catch (thrown) {
    launcher.log.warn('session.documents_failed', { error: thrown });
    return { documents: undefined, warnings: [toAachatError(thrown).message] };
  }
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
