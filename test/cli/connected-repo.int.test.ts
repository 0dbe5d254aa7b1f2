/** A connected repository: taking it back, and what commands inside it speak to. */
import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { claimPidFile } from '#base/pid-file.ts';
import { openHome } from '#runtime/home.ts';
import { UpFile } from '#runtime/up-file.ts';
import { reports } from '#sync/report.ts';
import { createProject, push } from '../support/company.ts';
import { filesOf, connectScene as scene, untracked } from '../support/connect.ts';
import { tempRepo, writeFiles } from '../support/temp.ts';

describe('init --uninstall', () => {
  test('leaves nothing behind', async () => {
    await using s = await scene();
    const exclude = join(s.repo, '.git', 'info', 'exclude');
    await writeFile(exclude, '# mine\n*.log\n');
    await s.made(s.repo, '--team', 'acme');
    const gone = await s.made(s.repo, '--uninstall');
    expect(gone.left).toEqual([]);
    expect(await filesOf(s.repo)).toEqual(['README.md']);
    expect((await readdir(s.repo)).sort()).toEqual(['.git', 'README.md']);
    expect(await readFile(exclude, 'utf8')).toBe('# mine\n*.log\n');
    expect([await s.connected(), await s.teamRepo()]).toEqual([[], null]);
    expect((await s.init(s.repo, '--uninstall')).stdout).toContain('Nothing to do');
  });

  test('removes documents that the server has, and names every other file', async () => {
    await using s = await scene();
    const project = await createProject(s.owner, s.acme, 'launch');
    const { document } = await push(s.owner, project, 'old', null, 'first\n');
    await push(s.owner, project, 'old', document, 'second\n');
    await push(s.owner, project, 'plan', null, 'as it is\n');
    await push(s.owner, project, 'risk', null, 'at the server\n');
    await s.made(s.repo, '--team', 'acme');
    const at = 'aachat/docs/acme/launch';
    const report = reports(new Map([['acme/launch/notes/x', 'No.']])).get('acme/launch/_errors.md') ?? '';
    await writeFiles(s.repo, {
      [`${at}/notes/plan.md`]: 'as it is\n',
      [`${at}/notes/old.md`]: 'first\n',
      [`${at}/notes/risk.md`]: 'typed while offline\n',
      [`${at}/notes/new.md`]: 'never pushed\n',
      [`${at}/_errors.md`]: report,
      'aachat/docs/.aachat/journal': 'of the mirror\n',
      'aachat/mine.txt': 'put here\n',
    });
    const gone = await s.made(s.repo, '--uninstall');
    expect(gone.left).toEqual([
      { path: `${at}/notes/new.md`, reason: 'is not at the server' },
      { path: `${at}/notes/risk.md`, reason: 'is not at the server' },
      { path: 'aachat/mine.txt', reason: 'is not of aachat' },
    ]);
    expect((await filesOf(s.repo)).filter((path) => !path.includes('.aachat/'))).toEqual([
      'README.md',
      `${at}/notes/new.md`,
      `${at}/notes/risk.md`,
      'aachat/mine.txt',
    ]);
    // Hidden still, so that no `git clean` takes it.
    expect(await untracked(s.repo)).toBe('');
  });

  test('without its server takes back what is here, and documents stay', async () => {
    await using s = await scene();
    await s.made(s.repo, '--team', 'acme');
    await writeFiles(s.repo, { 'aachat/docs/acme/launch/notes/plan.md': 'text\n' });
    await s.server.server[Symbol.asyncDispose]();
    const gone = await s.made(s.repo, '--uninstall');
    expect(gone.left).toEqual([
      { path: 'aachat/docs/acme/launch/notes/plan.md', reason: 'could not be compared with the server' },
    ]);
    expect(gone.notes).toEqual([expect.stringMatching(/could not be asked/)]);
    expect(existsSync(join(s.repo, 'aachat', 'README.md'))).toBe(false);
  });
});

