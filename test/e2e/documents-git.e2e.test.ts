/** What git does to the documents of a connected repo, on the built program and with real git. */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CONTROL_ROUTES } from '#contract/control.ts';
import { openControlClient } from '#runtime/control.ts';
import { execute } from '../support/aachat.ts';
import {
  atOnce,
  type DocumentScene,
  documentScene,
  NOTES,
  readDocument,
  writeDocument,
} from '../support/documents-scene.ts';
import { eventually } from '../support/eventually.ts';
import { gitIn, tempDir } from '../support/temp.ts';

const paths = Array.from({ length: 3 }, (_, index) => `${NOTES}/n${index}.md`);
const last = paths.at(-1) ?? '';

async function filled(): Promise<DocumentScene> {
  const s = await documentScene([]);
  await s.up();
  for (const path of paths) await writeDocument(s.mine, path, `${path}\n`);
  for (const path of paths) await s.everywhere(path, `${path}\n`);
  return s;
}

const stateInRepo = async (s: DocumentScene) => (await s.mirrors()).find(({ root }) => root === s.inRepo)?.state;

const stopped = (s: DocumentScene) =>
  eventually('the folder has stopped', async () => (await stateInRepo(s)) === 'stopped');

const versions = async (s: DocumentScene) => (await Promise.all(paths.map((path) => s.history(path)))).flat().length;

const losses: Record<string, (s: DocumentScene) => Promise<unknown>> = {
  'rm -rf aachat/docs': ({ inRepo }) => rm(inRepo, { recursive: true }),
  'git clean -ffdx': ({ repo }) => gitIn(repo, 'clean', '-ffdx'),
  'git stash -a': ({ repo }) => gitIn(repo, 'stash', '-a'),
};

describe('documents in a connected repo', () => {
  test.for(Object.entries(losses))(
    'after %s the folder asks until it is answered, and nothing is lost',
    async ([, how]) => {
      await using s = await filled();
      const lose = () => atOnce(s.home, () => how(s));
      await lose();
      await stopped(s);
      const { stdout } = await s.home.run('status');
      expect(stdout).toContain('"state":"stopped"');
      // `up` looks now and then for folders that have to be kept in step.
      await using up = await openControlClient(`${s.home.path}/.run/up.sock`);
      await up.call(CONTROL_ROUTES.beginMirrors, {});
      expect([await stateInRepo(s), existsSync(`${s.inRepo}/${last}`)]).toEqual(['stopped', false]);
      const { stdout: connected } = await execute(['init'], { cwd: s.repo, env: s.home.env });
      expect(connected).toContain('aachat doc resume --restore');
      expect([await stateInRepo(s), existsSync(`${s.inRepo}/${last}`)]).toEqual(['stopped', false]);
      expect(await readDocument(s.mine, last)).toBe(`${last}\n`);
      await s.home.json('doc', 'resume', '--restore');
      for (const path of paths) await s.everywhere(path, `${path}\n`);
      expect(await versions(s)).toBe(paths.length);

      await lose();
      await stopped(s);
      await s.home.json('doc', 'resume', s.inRepo, '--delete');
      for (const path of paths) await s.everywhere(path, undefined);
      await s.home.json('doc', 'restore', last, '1');
      await s.everywhere(last, `${last}\n`);
    },
  );

  test('a branch switch and a stash of untracked files do not touch them', async () => {
    await using s = await filled();
    await gitIn(s.repo, 'checkout', '-q', '-b', 'other');
    await writeDocument(s.repo, 'untracked.txt', 'x\n');
    await gitIn(s.repo, 'stash', '-u');
    await gitIn(s.repo, 'checkout', '-q', '-');
    await gitIn(s.repo, 'clean', '-ffd');
    for (const path of paths) await s.everywhere(path, `${path}\n`);
    expect(await versions(s)).toBe(paths.length);
  });

  test('a branch that tracks one of them neither changes nor deletes it for others', async () => {
    await using s = await filled();
    const [path = ''] = paths;
    const inGit = `aachat/docs/${path}`;
    // As a branch of somebody without aachat would.
    await using other = await tempDir();
    await gitIn(s.repo, 'worktree', 'add', '-q', '-b', 'tracks', join(other.path, 'tree'));
    await writeDocument(join(other.path, 'tree'), inGit, 'of the branch\n');
    await gitIn(join(other.path, 'tree'), 'add', '--force', inGit);
    await gitIn(join(other.path, 'tree'), 'commit', '--quiet', '--message=tracks');
    await gitIn(s.repo, 'worktree', 'remove', '--force', join(other.path, 'tree'));

    await gitIn(s.repo, 'checkout', '-q', 'tracks');
    expect(await readDocument(s.inRepo, path)).toBe('of the branch\n');
    const problems = async () => (await s.mirrors()).find(({ root }) => root === s.inRepo)?.problems ?? [];
    await eventually('it is reported', async () => (await problems()).length === 1);
    expect(await problems()).toMatchObject([{ path, reason: expect.stringContaining('Git tracks this file') }]);
    await writeDocument(s.inRepo, last, 'edited meanwhile\n');
    await eventually('others go on', async () => (await readDocument(s.mine, last)) === 'edited meanwhile\n');

    await gitIn(s.repo, 'checkout', '-q', 'main');
    await s.everywhere(path, `${path}\n`);
    expect(await s.history(path)).toHaveLength(1);
    await eventually('nothing is wrong', async () => (await problems()).length === 0);
    await rm(`${s.inRepo}/${path}`);
    await s.everywhere(path, undefined);
  });
});
