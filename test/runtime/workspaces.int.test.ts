import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { newId } from '#base/id.ts';
import type { TeamId } from '#contract/ids.ts';
import { openHome } from '#runtime/home.ts';
import {
  type ConnectedRepo,
  findConnectedRepo,
  forgetConnectedRepo,
  listConnectedRepos,
  saveConnectedRepo,
} from '#runtime/workspaces.ts';
import { tempDir } from '../support/temp.ts';

const repo = (path: string, team = 'acme'): ConnectedRepo => ({
  path,
  teamId: newId<TeamId>(),
  team,
  server: null,
  exclude: join(path, '.git/info/exclude'),
  gaveRepo: false,
  files: {},
});

test('a folder belongs to the innermost repo around it, whatever link leads there, and never to a namesake', async () => {
  await using dir = await tempDir();
  const home = openHome(join(dir.path, 'home'));
  const at = (...parts: string[]) => join(dir.path, ...parts);
  await mkdir(at('repo', 'part', 'deep'), { recursive: true });
  await mkdir(at('repo2'));
  await symlink(at('repo', 'part'), at('link'));
  expect(await findConnectedRepo(home, at('repo'))).toBeUndefined();
  await saveConnectedRepo(home, repo(at('repo'), 'outer'));
  await saveConnectedRepo(home, repo(at('repo', 'part'), 'inner'));
  const teamAt = async (...parts: string[]) => (await findConnectedRepo(home, at(...parts)))?.team;
  expect(await teamAt('repo')).toBe('outer');
  expect(await teamAt('repo', 'part', 'deep')).toBe('inner');
  expect(await teamAt('link', 'deep')).toBe('inner');
  expect(await teamAt('repo2')).toBeUndefined();
  expect(await teamAt()).toBeUndefined();
  expect(await teamAt('repo', 'gone')).toBe('outer');
});

test('many writers lose nothing', async () => {
  await using dir = await tempDir();
  const home = openHome(join(dir.path, 'home'));
  const paths = Array.from({ length: 20 }, (_, index) => join(dir.path, `repo-${index}`));
  await Promise.all(paths.map((path) => saveConnectedRepo(home, repo(path))));
  await Promise.all(paths.slice(0, 5).map((path) => forgetConnectedRepo(home, path)));
  await saveConnectedRepo(home, repo(paths[7] ?? '', 'other'));
  const all = await listConnectedRepos(home);
  expect(all.map(({ path }) => path).sort()).toEqual(paths.slice(5).sort());
  expect(all.find(({ path }) => path === paths[7])?.team).toBe('other');
});
