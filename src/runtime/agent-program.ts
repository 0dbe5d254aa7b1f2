/**
 * Finds the program that an agent runs on. In this order: the setting, the agent repo's `runtime.yaml`, the adapter in
 * `node_modules` beside us, a managed install, PATH.
 */
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { AachatError } from '#base/errors.ts';
import { ADAPTER, findClaude } from './claude-program.ts';
import type { Engine } from './engine.ts';
import type { Home } from './home.ts';
import { onPath } from './on-path.ts';
import type { Policy } from './policy.ts';
import { isPreset, PRESET_NAMES, PRESETS, type PresetName } from './presets.ts';
import { shellQuote } from './shim.ts';

/** `claude`: Claude Code by its ACP adapter; `scripted`: built in; `acp`: a program that we know nothing of. */
export type AgentKind = 'claude' | 'scripted' | PresetName | 'acp';

export interface AgentProgram {
  readonly kind: AgentKind;
  readonly command: readonly [file: string, ...args: string[]];
  /** Where it was found, for people. */
  readonly origin: string;
  /** The line of `runtime.yaml` that names it: the word of the repo, not of its owner. */
  readonly declared?: string;
  /** What a person does to log in, as the beginning of a sentence. */
  readonly login?: string;
  /** Mode of the program in which it asks before it acts. */
  readonly mode?: string;
  /** How long it may take to answer for the first time; absent: no longer than usual. */
  readonly initializeMs?: number | undefined;
}

export interface FindOptions {
  /** `claude`, `scripted`, a preset, or a command line. */
  readonly setting?: string;
  /** Text of `runtime.yaml`. */
  readonly runtimeYaml?: string;
  readonly path: string;
  /** Folder that managed installs live under. */
  readonly managedDir: string;
  readonly engine: Engine;
}

/** Forms of `runtime.yaml`; a package is taken for what it is called, never fetched. */
const Runtime = z.object({
  runtime: z.union([
    z.string(),
    z.object({ type: z.literal('npx'), package: z.string() }),
    z.object({ type: z.literal('binary'), command: z.string(), args: z.array(z.string()).default([]) }),
  ]),
});

/** Whether agents that do not name another program find none. */
export async function lacksClaude(options: {
  readonly home: Pick<Home, 'run'>;
  readonly path: string;
  readonly programSetting: string | undefined;
  readonly engine: Engine;
}): Promise<boolean> {
  const { home, path, programSetting = 'claude', engine } = options;
  if (programSetting !== 'claude') return false;
  return (await findClaude({ path, managedDir: home.run, engine })) === undefined;
}

/** @throws AachatError `AGENT_FAILED` with the command that mends it when there is no program */
export async function findAgentProgram(options: FindOptions): Promise<AgentProgram> {
  const { setting } = options;
  if (setting !== undefined && setting !== 'claude') return await fromSetting(setting, 'the setting', options);
  if (setting === undefined) {
    const declared = await fromRuntimeYaml(options);
    if (declared !== undefined) return declared;
  }
  const claude = await findClaude(options);
  if (claude === undefined) {
    throw new AachatError('AGENT_FAILED', 'Claude Code was not found: its ACP adapter is missing.', {
      hint: 'Run `aachat doctor --fix` to install it, or `aachat config set agent scripted` to try without.',
    });
  }
  const { command, path, terminal } = claude;
  const login = `Run \`${terminal}\` and type /login`;
  return { kind: 'claude', command, origin: `Claude Code (${path})`, login };
}

async function fromSetting(setting: string, origin: Origin, options: FindOptions): Promise<AgentProgram> {
  if (setting === 'scripted') {
    return { kind: 'scripted', command: options.engine.scripted, origin: 'built-in scripted agent' };
  }
  const [file, ...args] = wordsOf(setting);
  if (file === undefined) {
    throw new AachatError('AGENT_FAILED', 'The setting for the agent program is empty.', { hint: CORRECTION[origin] });
  }
  if (args.length === 0 && isPreset(file)) return await fromPreset(file, options.path);
  const found = await locate(file, origin, options.path);
  return { kind: 'acp', command: [found, ...args], origin: `${found} (${origin})` };
}

async function fromPreset(name: PresetName, path: string): Promise<AgentProgram> {
  const { command, install, login, mode, initializeMs } = PRESETS[name];
  const [file, ...args] = command;
  const found = await onPath(file, path);
  if (found !== undefined)
    return { kind: name, command: [found, ...args], origin: `${name} (${found})`, login, mode, initializeMs };
  throw new AachatError('AGENT_FAILED', `The agent program ${name} is not installed: there is no ${file} on PATH.`, {
    hint: `Run \`${install}\`.`,
  });
}

/** The presets that are on PATH, with their places. */
export async function installedPresets(path: string): Promise<ReadonlyMap<PresetName, string | undefined>> {
  const places = PRESET_NAMES.map(async (name) => [name, await onPath(PRESETS[name].command[0], path)] as const);
  return new Map(await Promise.all(places));
}

