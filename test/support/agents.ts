/** Agent programs of other vendors, as `test/agents/package.json` pins them and `test/run.mjs` installs them. */
import { mkdir } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { writeFiles } from './temp.ts';

const MODULES = join(import.meta.dirname, '..', 'agents', 'node_modules');

/** PATH with all of them, and with our own Node for those that are scripts. */
export const AGENTS_PATH = [
  dirname(process.execPath),
  join(MODULES, '.bin'),
  join(MODULES, 'opencode-linux-x64-baseline', 'bin'),
  process.env['PATH'] ?? '',
].join(delimiter);

/** It is a binary, pinned for one platform. */
export const HAS_OPENCODE = process.platform === 'linux' && process.arch === 'x64';

/** Lets the OpenCode of a person speak to a scripted API, and to nobody else. */
export async function opencodeUser(personHome: string, apiUrl: string, more: object = {}): Promise<void> {
  const dir = join(personHome, '.config', 'opencode');
  const provider = { anthropic: { options: { baseURL: `${apiUrl}/v1`, apiKey: 'sk-ant-not-a-real-key' } } };
  const config = { provider, model: 'anthropic/claude-sonnet-4-5', enabled_providers: ['anthropic'], ...more };
  // With these two it takes its own package for installed, and does not fetch it.
  await mkdir(join(dir, 'node_modules'), { recursive: true });
  const lock = { packages: { '': { dependencies: { '@opencode-ai/plugin': '*' } } } };
  await writeFiles(dir, { 'opencode.json': JSON.stringify(config), 'package-lock.json': JSON.stringify(lock) });
}

/** No list of models is fetched. */
export const OPENCODE_ENV = { OPENCODE_DISABLE_MODELS_FETCH: '1' };
