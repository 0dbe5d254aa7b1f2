/** An agent's repo is committed and published, and nothing of it is lost. */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { createRemote, openClone } from '#runtime/clone.ts';
import { git } from '#runtime/git.ts';
import { saveRepo } from '#runtime/save.ts';
import { addWorktree } from '#runtime/worktree.ts';
import { gitIn, tempDir, writeFiles } from '../support/temp.ts';

const author = { name: 'ada.mia', email: 'noreply@aachat' };

async function agentFolder() {
  const dir = await tempDir();
  const bare = join(dir.path, 'ada.git');
  await createRemote(bare, { 'identity.md': 'I am\n', 'memory/a.md': 'one\n' }, author);
  const clone = await openClone(join(dir.path, 'cache'), bare, { exclude: [] });
  const path = join(dir.path, 'ws');
  await addWorktree(clone, path);
  return { dir, clone, bare, path, [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose]() };
}
const save = (dir: string, message: string) =>
  saveRepo(dir, { cacheDir: join(dirname(dir), 'cache'), message, author });

test('commits as the agent and publishes on the default branch', async () => {
  await using s = await agentFolder();
  await writeFiles(s.path, { 'memory/b.md': 'two\n', '.env': 'SECRET=1', 'deep/x.key': 'SECRET' });
  expect(await save(s.path, 'remember b')).toMatchObject({ committed: true, pushed: true, files: ['memory/b.md'] });
  expect(await gitIn(s.bare, 'log', '-1', '--format=%an %s', 'main')).toBe('ada.mia remember b');
  expect(await save(s.path, 'again')).toMatchObject({ committed: false, pushed: false, files: [] });
});

test('takes newer commits of others under its own', async () => {
  await using s = await agentFolder();
  const other = join(s.dir.path, 'other');
  await addWorktree(s.clone, other);
  await writeFiles(other, { 'memory/other.md': 'x\n' });
  await save(other, 'other');
  await writeFiles(s.path, { 'memory/mine.md': 'y\n' });
  expect(await save(s.path, 'mine')).toMatchObject({ pushed: true });
  expect((await gitIn(s.bare, 'log', '--format=%s', 'main')).split('\n').slice(0, 2)).toEqual(['mine', 'other']);
});

test('a conflict keeps the commit and says what to do', async () => {
  await using s = await agentFolder();
  const other = join(s.dir.path, 'other');
  await addWorktree(s.clone, other);
  await writeFiles(other, { 'memory/a.md': 'theirs\n' });
  await save(other, 'theirs');
  await writeFiles(s.path, { 'memory/a.md': 'mine\n' });
  await expect(save(s.path, 'mine')).rejects.toMatchObject({
    code: 'CONFLICT',
    hint: expect.stringContaining('git rebase'),
  });
  expect(await gitIn(s.path, 'log', '-1', '--format=%s')).toBe('mine');
  expect(await readFile(join(s.path, 'memory/a.md'), 'utf8')).toBe('mine\n');
});

test('a file name like an option is a file name', async () => {
  await using s = await agentFolder();
  await writeFiles(s.path, { '--force': 'x\n' });
  expect(await save(s.path, '--amend')).toMatchObject({ files: ['--force'] });
  expect(await git(['log', '-1', '--format=%s'], { cwd: s.path })).toBe('--amend');
});
