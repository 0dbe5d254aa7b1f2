/** `aachat init` in real repositories, against the real server. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ROUTES } from '#contract/routes.ts';
import { openHome } from '#runtime/home.ts';
import { createAgent, joinTeam } from '../support/company.ts';
import { filesOf, REMOTE, SKILLS, connectScene as scene, untracked } from '../support/connect.ts';
import { person } from '../support/person.ts';
import { gitIn, tempDir, tempRepo, writeFiles } from '../support/temp.ts';

describe('init', () => {
  test('places all that it says, gives the team its repo, and is silent the second time', async () => {
    await using s = await scene();
    await createAgent(s.owner, 'ada');
    await mkdir(join(s.mia.home, 'agents', 'ada.mia'), { recursive: true });
    const first = await s.made(s.repo, '--team', 'acme');
    expect([...first.wrote].sort()).toEqual(
      [...SKILLS, 'aachat/README.md', 'aachat/agents/ada.mia', 'aachat/docs/'].sort(),
    );
    expect(first).toMatchObject({ teamRepo: REMOTE, left: [], notes: [] });
    expect(await s.teamRepo()).toBe(REMOTE);
    expect(await readdir(join(s.repo, 'aachat', 'docs'))).toEqual([]);
    expect(await readlink(join(s.repo, 'aachat/agents/ada.mia'))).toBe(join(s.mia.home, 'agents', 'ada.mia'));
    const readme = await readFile(join(s.repo, 'aachat/README.md'), 'utf8');
    expect(readme).toContain(`team \`acme\` at ${s.server.url}`);
    expect(await untracked(s.repo)).toBe('');
    const again = await s.made(s.repo);
    expect(again).toMatchObject({ wrote: [], removed: [], left: [], teamRepo: REMOTE });
    expect((await s.init(s.repo)).stdout).toContain('Nothing to do');
    expect(await s.connected()).toMatchObject([{ path: s.repo, team: 'acme', server: s.server.url }]);
  });

  test('finds the team that has this repo, under any spelling of its address, and the root from a subfolder', async () => {
    await using s = await scene();
    await s.owner.call(ROUTES.setTeamRepo, {
      params: { teamId: s.acme.id },
      body: { repo: 'https://example.org/acme/launch' },
    });
    await mkdir(join(s.repo, 'src', 'deep'), { recursive: true });
    expect(await s.made(join(s.repo, 'src', 'deep'))).toMatchObject({ team: { slug: 'acme' }, notes: [] });
    expect(existsSync(join(s.repo, 'aachat', 'README.md'))).toBe(true);
    expect(existsSync(join(s.repo, 'src', 'deep', 'aachat'))).toBe(false);
    expect(await s.teamRepo()).toBe('https://example.org/acme/launch');
  });

  test('asks which of several teams, and refuses a team that one is not in', async () => {
    await using s = await scene();
    const open = await s.init(s.repo);
    expect([open.status, open.stderr]).toEqual([2, expect.stringMatching(/--team: .*acme/)]);
    const strange = await s.init(s.repo, '--team', 'others');
    expect([strange.status, strange.stderr]).toEqual([4, expect.stringMatching(/no team called others[\s\S]*acme/)]);
    expect(await filesOf(s.repo)).toEqual(['README.md']);
    expect(await s.connected()).toEqual([]);
  });

  test('works in a dirty repo and in a linked worktree, whose excludes are those of the repo', async () => {
    await using s = await scene();
    await using side = await tempDir();
    const tree = join(side.path, 'tree');
    await gitIn(s.repo, 'worktree', 'add', '--quiet', tree);
    await writeFiles(tree, { 'README.md': 'changed\n', 'new.txt': 'new\n' });
    await s.made(tree, '--team', 'acme');
    expect(await untracked(tree)).toBe('M README.md\n?? new.txt');
    await s.made(s.repo, '--team', 'acme');
    expect(await untracked(s.repo)).toBe('');
    // Two worktrees share the lines: they stay until the second one goes.
    await s.made(tree, '--uninstall');
    expect(await untracked(s.repo)).toBe('');
    expect(await s.teamRepo()).toBe(REMOTE);
    await s.made(s.repo, '--uninstall');
    expect(await readFile(join(s.repo, '.git', 'info', 'exclude'), 'utf8')).not.toContain('aachat');
    expect(await s.teamRepo()).toBeNull();
  });

  test('works in a submodule, and leaves the repo around it alone', async () => {
    await using s = await scene();
    await using outer = await tempRepo();
    await gitIn(outer.path, '-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', s.repo, 'part');
    await gitIn(outer.path, 'commit', '--quiet', '--message=part');
    const part = join(outer.path, 'part');
    await s.made(part, '--team', 'acme');
    expect(existsSync(join(part, 'aachat', 'README.md'))).toBe(true);
    expect([await untracked(part), await untracked(outer.path)]).toEqual(['', '']);
    const exclude = join(outer.path, '.git', 'modules', 'part', 'info', 'exclude');
    expect(await readFile(exclude, 'utf8')).toContain('/aachat/');
    expect(await s.teamRepo()).toBe(s.repo);
  });

  test('a repo without a remote is that of a personal team by its path, and of no other', async () => {
    await using s = await scene();
    await gitIn(s.repo, 'remote', 'remove', 'origin');
    const shared = await s.made(s.repo, '--team', 'acme');
    expect(shared).toMatchObject({ teamRepo: null, notes: [expect.stringMatching(/Add a remote called origin/)] });
    await s.made(s.repo, '--uninstall');
    expect(await s.made(s.repo, '--team', '~mia')).toMatchObject({ teamRepo: s.repo, notes: [] });
    expect(await s.teamRepo('~mia')).toBe(s.repo);
  });

  test('does not tell the team the login of a remote, nor an address that would run a program', async () => {
    await using s = await scene();
    await gitIn(s.repo, 'remote', 'set-url', 'origin', 'https://mia:ghp_SECRET@example.org/acme/launch.git');
    expect(await s.made(s.repo, '--team', 'acme')).toMatchObject({ teamRepo: 'https://example.org/acme/launch.git' });
    await s.made(s.repo, '--uninstall');
    await gitIn(s.repo, 'remote', 'set-url', 'origin', 'ext::touch /tmp/aachat-must-not-exist');
    expect(await s.made(s.repo, '--team', 'acme')).toMatchObject({ teamRepo: null });
    expect(existsSync('/tmp/aachat-must-not-exist')).toBe(false);
  });

  test('a team that works elsewhere keeps its repo; who may not change it is told', async () => {
    await using s = await scene();
    await using noa = await person(s.server, 'noa');
    await joinTeam(s.owner, s.acme, 'noa');
    const run = await noa.command(['init', '--team', 'acme', '--json'], { env: noa.env, cwd: s.repo });
    expect(run.status).toBe(0);
    expect(JSON.parse(run.stdout)).toMatchObject({ data: { teamRepo: null, notes: [expect.stringMatching(/owner/)] } });
    const elsewhere = 'https://example.org/acme/other.git';
    await s.owner.call(ROUTES.setTeamRepo, { params: { teamId: s.acme.id }, body: { repo: elsewhere } });
    const again = await noa.command(['init', '--json'], { env: noa.env, cwd: s.repo });
    expect(JSON.parse(again.stdout)).toMatchObject({ data: { notes: [expect.stringContaining(elsewhere)] } });
    await noa.command(['init', '--uninstall'], { env: noa.env, cwd: s.repo });
    expect(await s.teamRepo()).toBe(elsewhere);
  });

  test('never changes what the repo tracks, what a person changed, and what lies behind a link', async () => {
    await using s = await scene();
    await writeFiles(s.repo, { '.claude/skills/aachat/SKILL.md': 'of the repo\n', 'elsewhere/keep.txt': 'x\n' });
    await symlink('../elsewhere', join(s.repo, '.cursor'));
    await mkdir(join(s.repo, '.agents'));
    await symlink('../elsewhere', join(s.repo, '.agents', 'skills'));
    await gitIn(s.repo, 'add', '--force', '.');
    await gitIn(s.repo, 'commit', '--quiet', '--message=own');
    const { left } = await s.made(s.repo, '--team', 'acme');
    expect(left).toEqual([
      { path: SKILLS[2], reason: 'is out of reach: .cursor is a link' },
      { path: SKILLS[0], reason: 'is out of reach: .agents/skills is a link' },
      { path: SKILLS[1], reason: 'is tracked by the repository' },
    ]);
    await writeFile(join(s.repo, 'aachat', 'README.md'), 'mine\n');
    expect((await s.made(s.repo)).left).toContainEqual({ path: 'aachat/README.md', reason: 'was changed' });
    expect(await readFile(join(s.repo, 'aachat', 'README.md'), 'utf8')).toBe('mine\n');
    expect(await gitIn(s.repo, 'status', '--porcelain')).toBe('');
    const gone = await s.made(s.repo, '--uninstall');
    expect(gone.left).toContainEqual({ path: 'aachat/README.md', reason: 'was changed' });
    expect(await readFile(join(s.repo, 'aachat', 'README.md'), 'utf8')).toBe('mine\n');
    expect(await gitIn(s.repo, 'status', '--porcelain')).toBe('');
    expect(await readdir(join(s.repo, 'elsewhere'))).toEqual(['keep.txt']);
  });

  test('brings an older skill up to date, and a link of an agent that is gone goes', async () => {
    await using s = await scene();
    await createAgent(s.owner, 'ada');
    const visible = join(s.mia.home, 'agents', 'ada.mia');
    await mkdir(visible, { recursive: true });
    await s.made(s.repo, '--team', 'acme');
    const home = openHome(s.mia.home);
    const path = join(s.repo, SKILLS[0] ?? '');
    await writeFile(path, 'of an older version');
    const list = await readFile(home.connectedRepos, 'utf8');
    const older = createHash('sha256').update('of an older version').digest('hex');
    const current = (await s.connected())[0]?.files[SKILLS[0] ?? ''] ?? '';
    await writeFile(home.connectedRepos, list.replaceAll(current, older));
    await rm(visible, { recursive: true });
    expect(await s.made(s.repo)).toMatchObject({ wrote: [SKILLS[0]], removed: ['aachat/agents/ada.mia'], left: [] });
  });

  test.each([
    ['a file', async (root: string) => writeFile(join(root, 'aachat'), 'mine\n')],
    ['a folder', async (root: string) => writeFiles(root, { 'aachat/README.md': '# aachat\nof somebody else\n' })],
    ['a link', async (root: string) => symlink('/nowhere', join(root, 'aachat'))],
  ])('refuses a repo that has %s called aachat, tracked or not', async (_, make) => {
    await using s = await scene();
    await make(s.repo);
    const before = await filesOf(s.repo);
    const refused = await s.init(s.repo, '--team', 'acme');
    expect([refused.status, refused.stderr]).toEqual([5, expect.stringMatching(/not made from here[\s\S]*rename/)]);
    await gitIn(s.repo, 'add', '--force', '.');
    const tracked = await s.init(s.repo, '--team', 'acme');
    expect([tracked.status, tracked.stderr]).toEqual([5, expect.stringMatching(/tracks an `aachat` of its own/)]);
    expect(await filesOf(s.repo)).toEqual(before);
    expect([await s.connected(), await s.teamRepo()]).toEqual([[], null]);
  });

  test('refuses a folder outside of a repo, a bare one, `.git` itself, a moved work tree, and a home of aachat', async () => {
    await using s = await scene();
    await using outside = await tempDir();
    const bare = join(outside.path, 'bare.git');
    await gitIn(outside.path, 'init', '--quiet', '--bare', bare);
    const stray = join(outside.path, 'stray');
    await mkdir(stray);
    await gitIn(stray, 'init', '--quiet');
    await gitIn(stray, 'config', 'core.worktree', outside.path);
    const agent = join(s.mia.home, 'agents', 'ada.mia');
    await mkdir(agent, { recursive: true });
    await gitIn(agent, 'init', '--quiet');
    for (const [cwd, reason] of [
      [outside.path, /no git repository[\s\S]*git init/],
      [join(outside.path, 'nowhere'), /There is no folder .*nowhere/],
      [bare, /no work tree/],
      [join(s.repo, '.git'), /no work tree/],
      [stray, /elsewhere[\s\S]*core\.worktree/],
      [agent, /lies in the home of aachat/],
    ] as const) {
      const refused = await s.init(cwd, '--team', 'acme');
      expect([refused.status, refused.stderr]).toEqual([2, expect.stringMatching(reason)]);
    }
    expect(await s.connected()).toEqual([]);
  });

  test.skipIf(process.getuid?.() === 0)('refuses a folder that cannot be written to', async () => {
    await using s = await scene();
    await chmod(s.repo, 0o500);
    const refused = await s.init(s.repo, '--team', 'acme');
    await chmod(s.repo, 0o700);
    expect([refused.status, refused.stderr]).toEqual([3, expect.stringMatching(/cannot write into/)]);
  });

  test('refuses to write the excludes through a link', async () => {
    await using s = await scene();
    await using victim = await tempDir();
    await writeFiles(victim.path, { profile: 'of the person\n' });
    await rm(join(s.repo, '.git', 'info'), { recursive: true, force: true });
    await mkdir(join(s.repo, '.git', 'info'));
    await symlink(join(victim.path, 'profile'), join(s.repo, '.git', 'info', 'exclude'));
    expect((await s.init(s.repo, '--team', 'acme')).status).toBe(3);
    expect(await readFile(join(victim.path, 'profile'), 'utf8')).toBe('of the person\n');
  });

  test('runs nothing that the settings of a repo name', async () => {
    await using s = await scene();
    const canary = join(s.mia.dir, 'ran');
    const program = join(s.mia.dir, 'program');
    await writeFile(program, `#!/bin/sh\ntouch '${canary}'\n`, { mode: 0o755 });
    await gitIn(s.repo, 'config', 'core.fsmonitor', program);
    await s.made(s.repo, '--team', 'acme');
    await s.made(s.repo, '--uninstall');
    expect(existsSync(canary)).toBe(false);
  });

  test('a second team or server needs the first to be taken back', async () => {
    await using s = await scene();
    await s.made(s.repo, '--team', 'acme');
    const other = await s.init(s.repo, '--team', '~mia');
    expect([other.status, other.stderr]).toEqual([
      5,
      expect.stringMatching(/connected to team acme[\s\S]*--uninstall/),
    ]);
  });

  test('a moved repo is known again, a copy of one is not', async () => {
    await using s = await scene();
    await using other = await tempDir();
    await s.made(s.repo, '--team', 'acme');
    const moved = join(other.path, 'moved');
    await gitIn(other.path, 'clone', '--quiet', s.repo, 'copy');
    await writeFiles(join(other.path, 'copy'), {
      'aachat/README.md': await readFile(join(s.repo, 'aachat/README.md'), 'utf8'),
    });
    expect((await s.init(join(other.path, 'copy'), '--team', 'acme')).status).toBe(5);
    await rename(s.repo, moved);
    expect(await s.made(moved, '--team', 'acme')).toMatchObject({ wrote: [], left: [] });
    expect((await s.connected()).map(({ path }) => path)).toEqual([moved]);
    await rename(moved, s.repo);
  });
});
