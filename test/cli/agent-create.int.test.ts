/** Making agents at the command line, and what is said about them. */
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from '../support/command.ts';
import { person } from '../support/person.ts';
import { testServer } from '../support/server.ts';
import { gitIn, tempDir, writeFiles } from '../support/temp.ts';

test('what an agent runs on is written into its new repo, with the agreement that an unknown program needs', async () => {
  await using dir = await tempDir();
  await using server = await testServer();
  const mia = await server.login('mia');
  const env = {
    AACHAT_HOME: dir.path,
    AACHAT_SERVER: server.url,
    AACHAT_TOKEN: mia.token ?? '',
    PATH: process.env['PATH'],
  };
  const create = (...args: string[]) => run(['agent', 'create', ...args], { env, isTerminal: true });
  const runtimeOf = (name: string) => gitIn(join(dir.path, 'repos', `${name}.mia.git`), 'show', 'HEAD:runtime.yaml');

  expect(await create('ada', '--runtime', 'gemini')).toMatchObject({
    status: 0,
    stdout: expect.stringMatching(/Next: aachat project assign/),
  });
  expect(await runtimeOf('ada')).toBe('runtime: gemini');

  expect(await create('bob', '--runtime', 'my-agent --acp')).toMatchObject({
    status: 0,
    stdout: expect.stringContaining("Next: aachat agent trust bob --program 'my-agent --acp', then aachat project"),
  });
  expect(await runtimeOf('bob')).toBe('runtime: my-agent --acp');

  await create('carl');
  await expect(runtimeOf('carl')).rejects.toThrow(/runtime\.yaml/);
  expect((await create('dora', '--runtime', ' ')).status).toBe(2);
  const existing = join(dir.path, 'repos', 'ada.mia.git');
  expect(await create('eve', '--runtime', 'codex', '--repo', existing)).toMatchObject({
    status: 2,
    stderr: expect.stringMatching(/is there already.*\n.*Leave out --runtime/),
  });
});

test('doctor says which programs are there', async () => {
  await using dir = await tempDir();
  await writeFiles(dir.path, { 'bin/gemini': '#!/bin/sh\n' });
  await chmod(join(dir.path, 'bin/gemini'), 0o755);
  const env = { AACHAT_HOME: join(dir.path, 'home'), PATH: `${join(dir.path, 'bin')}:/usr/bin:/bin`, NO_COLOR: '1' };
  expect((await run(['doctor'], { env, isTerminal: true })).stdout).toMatch(
    /ok +other programs gemini \(.*\/bin\/gemini\); not installed: opencode, codex/,
  );
});

test('what is said about an agent after a change is true, and holds no control sequences of its files', async () => {
  await using server = await testServer();
  await using mia = await person(server, 'mia');
  const say = async (...argv: string[]) => (await mia.command(argv, { isTerminal: true })).stdout;
  await mia.data('agent', 'create', 'ada');
  await writeFile(join(mia.home, 'agents', 'ada.mia', 'a\u001b[2Jb.md'), 'x\n');
  expect(await say('agent', 'save', 'ada')).toMatch(/^Saved ab\.md as \w+\.\n$/);
  await mia.data('agent', 'trust', 'ada');
  const program = ['agent', 'trust', 'ada', '--program', 'gemini --acp'];
  expect(await say(...program)).toMatch(/ada\.mia may be run by gemini --acp/);
  expect(await say(...program, '--off')).toMatch(/ada\.mia may no longer be run by gemini --acp/);
  expect(await say('agent', 'trust', 'ada', '--off')).toMatch(/ada\.mia is not trusted any more/);
});
