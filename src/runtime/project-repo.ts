/** A repository that a person works in: where its root is, which remote it has, what its git does not look at. */
import { access, constants, realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { AachatError, isAachatError, isSystemError } from '#base/errors.ts';
import { exists, isInside, readIfExists, realPlace, writePrivate } from '#base/fs.ts';
import { RepoUrl } from '#contract/entities.ts';
import { git } from './git.ts';
import { lstatIfExists } from './placed-files.ts';

export interface ProjectRepo {
  /** Of the work tree, without links. */
  readonly root: string;
  /** `info/exclude`, shared by all worktrees of the repo. */
  readonly exclude: string;
  /** Address of `origin`, without a login; undefined if there is none that others could use. */
  readonly remote: string | undefined;
  /** Where the repo lies on this machine, whichever worktree this is. */
  readonly folder: string;
  readonly hasCommits: boolean;
}

/** @throws AachatError `USAGE` if `cwd` is no folder or in no work tree, `FORBIDDEN` if its root cannot be written to */
export async function openProjectRepo(cwd: string): Promise<ProjectRepo> {
  // Git that is started where nothing is looks like git that is missing.
  if ((await lstatIfExists(await realPlace(cwd)))?.isDirectory() !== true) {
    throw new AachatError('USAGE', `There is no folder ${cwd}.`, { hint: 'Name a folder of a repository.' });
  }
  const ask = (...args: string[]) => git(args, { cwd });
  const folders = await ask('rev-parse', '--path-format=absolute', '--show-toplevel', '--git-common-dir').catch(
    (thrown: unknown) => {
      if (!isAachatError(thrown, 'GIT_FAILED')) throw thrown;
      if (/bare repository/.test(thrown.message)) {
        throw new AachatError('USAGE', `${cwd} has no work tree: it is a bare repository, or the inside of one.`, {
          hint: 'Go to a folder with files of the repository, then try again.',
        });
      }
      throw new AachatError('USAGE', `${cwd} cannot be connected: ${thrown.message}`, { hint: thrown.hint });
    },
  );
  const [root = '', common = ''] = folders.split('\n');
  // A repo's settings can move its work tree to any folder, such as the person's home.
  if (!(await exists(join(root, '.git'))) || !isInside(root, await realpath(cwd))) {
    throw new AachatError('USAGE', `The work tree of this repository is elsewhere: ${root}.`, {
      hint: 'Unset `core.worktree` in its settings, or clone it again.',
    });
  }
  await checkWritable(root);
  return {
    root,
    // Not by `--git-path`, which follows a link to wherever it leads.
    exclude: join(common, 'info', 'exclude'),
    remote: plainAddress(await ask('config', '--default', '', '--get', 'remote.origin.url'), root),
    folder: basename(common) === '.git' ? dirname(common) : common,
    hasCommits: (await ask('for-each-ref', '--count=1', 'refs/heads')) !== '',
  };
}

/** Paths below `folders` that the repo tracks. */
export async function trackedPaths(root: string, folders: readonly string[]): Promise<ReadonlySet<string>> {
  const listed = await git(['ls-files', '-z', '--', ...folders.map((folder) => `:(top,literal)${folder}`)], {
    cwd: root,
  });
  return new Set(listed.split('\0').filter((path) => path !== ''));
}

const [BEGIN, END] = ['# aachat: what `aachat init` placed here', '# aachat: end'];
const BLOCK = new RegExp(`${BEGIN}\n[^]*?${END}\n`);

/** Whether git does not see our folders: the file goes with the repo, and comes with no other. */
export const excludesFolders = async (file: string): Promise<boolean> => BLOCK.test((await readIfExists(file)) ?? '');

/** Makes git not see `folders`, anchored at the root; none: takes our lines out again. */
export async function excludeFolders(file: string, folders: readonly string[]): Promise<void> {
  for (const path of [dirname(file), file]) {
    if ((await lstatIfExists(path))?.isSymbolicLink() !== true) continue;
    throw new AachatError('FORBIDDEN', `${path} is a link: nothing is written through it.`, {
      hint: 'Put a plain file in its place, then try again.',
    });
  }
  const text = (await readIfExists(file)) ?? '';
  const rest = text.replace(BLOCK, '');
  const lines = [BEGIN, ...folders.map((folder) => `/${folder}/`), END, ''].join('\n');
  const next = folders.length === 0 ? rest : `${rest}${rest === '' || rest.endsWith('\n') ? '' : '\n'}${lines}`;
  if (next !== text) await writePrivate(file, next);
}

async function checkWritable(root: string): Promise<void> {
  try {
    await access(root, constants.W_OK | constants.X_OK);
  } catch (cause) {
    if (!isSystemError(cause, 'EACCES', 'EPERM', 'EROFS')) throw cause;
    throw new AachatError('FORBIDDEN', `aachat cannot write into ${root}.`, {
      hint: 'Connect a copy of the repository that you can write to.',
      cause,
    });
  }
}

/** An address that may be shown to the team: no login in it, and no program that git would run for it. */
function plainAddress(url: string, root: string): string | undefined {
  const plain = url.replace(/^(https?:\/\/)[^/@]*@/, '$1').replace(/^([a-z+]+:\/\/[^/@:]*):[^/@]*@/, '$1@');
  const address = /^\.{1,2}(\/|$)/.test(plain) ? resolve(root, plain) : plain;
  const isAddress = /^(\/|file:\/\/|https?:\/\/|ssh:\/\/|git:\/\/|git\+ssh:\/\/)|^[^/:\s]+:(?!:)/.test(address);
  return isAddress && RepoUrl.safeParse(address).success ? address : undefined;
}
