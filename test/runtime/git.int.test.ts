import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createRemote, openClone } from '#runtime/clone.ts';
import { git, readStatus } from '#runtime/git.ts';
import { gitServer } from '../support/git-http.ts';
import { gitIn, tempDir, tempRepo, writeFiles } from '../support/temp.ts';

const TOKEN = 'ghs_CANARY0123456789';
const author = { name: 'ada.mia', email: 'noreply@aachat' };

async function everything(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return (await Promise.all(files.map((entry) => readFile(join(entry.parentPath, entry.name), 'latin1')))).join('\n');
}

describe('git', () => {
  test('a token clones and fetches over HTTP, and stays nowhere', async () => {
    await using dir = await tempDir();
    await createRemote(join(dir.path, 'remotes', 'ada.git'), { 'identity.md': 'I am\n' }, author);
    const header = `Basic ${Buffer.from(`x:${TOKEN}`).toString('base64')}`;
    await using server = await gitServer(join(dir.path, 'remotes'), header);
    const credential = { origin: server.origin, header: `Authorization: ${header}` };
    const remote = `${server.origin}/ada.git`;
    const cache = join(dir.path, 'cache');
    expect(await openClone(cache, remote, { exclude: [], credential })).toMatchObject({
      fetched: true,
      defaultBranch: 'main',
    });
    expect(await openClone(cache, remote, { exclude: [], credential })).toMatchObject({ fetched: true });
    expect(server.seen.length).toBeGreaterThan(0);
    const disk = await everything(cache);
    for (const form of [TOKEN, Buffer.from(`x:${TOKEN}`).toString('base64')]) expect(disk).not.toContain(form);
  });

  test('without it the remote asks for a login: one clear error, no question at the terminal', async () => {
    await using dir = await tempDir();
    await using server = await gitServer(dir.path, 'Basic never');
    await expect(openClone(join(dir.path, 'cache'), `${server.origin}/x.git`, { exclude: [] })).rejects.toMatchObject({
      code: 'GIT_FAILED',
      message: expect.stringContaining('asks for a login'),
    });
  });

  test.for([
    ['https://127.0.0.1:9/x.git', 'cannot be reached'],
    ['/nowhere/x.git', 'cannot be reached'],
  ])('%s: the error says that it %s', async ([remote = '', words]) => {
    await using dir = await tempDir();
    await expect(openClone(join(dir.path, 'cache'), remote, { exclude: [] })).rejects.toMatchObject({
      code: 'GIT_FAILED',
      message: expect.stringContaining(words ?? ''),
      hint: expect.any(String),
    });
  });

  test.for(['ext::sh', 'other::address', 'team/repo', 'gopher://127.0.0.1/x.git'])(
    '%s is refused as an address, with some that are not',
    async (remote) => {
      await using dir = await tempDir();
      await expect(openClone(join(dir.path, 'cache'), remote, { exclude: [] })).rejects.toMatchObject({
        code: 'GIT_FAILED',
        message: expect.stringContaining(`(${remote}) failed: such an address is not allowed.`),
        hint: expect.stringContaining('https://'),
      });
    },
  );

  test('outside of a repo it says so', async () => {
    await using dir = await tempDir();
    await expect(git(['status'], { cwd: dir.path })).rejects.toMatchObject({
      message: expect.stringContaining('no git repository'),
    });
  });

  test('an abort ends git and is a cancellation', async () => {
    await using dir = await tempRepo();
    const abort = new AbortController();
    const waiting = git(['-c', 'alias.wait=!sleep 600', 'wait'], { cwd: dir.path, signal: abort.signal });
    abort.abort();
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
  });

  test('so does one that comes before it has begun', async () => {
    await using dir = await tempRepo();
    const abort = new AbortController();
    const gitDir = join(dir.path, '.git');
    const worktree = { path: dir.path, gitDir, commonDir: gitDir };
    // In a worktree the settings of the user are read first.
    const waiting = git(['-c', 'alias.wait=!sleep 600', 'wait'], { worktree, signal: abort.signal });
    abort.abort();
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
  });

  test('a time limit ends git with what it waited for', async () => {
    await using dir = await tempRepo();
    const waiting = git(['-c', 'alias.wait=!sleep 600', 'wait'], { cwd: dir.path, timeoutMs: 100 });
    await expect(waiting).rejects.toMatchObject({
      code: 'GIT_FAILED',
      message: expect.stringContaining('took too long'),
    });
  });

  test('a status sees changed, new and deleted files, and none of the ignored ones', async () => {
    await using repo = await tempRepo({ 'a.txt': 'a', 'b.txt': 'b', '.gitignore': 'out/\n' });
    await writeFiles(repo.path, { 'a.txt': 'changed', 'new/c.txt': 'c', 'out/d.txt': 'd' });
    await gitIn(repo.path, 'rm', '--quiet', 'b.txt');
    const { files } = await readStatus({
      path: repo.path,
      gitDir: join(repo.path, '.git'),
      commonDir: join(repo.path, '.git'),
    });
    expect(new Set(files.map(({ path }) => path))).toEqual(new Set(['a.txt', 'b.txt', 'new/c.txt']));
  });
});
