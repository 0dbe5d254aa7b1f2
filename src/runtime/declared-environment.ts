/**
 * Values for the environment names that an agent declares, in `.state/env.toml` on this machine:
 *
 *   GH_TOKEN = "…"                  for every agent that declares GH_TOKEN
 *   [agents."ada.mia"]
 *   GH_TOKEN = "…"                  for this one only
 *
 * Only declared names reach an agent. A missing value is reported, never fatal. The file is the person's: an edit
 * changes one line of it, and no word of it is ever in a message.
 */
import { isDeepStrictEqual } from 'node:util';
import { parse, stringify } from 'smol-toml';
import { z } from 'zod';
import { AachatError } from '#base/errors.ts';
import { readIfExists, writePrivate } from '#base/fs.ts';
import { withFileLock } from '#base/pid-file.ts';

const Values = z.record(z.string(), z.unknown());
type Values = z.infer<typeof Values>;
const Scalar = z.union([z.string(), z.number(), z.boolean()]).transform(String);

export interface DeclaredEnvironment {
  readonly values: Readonly<Record<string, string>>;
  readonly missing: readonly string[];
  readonly warnings: readonly string[];
}

/** Where a value stands. */
export interface ValuePlace {
  readonly name: string;
  /** Full name of the one agent that it is for; undefined: for every agent. */
  readonly agent: string | undefined;
}

export async function resolveDeclared(
  path: string,
  agent: string,
  names: readonly string[],
): Promise<DeclaredEnvironment> {
  if (names.length === 0) return { values: {}, missing: [], warnings: [] };
  const file = readFile((await readIfExists(path)) ?? '');
  const warnings = file === undefined ? ['.state/env.toml is no valid TOML: no values were taken from it.'] : [];
  const tables = file ?? {};
  const own = tableOf(tables, agent);
  const found = names.flatMap((name) => {
    const value = Scalar.safeParse(own[name] ?? tables[name]);
    return value.success ? [[name, value.data] as const] : [];
  });
  const values = Object.fromEntries(found);
  return { values, missing: names.filter((name) => !(name in values)), warnings };
}

/**
 * Where values stand; what they are stays in the file.
 *
 * @throws AachatError `VALIDATION_ERROR` if the file is damaged
 */
export async function listValues(path: string): Promise<readonly ValuePlace[]> {
  const tables = readFile((await readIfExists(path)) ?? '') ?? refuseDamaged(path);
  const places = (table: Values, agent: string | undefined) =>
    Object.keys(table).flatMap((name) => (Scalar.safeParse(table[name]).success ? [{ name, agent }] : []));
  const agents = Object.keys(Values.safeParse(tables['agents']).data ?? {});
  return [...places(tables, undefined), ...agents.flatMap((agent) => places(tableOf(tables, agent), agent))];
}

/**
 * Sets or forgets one value; everything else in the file stays, comments too.
 *
 * @param value undefined: forget it
 * @returns whether there was one
 * @throws AachatError `VALIDATION_ERROR` if the file is damaged, `CONFLICT` if the value stands there in a form that
 *   cannot be changed line by line
 */
export async function setValue(path: string, place: ValuePlace, value: string | undefined): Promise<boolean> {
  return await withFileLock(path, async () => {
    const text = (await readIfExists(path)) ?? '';
    const tables = readFile(text) ?? refuseDamaged(path);
    const { name, agent } = place;
    const before = (agent === undefined ? tables : tableOf(tables, agent))[name];
    if (before === undefined && value === undefined) return false;
    const wanted = change(tables, place, value);
    for (const draft of drafts(text, place, value, before !== undefined)) {
      const made = readFile(draft);
      if (made === undefined || !isDeepStrictEqual(plain(made), plain(wanted))) continue;
      await writePrivate(path, draft);
      return before !== undefined;
    }
    throw new AachatError('CONFLICT', `${path} has ${name} in a form that only a person can change.`, {
      hint: `Change it in an editor; a line of its own like ${name} = "…" is what this command can change.`,
    });
  });
}

/** @returns undefined if it is no TOML: the parser's words would quote a line of it, which may hold a secret */
function readFile(text: string): Values | undefined {
  try {
    return Values.parse(parse(text));
  } catch {
    return undefined;
  }
}

function refuseDamaged(path: string): never {
  throw new AachatError('VALIDATION_ERROR', `${path} is no valid TOML: it was left as it is.`, {
    hint: 'Mend it in an editor, or move it away and set its values again with `aachat env set`.',
  });
}

const tableOf = (tables: Values, agent: string): Values =>
  Values.safeParse(Values.safeParse(tables['agents']).data?.[agent]).data ?? {};

function change(tables: Values, { name, agent }: ValuePlace, value: string | undefined): Values {
  if (agent !== undefined) {
    const agents = Values.safeParse(tables['agents']).data ?? {};
    const own = change(tableOf(tables, agent), { name, agent: undefined }, value);
    return { ...tables, agents: { ...agents, [agent]: own } };
  }
  const { [name]: _, ...others } = tables;
  return value === undefined ? others : { ...others, [name]: value };
}

/** As far as two readings of one file are compared: the parser's objects and dates are of kinds of their own. */
const plain = (values: Values): unknown => JSON.parse(JSON.stringify(values));

/**
 * Texts that the edit may lead to, likely ones first. None is taken unless it reads as wanted, so that strings over
 * several lines, tables and comments need no grammar here.
 */
function* drafts(text: string, { name, agent }: ValuePlace, value: string | undefined, isThere: boolean) {
  const lines = text === '' ? [] : text.replace(/\n$/, '').split('\n');
  const made = value === undefined ? [] : [stringify({ [name]: value }).trimEnd()];
  const whole = (from: number, to: number, put: readonly string[]) =>
    [...lines.slice(0, from), ...put, ...lines.slice(to), ''].join('\n');
  if (isThere) {
    const key = new RegExp(`^\\s*["']?${name}["']?\\s*=`);
    for (const [from, line] of lines.entries()) {
      if (!key.test(line)) continue;
      const [comment = ''] = /\s+#[^"']*$/.exec(line) ?? [];
      if (made.length > 0) yield whole(from, from + 1, [`${made.join()}${comment}`]);
      for (let to = from + 1; to <= lines.length; to += 1) yield whole(from, to, made);
    }
    return;
  }
  for (let at = lines.length; at >= 0; at -= 1) {
    if (at === 0 || !/^\s*(#|$)/.test(lines[at - 1] ?? '')) yield whole(at, at, made);
  }
  if (agent === undefined) return;
  const gap = lines.length === 0 ? [] : [''];
  yield whole(lines.length, lines.length, [...gap, `[agents.${JSON.stringify(agent)}]`, ...made]);
}
