/** The built program in a home where nothing is yet. */
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { scratchHome } from '../support/aachat.ts';
import { eventually } from '../support/eventually.ts';

describe('in a fresh home', () => {
  test('the first command starts the platform, makes the person, and does what it was asked', async () => {
    await using home = await scratchHome();
    const { status, stdout, stderr } = await home.run('project', 'create', 'launch');
    expect(stderr).toMatch(
      /^Started the embedded platform at http:\/\/127\.0\.0\.1:\d+ .*\nYou are mia, in your personal team ~mia\.\n$/,
    );
    expect([status, stdout]).toEqual([0, expect.stringContaining('Project launch in team ~mia.')]);
    expect((await home.run('project', 'send', 'launch', 'hello')).stderr).toBe('');
    for (const file of ['server/server.json', '.run/tokens/refresh', '.run/tokens/user.jwt'])
      expect((await stat(join(home.path, file))).mode & 0o777).toBe(0o600);
  });

  test('twenty commands at the same moment make one platform and one person', async () => {
    await using home = await scratchHome();
    const results = await Promise.all(Array.from({ length: 20 }, () => home.run('project', 'list')));
    expect(results.map(({ status, stdout, stderr }) => (status === 0 ? 0 : `${status}: ${stdout}${stderr}`))).toEqual(
      Array(20).fill(0),
    );
    const said = results.map(({ stderr }) => stderr).join('');
    expect(said.match(/Started the embedded platform/g)).toHaveLength(1);
    expect(said.match(/You are mia/g)).toHaveLength(1);
    const server = await home.json<{ running: boolean; users: number }>('server', 'status');
    expect(server).toMatchObject({ running: true, users: 1 });
  });

  test.each(['status', 'doctor', 'auth status', 'server status', '--help', '--version'])(
    '`%s` starts nothing',
    async (line) => {
      await using home = await scratchHome();
      const { stderr } = await home.run(...line.split(' '));
      expect(stderr).not.toContain('Started');
      expect(await readdir(home.path).catch(() => [])).not.toContain('server');
    },
  );

  test('a platform that died is started again, and the login still holds', async () => {
    await using home = await scratchHome();
    await home.json('project', 'create', 'launch');
    const { pid, url } = await home.json<{ pid: number; url: string }>('server', 'status');
    process.kill(pid, 'SIGKILL');
    await eventually('the server is gone', async () => {
      const { status, stdout } = await home.run('server', 'status', '--json');
      return status === 0 && !(JSON.parse(stdout) as { data: { running: boolean } }).data.running;
    });
    const { status, stdout, stderr } = await home.run('project', 'list');
    expect([status, stderr]).toEqual([0, expect.stringContaining(`Started the embedded platform at ${url} `)]);
    expect(stdout).toContain('launch');
  });

  test('DATABASE_URL counts for server start alone, which says what is wrong with it', async () => {
    await using home = await scratchHome({ DATABASE_URL: 'garbage' });
    const { status, stdout } = await home.run('server', 'start', '--json');
    expect([status, JSON.parse(stdout)]).toMatchObject([2, { error: { code: 'VALIDATION_ERROR' } }]);
    expect((await home.run('project', 'list')).status).toBe(0);
    expect(await home.json('server', 'status')).toMatchObject({ running: true, engine: 'sqlite' });
  });

  test('a platform that has its data in PostgreSQL is not begun anew by another command', async () => {
    await using home = await scratchHome({ DATABASE_URL: 'postgres://mia@127.0.0.1:1/x' });
    await mkdir(join(home.path, 'server'), { recursive: true });
    await writeFile(join(home.path, 'server', 'postgres'), '');
    const { status, stderr } = await home.run('project', 'create', 'launch');
    expect([status, stderr]).toEqual([6, expect.stringMatching(/in PostgreSQL.*\n.*aachat server start/)]);
    expect(await readdir(join(home.path, 'server'))).not.toContain('aachat.db');
  });

  test('server start keeps the platform that a command started, at its address, and refuses a second', async () => {
    await using home = await scratchHome();
    await home.json('project', 'create', 'launch');
    const before = await home.json<{ pid: number; url: string }>('server', 'status');
    const kept = await home.json<{ pid: number; url: string }>('server', 'start');
    expect(kept.url).toBe(before.url);
    expect(kept.pid).not.toBe(before.pid);
    expect((await home.run('project', 'list')).stdout).toContain('launch');
    const second = await home.run('server', 'start');
    expect([second.status, second.stderr]).toEqual([5, expect.stringMatching(/already runs.*\n.*server stop/)]);
    expect((await home.run('server', 'stop')).stdout).toBe('The server has ended.\n');
  });

  test('a server for other machines makes nobody by itself: what to do is said, and works', async () => {
    await using home = await scratchHome();
    const { url } = await home.json<{ url: string }>('server', 'start', '--host', '0.0.0.0');
    for (const words of ['project create launch', 'auth login']) {
      const { status, stderr } = await home.run(...words.split(' '));
      expect([words, status, stderr]).toEqual([
        words,
        3,
        expect.stringMatching(/not logged in.*\n.*aachat server invite <your login>.*aachat auth login --code/),
      ]);
    }
    const { code, server } = await home.json<{ code: string; server: string }>('server', 'invite', 'mia');
    expect(server).toBe(`http://${hostname().toLowerCase()}:${new URL(url).port}`);
    expect((await home.run('auth', 'login', '--code', code)).stdout).toBe('You are mia.\n');
    expect((await home.run('project', 'list')).status).toBe(0);
  });

  test('a login that the platform does not know is forgotten, and a code makes a new one', async () => {
    await using home = await scratchHome();
    await home.json('project', 'create', 'launch');
    await home.run('server', 'stop', '--yes');
    await writeFile(join(home.path, '.run', 'tokens', 'refresh'), 'of another life\n');
    await writeFile(join(home.path, '.run', 'tokens', 'user.jwt'), 'of another life\n');
    const ended = await home.run('inbox', '--json');
    expect([ended.status, JSON.parse(ended.stdout)]).toMatchObject([
      3,
      { error: { hint: 'Run `aachat auth login`.' } },
    ]);
    const login = await home.run('auth', 'login');
    expect(login.stderr).toContain('aachat server invite');
    const { code } = await home.json<{ code: string }>('server', 'invite', 'mia');
    expect((await home.run('auth', 'login', '--code', code)).stdout).toBe('You are mia.\n');
    expect((await home.run('project', 'list')).stdout).toContain('launch');
  });
});

test('an interrupted command says so and ends with status 130', async () => {
  await using home = await scratchHome();
  await home.json('project', 'create', 'launch');
  const sending = home.start('project', 'send', 'launch', '--stdin');
  const { stdin } = sending.child;
  // More than a socket holds, less than is refused: when it is gone, the command is reading.
  await new Promise((resolve) => stdin?.write('x'.repeat(250_000), resolve));
  sending.child.kill('SIGINT');
  expect(await sending.ended).toBe(130);
  expect(sending.output()).not.toMatch(/^\s+at /m);
  expect((await home.json<{ messages: unknown[] }>('project', 'read', 'launch')).messages).toEqual([]);
});
