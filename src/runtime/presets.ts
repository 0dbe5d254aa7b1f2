/**
 * Agent programs of other vendors that `runtime.yaml` and the setting call by one word. Each is started as it stands
 * here, with the mode in which it asks before it acts: what it may do without asking is then decided by our own table
 * (`permissions.ts`), under every policy alike.
 */
import { OPENCODE_AGENT } from './opencode.ts';

export interface Preset {
  readonly command: readonly [file: string, ...args: string[]];
  /** npm packages that it comes in; older names too. */
  readonly packages: readonly string[];
  /** What a person runs to have it. */
  readonly install: string;
  /** What a person does to log in, as the beginning of a sentence. */
  readonly login: string;
  /** Mode to set after every open. */
  readonly mode: string;
  /** For one that sets itself up at its first start. */
  readonly initializeMs?: number;
}

export type PresetName = 'opencode' | 'gemini' | 'codex';

export const PRESETS: Readonly<Record<PresetName, Preset>> = {
  opencode: {
    command: ['opencode', 'acp'],
    packages: ['opencode-ai'],
    install: 'npm install --global opencode-ai',
    login: 'Run `opencode auth login`',
    mode: OPENCODE_AGENT,
    // 74 s were seen.
    initializeMs: 120_000,
  },
  gemini: {
    command: ['gemini', '--acp'],
    packages: ['@google/gemini-cli'],
    install: 'npm install --global @google/gemini-cli',
    login: 'Run `gemini` and log in, or set GEMINI_API_KEY',
    mode: 'default',
  },
  codex: {
    command: ['codex-acp'],
    packages: ['@agentclientprotocol/codex-acp', '@zed-industries/codex-acp'],
    install: 'npm install --global @agentclientprotocol/codex-acp',
    login: 'Run `codex-acp login`',
    // It asks for edits and the network, and runs commands in a sandbox that cannot write.
    mode: 'read-only',
  },
};

export const PRESET_NAMES = Object.keys(PRESETS) as readonly PresetName[];

export const isPreset = (word: string): word is PresetName => Object.hasOwn(PRESETS, word);