test('nothing is taken back while the mirrors run', async () => {
  await using s = await scene();
  await s.made(s.repo, '--team', 'acme');
  const up = await claimPidFile(openHome(s.mia.home).upFile, UpFile, {
    since: '2026-01-01T00:00:00.000Z',
    server: s.server.url,
    agents: [],
    team: null,
  });
  if (!up.claimed) throw new Error('Nobody else has this home.');
  const refused = await s.init(s.repo, '--uninstall');
  expect([refused.status, refused.stderr]).toEqual([5, expect.stringContaining('aachat down')]);
  expect(await s.connected()).toHaveLength(1);
  up.file.release();
  await s.made(s.repo, '--uninstall');
});

describe('inside a connected repo', () => {
  test('commands speak to its server and its team, and nowhere else', async () => {
    await using s = await scene();
    await s.made(s.repo, '--team', 'acme');
    await s.mia.command(['config', 'set', 'server', 'http://127.0.0.1:1'], {});
    const here = { env: s.mia.env, cwd: join(s.repo, 'aachat') };
    const made = await s.mia.command(['project', 'create', 'launch', '--json'], here);
    expect(JSON.parse(made.stdout)).toMatchObject({ data: { project: { team: 'acme' } } });
    const listed = await s.mia.command(['config', 'list', '--json'], here);
    expect(JSON.parse(listed.stdout).data.settings.slice(0, 2)).toMatchObject([
      { key: 'server', value: s.server.url, origin: 'repository' },
      { key: 'team', value: 'acme', origin: 'repository' },
    ]);
    const elsewhere = /not logged in at http:\/\/127\.0\.0\.1:1/;
    expect((await s.mia.command(['project', 'list'], { env: s.mia.env, cwd: '/' })).stdout).toMatch(elsewhere);
    const env = { ...s.mia.env, AACHAT_SERVER: 'http://127.0.0.1:1' };
    expect((await s.mia.command(['project', 'list'], { env, cwd: s.repo })).stdout).toMatch(elsewhere);
  });

  test('what lies in a repo decides nothing: only the list in the home does', async () => {
    await using s = await scene();
    const files = {
      'aachat/README.md': 'team `acme` at http://127.0.0.1:1\n',
      'aachat/.aachat.json': '{"server":"http://127.0.0.1:1","team":"evil"}\n',
    };
    await using hostile = await tempRepo(files);
    const listed = await s.mia.command(['config', 'list', '--json'], { env: s.mia.env, cwd: hostile.path });
    expect(JSON.parse(listed.stdout).data.settings.slice(0, 2)).toMatchObject([
      { key: 'server', value: s.server.url, origin: 'file' },
      { key: 'team', value: null, origin: 'default' },
    ]);
  });

  test('a token goes only to the server that it is for', async () => {
    await using s = await scene();
    await s.made(s.repo, '--team', 'acme');
    const seen: (string | undefined)[] = [];
    const other = createServer((request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(404).end('{}');
    });
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as { port: number };
    const home = openHome(s.mia.home);
    const list = await readFile(home.connectedRepos, 'utf8');
    await writeFile(home.connectedRepos, list.replaceAll(s.server.url, `http://127.0.0.1:${port}`));
    const refused = await s.mia.command(['inbox'], { env: s.mia.env, cwd: s.repo });
    expect([refused.status, refused.stdout]).toEqual([3, expect.stringMatching(/not logged in/)]);
    expect(seen.filter((header) => header !== undefined)).toEqual([]);
    await new Promise((resolve) => other.close(resolve));
  });

  test('a damaged list is said, never taken for an empty one', async () => {
    await using s = await scene();
    await s.made(s.repo, '--team', 'acme');
    const home = openHome(s.mia.home);
    await writeFile(home.connectedRepos, '{"workspaces":');
    const refused = await s.mia.command(['inbox'], { env: s.mia.env, cwd: s.repo });
    expect([refused.status, refused.stdout]).toEqual([2, expect.stringMatching(/damaged[\s\S]*aachat init/)]);
  });
});
