import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openClone } from '#runtime/clone.ts';
import { gitStateOf } from '#runtime/git-state.ts';
import { addWorktree } from '#runtime/worktree.ts';
import { pointerTo } from '#runtime/worktree-place.ts';
import { gitIn, tempDir, tempRepo } from '../support/temp.ts';

const ID = ['-c', 'user.name=a', '-c', 'user.email=a@b', 'commit', '--quiet', '--allow-empty', '--message=x'];

test('what a turn did to the repo: branch, commit, and what it stands on', async () => {
  await using repo = await tempRepo();
  await using dir = await tempDir();
  const clone = await openClone(join(dir.path, 'cache'), repo.path, { exclude: [] });
  const path = join(dir.path, 'ws');
  await addWorktree(clone, path);
  const worktree = await pointerTo(clone.gitDir, path);
  const state = gitStateOf(worktree, 'refs/remotes/origin/main');
  const base = await gitIn(repo.path, 'rev-parse', 'HEAD');
  expect(await state()).toEqual({ ref: null, base, commit: base });

  await gitIn(path, ...ID);
  const first = await gitIn(path, 'rev-parse', 'HEAD');
  expect(await state()).toEqual({ ref: null, base, commit: first });
  expect(await state()).toEqual({ ref: null, base, commit: first });

  await gitIn(path, 'switch', '--quiet', '--create', 'work');
  expect(await state()).toEqual({ ref: 'refs/heads/work', base, commit: first });
  await gitIn(path, ...ID);
  const second = await gitIn(path, 'rev-parse', 'HEAD');
  expect(await state()).toEqual({ ref: 'refs/heads/work', base, commit: second });

  // Nothing in common with the remote, then no commit at all, then no worktree: the turn goes on.
  await gitIn(path, 'switch', '--quiet', '--orphan', 'alone');
  expect(await state()).toBeNull();
  await gitIn(path, ...ID);
  expect(await state()).toMatchObject({ ref: 'refs/heads/alone', base: null });
  await writeFile(join(worktree?.gitDir ?? '', 'HEAD'), 'ref: ../../../etc/passwd\n');
  expect(await state()).toBeNull();
  await rm(worktree?.gitDir ?? '', { recursive: true });
  expect(await state()).toBeNull();
  expect(await gitStateOf(undefined, 'x')()).toBeNull();
});
