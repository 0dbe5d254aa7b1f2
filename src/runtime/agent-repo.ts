/**
 * What an agent's repo says about the agent: identity, declared environment, runtime, skills. Repos come in many
 * states; whatever is missing or broken is a line in the Launch Report, and only a repo that is no agent is refused.
 */
import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { AachatError, isSystemError } from '#base/errors.ts';
import { isReservedName } from './environment.ts';

export interface AgentRepo {
  /** Text of `identity.md`; empty if there is none. */
  readonly identity: string;
  /** Names of environment variables that the agent declares. */
  readonly environment: readonly string[];
  /** Text of `runtime.yaml`, for whoever looks for the agent program. */
  readonly runtime: string | undefined;
  readonly warnings: readonly string[];
}

/** Any of these makes a folder an agent. */
const TRAITS = ['identity.md', 'CLAUDE.md', 'environment.yaml', 'runtime.yaml', 'memory', '.agents', 'skills'];

/** Larger texts are no identity but an accident, and would be sent with every request. */
const TEXT_LIMIT = 64 * 1024;

/** A name that an agent may declare. */
export const EnvironmentName = z
  .string()
  .regex(/^[A-Z_][A-Z0-9_]*$/, 'has another form than NAME_OF_THIS_FORM')
  .refine((name) => !isReservedName(name), 'is reserved: every session has its own, or must not have one');

const Environment = z.object({
  config: z.object({ env: z.array(z.object({ name: z.string() })).nullish() }).nullish(),
});

/**
 * @param names in the top folder of the repo
 * @param address how the repo is called when it is refused
 * @throws AachatError `VALIDATION_ERROR` if they are not those of an agent
 */
export function refuseNoAgent(names: readonly string[], address: string): void {
  if (TRAITS.some((name) => names.includes(name))) return;
  throw new AachatError(
    'VALIDATION_ERROR',
    `The repo ${address} is no agent: it has neither identity.md nor environment.yaml.`,
    {
      hint: 'Add an identity.md that says who the agent is, commit and push it, or name another repo.',
    },
  );
}

/**
 * @param address how the repo is called when it is refused
 * @throws AachatError `VALIDATION_ERROR` if the folder is no agent repo
 */
export async function readAgentRepo(dir: string, address = dir): Promise<AgentRepo> {
  refuseNoAgent(await readdir(dir), address);
  const warnings: string[] = [];
  const identity = await text(dir, 'identity.md', warnings);
  if (identity === undefined) warnings.push('identity.md is missing: the agent runs without a persona.');
  else if (identity.trim() === '') warnings.push('identity.md is empty: the agent runs without a persona.');
  else if (/\{\{\s*\w+\s*\}\}/.test(identity)) warnings.push('identity.md still has placeholders like {{agent_name}}.');
  const runtime = await text(dir, 'runtime.yaml', warnings);
  const environment = declaredNames(await text(dir, 'environment.yaml', warnings), warnings);
  return { identity: identity ?? '', environment, runtime, warnings };
}

function declaredNames(yaml: string | undefined, warnings: string[]): readonly string[] {
  if (yaml === undefined) return [];
  let parsed: unknown;
  try {
    parsed = parse(yaml, { schema: 'core', maxAliasCount: 0 });
  } catch {
    // The parser's words would quote lines of the file, and somebody may have put a secret there.
    warnings.push('environment.yaml is no valid YAML: no environment was declared.');
    return [];
  }
  const environment = Environment.nullish().safeParse(parsed);
  if (!environment.success) {
    warnings.push('environment.yaml has another shape than `config: {env: [{name: …}]}`: no environment was declared.');
    return [];
  }
  const names = (environment.data?.config?.env ?? []).map(({ name }) => name);
  const good = [...new Set(names)].filter((name) => EnvironmentName.safeParse(name).success);
  const count = new Set(names).size - good.length;
  if (count > 0)
    warnings.push(`environment.yaml declares ${count} names that are reserved or not like NAME_OF_THIS_FORM.`);
  return good;
}

/** A link or a folder under such a name is left alone: it could lead anywhere on this machine. */
async function text(dir: string, name: string, warnings: string[]): Promise<string | undefined> {
  const path = join(dir, name);
  try {
    const stat = await lstat(path);
    if (!stat.isFile() || stat.size > TEXT_LIMIT) {
      warnings.push(`${name} is ${stat.isFile() ? 'over 64 KiB' : 'no plain file'} and was left out.`);
      return undefined;
    }
    return await readFile(path, 'utf8');
  } catch (thrown) {
    if (isSystemError(thrown, 'ENOENT')) return undefined;
    throw thrown;
  }
}
