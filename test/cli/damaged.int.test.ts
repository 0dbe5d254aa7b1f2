/** Settings and files that are wrong: each says which one, and what to do. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { silentLog } from '#base/log.ts';
import { thisMachine } from '#runtime/machine.ts';
import { openPostgres } from '#server/database/postgres.ts';
import { run } from '../support/command.ts';
import { tempDir, writeFiles } from '../support/temp.ts';

test.for(['status', 'project list', 'up'])('an address that is none: %s says so', async (line) => {
  await using dir = await tempDir();
  const env = { AACHAT_HOME: dir.path, AACHAT_SERVER: 'nonsense' };
  const { status, stderr } = await run(line.split(' '), { env, isTerminal: true });
  expect([status, stderr]).toEqual([2, expect.stringMatching(/"nonsense" is no address.*\n.*AACHAT_SERVER/)]);
});

test('doctor says in one object what is wrong, and its status says that something is', async () => {
  await using dir = await tempDir();
  const env = { AACHAT_HOME: dir.path, AACHAT_SERVER: 'nonsense' };
  const { status, stdout } = await run(['doctor', '--json'], { env });
  expect(status).toBe(5);
  const { data } = JSON.parse(stdout) as { data: { findings: { name: string; state: string }[] } };
  expect(data.findings.find(({ name }) => name === 'server')?.state).toBe('wrong');
});

test('a bad address is not set, and what is set for an agent is listed', async () => {
  await using dir = await tempDir();
  const env = { AACHAT_HOME: dir.path };
  expect((await run(['config', 'set', 'server', 'https://'], { env })).status).toBe(2);
  await writeFiles(dir.path, { '.state/config.json': JSON.stringify({ 'agents.ada.mia.policy': 'full' }) });
  expect((await run(['config', 'list'], { env, isTerminal: true })).stdout).toMatch(
    /agents\.ada\.mia\.policy +full +file/,
  );
});

test('damaged settings and a damaged machine id are named', async () => {
  await using dir = await tempDir();
  const env = { AACHAT_HOME: dir.path, NO_COLOR: '1' };
  await writeFiles(dir.path, { '.state/machine.json': '{' });
  await expect(thisMachine(join(dir.path, '.state/machine.json'))).rejects.toMatchObject({ code: 'VALIDATION_ERROR' });
  expect((await run(['doctor'], { env, isTerminal: true })).stdout).toMatch(
    /wrong +machine .*machine\.json does not say/,
  );
  for (const text of ['{', '', '[]', '{"server": 5}', '{"agent": {"program": "x"}}']) {
    await writeFiles(dir.path, { '.state/config.json': text });
    const { status, stderr } = await run(['status'], { env, isTerminal: true });
    expect([text, status, stderr]).toEqual([text, 2, expect.stringMatching(/config\.json is damaged.*\n.*remove it/)]);
  }
});

test.for([
  ['garbage', 'VALIDATION_ERROR'],
  ['postgres://mia:secret@127.0.0.1:1/x', 'SERVER_UNREACHABLE'],
] as const)('DATABASE_URL=%s is refused without its password', async ([address, code]) => {
  const refused = openPostgres(address, silentLog);
  await expect(refused).rejects.toMatchObject({ code, message: expect.not.stringContaining('secret') });
});

test('a search for nothing is refused before a server is asked', async () => {
  await using dir = await tempDir();
  const { status, stderr } = await run(['find', ' '], { env: { AACHAT_HOME: dir.path }, isTerminal: true });
  expect([status, stderr]).toEqual([2, expect.stringContaining('Find what?')]);
});
