/** The bundled template of an agent repo, filled in for one agent. */
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';

export interface Described {
  readonly name: string;
  readonly description: string;
}

/** The text of a template with its placeholders filled in. */
export const fillTemplate = (text: string, { name, description }: Described): string =>
  text.replaceAll('{{agent_name}}', () => name).replaceAll('{{description}}', () => description);

/**
 * @param skillsDir folder of the skills and templates that ship with the program
 * @returns path in the repo → text
 */
export async function agentTemplate(skillsDir: string, agent: Described): Promise<Readonly<Record<string, string>>> {
  const root = join(skillsDir, 'templates', 'agent');
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const files = await Promise.all(
    entries
      .filter((entry) => entry.isFile())
      .map(async (entry) => {
        const path = join(entry.parentPath, entry.name);
        const text = fillTemplate(await readFile(path, 'utf8'), agent);
        // npm leaves files called `.gitignore` out of a package.
        return [relative(root, path).replace(/^gitignore$/, '.gitignore'), text] as const;
      }),
  );
  return Object.fromEntries(files);
}
