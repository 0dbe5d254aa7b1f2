/** Finds Claude Code's ACP adapter: in `node_modules` beside us, a managed install, PATH. */
import { access, constants, readFile, realpath } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Engine } from './engine.ts';
import { onPath } from './on-path.ts';

export const ADAPTER = '@agentclientprotocol/claude-agent-acp';
const ADAPTER_COMMAND = 'claude-agent-acp';
const ENTRY = join('dist', 'index.js');

/** Folder of the managed install. */
export const managedClaude = (managedDir: string): string => join(managedDir, 'programs', 'claude');

export interface ClaudeProgram {
  readonly command: readonly [file: string, ...args: string[]];
  /** Where the adapter lies. */
  readonly path: string;
}

/** Always its entry file under our own engine: no shell and no wrapper stands between us and the process to be ended. */
export async function findClaude(options: {
  readonly path: string;
  readonly managedDir: string;
  readonly engine: Engine;
}): Promise<ClaudeProgram | undefined> {
  const managed = join(managedClaude(options.managedDir), 'node_modules', ADAPTER, ENTRY);
  for (const path of [besideUs(options.engine), managed]) {
    if (path !== undefined && (await isReadable(path))) return { command: [...options.engine.module, path], path };
  }
  const path = await onPath(ADAPTER_COMMAND, options.path);
  if (path === undefined) return undefined;
  const isScript = (await readFile(path, 'utf8')).startsWith('#!/usr/bin/env node');
  return { command: isScript ? [...options.engine.module, await realpath(path)] : [path], path };
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
