/** The real Claude Code behind its real ACP adapter, in a scratch workspace, with a scripted LLM API. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { silentLog } from '#base/log.ts';
import {
  type Agent,
  type AgentUpdate,
  openAgent,
  type PermissionAnswer,
  type PermissionRequest,
} from '#runtime/agent.ts';
import { type AgentProgram, findAgentProgram } from '#runtime/agent-program.ts';
import { claudeEnvFile, claudeEnvironment, claudeMeta, claudeMode } from '#runtime/claude.ts';
import type { ForkPoint } from '#runtime/conversation.ts';
import { agentEnvironment } from '#runtime/environment.ts';
import type { Policy } from '#runtime/policy.ts';
import { type FakeAnthropic, fakeAnthropic } from './fake-anthropic.ts';
import { tempDir, writeFiles } from './temp.ts';

/** How a person has it who pays by a key: it speaks to a scripted API, and to nobody else. */
export const claudeUser = (apiUrl: string) => ({
  ANTHROPIC_BASE_URL: apiUrl,
  ANTHROPIC_API_KEY: 'sk-ant-not-a-real-key',
  CLAUDE_CODE_EXECUTABLE: join(import.meta.dirname, 'claude.sh'),
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  CLAUDE_CODE_MAX_RETRIES: '1',
});

export const MANAGED = 'MANAGED-TEXT-OF-OURS';
export const IDENTITY = 'IDENTITY-OF-THE-AGENT';

export interface ClaudeScene extends AsyncDisposable {
  readonly api: FakeAnthropic;
  readonly root: string;
  readonly workspace: string;
  readonly agentDir: string;
  readonly configRoot: string;
  readonly leasesDir: string;
  /** Claude's own configuration, as a user has it. */
  readonly userConfig: string;
  readonly envFile: string;
  readonly program: AgentProgram;
  meta(policy?: Policy): Record<string, unknown>;
  env(policy?: Policy): Record<string, string>;
  /** Opens a conversation as `up` does. */
  open(options?: OpenOptions): Promise<OpenedClaude>;
}

export interface OpenOptions {
  readonly policy?: Policy;
  readonly conversation?: string;
  readonly fork?: ForkPoint;
  readonly costMicros?: number;
  /** Replaces what the scene's environment says. */
  readonly env?: Readonly<Record<string, string>>;
  readonly onPermission?: (request: PermissionRequest) => Promise<PermissionAnswer>;
}

export interface OpenedClaude extends AsyncDisposable {
  readonly agent: Agent;
  readonly updates: readonly AgentUpdate[];
  readonly asked: readonly PermissionRequest[];
}

/** Answers by the kind of the option, as `up` does. */
export function choose(request: PermissionRequest, kind: 'allow_once' | 'reject_once'): PermissionAnswer {
  const option = request.options.find((candidate) => candidate.kind === kind);
  if (option === undefined) throw new Error(`No ${kind} among ${JSON.stringify(request.options)}.`);
  return { kind: 'selected', optionId: option.id };
}

/**
 * @param files of the workspace, path → text
 * @param user variables that the person has otherwise
 */
export async function claudeScene(
  files: Readonly<Record<string, string>> = {},
  user: NodeJS.ProcessEnv = {},
): Promise<ClaudeScene> {
  const dir = await tempDir();
  const api = await fakeAnthropic();
  const at = (...parts: string[]) => join(dir.path, ...parts);
  const [workspace, configRoot, userConfig, shimDir, temp] = [
    at('parent', 'workspace'),
    at('session', 'claude'),
    at('user-config'),
    at('bin'),
    at('tmp'),
  ];
  const agentDir = join(workspace, 'aachat', 'agents', 'ada.mia');
  const [envFile, leasesDir] = [at('session', 'env.sh'), at('leases')];
  const folders = [agentDir, join(workspace, 'aachat', 'docs'), configRoot, userConfig, shimDir, temp, at('home')];
  await Promise.all(folders.map((folder) => mkdir(folder, { recursive: true })));
  await writeFiles(workspace, files);
  for (const name of ['aachat', 'chat']) {
    await writeFile(join(shimDir, name), `#!/bin/sh\necho "${name} ran: $*"\n`, { mode: 0o755 });
  }
  const own = { AA_SESSION_ID: 'session-1', AA_AGENT: 'ada.mia' };
  await writeFile(envFile, claudeEnvFile({ shimDir, own }));
  const denied = [at('denied'), at('sessions', '*', 'token')];
  await writeFiles(at(), { 'denied/token.txt': 'DENIED-SECRET', 'sessions/later/token': 'DENIED-SECRET' });

  const program = await findAgentProgram({
    setting: 'claude',
    path: '',
    managedDir: at('managed'),
    engine: { self: ['x'], scripted: ['x'], module: [process.execPath], root: import.meta.dirname },
  });
  const meta = (policy: Policy = 'ask') =>
    claudeMeta({ policy, configRoot, workspace, agentDir, managedText: MANAGED, identity: IDENTITY, denied });
  const env = (policy: Policy = 'ask') => ({
    ...agentEnvironment({
      parent: {
        PATH: process.env['PATH'],
        HOME: at('home'),
        LANG: 'C.UTF-8',
        ...claudeUser(api.url),
        CLAUDE_CONFIG_DIR: userConfig,
        ...user,
      },
      declared: {},
      own,
      shimDir,
      temp,
      kind: 'claude',
    }),
    ...claudeEnvironment({ policy, envFile, uid: process.getuid?.() ?? 0 }),
  });

  return {
    api,
    root: dir.path,
    workspace,
    agentDir,
    configRoot,
    leasesDir,
    userConfig,
    envFile,
    program,
    meta,
    env,
    async open(options = {}) {
      const { policy = 'ask', conversation, fork, costMicros } = options;
      const { onPermission = async (request) => choose(request, 'reject_once') } = options;
      const updates: AgentUpdate[] = [];
      const asked: PermissionRequest[] = [];
      const agent = await openAgent({
        program,
        env: options.env ?? env(policy),
        leasesDir,
        sessionId: 'session-1',
        open: {
          cwd: workspace,
          meta: meta(policy),
          mode: claudeMode(policy),
          ...(conversation === undefined ? {} : { conversation }),
          ...(fork === undefined ? {} : { fork }),
          ...(costMicros === undefined ? {} : { costMicros }),
        },
        onUpdate: (update) => updates.push(update),
        onPermission: (request) => {
          asked.push(request);
          return onPermission(request);
        },
        onUnprompted: () => {},
        log: silentLog,
      });
      return { agent, updates, asked, [Symbol.asyncDispose]: () => agent[Symbol.asyncDispose]() };
    },
    [Symbol.asyncDispose]: async () => {
      await api[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
}
