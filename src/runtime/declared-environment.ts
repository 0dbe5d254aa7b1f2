/**
 * Values for the environment names that an agent declares, from `.state/env.toml` on this machine:
 *
 *   GH_TOKEN = "…"                  for every agent that declares GH_TOKEN
 *   [agents."ada.mia"]
 *   GH_TOKEN = "…"                  for this one only
 *
 * Only declared names reach an agent. A missing value is reported, never fatal.
 */
import { parse } from 'smol-toml';
import { z } from 'zod';
import { readIfExists } from '#base/fs.ts';

const Values = z.record(z.string(), z.unknown());
const Scalar = z.union([z.string(), z.number(), z.boolean()]).transform(String);

export interface DeclaredEnvironment {
  readonly values: Readonly<Record<string, string>>;
  readonly missing: readonly string[];
  readonly warnings: readonly string[];
}

export async function resolveDeclared(
  path: string,
  agent: string,
  names: readonly string[],
): Promise<DeclaredEnvironment> {
  if (names.length === 0) return { values: {}, missing: [], warnings: [] };
  let tables: z.infer<typeof Values> = {};
  const warnings: string[] = [];
  try {
    tables = Values.parse(parse((await readIfExists(path)) ?? ''));
  } catch {
    // The parser's words would quote a line of the file, which may hold a secret.
    warnings.push('.state/env.toml is no valid TOML: no values were taken from it.');
  }
  const own = Values.safeParse(Values.safeParse(tables['agents']).data?.[agent]).data ?? {};
  const found = names.flatMap((name) => {
    const value = Scalar.safeParse(own[name] ?? tables[name]);
    return value.success ? [[name, value.data] as const] : [];
  });
  const values = Object.fromEntries(found);
  return { values, missing: names.filter((name) => !(name in values)), warnings };
}
