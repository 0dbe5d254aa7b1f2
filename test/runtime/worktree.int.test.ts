import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { exists } from '#base/fs.ts';
import { newId } from '#base/id.ts';
import { cloneName, createRemote, excludePaths, openClone } from '#runtime/clone.ts';
import { saveRepo } from '#runtime/save.ts';
import { addWorktree, checkoutVisible, recoverWorktrees, removeVisible, removeWorktree } from '#runtime/worktree.ts';
import { gitIn, type TempDir, tempDir, tempRepo, writeFiles } from '../support/temp.ts';

const none = { exclude: [] };
const author = { name: 'ada.mia', email: 'noreply@aachat' };

/** A clone of a fresh repo, and a place for worktrees. */
async function setup(files?: Readonly<Record<string, string>>) {
  const stack = new AsyncDisposableStack();
  const repo = stack.use(await tempRepo(files));
  const dir = stack.use(await tempDir());
  const clone = await openClone(join(dir.path, 'cache'), repo.path, none);
  return { repo, dir, clone, path: join(dir.path, 'ws'), [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

const open = (dir: TempDir, remote: string) => openClone(join(dir.path, 'cache'), remote, none);

describe('clone', () => {
  test.for([
    ['https://github.com/mia/ada.git', 'mia--ada.git'],
    ['git@github.com:mia/ada.git', 'mia--ada.git'],
    ['ssh://git@git.example.org/team/x/y', 'git.example.org--team--x--y.git'],
    ['ssh://git@git.example.org:2222/team/x/y', /^git\.example\.org--team--x--y-[0-9a-f]{8}\.git$/],
    ['https://u:p@git.example.org/a/../b', /^git\.example\.org--a--_--b-[0-9a-f]{8}\.git$/],
  ] as const)('%s is kept in %s', ([remote, name]) => {
    expect(cloneName(remote)).toEqual(name instanceof RegExp ? expect.stringMatching(name) : name);
  });

  test.for([
    ['https://git.example.org/a--b/c', 'https://git.example.org/a/b--c'],
    ['https://git.example.org:1/a/b', 'https://git.example.org:2/a/b'],
    ['ssh://mia@git.example.org/a/b', 'ssh://leo@git.example.org/a/b'],
    ['https://git.example.org/a:b/c', 'https://git.example.org/a_b/c'],
  ] as const)('%s and %s are two clones', ([one, other]) => {
    expect(cloneName(one)).not.toBe(cloneName(other));
  });

  test('a login in the address does not make another clone', () => {
    expect(cloneName('https://mia:token@git.example.org/a/b')).toBe(cloneName('https://git.example.org/a/b'));
  });

  test('two paths with one last name are two clones', () => {
    expect(cloneName('/a/x.git')).toMatch(/^local--x-[0-9a-f]{8}\.git$/);
    expect(cloneName('/a/x.git')).not.toBe(cloneName('/b/x.git'));
  });

  test('knows the default branch, whatever it is called, and fetches only into refs of the remote', async () => {
    await using dir = await tempDir();
    const remote = join(dir.path, 'r');
    await gitIn(dir.path, 'init', '--quiet', '--initial-branch=master', remote);
    await gitIn(remote, 'commit', '--quiet', '--allow-empty', '--message=x');
    const clone = await open(dir, remote);
    expect(clone.defaultBranch).toBe('master');
    expect(await gitIn(clone.gitDir, 'for-each-ref', '--format=%(refname)', 'refs/heads')).toBe('');
  });

  test('a lock that a crash left on a ref is taken off, a fresh one is not', async () => {
    await using s = await setup();
    const lock = join(s.clone.gitDir, 'refs/remotes/origin/topic.lock');
    await gitIn(s.repo.path, 'branch', 'topic');
    await writeFile(lock, '');
    expect((await open(s.dir, s.repo.path)).problem?.code).toBe('GIT_FAILED');
    await utimes(lock, 0, 0);
    expect((await open(s.dir, s.repo.path)).problem).toBe(undefined);
  });

  test('an unreachable remote is a problem where a clone exists, and a failure where none does', async () => {
    await using s = await setup();
    await rm(s.repo.path, { recursive: true });
    const again = await open(s.dir, s.repo.path);
    expect([again.fetched, again.problem?.code]).toEqual([false, 'GIT_FAILED']);
    await expect(open(s.dir, join(s.dir.path, 'nowhere'))).rejects.toMatchObject({
      code: 'GIT_FAILED',
      hint: expect.any(String),
    });
    expect(await readdir(join(s.dir.path, 'cache'))).toHaveLength(2);
  });

  test('an empty repo is refused with the next step', async () => {
    await using dir = await tempDir();
    await gitIn(dir.path, 'init', '--quiet', '--bare', 'empty.git');
    await expect(open(dir, join(dir.path, 'empty.git'))).rejects.toMatchObject({ code: 'VALIDATION_ERROR' });
  });

  test('a remote of ours has its files and one commit by its author', async () => {
    await using dir = await tempDir();
    const path = join(dir.path, 'ada.git');
    await createRemote(path, { 'identity.md': 'I am', '.gitignore': '*.key\n', 'memory/a.key': 'kept' }, author);
    expect(await gitIn(path, 'log', '--format=%an', 'main')).toBe('ada.mia');
    expect((await gitIn(path, 'ls-tree', '-r', '--name-only', 'main')).split('\n')).toEqual([
      '.gitignore',
      'identity.md',
      'memory/a.key',
    ]);
    expect(await readdir(dir.path)).toEqual(['ada.git']);
  });
});

describe('worktree', () => {
  test('a nested one is invisible to the outer one, also after a fetch', async () => {
    await using s = await setup();
    await using agent = await setup({ 'identity.md': 'I am\n' });
    await addWorktree(s.clone, s.path);
    await addWorktree(agent.clone, join(s.path, 'aachat/agents/ada.mia'));
    await excludePaths(s.clone, ['/aachat/docs/', '/aachat/agents/']);
    await writeFiles(s.path, { 'aachat/docs/t/p/k/x.md': 'doc' });
    expect(await gitIn(s.path, 'status', '--porcelain')).toBe('');
    await gitIn(s.repo.path, 'commit', '--quiet', '--allow-empty', '--message=next');
    await open(s.dir, s.repo.path);
    expect(await gitIn(s.path, 'status', '--porcelain', '--branch')).toBe('## HEAD (no branch)');
  });

  test('many at once through one clone all stand', async () => {
    await using s = await setup();
    const paths = Array.from({ length: 12 }, (_, index) => join(s.dir.path, `ws${index}`));
    await Promise.all(paths.map((path) => addWorktree(s.clone, path)));
    for (const path of paths) expect(await gitIn(path, 'status', '--porcelain')).toBe('');
  });

  test('one that is there keeps its work', async () => {
    await using s = await setup();
    await addWorktree(s.clone, s.path);
    await writeFile(join(s.path, 'draft.md'), 'precious');
    await addWorktree(s.clone, s.path);
    expect(await readFile(join(s.path, 'draft.md'), 'utf8')).toBe('precious');
  });

  test('a folder that somebody else made is refused and stays', async () => {
    await using s = await setup();
    await writeFiles(s.path, { 'mine.txt': 'x' });
    await expect(addWorktree(s.clone, s.path)).rejects.toMatchObject({ code: 'CONFLICT' });
    expect(await readdir(s.path)).toEqual(['mine.txt']);
  });

  test('goes only if it is clean and published', async () => {
    await using s = await setup();
    await addWorktree(s.clone, s.path);
    await writeFile(join(s.path, 'new.md'), 'x');
    expect(await removeWorktree(s.clone, s.path)).toMatchObject({
      removed: false,
      reason: 'dirty',
      detail: expect.stringContaining('new.md'),
    });
    await gitIn(s.path, 'add', '.');
    await gitIn(s.path, 'commit', '--quiet', '--message=work');
    expect(await removeWorktree(s.clone, s.path)).toMatchObject({ removed: false, reason: 'unpushed' });
    await gitIn(s.path, 'push', '--quiet', 'origin', 'HEAD:refs/heads/topic');
    expect(await removeWorktree(s.clone, s.path)).toEqual({ removed: true });
    expect(await exists(s.path)).toBe(false);
  });

  test('another repository inside keeps it, and a worktree inside goes by the same rule', async () => {
    await using s = await setup({ '.gitignore': 'out/\n' });
    await addWorktree(s.clone, s.path);
    const inner = join(s.path, 'out/inner');
    await addWorktree(s.clone, inner);
    await writeFile(join(inner, 'draft.md'), 'precious');
    expect(await removeWorktree(s.clone, s.path)).toMatchObject({
      removed: false,
      detail: expect.stringContaining('draft.md'),
    });
    await rm(join(inner, 'draft.md'));
    await gitIn(s.path, 'init', '--quiet', join(s.path, 'out/own'));
    expect(await removeWorktree(s.clone, s.path)).toMatchObject({
      removed: false,
      detail: expect.stringContaining('own'),
    });
    await rm(join(s.path, 'out/own'), { recursive: true });
    expect(await removeWorktree(s.clone, s.path)).toEqual({ removed: true });
  });

  test('a deleted folder comes back at its unpublished commit', async () => {
    await using s = await setup();
    await addWorktree(s.clone, s.path);
    await gitIn(s.path, 'commit', '--quiet', '--allow-empty', '--message=own work');
    await rm(s.path, { recursive: true });
    await addWorktree(s.clone, s.path);
    expect(await gitIn(s.path, 'log', '-1', '--format=%s')).toBe('own work');
  });

  test('what a killed launcher half made is gone after the next start', async () => {
    await using s = await setup();
    await addWorktree(s.clone, s.path);
    const other = join(s.dir.path, 'other');
    await addWorktree(s.clone, other);
    await writeFile(join(s.clone.gitDir, 'worktrees/ws/locked'), 'initializing');
    expect(await recoverWorktrees(join(s.dir.path, 'cache'), s.dir.path)).toEqual([s.path]);
    expect([await exists(s.path), await exists(other)]).toEqual([false, true]);
  });

  test('one whose making was killed at any moment is made again', async () => {
    const attributes = ['f0.txt', 'f20.txt', 'f39.txt'].map((name) => `${name} filter=step\n`).join('');
    const files = Array.from({ length: 40 }, (_, index) => [`f${index}.txt`, `${index}\n`] as const);
    await using s = await setup({ '.gitattributes': attributes, ...Object.fromEntries(files) });
    // Git itself calls this where refs, files and the index are written; it ends git and all of its processes.
    const [step, hooks] = [join(s.dir.path, 'step.sh'), join(s.dir.path, 'hooks')];
    const count = `echo >> "$STEPS"; test "$(wc -l < "$STEPS")" -ne "$DIE_AT" || kill -KILL 0; exec cat`;
    await writeFile(step, `#!/bin/sh\n${count}\n`, { mode: 0o755 });
    await mkdir(hooks);
    for (const name of ['reference-transaction', 'post-index-change', 'post-checkout'])
      await symlink(step, join(hooks, name));
    const settings = [`core.hooksPath=${hooks}`, `filter.step.smudge=${step}`].flatMap((setting) => ['-c', setting]);
    let dieAt = 0;
    for (let isDead = true; isDead; ) {
      dieAt += 1;
      const args = [`--git-dir=${s.clone.gitDir}`, ...settings, 'worktree', 'add', '--detach', s.path, 'origin/main'];
      const env = { ...process.env, STEPS: join(s.dir.path, `steps-${dieAt}`), DIE_AT: String(dieAt) };
      const child = spawn('git', args, { stdio: 'ignore', detached: true, env });
      const [status, signal] = await once(child, 'exit');
      isDead = signal === 'SIGKILL';
      expect([0, null]).toContain(status);
      await addWorktree(s.clone, s.path);
      expect(await gitIn(s.path, 'status', '--porcelain')).toBe('');
      expect(await removeWorktree(s.clone, s.path)).toEqual({ removed: true });
    }
    expect(dieAt).toBeGreaterThan(6);
  });

  test('the visible folder follows the remote, and is left alone when it has changes or commits', async () => {
    await using s = await setup();
    const path = join(s.dir.path, 'visible');
    const next = async () => {
      await gitIn(s.repo.path, 'commit', '--quiet', '--allow-empty', '--message=next');
      await open(s.dir, s.repo.path);
    };
    expect(await checkoutVisible(s.clone, path)).toBe('made');
    expect(await checkoutVisible(s.clone, path)).toBe('current');
    await next();
    expect(await checkoutVisible(s.clone, path)).toBe('forwarded');
    await writeFile(join(path, 'draft.md'), 'x');
    await next();
    expect(await checkoutVisible(s.clone, path)).toBe('dirty');
    await gitIn(path, 'add', '.');
    await gitIn(path, 'commit', '--quiet', '--message=own');
    expect(await checkoutVisible(s.clone, path)).toBe('diverged');
    expect(await gitIn(path, 'symbolic-ref', '--short', 'HEAD')).toBe('main');
  });

  test('a visible folder that was deleted comes back with its commits', async () => {
    await using s = await setup();
    const path = join(s.dir.path, 'visible');
    await checkoutVisible(s.clone, path);
    await gitIn(path, 'commit', '--quiet', '--allow-empty', '--message=own work');
    await rm(path, { recursive: true });
    expect(await checkoutVisible(s.clone, path)).toBe('diverged');
    expect(await gitIn(path, 'log', '-1', '--format=%s')).toBe('own work');
  });

  test('a visible folder that was taken away leaves no branch for the repo that comes after it', async () => {
    await using s = await setup();
    const path = join(s.dir.path, 'visible');
    await checkoutVisible(s.clone, path);
    expect(await removeVisible(s.clone, path)).toEqual({ removed: true });
    await gitIn(s.repo.path, 'checkout', '--quiet', '--orphan', 'other');
    await gitIn(s.repo.path, 'commit', '--quiet', '--message=another history');
    await gitIn(s.repo.path, 'branch', '--quiet', '-M', 'main');
    expect(await checkoutVisible(await open(s.dir, s.repo.path), path)).toBe('made');
    expect(await gitIn(path, 'log', '--format=%s')).toBe('another history');
  });

  test('a visible folder with work stays, and so does a branch that a session has checked out', async () => {
    await using s = await setup();
    const path = join(s.dir.path, 'visible');
    await checkoutVisible(s.clone, path);
    await writeFile(join(path, 'draft.md'), 'x');
    expect(await removeVisible(s.clone, path)).toMatchObject({ removed: false, reason: 'dirty' });
    await rm(join(path, 'draft.md'));
    await gitIn(path, 'checkout', '--quiet', '--detach');
    await addWorktree(s.clone, s.path);
    await gitIn(s.path, 'checkout', '--quiet', 'main');
    expect(await removeVisible(s.clone, path)).toEqual({ removed: true });
    expect(await gitIn(s.path, 'status', '--porcelain', '--branch')).toBe('## main');
  });
});

describe('hostile repo', () => {
  test('nothing that an agent or a repo leaves in the clone runs in our commands', async () => {
    await using s = await setup({ 'a.txt': 'x\n', '.gitattributes': '*.txt filter=evil\n' });
    const canary = join(s.dir.path, 'canary');
    const evil = join(s.dir.path, 'evil.sh');
    await writeFile(evil, `#!/bin/sh\necho ran >> ${canary}\ncat\n`);
    await chmod(evil, 0o755);
    await addWorktree(s.clone, s.path);
    const poison = async () => {
      for (const [key, value] of [
        ['core.fsmonitor', evil],
        ['filter.evil.smudge', evil],
        ['filter.evil.clean', evil],
        ['core.hooksPath', join(s.dir.path, 'hooks')],
        ['core.sshCommand', evil],
        ['alias.status', `!${evil}`],
      ]) {
        await gitIn(s.clone.gitDir, 'config', key ?? '', value ?? '');
      }
      for (const folder of [join(s.clone.gitDir, 'hooks'), join(s.dir.path, 'hooks')]) {
        await mkdir(folder, { recursive: true });
        for (const hook of ['post-checkout', 'pre-commit', 'reference-transaction', 'post-index-change']) {
          await writeFile(join(folder, hook), `#!/bin/sh\necho ran >> ${canary}\n`, { mode: 0o755 });
        }
      }
      await writeFile(join(s.clone.gitDir, 'info', 'attributes'), '* filter=evil\n');
    };
    await poison();
    await open(s.dir, s.repo.path);
    await poison();
    await addWorktree(s.clone, join(s.dir.path, 'second'));
    await poison();
    await checkoutVisible(s.clone, join(s.dir.path, 'visible'));
    await poison();
    expect(await removeWorktree(s.clone, join(s.dir.path, 'second'))).toEqual({ removed: true });
    expect(await exists(canary)).toBe(false);
  });

  test('a `.git` file that leads elsewhere is put right, and nothing of that place runs', async () => {
    await using s = await setup({ 'a.txt': 'x\n' });
    const canary = join(s.dir.path, 'canary');
    const evil = join(s.dir.path, 'evil');
    await gitIn(s.dir.path, 'init', '--quiet', evil);
    await writeFiles(evil, { '.git/info/attributes': '* filter=evil\n' });
    for (const key of ['core.fsmonitor', 'filter.evil.clean', 'filter.evil.smudge']) {
      await gitIn(evil, 'config', key, `touch ${canary}; cat`);
    }
    await addWorktree(s.clone, s.path);
    const mislead = async () => {
      await writeFile(join(s.path, '.git'), `gitdir: ${join(evil, '.git')}\n`);
      await writeFiles(s.path, { 'a.txt': `${newId()}\n` });
    };
    await gitIn(s.repo.path, 'config', 'receive.denyCurrentBranch', 'ignore');
    await mislead();
    await saveRepo(s.path, { cacheDir: join(s.dir.path, 'cache'), message: 'm', author });
    expect(await gitIn(s.repo.path, 'log', '-1', '--format=%s', 'main')).toBe('m');
    await mislead();
    await addWorktree(s.clone, s.path);
    await mislead();
    expect(await removeWorktree(s.clone, s.path)).toMatchObject({ removed: false, reason: 'dirty' });
    expect(await exists(canary)).toBe(false);
  });

  test('an ext:: remote is refused', async () => {
    await using dir = await tempDir();
    await expect(open(dir, `ext::sh -c touch% ${join(dir.path, 'canary')}`)).rejects.toMatchObject({
      code: 'GIT_FAILED',
    });
    expect(await exists(join(dir.path, 'canary'))).toBe(false);
  });
});
