/** How the program starts: with which Node, and what that leaves behind. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, copyFile, mkdir, readdir, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { PROGRAM_LINE, scratchHome } from '../support/aachat.ts';
import { tempDir, writeFiles } from '../support/temp.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..', '..');

/** Makes a Node say that it is an old one. What it starts is as new as it is. */
const OLD = ['--import', 'data:text/javascript,Object.defineProperty(process,"versions",{value:{node:"20.1.0"}})'];

/** An installed program, with or without a newer Node beside it. */
async function installed({ newer }: { readonly newer: boolean }) {
  const dir = await tempDir();
  await mkdir(join(dir.path, 'bin'));
  await copyFile(join(root, 'bin', 'aachat.js'), join(dir.path, 'bin', 'aachat.js'));
  for (const name of ['dist', 'package.json']) await symlink(join(root, name), join(dir.path, name));
  if (newer) {
    await writeFiles(dir.path, { 'node_modules/node/bin/node': `#!/bin/sh\nexec '${process.execPath}' "$@"\n` });
    await chmod(join(dir.path, 'node_modules/node/bin/node'), 0o755);
  }
  return {
    start: (args: readonly string[], env: NodeJS.ProcessEnv = { PATH: process.env['PATH'] }) =>
      spawn(process.execPath, [...OLD, join(dir.path, 'bin', 'aachat.js'), ...args], { env }),
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

async function ended(child: ChildProcess) {
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (text += String(chunk)));
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, text };
}

describe('an old Node', () => {
  test('starts the newer one beside the program, with the same words, and ends as that does', async () => {
    await using program = await installed({ newer: true });
    expect(await ended(program.start(['--version']))).toEqual({
      status: 0,
      text: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    });
    expect(await ended(program.start(['no such', 'word']))).toEqual({
      status: 2,
      text: expect.stringContaining("Unknown command 'no such'"),
    });
  });

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('passes %s on', async (signal, status) => {
    await using home = await scratchHome();
    await home.json('project', 'create', 'launch');
    await using program = await installed({ newer: true });
    const child = program.start(['project', 'send', 'launch', '--stdin'], home.env);
    const running = ended(child);
    // More than a socket holds, less than is refused: when it is gone, the command is reading.
    await new Promise((resolve) => child.stdin.write('x'.repeat(250_000), resolve));
    child.kill(signal);
    expect((await running).status).toBe(status);
  });

  test('without a newer one is refused', async () => {
    await using program = await installed({ newer: false });
    expect(await ended(program.start(['--help']))).toEqual({
      status: 1,
      text: expect.stringMatching(/^aachat needs Node \d+\.\d+\.\d+ or newer; this is 20\.1\.0\. .*nodejs\.org/),
    });
  });
});

test('what starts the program quicker lies in the home, and only in one that is used', async () => {
  await using home = await scratchHome();
  await home.run('--help');
  expect(await readdir(home.path).catch(() => [])).toEqual([]);
  await mkdir(join(home.path, '.run'), { recursive: true });
  expect((await home.run('--help')).status).toBe(0);
  expect(await readdir(join(home.path, '.run'))).toEqual(['code']);
  expect(await readdir(join(home.path, '..', 'tmp'))).toEqual([]);
});

// npm packs and installs, and the demo runs.
test('the package needs nothing beside it', async () => {
  await using dir = await tempDir();
  await using home = await scratchHome({ PATH: `${dirname(process.execPath)}:${process.env['PATH']}` });
  const npm = (...args: string[]) => run('npm', [...args, '--offline', '--no-audit', '--no-fund'], { cwd: dir.path });
  await writeFiles(dir.path, { 'package.json': '{}' });
  // Built already; building it again would take the program away from the tests that run now.
  const { stdout } = await npm('pack', root, '--ignore-scripts', '--json');
  const packed = Object.values(JSON.parse(stdout) as Record<string, { readonly filename: string }>);
  await npm('install', `./${packed[0]?.filename}`);
  expect(await readdir(join(dir.path, 'node_modules'))).toEqual(['.bin', '.package-lock.json', 'aachat']);
  const shown = await run(join(dir.path, 'node_modules', '.bin', 'aachat'), ['demo'], { env: home.env });
  expect(shown.stdout).toContain('The scratch folder is gone again.');
});

test('a reader that goes away is no failure, whatever is still to be said', async () => {
  await using home = await scratchHome();
  const child = spawn('bash', ['-c', `set -o pipefail; ${PROGRAM_LINE} schema 2>&1 | head -c 10; echo " $?"`], {
    env: home.env,
  });
  const { status, text } = await ended(child);
  expect([status, text]).toEqual([0, expect.stringMatching(/^\{\s.* 0\n$/s)]);
});
