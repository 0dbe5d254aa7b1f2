/**
 * Settings in a repo that agent programs obey just because they work there. They can run commands, start servers or
 * send requests elsewhere before the first prompt. Claude Code is opened in a way that reads none of them; other
 * programs have no such way, so with one of these in the workspace they start only for an agent that is trusted.
 */
import { join } from 'node:path';
import { AachatError } from '#base/errors.ts';
import { exists } from '#base/fs.ts';
import type { AgentKind } from './agent-program.ts';

const SETTINGS = [
  '.mcp.json',
  '.claude/settings.json',
  '.claude/settings.local.json',
  '.codex',
  '.cursor/mcp.json',
  '.env',
  '.gemini',
  '.opencode',
  '.qwen',
  '.vscode/mcp.json',
  'opencode.json',
  'opencode.jsonc',
];

/** All of them, but for programs whose own are known from trying. */
const OBEYED: Readonly<Partial<Record<AgentKind, readonly string[]>>> = {
  claude: [],
  scripted: [],
  opencode: ['.opencode', 'opencode.json', 'opencode.jsonc'],
};

/** @throws AachatError `FORBIDDEN` that names the settings and how to go on */
export async function refuseForeignSettings(workspace: string, agent: string, kind: AgentKind): Promise<void> {
  const obeyed = OBEYED[kind] ?? SETTINGS;
  const there = await Promise.all(obeyed.map((path) => exists(join(workspace, path))));
  const found = obeyed.filter((_, index) => there[index]);
  if (found.length === 0) return;
  throw new AachatError(
    'FORBIDDEN',
    `The team's repo has settings that the agent program would obey: ${found.join(', ')}.`,
    {
      hint: `Read them. If they are good, run \`aachat agent trust ${agent}\` and start it again.`,
    },
  );
}
