/**
 * Which repos of projects `aachat init` connected to which team, in `.state/workspaces.json`. This file alone decides:
 * what lies in a repo may have come from somebody else.
 */
import { realpath } from 'node:fs/promises';
import { z } from 'zod';
import { AachatError, isSystemError } from '#base/errors.ts';
import { isInside, readIfExists, writePrivate } from '#base/fs.ts';
import { withFileLock } from '#base/pid-file.ts';
import { TeamId, TeamSlug } from '#contract/ids.ts';
import type { Home } from './home.ts';

const ConnectedRepo = z.object({
  /** Root of the work tree, without links. */
  path: z.string(),
  teamId: TeamId,
  team: TeamSlug,
  /** Origin of the server; null: the embedded platform of this home. */
  server: z.string().nullable(),
  /** The repo's file of excludes; linked worktrees share one. */
  exclude: z.string(),
  /** The team had no repo before: this connection gave it one. */
  gaveRepo: z.boolean(),
  /** What we placed in the repo: path → mark of the content (`placed-files.ts`). */
  files: z.record(z.string(), z.string()),
});
export type ConnectedRepo = z.infer<typeof ConnectedRepo>;

const ConnectedRepos = z.object({ workspaces: z.array(ConnectedRepo) });

type Place = Pick<Home, 'connectedRepos'>;

export async function listConnectedRepos({ connectedRepos: file }: Place): Promise<readonly ConnectedRepo[]> {
  const text = await readIfExists(file);
  if (text === undefined) return [];
  try {
    return ConnectedRepos.parse(JSON.parse(text)).workspaces;
  } catch (cause) {
    // Taken for empty, a command in a connected repo would speak to another server than it says there.
    throw new AachatError('VALIDATION_ERROR', `The list of connected repositories is damaged: ${file}.`, {
      hint: 'Move it away, then run `aachat init` again in each of them.',
      cause,
    });
  }
}

/** The connected repo that a folder lies in; of nested ones the innermost. */
export async function findConnectedRepo(home: Place, folder: string): Promise<ConnectedRepo | undefined> {
  const all = await listConnectedRepos(home);
  if (all.length === 0) return undefined;
  const real = await realFolder(folder);
  const around = all.filter(({ path }) => isInside(path, real));
  return around.sort((a, b) => b.path.length - a.path.length)[0];
}

/** Adds the repo, or replaces what was known of it. */
export const saveConnectedRepo = (home: Place, repo: ConnectedRepo): Promise<void> =>
  change(home, (others) => [...others.filter(({ path }) => path !== repo.path), repo]);

export const forgetConnectedRepo = (home: Place, path: string): Promise<void> =>
  change(home, (all) => all.filter((repo) => repo.path !== path));

async function change(home: Place, next: (all: readonly ConnectedRepo[]) => readonly ConnectedRepo[]): Promise<void> {
  await withFileLock(home.connectedRepos, async () => {
    const workspaces = next(await listConnectedRepos(home));
    await writePrivate(home.connectedRepos, `${JSON.stringify({ workspaces }, null, 2)}\n`);
  });
}

async function realFolder(folder: string): Promise<string> {
  try {
    return await realpath(folder);
  } catch (thrown) {
    // A shell may stand in a folder that is gone.
    if (isSystemError(thrown, 'ENOENT', 'ENOTDIR', 'EACCES')) return folder;
    throw thrown;
  }
}
