/**
 * How Claude Code is opened in a workspace. Pure.
 *
 * By default the settings of a repo run hooks and MCP commands and send the user's API key to a host of their choice
 * before the first prompt. `projectConfigRoot` makes Claude read settings, MCP servers, skills, commands and agents of
 * the "project" from a folder of ours instead, while CLAUDE.md and AGENTS.md still come from the workspace. The same
 * `_meta` goes with every `session/new`, `resume`, `load` and `fork`: one without it opens all of this again.
 * Measured with the canary checks in `test/runtime/claude.int.test.ts`; run them at every new version.
 */
import { dirname, join } from 'node:path';
import type { Policy } from './policy.ts';
import { shellQuote } from './shim.ts';

export interface ClaudeOptions {
  readonly policy: Policy;
  /** Outside the workspace and every git tree; must exist; holds `.claude/skills` and nothing else. */
  readonly configRoot: string;
  readonly workspace: string;
  readonly agentDir: string;
  readonly managedText: string;
  readonly identity: string;
  /** Absolute paths that file tools may not touch under any policy. */
  readonly denied: readonly string[];
}

/** Tools that leave the workspace, plan without a person, or wake Claude without a prompt. */
const DISALLOWED_TOOLS = [
  'EnterWorktree',
  'ExitWorktree',
  'EnterPlanMode',
  'ExitPlanMode',
  'CronCreate',
  'CronDelete',
  'CronList',
  'ScheduleWakeup',
  'Workflow',
];

/** `_meta` of the request that opens a conversation. */
export function claudeMeta(options: ClaudeOptions): Record<string, unknown> {
  const { configRoot, workspace, managedText, identity } = options;
  return {
    systemPrompt: { append: [managedText, identity].filter((text) => text !== '').join('\n\n') },
    claudeCode: {
      emitRawSDKMessages: [{ type: 'rate_limit_event' }, { type: 'system', subtype: 'api_retry' }],
      options: {
        // Not the safe mode of `claudeEnvironment`: instructions and skills are wanted here.
        env: { CLAUDE_CODE_SAFE_MODE: '' },
        projectConfigRoot: configRoot,
        settingSources: ['user', 'project', 'local'],
        strictMcpConfig: true,
        disallowedTools: DISALLOWED_TOOLS,
        settings: {
          disableAllHooks: true,
          disableSkillShellExecution: true,
          autoMemoryEnabled: false,
          claudeMdExcludes: parentInstructions(workspace),
        },
        managedSettings: {
          allowManagedPermissionRulesOnly: true,
          allowManagedHooksOnly: true,
          permissions: permissionRules(options),
        },
      },
    },
  };
}

/** Mode to set after every open: a resume restores the mode of the transcript, settings of the user choose the first. */
export function claudeMode(policy: Policy): string {
  return { ask: 'default', 'read-only': 'default', 'accept-edits': 'acceptEdits', full: 'bypassPermissions' }[policy];
}

/** Variables for the process itself, over the allow-listed ones. */
export function claudeEnvironment(options: {
  readonly policy: Policy;
  readonly envFile: string;
  readonly uid: number;
}): Record<string, string> {
  return {
    // The adapter asks Claude Code who is logged in before any conversation has its `_meta`, and ends it when it is slow,
    // as we do: the hooks for the end of a session would run, in a trusted folder also those of the repo.
    CLAUDE_CODE_SAFE_MODE: '1',
    // `@/path` anywhere in a message would be read into the context without a question.
    CLAUDE_CODE_DISABLE_FILE_MENTIONS: '1',
    // A background command that ends later would start a turn that nobody asked for.
    CLAUDE_CODE_DISABLE_BACKGROUND_TASKS: '1',
    CLAUDE_ENV_FILE: options.envFile,
    // As root the mode of policy `full` is hidden without this.
    ...(options.policy === 'full' && options.uid === 0 ? { IS_SANDBOX: '1' } : {}),
  };
}

/**
 * Shell text that Claude sources before every command, after the user's own start-up files: these may export our
 * names, or shadow `aachat` by an alias.
 */
export function claudeEnvFile(options: {
  readonly shimDir: string;
  readonly own: Readonly<Record<string, string>>;
}): string {
  const exports = Object.entries(options.own).map(([name, value]) => `export ${name}=${shellQuote(value)}`);
  return [
    `export PATH=${shellQuote(options.shimDir)}:"$PATH"`,
    ...exports,
    'unalias aachat chat 2>/dev/null',
    'unset -f aachat chat 2>/dev/null',
    'true',
    '',
  ].join('\n');
}

function permissionRules({ policy, agentDir, denied }: ClaudeOptions): { allow: string[]; deny: string[] } {
  const verbs = ['Bash(aachat:*)', 'Bash(chat:*)'];
  const edits = ['Edit(aachat/docs/**)', `Edit(${absolute(agentDir)}/**)`];
  const foreign = denied.flatMap((path) =>
    ['Read', 'Edit'].flatMap((tool) => [`${tool}(${absolute(path)})`, `${tool}(${absolute(path)}/**)`]),
  );
  return {
    allow: policy === 'read-only' ? verbs : [...verbs, ...edits],
    // What git keeps there decides what runs.
    deny: [
      ...foreign,
      `Edit(${absolute(agentDir)}/.git)`,
      `Edit(${absolute(agentDir)}/.git/**)`,
      ...(policy === 'read-only' ? ['Edit', 'Write', 'NotebookEdit'] : []),
    ],
  };
}

/** A rule with one slash is relative to a settings file; two mean the root of the file system. */
const absolute = (path: string): string => `/${path}`;

/** Instructions in folders above the workspace are no business of the session. */
function parentInstructions(workspace: string): readonly string[] {
  const files: string[] = [];
  for (let folder = dirname(workspace); ; folder = dirname(folder)) {
    for (const name of ['CLAUDE.md', 'CLAUDE.local.md', '.claude/CLAUDE.md', 'AGENTS.md'])
      files.push(join(folder, name));
    if (folder === dirname(folder)) return files;
  }
}
