/**
 * How OpenCode is opened in a workspace. Pure.
 *
 * Its built-in agents edit and run commands without asking, and rules of the user could let more through, so a session
 * runs as an agent of ours with rules of its own; these come after all others. What it asks for is decided by
 * `permissions.ts`. Its subagents would not ask, so it has none.
 *
 * A part of OpenCode loads plugins of the repo whatever it is told (measured with 1.18): with `.opencode` or
 * `opencode.json` in the workspace it must not start at all unless the agent is trusted, see `foreign-settings.ts`. The
 * switches below keep out what else it would run of a repo. Check with `test/runtime/opencode.int.test.ts` at every new
 * version.
 */
import { join } from 'node:path';
import { MIRROR_FOLDER } from './home.ts';

/** Our agent in OpenCode, which is also the name of its mode. */
export const OPENCODE_AGENT = 'aachat';

/** The last rule that matches counts. */
const PERMISSION = {
  '*': 'ask',
  read: {
    '*': 'allow',
    '*.env': 'ask',
    '*.env.*': 'ask',
    [`*${MIRROR_FOLDER}/*`]: 'deny',
  },
  glob: 'allow',
  grep: 'allow',
  list: 'allow',
  skill: 'allow',
  todowrite: 'allow',
  task: 'deny',
  // Nobody sits before it.
  question: 'deny',
};

/**
 * Variables for the process itself, over the allow-listed ones.
 *
 * @param isTrusted it may obey settings of the repo
 */
export function opencodeEnvironment({
  workspace,
  isTrusted,
}: {
  readonly workspace: string;
  readonly isTrusted: boolean;
}): Record<string, string> {
  const config = {
    default_agent: OPENCODE_AGENT,
    agent: {
      [OPENCODE_AGENT]: { mode: 'primary', description: 'A colleague in aachat.', permission: PERMISSION },
    },
    autoupdate: false,
    // A shared conversation lies on servers of its vendor.
    share: 'disabled',
    // The workspace has git.
    snapshot: false,
    // Otherwise a refusal ends the turn without a word.
    experimental: { continue_loop_on_deny: true },
  };
  if (isTrusted) return { OPENCODE_CONFIG_CONTENT: JSON.stringify(config) };
  const untrusted = {
    // Both would run programs out of `node_modules` of the repo.
    formatter: false,
    lsp: false,
    // These are text only, and go with the rest of the project's settings otherwise.
    instructions: ['AGENTS.md', 'CLAUDE.md'].map((name) => join(workspace, name)),
  };
  return {
    OPENCODE_DISABLE_PROJECT_CONFIG: '1',
    OPENCODE_CONFIG_CONTENT: JSON.stringify({ ...config, ...untrusted }),
  };
}
