/**
 * Brings one session up, in the order that people are shown: fetch, worktree, agent repo, skills, environment, agent,
 * confirm. Either everything stands at the end, or nothing is left behind.
 */
import { toAachatError } from '#base/errors.ts';
import { newId } from '#base/id.ts';
import { createHttpClient, type HttpClient } from '#client/http.ts';
import type { Agent as AgentEntity, Run, Session, Team } from '#contract/entities.ts';
import type { TurnId } from '#contract/ids.ts';
import { ROUTES } from '#contract/routes.ts';
import type { Accepted } from '#sync/replica.ts';
import { resolveDeclared } from './declared-environment.ts';
import { DOCUMENTS } from './home.ts';
import type { SessionMirror } from './mirrors.ts';
import { type ProgramOptions, prepareProgram, type SessionProgram } from './session-program.ts';
import { openSessionToken } from './session-token.ts';
import { openWorkspace, type Workspace, type WorkspaceStep } from './workspace.ts';

export type BootStep = WorkspaceStep | 'register' | 'environment' | 'agent' | 'confirm';

export interface BootOptions extends ProgramOptions {
  readonly session: Session;
  readonly agent: AgentEntity;
  readonly team: Team;
  /** The turn that the session's log still owes. */
  readonly owes: TurnId | null;
  readonly onStep: (step: BootStep) => void;
  /** Told what is not as the session left it, in words to its agent. */
  readonly onLoss: (what: string) => void;
  /** Whether the agent program may start now; else everything comes up but its process. */
  readonly takePlace: () => boolean;
  readonly onRun: (run: Run) => Promise<void>;
  /** What the session covers now. */
  readonly projects: () => Session['projects'];
  /** The server answered to an edit of a document in the workspace. */
  readonly onAccepted: (accepted: Accepted) => void;
}

export interface Booted {
  readonly run: Run;
  readonly session: Session;
  readonly program: SessionProgram;
  /** Acts as the agent. */
  readonly agentHttp: HttpClient;
  readonly workspace: Workspace;
  /** undefined: there are none in the workspace. */
  readonly documents: SessionMirror | undefined;
  /** For the Launch Report. */
  readonly warnings: readonly string[];
  /** Names that were resolved; values stay where they are. */
  readonly environment: { readonly resolved: readonly string[]; readonly missing: readonly string[] };
  /** Gives process and folder back; returns one line for each thing that stays. Safe to call twice. */
  close(): Promise<readonly string[]>;
}

export async function bootSession(options: BootOptions): Promise<Booted> {
  const { launcher, agent: entity, team, onStep, signal } = options;
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
      startsAt: options.branch?.git,
      onStep,
      onLoss: options.onLoss,
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
    const program = await prepareProgram(options, session, workspace, declared.values);
    undo.push(async () => {
      await program.end();
      return [];
    });
    if (options.takePlace()) await program.open();

    onStep('confirm');
    await filling;
    await launcher.connected(signal);
    const confirmed = await http.call(
      ROUTES.setActivity,
      { params: { runId: run.id }, body: { activity: program.agent === undefined ? 'hibernated' : 'input_ready' } },
      signal,
    );
    return {
      run,
      session: confirmed.session,
      program,
      agentHttp,
      workspace,
      documents,
      warnings: [workspace, mirror, declared, program].flatMap(({ warnings }) => warnings),
      environment: { resolved: Object.keys(declared.values), missing: declared.missing },
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
