/** Where a command lies. */
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/** Resolves like a shell, but to an absolute path: the agent's folder must not decide what runs. */
export async function onPath(file: string, path: string): Promise<string | undefined> {
  const candidates = file.includes('/') ? [file] : path.split(delimiter).map((dir) => join(dir, file));
  for (const candidate of candidates) {
    if (!candidate.startsWith('/')) continue;
    try {
      await access(candidate, constants.X_OK);
      return candidate;
    } catch {
      // Not here: the next folder.
    }
  }
  return undefined;
}
