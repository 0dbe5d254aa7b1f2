/** Snapshots of worktrees with real git: what is in them, what taking one leaves alone, what putting one back does. */
import { execFileSync } from 'node:child_process';
import { chmod, lstat, mkdir, readdir, readFile, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { newId } from '#base/id.ts';
import type { SessionId } from '#contract/ids.ts';
import { excludePaths, openClone } from '#runtime/clone.ts';
import { dropSnapshots, holderOfSnapshot, putBack, takeSnapshot } from '#runtime/snapshot.ts';
import { addWorktree } from '#runtime/worktree.ts';
import { pointerTo } from '#runtime/worktree-place.ts';
import { gitIn, tempDir, tempRepo, writeFiles } from '../support/temp.ts';

const FILES = {
  'kept.txt': 'kept\n',
  'changed.txt': 'old\n',
  'deleted.txt': 'deleted\n',
  'moved.txt': 'moved\n',
  'run.sh': '#!/bin/sh\n',
  'dir/file.txt': 'in a folder\n',
  '.gitignore': 'ignored/\n',
};
const ME = ['-c', 'user.name=a', '-c', 'user.email=a@b'];

async function setup(files: Readonly<Record<string, string>> = FILES) {
  const stack = new AsyncDisposableStack();
  const repo = stack.use(await tempRepo(files));
  const dir = stack.use(await tempDir());
  const cache = join(dir.path, 'cache');
  const clone = await openClone(cache, repo.path, { exclude: ['/aachat/docs/', '/aachat/agents/'] });
  const path = join(dir.path, 'ws');
  await addWorktree(clone, path);
  const worktree = await pointerTo(clone.gitDir, path);
  if (worktree === undefined) throw new Error('no worktree');
  const session = newId<SessionId>();
  const take = async () => {
    const snapshot = await takeSnapshot(clone, worktree, session);
    if (snapshot === undefined) throw new Error('no snapshot');
    return { head: await gitIn(path, 'rev-parse', 'HEAD'), snapshot };
  };
  return {
    ...{ cache, clone, path, worktree, session, take },
    at: (...parts: string[]) => join(path, ...parts),
    back: (to: Awaited<ReturnType<typeof take>>) => putBack(clone, worktree, session, to),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Everything about a worktree that anybody could lose: files with modes and links, index, HEAD, branches. */
async function stateOf(path: string): Promise<unknown> {
  const files: Record<string, unknown> = {};
  const walk = async (folder: string): Promise<void> => {
    for (const name of (await readdir(join(path, folder))).sort()) {
      const at = join(folder, name);
      if (at === '.git') continue;
      const facts = await lstat(join(path, at));
      if (facts.isDirectory()) await walk(at);
      else if (facts.isSymbolicLink()) files[at] = await readlink(join(path, at));
      else files[at] = [facts.mode & 0o111, (await readFile(join(path, at))).toString('base64')];
    }
  };
  await walk('');
  const [status, staged, head] = await Promise.all([
    gitIn(path, 'status', '--porcelain=v2', '--branch', '--untracked-files=all', '--no-renames'),
    gitIn(path, 'ls-files', '--stage'),
    gitIn(path, 'rev-parse', '--symbolic-full-name', 'HEAD'),
  ]);
  return { files, status, staged, head };
}

/** Work of every kind, committed nowhere. */
async function work({ at, path }: Awaited<ReturnType<typeof setup>>): Promise<void> {
  await writeFile(at('changed.txt'), 'staged\n');
  await gitIn(path, 'add', 'changed.txt');
  await writeFile(at('changed.txt'), 'staged, and changed again\n');
  await rm(at('deleted.txt'));
  await rename(at('moved.txt'), at('elsewhere.txt'));
  await chmod(at('run.sh'), 0o755);
  await rm(at('dir'), { recursive: true });
  await writeFile(at('dir'), 'a file now\n');
  await writeFiles(path, {
    'new/deep/file.txt': 'new\n',
    'name with\nline end.txt': 'odd\n',
    'ünï.txt': 'ü\n',
    'ignored/x': '1\n',
    'aachat/docs/d.md': 'document\n',
  });
  await writeFile(at('bytes.bin'), Buffer.from([0, 255, 13, 10, 13]));
  await symlink('kept.txt', at('link'));
}

test('taking one touches nothing', async () => {
  await using s = await setup();
  await work(s);
  const before = await stateOf(s.path);
  await s.take();
  await s.take();
  expect(await stateOf(s.path)).toEqual(before);
  expect(await readdir(s.worktree.gitDir)).not.toContain('aachat-snapshot');
  expect(await gitIn(s.path, 'branch', '--all', '--list')).not.toContain('aachat');
});

test('what was there comes back as a whole: edits, staged or not, new, deleted and moved files, modes, links', async () => {
  await using s = await setup();
  await work(s);
  const before = await stateOf(s.path);
  const then = await s.take();
  // Everything goes on, on a branch of its own, and is tidied up.
  await gitIn(s.path, 'switch', '--quiet', '--create', 'topic');
  await gitIn(s.path, 'add', '--all');
  await gitIn(s.path, ...ME, 'commit', '--quiet', '--message=more');
  await writeFile(s.at('later.txt'), 'later\n');
  await rm(s.at('new'), { recursive: true });
  await chmod(s.at('run.sh'), 0o644);
  await rm(s.at('dir'));
  await mkdir(s.at('dir'));
  await writeFile(s.at('dir', 'again.txt'), 'a folder again\n');
  const after = await stateOf(s.path);
  const topic = await gitIn(s.path, 'rev-parse', 'topic');

  const { before: overwritten, detachedFrom } = await s.back(then);
  expect(detachedFrom).toBe('topic');
  expect(await stateOf(s.path)).toEqual(before);
  expect(await gitIn(s.path, 'rev-parse', 'topic')).toBe(topic);
  // Nothing is lost: what was overwritten comes back the same way, but for the branch.
  await s.back({ head: topic, snapshot: overwritten });
  await gitIn(s.path, 'symbolic-ref', 'HEAD', 'refs/heads/topic');
  expect(await stateOf(s.path)).toEqual(after);
});

test('a clean worktree needs no commit of ours, and comes back clean on the commit where it was', async () => {
  await using s = await setup();
  const then = await s.take();
  expect(then.snapshot).toEqual({ commit: then.head, left: 0 });
  await gitIn(s.path, 'rm', '--quiet', 'kept.txt');
  await gitIn(s.path, ...ME, 'commit', '--quiet', '--message=less');
  await s.back(then);
  expect(await gitIn(s.path, 'status', '--porcelain')).toBe('');
  expect(await gitIn(s.path, 'rev-parse', 'HEAD')).toBe(then.head);
});

test('a change that git cannot tell by size and time is in it', async () => {
  await using s = await setup();
  for (let round = 0; round < 10; round += 1) {
    await writeFile(s.at('changed.txt'), `a${round}\n`);
    await gitIn(s.path, 'add', 'changed.txt');
    await writeFile(s.at('changed.txt'), `b${round}\n`);
    const { snapshot } = await s.take();
    expect(await gitIn(s.path, 'show', `${snapshot.commit}:changed.txt`)).toBe(`b${round}`);
    expect(await gitIn(s.path, 'show', `${snapshot.commit}^2:changed.txt`)).toBe(`a${round}`);
  }
});

test('large files, ignored ones, ours and other repositories are left out, and left alone', async () => {
  await using s = await setup();
  const then = await s.take();
  await writeFile(s.at('large.bin'), Buffer.alloc(11 * 1024 * 1024, 1));
  await writeFiles(s.path, { 'ignored/x': '1\n', 'aachat/docs/d.md': 'document\n', 'small.txt': 'small\n' });
  await gitIn(s.path, 'init', '--quiet', 'inner');
  await writeFiles(s.path, { 'inner/x': 'inner\n', '.agents/skills/ours/SKILL.md': 'ours\n' });
  await excludePaths(s.clone, ['/.agents/skills/ours/']);
  const { snapshot } = await s.take();
  expect(snapshot.left).toBe(1);
  const inside = (await gitIn(s.path, 'ls-tree', '-r', '--name-only', snapshot.commit)).split('\n');
  expect(inside.filter((name) => !(name in FILES))).toEqual(['small.txt']);
  await s.back(then);
  const names = await readdir(s.path);
  expect(names).toEqual(expect.arrayContaining(['large.bin', 'ignored', 'inner', 'aachat', '.agents']));
  expect(names).not.toContain('small.txt');
});

test('a folder that became a link is one, and nothing behind the link is touched', async () => {
  await using s = await setup({ ...FILES, 'dir/second.txt': 'second\n' });
  const then = await s.take();
  await using outside = await tempDir();
  await writeFile(join(outside.path, 'file.txt'), 'not of the repo\n');
  await rm(s.at('dir'), { recursive: true });
  await symlink(outside.path, s.at('dir'));
  const before = await stateOf(s.path);
  const linked = await s.take();
  expect(await gitIn(s.path, 'ls-tree', linked.snapshot.commit, 'dir')).toMatch(/^120000 /);
  await s.back(then);
  expect(await readFile(s.at('dir', 'file.txt'), 'utf8')).toBe('in a folder\n');
  await s.back(linked);
  expect(await stateOf(s.path)).toEqual(before);
  expect(await readdir(outside.path)).toEqual(['file.txt']);
  expect(await readFile(join(outside.path, 'file.txt'), 'utf8')).toBe('not of the repo\n');
});

test('what is neither a file nor a link is left out, and left alone', async () => {
  await using s = await setup();
  await rm(s.at('kept.txt'));
  execFileSync('mkfifo', [s.at('kept.txt'), s.at('other')]);
  await writeFile(s.at('changed.txt'), 'new\n');
  const then = await s.take();
  expect(then.snapshot.left).toBe(1);
  await writeFile(s.at('changed.txt'), 'newer\n');
  await s.back(then);
  expect(await readFile(s.at('changed.txt'), 'utf8')).toBe('new\n');
  expect((await lstat(s.at('kept.txt'))).isFIFO()).toBe(true);
});

test('a file that no snapshot has is not overwritten: it says so, and nothing changes', async () => {
  await using s = await setup();
  await writeFile(s.at('wanted.txt'), 'then\n');
  const then = await s.take();
  await rm(s.at('wanted.txt'));
  await writeFile(s.at('.gitignore'), 'wanted.txt\n');
  await writeFile(s.at('wanted.txt'), 'now, and nowhere else\n');
  const before = await stateOf(s.path);
  await expect(s.back(then)).rejects.toMatchObject({
    code: 'CONFLICT',
    message: expect.stringContaining('wanted.txt'),
  });
  expect(await stateOf(s.path)).toEqual(before);
});

test('a merge that is half done is no obstacle', async () => {
  await using s = await setup();
  for (const [branch, text] of [
    ['one', '1\n'],
    ['two', '2\n'],
  ] as const) {
    await gitIn(s.path, 'switch', '--quiet', '--create', branch, 'origin/main');
    await writeFile(s.at('changed.txt'), text);
    await gitIn(s.path, ...ME, 'commit', '--quiet', '--all', '--message=x');
  }
  await gitIn(s.path, ...ME, 'merge', '--quiet', 'one').catch(() => {});
  expect(await gitIn(s.path, 'status', '--porcelain')).toContain('UU changed.txt');
  const { snapshot } = await s.take();
  expect(await gitIn(s.path, 'show', `${snapshot.commit}:changed.txt`)).toContain('<<<<<<<');
});

test('nothing of the repo or of the agent runs', async () => {
  await using s = await setup({ ...FILES, '.gitattributes': '* filter=evil\n' });
  const mark = join(s.cache, 'ran');
  await writeFile(s.at('changed.txt'), 'x\n');
  for (const [name, value] of [
    ['filter.evil.clean', `sh -c 'touch ${mark}; cat'`],
    ['filter.evil.smudge', `sh -c 'touch ${mark}; cat'`],
    ['core.fsmonitor', `touch ${mark}`],
    ['core.hooksPath', s.path],
  ] as const) {
    await gitIn(s.clone.gitDir, 'config', name, value);
  }
  await writeFile(s.at('post-index-change'), `#!/bin/sh\ntouch ${mark}\n`, { mode: 0o755 });
  const then = await s.take();
  await rm(s.at('changed.txt'));
  await s.back(then);
  expect(await readFile(s.at('changed.txt'), 'utf8')).toBe('x\n');
  expect(await readdir(s.cache)).not.toContain('ran');
});

test('they survive a collection of garbage, are found by their session, and go with it', async () => {
  await using s = await setup();
  await writeFile(s.at('new.txt'), 'new\n');
  const then = await s.take();
  await rm(s.at('new.txt'));
  await gitIn(s.clone.gitDir, 'gc', '--quiet', '--prune=now');
  expect((await holderOfSnapshot(s.cache, then.snapshot))?.gitDir).toBe(s.clone.gitDir);
  expect(await holderOfSnapshot(s.cache, { commit: 'c0ffee', left: 0 })).toBeUndefined();
  await s.back(then);
  expect(await readFile(s.at('new.txt'), 'utf8')).toBe('new\n');
  await dropSnapshots(s.cache, s.session);
  expect(await gitIn(s.clone.gitDir, 'for-each-ref', 'refs/aachat')).toBe('');
});

test('where nothing was committed there is none', async () => {
  await using s = await setup();
  await gitIn(s.path, 'switch', '--quiet', '--orphan', 'alone');
  expect(await takeSnapshot(s.clone, s.worktree, s.session)).toBeUndefined();
});