/** @returns what a `runtime.yaml` asks for; undefined: Claude Code */
function chosenRuntime(text: string | undefined) {
  if (text === undefined) return undefined;
  let parsed: unknown;
  try {
    parsed = parse(text, { schema: 'core', maxAliasCount: 0 });
  } catch {
    throw new AachatError('VALIDATION_ERROR', 'runtime.yaml of the agent repo is no valid YAML.', {
      hint: 'Write `runtime: claude-acp`, commit and push it.',
    });
  }
  const runtime = Runtime.safeParse(parsed);
  if (!runtime.success) {
    throw new AachatError('VALIDATION_ERROR', 'runtime.yaml of the agent repo names no runtime that is known.', {
      hint: `Write \`runtime: claude-acp\`, ${PRESET_NAMES.map((name) => `\`runtime: ${name}\``).join(', ')}, or \`runtime: {type: binary, command: …, args: […]}\`.`,
    });
  }
  const { runtime: chosen } = runtime.data;
  if (typeof chosen === 'string') return isClaude(chosen) ? undefined : chosen;
  return chosen.type === 'npx' && packageName(chosen.package) === ADAPTER ? undefined : chosen;
}

/** Whether a `runtime.yaml` leaves an agent to Claude Code. */
export function isLeftToClaude(text: string | undefined): boolean {
  try {
    return chosenRuntime(text) === undefined;
  } catch {
    // The session will say what is wrong with it.
    return false;
  }
}

async function fromRuntimeYaml(options: FindOptions): Promise<AgentProgram | undefined> {
  const chosen = chosenRuntime(options.runtimeYaml);
  if (chosen === undefined) return undefined;
  if (typeof chosen === 'string') {
    const program = await fromSetting(chosen, 'runtime.yaml', options);
    return program.kind === 'acp' ? { ...program, declared: commandLine(wordsOf(chosen)) } : program;
  }
  if (chosen.type === 'npx') {
    const preset = PRESET_NAMES.find((name) => PRESETS[name].packages.includes(packageName(chosen.package)));
    if (preset !== undefined) return await fromPreset(preset, options.path);
    throw new AachatError(
      'AGENT_FAILED',
      `runtime.yaml asks for the package ${chosen.package}, which is not fetched by itself.`,
      { hint: 'Install it, and name its command: `runtime: {type: binary, command: …, args: […]}`.' },
    );
  }
  const line = commandLine([chosen.command, ...chosen.args]);
  const found = await locate(chosen.command, 'runtime.yaml', options.path);
  return { kind: 'acp', command: [found, ...chosen.args], origin: `${found} (runtime.yaml)`, declared: line };
}

/** Without the version. */
const packageName = (spec: string): string => spec.replace(/(?<=.)@[^@/]*$/, '');
const isClaude = (word: string): boolean => /^claude(-acp)?$/.test(word);
const wordsOf = (line: string): readonly string[] => line.split(/\s+/).filter((word) => word !== '');

/**
 * Text of a new agent's `runtime.yaml`.
 *
 * @param runtime `claude`, `scripted`, a preset, or a command line
 * @returns the text, and what its owner must still agree to, if it is a program that we do not know
 * @throws AachatError `USAGE` when it is empty
 */
export function runtimeYaml(runtime: string): { readonly text: string; readonly declared: string | undefined } {
  const words = wordsOf(runtime);
  if (words.length === 0) {
    throw new AachatError('USAGE', 'The runtime is empty.', {
      hint: `Give claude, ${PRESET_NAMES.join(', ')}, or a command line.`,
    });
  }
  const line = words.join(' ');
  const isKnown = isClaude(line) || line === 'scripted' || isPreset(line);
  return { text: stringify({ runtime: line }), declared: isKnown ? undefined : commandLine(words) };
}

/** What a person should know of a program whose ways we do not know. */
export const ownRules = ({ kind, origin }: AgentProgram, policy: Policy): { readonly warnings: readonly string[] } => ({
  warnings:
    kind === 'acp' && policy !== 'full'
      ? [`${origin} decides by itself what it asks for: the policy "${policy}" holds only where it asks.`]
      : [],
});

/** One line that tells words with spaces from several words. */
const commandLine = (words: readonly string[]): string =>
  words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : JSON.stringify(word))).join(' ');

/**
 * A repo can name any program, and whoever can write to the repo can: it starts only after its owner has seen the
 * exact line.
 *
 * @param trusted the line that the owner has agreed to
 * @throws AachatError `FORBIDDEN` with the command that agrees
 */
export function refuseUnknownProgram({ declared }: AgentProgram, agent: string, trusted: string | undefined): void {
  if (declared === undefined || declared === trusted) return;
  throw new AachatError('FORBIDDEN', `runtime.yaml of ${agent} wants to start a program: ${declared}`, {
    hint: `If that is what you want: ${trustCommand(agent, declared)}`,
  });
}

/** What an owner runs to agree to a program. */
export const trustCommand = (agent: string, declared: string): string =>
  `aachat agent trust ${agent} --program ${shellQuote(declared)}`;

/** Who names a program, and how its name is corrected there. */
const CORRECTION = {
  'the setting': `Give its full path: \`aachat config set agent <claude | scripted | ${PRESET_NAMES.join(' | ')} | command>\`, or AACHAT_AGENT or --program if one is used.`,
  'runtime.yaml': 'Install it, or correct `runtime` in runtime.yaml of the agent repo, commit and push it.',
} as const;
type Origin = keyof typeof CORRECTION;

async function locate(file: string, origin: Origin, path: string): Promise<string> {
  const found = await onPath(file, path);
  if (found !== undefined) return found;
  throw new AachatError('AGENT_FAILED', `The agent program "${file}" of ${origin} is not there, or may not be run.`, {
    hint: CORRECTION[origin],
  });
}
