/** Finds Claude Code's ACP adapter: in `node_modules` beside us, a managed install, PATH. */
import { access, constants, readdir, readFile, realpath } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { realPlace } from '#base/fs.ts';
import type { Engine } from './engine.ts';
import { onPath } from './on-path.ts';
import { shellQuote } from './shim.ts';

export const ADAPTER = '@agentclientprotocol/claude-agent-acp';
const ADAPTER_COMMAND = 'claude-agent-acp';
const ENTRY = join('dist', 'index.js');

/** Folder of the managed install. */
export const managedClaude = (managedDir: string): string => join(managedDir, 'programs', 'claude');

export interface ClaudeProgram {
  readonly command: readonly [file: string, ...args: string[]];
  /** Where the adapter lies. */
  readonly path: string;
  /** Claude Code itself, for a person at a terminal: where one logs in. */
  readonly terminal: string;
}

/** Always its entry file under our own engine: no shell and no wrapper stands between us and the process to be ended. */
export async function findClaude(options: {
  readonly path: string;
  readonly managedDir: string;
  readonly engine: Engine;
}): Promise<ClaudeProgram | undefined> {
  // Where it is for good, for what a person is told about it.
  const managed = join(await realPlace(managedClaude(options.managedDir)), 'node_modules', ADAPTER, ENTRY);
  for (const path of [besideUs(options.engine), managed]) {
    if (path === undefined || !(await isReadable(path))) continue;
    return { command: [...options.engine.module, path], path, terminal: await findTerminal(path, options.path) };
  }
  const path = await onPath(ADAPTER_COMMAND, options.path);
  if (path === undefined) return undefined;
  const isScript = (await readFile(path, 'utf8')).startsWith('#!/usr/bin/env node');
  const entry = await realpath(path);
  const terminal = await findTerminal(entry, options.path);
  return { command: isScript ? [...options.engine.module, entry] : [path], path, terminal };
}

/** The one on PATH, else the one that came with the adapter. */
async function findTerminal(entry: string, path: string): Promise<string> {
  if ((await onPath('claude', path)) !== undefined) return 'claude';
  const scope = join(entry, '..', '..', '..', '..', '@anthropic-ai');
  for (const name of await readdir(scope).catch(() => [])) {
    const file = join(scope, name, 'claude');
    if (name.startsWith('claude-agent-sdk-') && (await isReadable(file))) return shellQuote(file);
  }
  return 'claude';
}

function besideUs({ root }: Engine): string | undefined {
  if (root === undefined) return undefined;
  try {
    return join(createRequire(join(root, 'package.json')).resolve(`${ADAPTER}/package.json`), '..', ENTRY);
  } catch {
    return undefined;
  }
}

async function isReadable(path: string): Promise<boolean> {
  try {
    await access(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
