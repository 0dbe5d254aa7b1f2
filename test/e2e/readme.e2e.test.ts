/** What the README tells people to type is typed here, line by line, with the built-in agent instead of Claude Code. */
import { execFile } from 'node:child_process';
import { chmod, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import manifest from '#manifest' with { type: 'json' };
import { PROGRAM_LINE, type RunningCommand, scratchHome } from '../support/aachat.ts';
import { eventually } from '../support/eventually.ts';
import { gitIn, tempDir, writeFiles } from '../support/temp.ts';

const readme = await readFile(join(import.meta.dirname, '..', '..', 'README.md'), 'utf8');

/** The lines of all blocks for a shell, without their comments. */
const lines = Array.from(readme.matchAll(/^```sh\n(.*?)^```$/gms), ([, block = '']) => block)
  .flatMap((block) => block.split('\n'))
  .map((line) => line.replace(/\s+# .*$/, '').trim())
  .filter((line) => line !== '');

/** What is said with npm builds and installs the program, which these tests begin with. */
const npm = lines.filter((line) => line.startsWith('npm '));
const typed = lines.filter((line) => !line.startsWith('npm '));

test('what the README says with npm are commands of npm and scripts that exist', () => {
  const parts = npm.flatMap((line) => line.split(' && '));
  expect(parts.length).toBeGreaterThan(0);
  for (const part of parts) {
    const [, verb = '', script] = part.split(' ');
    const known = verb === 'run' ? Object.keys(manifest.scripts) : ['ci', 'link', ...Object.keys(manifest.scripts)];
    expect(known, part).toContain(verb === 'run' ? script : verb);
  }
  expect(manifest.bin).toHaveProperty('aachat');
});

test('what the README says in a shell works, in the order in which it is said', async () => {
  await using bin = await tempDir();
  await writeFiles(bin.path, { aachat: `#!/bin/sh\nexec ${PROGRAM_LINE} "$@"\n` });
  await chmod(join(bin.path, 'aachat'), 0o755);
  await using home = await scratchHome({
    PATH: `${bin.path}:${process.env['PATH']}`,
    AACHAT_AGENT: 'scripted',
    GIT_AUTHOR_NAME: 'mia',
    GIT_AUTHOR_EMAIL: 'mia@example.org',
    GIT_COMMITTER_NAME: 'mia',
    GIT_COMMITTER_EMAIL: 'mia@example.org',
  });
  const person = String(home.env['HOME']);
  await symlink(home.path, join(person, 'aachat'));
  await writeFiles(join(person, 'code', 'my-project'), { 'README.md': '# My project\n' });
  for (const args of [
    ['init', '--quiet'],
    ['add', '.'],
    ['commit', '--quiet', '-m', 'Begin'],
  ]) {
    await gitIn(join(person, 'code', 'my-project'), ...args);
  }
  const shell = (line: string) => promisify(execFile)('bash', ['-c', line], { cwd: person, env: home.env });
  let up: RunningCommand | undefined;

  const ways: readonly (readonly [line: RegExp, type: (line: string) => Promise<unknown>])[] = [
    [
      /^aachat up$/,
      async () => {
        up = home.start('up');
        await up.until(/Ready \(Ctrl\+C stops everything\)/);
      },
    ],
    [
      // Somebody's agent lies here, not at GitHub.
      /^aachat agent clone owner\/repo$/,
      async (line) => {
        const theirs = join(person, 'reviewer');
        await gitIn(person, 'clone', '--quiet', '--bare', join(home.path, 'repos', 'ada.mia.git'), theirs);
        await shell(line.replace('owner/repo', theirs));
      },
    ],
    // A document reaches the server a moment after it was saved.
    [/^aachat doc history /, (line) => eventually(`${line} works`, () => shell(line).catch(() => false))],
    [/^(aachat|mkdir -p) |^cd .* && aachat init$/, shell],
  ];
  for (const line of typed) {
    const type = ways.find(([pattern]) => pattern.test(line))?.[1];
    if (type === undefined) throw new Error(`The README has a line that this test cannot type: ${line}`);
    await type(line);
  }
  const { stdout } = await shell('aachat project read launch --text');
  expect(stdout).toContain('ada what should we do first?');
  expect((await shell('aachat doc show plan')).stdout).toContain('# Plan');
  up?.child.kill('SIGINT');
  expect(await up?.ended).toBe(130);
});
