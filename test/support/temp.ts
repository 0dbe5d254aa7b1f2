/** Real folders and repositories that remove themselves. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

export interface TempDir extends AsyncDisposable {
  readonly path: string;
}

export async function tempDir(): Promise<TempDir> {
  // macOS hands out a symlink; git and chokidar report the real path.
  const path = await realpath(await mkdtemp(join(tmpdir(), 'aachat-test-')));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 5 }) };
}

const run = promisify(execFile);

/** Runs git in `cwd` and returns what it printed. */
export async function gitIn(cwd: string, ...args: string[]): Promise<string> {
  const { stdout } = await run('git', args, { cwd });
  return stdout.trim();
}

/** Writes `files` (path → text) below `root`. */
export async function writeFiles(root: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
}

/** A repository with one commit of `files` on `main`. */
export async function tempRepo(files: Readonly<Record<string, string>> = { 'README.md': 'hello\n' }): Promise<TempDir> {
  const dir = await tempDir();
  await gitIn(dir.path, 'init', '--quiet', '--initial-branch=main');
  await writeFiles(dir.path, files);
  await gitIn(dir.path, 'add', '--force', '.');
  await gitIn(dir.path, 'commit', '--quiet', '--message=first');
  return dir;
}
