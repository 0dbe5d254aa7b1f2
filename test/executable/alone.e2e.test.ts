/** The single executable on a machine that has git and nothing else. */
import { execFile, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, readdir, symlink } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { execute, PROGRAM, PROGRAM_LINE, scratchHome } from '../support/aachat.ts';
import { testPostgres } from '../support/postgres.ts';
import { tempDir, tempRepo, writeFiles } from '../support/temp.ts';

/** A folder for PATH in which there is only git. */
async function onlyGit() {
  const dir = await tempDir();
  const git = (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'git'))
    .find((file) => existsSync(file));
  await symlink(git ?? '', join(dir.path, 'git'));
  return dir;
}

test('it shows the whole loop', async () => {
  await using bin = await onlyGit();
  await using home = await scratchHome({ PATH: bin.path });
  const { status, stdout, stderr } = await home.run('demo');
  expect({ status, stderr }).toMatchObject({ status: 0 });
  expect(stdout).toContain('The scratch folder is gone again.');
  expect(await readdir(join(home.path, '..', 'tmp'))).toEqual([]);
});

test('the demo takes the Claude Code that was installed for the home', async () => {
  await using bin = await onlyGit();
  await using home = await scratchHome({ PATH: bin.path });
  const entry = '.run/programs/claude/node_modules/@agentclientprotocol/claude-agent-acp/dist/index.js';
  await writeFiles(home.path, { [entry]: "console.error('it was me');process.exit(1);" });
  const { status, stderr } = await home.run('demo', '--claude');
  expect({ status, stderr }).toEqual({ status: 8, stderr: expect.stringContaining('it was me') });
});

test('a full disk, and a reader that went away, are no reason to print a stack', async () => {
  await using home = await scratchHome();
  for (const [command, status] of [
    ['--version >/dev/full', 1],
    ['--help >/dev/full', 1],
    ['--version | true', 0],
  ] as const) {
    const ran = spawnSync('sh', ['-c', `${PROGRAM_LINE} ${command}`], { env: home.env, encoding: 'utf8' });
    expect({ command, status: ran.status, stderr: ran.stderr }).toEqual({ command, status, stderr: '' });
  }
});

test('it runs nothing of the folder that it is started in', async () => {
  await using bin = await onlyGit();
  await using home = await scratchHome({ PATH: bin.path });
  await using repo = await tempRepo();
  const proof = join(home.path, '..', 'ran');
  const evil = `require('node:fs').appendFileSync(${JSON.stringify(proof)}, __filename + '\\n');`;
  // Whatever the bundle still looks for by name, and what engines load by themselves.
  const dist = join(import.meta.dirname, '..', '..', 'dist');
  const bundle = readdirSync(dist)
    .filter((name) => name.endsWith('.js'))
    .map((name) => readFileSync(join(dist, name), 'utf8'));
  const wanted = bundle.flatMap((text) =>
    [...text.matchAll(/(?:require|import)\(\s*["']([@\w][^"':]*)["']\s*\)/g)].map(([, name = '']) => name),
  );
  const adapter = '@agentclientprotocol/claude-agent-acp';
  const names = new Set([...wanted, 'bufferutil', 'utf-8-validate', 'pg-native', 'supports-color', adapter]);
  for (const name of names) {
    await writeFiles(repo.path, {
      [`node_modules/${name}/index.js`]: evil,
      [`node_modules/${name}/dist/index.js`]: evil,
      [`node_modules/${name}/package.json`]: JSON.stringify({ name, main: 'index.js' }),
    });
  }
  await writeFiles(repo.path, {
    'evil.js': evil,
    '.env': 'AACHAT_LOGIN=eve\nBUN_OPTIONS=--preload=./evil.js\nNODE_OPTIONS=--require=./evil.js\n',
    'bunfig.toml': 'preload = ["./evil.js"]\n',
    'package.json': JSON.stringify({ imports: { '#*': './evil.js' }, type: 'commonjs' }),
    'tsconfig.json': JSON.stringify({ compilerOptions: { paths: { '*': ['./evil.js'] } } }),
  });
  const here = (...args: string[]) => execute(args, { cwd: repo.path, env: home.env });
  await here('agent', 'create', 'ada');
  expect((await here('auth', 'status', '--json')).stdout).toContain('"mia"');
  await here('up', '--detach', '--program', 'scripted');
  await here('project', 'send', 'dm:ada', 'hello');
  const looked = await here('doctor', '--json').catch((thrown: { stdout: string }) => thrown);
  expect(looked.stdout).toContain('Claude Code was not found');
  await here('down', '--yes');
  expect(existsSync(proof) ? readFileSync(proof, 'utf8') : '').toBe('');
});

test("under the name chat it is the agents' chat", async () => {
  await using dir = await onlyGit();
  await using home = await scratchHome();
  const chat = join(dir.path, 'chat');
  await symlink(PROGRAM[0], chat);
  const { stdout } = await promisify(execFile)(chat, ['--help'], { env: home.env });
  expect(stdout).toMatch(/^Usage: chat /);
});

test('its platform keeps its data in PostgreSQL', async () => {
  await using bin = await onlyGit();
  await using postgres = await testPostgres();
  await using home = await scratchHome({ PATH: bin.path, DATABASE_URL: await postgres.database() });
  await home.json('server', 'start');
  await home.json('project', 'create', 'launch');
  await home.json('project', 'send', 'launch', 'still there?');
  await home.json('server', 'stop', '--yes');
  await home.json('server', 'start');
  expect(await home.json('server', 'status')).toMatchObject({ engine: 'postgres', users: 1 });
  expect(await home.json('project', 'read', 'launch')).toMatchObject({ messages: [{ body: 'still there?' }] });
});

test('Claude Code that is missing is said with the command that mends it; an archive that is not it changes nothing', async () => {
  await using bin = await onlyGit();
  const junk = createServer((_, response) => response.end('junk'));
  await new Promise<void>((resolve) => junk.listen(0, '127.0.0.1', resolve));
  await using home = await scratchHome({
    PATH: bin.path,
    npm_config_registry: `http://127.0.0.1:${(junk.address() as AddressInfo).port}`,
  });
  try {
    await home.json('agent', 'create', 'ada');
    const up = home.start('up');
    await up.until(/aachat doctor --fix/);
    await up.until(/1 of 1 sessions did not come up/);
    up.child.kill('SIGINT');
    await up.ended;
    expect((await home.run('up', '--detach')).stdout).toMatch(/! Claude Code was not found[\s\S]*aachat doctor --fix/);
    const { status, stdout } = await home.run('doctor', '--fix', '--yes', '--json');
    expect({ status, stdout }).toMatchObject({ status: 5, stdout: expect.stringContaining('its digest differs') });
    const programs = join(home.path, '.run', 'programs');
    await mkdir(programs, { recursive: true });
    expect(await readdir(programs)).toEqual([]);
  } finally {
    await new Promise((resolve) => junk.close(resolve));
  }
});
