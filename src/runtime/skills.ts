/**
 * Projects skills: copies them from where they are kept to where the agent program looks for them.
 *
 * Copies only, with a front matter of name and description: a repo's `hooks`, `allowed-tools` and the like would
 * otherwise run or allow things because we placed them there.
 */
import type { Dirent } from 'node:fs';
import { lstat, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { isSystemError } from '#base/errors.ts';
import { ensureDir, removeAll } from '#base/fs.ts';
import { splitFrontMatter } from './front-matter.ts';

export interface SkillSource {
  /** For the report: `aachat`, `team`, `agent`. */
  readonly owner: string;
  /** Folder whose subfolders are skills. */
  readonly dir: string;
  /** Names to take; absent: all. */
  readonly only?: ReadonlySet<string>;
}

export interface Skill {
  readonly name: string;
  readonly owner: string;
  readonly dir: string;
}

/** Where repos keep skills, newest custom first. */
export const SKILL_FOLDERS = ['.agents/skills', '.claude/skills', 'skills'];

/** One skill is instructions, not an archive. */
const SKILL_BYTES = 5 * 1024 * 1024;
const SKILL_FILES = 500;

/**
 * Lists the skills of all sources. Of two with one name the earlier source wins; names that begin with `aachat` are
 * ours, so nobody else's can stand in for the platform's.
 */
export async function listSkills(
  sources: readonly SkillSource[],
): Promise<{ readonly skills: readonly Skill[]; readonly warnings: readonly string[] }> {
  const skills = new Map<string, Skill>();
  const warnings: string[] = [];
  for (const { owner, dir, only } of sources) {
    const { folders, files } = await entriesOf(dir);
    const isMeant = (name: string) => only === undefined || only.has(name);
    for (const name of files.filter(isMeant)) {
      if (/^(?!readme).*\.md$/i.test(name))
        warnings.push(`Skill ${name} of the ${owner} was left out: a skill is a folder with a SKILL.md.`);
    }
    for (const name of folders.filter(isMeant)) {
      if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name))
        warnings.push(`Skill "${name}" of the ${owner} has a name that tools do not take.`);
      else if (name.startsWith('aachat') && owner !== 'aachat')
        warnings.push(`Skill ${name} of the ${owner} was left out: names that begin with aachat are reserved.`);
      else if (!skills.has(name)) skills.set(name, { name, owner, dir: join(dir, name) });
      else if (skills.get(name)?.owner !== owner)
        warnings.push(
          `Skill ${name} of the ${owner} was left out: the ${skills.get(name)?.owner} has one of that name.`,
        );
    }
  }
  return { skills: [...skills.values()], warnings };
}

/**
 * Makes `target` hold exactly these skills, one folder each.
 *
 * @returns name → why it could not be copied, one line each
 */
export async function projectSkills(
  skills: readonly Skill[],
  target: string,
): Promise<ReadonlyMap<Skill['name'], string>> {
  const left = new Map<string, string>();
  await ensureDir(target);
  for (const skill of skills) {
    const folder = join(target, skill.name);
    await removeAll(folder);
    try {
      const path = join(skill.dir, 'SKILL.md');
      if (!(await lstat(path)).isFile()) throw new Error('its SKILL.md is no plain file');
      const markdown = await readFile(path, 'utf8');
      const budget = { bytes: SKILL_BYTES, files: SKILL_FILES };
      await copyFolder(skill.dir, folder, budget);
      await writeFile(join(folder, 'SKILL.md'), plainSkill(skill.name, markdown));
    } catch (thrown) {
      await removeAll(folder);
      const reason = isSystemError(thrown, 'ENOENT') ? 'it has no SKILL.md' : (thrown as Error).message;
      left.set(skill.name, `Skill ${skill.name} of the ${skill.owner} was left out: ${reason}.`);
    }
  }
  return left;
}

/** The text of SKILL.md with a front matter of name and description only. */
export function plainSkill(name: string, markdown: string): string {
  const found = splitFrontMatter(markdown);
  const body = found?.body ?? markdown;
  const description = found === undefined ? undefined : describe(found.yaml);
  const front = stringify({ name, description: description ?? firstLine(body) ?? name }, { lineWidth: 0 });
  return `---\n${front}---\n\n${body.trimStart()}`;
}

function describe(yaml: string): string | undefined {
  try {
    const parsed: unknown = parse(yaml, { schema: 'core', maxAliasCount: 0 });
    const text = (parsed as { readonly description?: unknown } | null)?.description;
    return typeof text === 'string' && text.trim() !== '' ? text.trim() : undefined;
  } catch {
    return undefined;
  }
}

const firstLine = (body: string): string | undefined =>
  body
    .split('\n')
    .map((line) => line.replace(/^#+/, '').trim())
    .find((line) => line !== '');

async function entriesOf(
  dir: string,
): Promise<{ readonly folders: readonly string[]; readonly files: readonly string[] }> {
  try {
    const entries = (await readdir(dir, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1));
    const names = (isWanted: (entry: Dirent) => boolean) => entries.filter(isWanted).map(({ name }) => name);
    return { folders: names((entry) => entry.isDirectory()), files: names((entry) => entry.isFile()) };
  } catch (thrown) {
    if (isSystemError(thrown, 'ENOENT', 'ENOTDIR')) return { folders: [], files: [] };
    throw thrown;
  }
}

/** Plain files and folders only; links are not followed, because they may lead out of the repo. */
async function copyFolder(from: string, to: string, budget: { bytes: number; files: number }): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const source = join(from, entry.name);
    const target = join(to, entry.name);
    if (entry.isDirectory()) await copyFolder(source, target, budget);
    else if (entry.isFile()) {
      const { size, mode } = await lstat(source);
      budget.bytes -= size;
      budget.files -= 1;
      if (budget.bytes < 0 || budget.files < 0) throw new Error('it is larger than 5 MB or has more than 500 files');
      // Read and written, because what ships inside the executable cannot be copied.
      await writeFile(target, await readFile(source), { mode: mode & 0o111 ? 0o700 : 0o600 });
    }
  }
}
