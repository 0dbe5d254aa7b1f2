import { expect, test } from 'vitest';
import { silentLog } from '#base/log.ts';
import { claimPidFile } from '#base/pid-file.ts';
import type { Project } from '#contract/entities.ts';
import { openControlServer } from '#runtime/control.ts';
import { openHome } from '#runtime/home.ts';
import { UpFile } from '#runtime/up-file.ts';
import { run } from '../support/command.ts';
import { tempDir } from '../support/temp.ts';

/** An `up` that this process seems to be. */
async function runningUp(path: string, connected: boolean, loops: Project[] = []): Promise<AsyncDisposable> {
  const home = openHome(path);
  const since = '2026-01-01T00:00:00.000Z';
  const server = 'http://127.0.0.1:1';
  await claimPidFile(home.upFile, UpFile, { since, server, agents: [], team: null });
  const nothing = { sessions: [], permissions: [], attachments: [], mirrors: [], loops };
  const facts = { pid: process.pid, startedAt: since, server, connected, ready: true, ...nothing };
  const unused = () => Promise.reject(new Error('Nobody asks for it.'));
  const handlers = {
    getStatus: async () => facts,
    listPermissions: unused,
    answerPermission: unused,
    beatAttachment: unused,
    attachSession: unused,
    stopUp: unused,
    resumeMirror: unused,
    beginMirrors: unused,
  };
  return await openControlServer(home.controlSocket, handlers, silentLog);
}

test.each([
  ['the embedded platform does not run', {}, /\nConnecting to the server …\nRun `aachat server start`/],
  [
    'the server that is set does not answer',
    { AACHAT_SERVER: 'http://127.0.0.1:1' },
    /does not answer\n.*\nConnecting to the server …\nCheck .* http:\/\/127\.0\.0\.1:1; /,
  ],
])('status says the next step when up is not connected and %s', async (_, server, words) => {
  await using dir = await tempDir();
  await using _up = await runningUp(dir.path, false);
  const env = { AACHAT_HOME: dir.path, NO_COLOR: '1', ...server };
  const { status, stdout } = await run(['status'], { env, isTerminal: true });
  expect([status, stdout]).toEqual([0, expect.stringMatching(words)]);
});

test('status of an up that is connected has no next step', async () => {
  await using dir = await tempDir();
  await using _up = await runningUp(dir.path, true);
  const { stdout } = await run(['status'], { env: { AACHAT_HOME: dir.path, NO_COLOR: '1' }, isTerminal: true });
  expect(stdout).toMatch(/^Server: .*\nSessions: aachat up runs, pid \d+, since [^\n]*\n$/);
});

test('status says which agents are kept from waking each other, and what lets them go on', async () => {
  await using dir = await tempDir();
  const at = '2026-01-01T00:00:00.000Z';
  const id = '019a1b2c-3d4e-7f60-8a9b-0c1d2e3f4a5c';
  const loop = { id, teamId: id, team: '~mia', name: 'launch', kind: 'project', status: 'active', description: '' };
  const until = new Date(Date.now() + 600_000).toISOString();
  const cooldowns = [{ agents: ['ada.mia', 'bob.mia'], because: 'repetition', until }];
  const project = { ...loop, hopLimit: 6, loopStoppedAt: at, cooldowns, createdAt: at } as unknown as Project;
  await using _up = await runningUp(dir.path, true, [project]);
  const { stdout } = await run(['status'], { env: { AACHAT_HOME: dir.path, NO_COLOR: '1' }, isTerminal: true });
  expect(stdout).toMatch(/^In launch agents answered each other 6 times: .* until a person says something\.$/m);
  expect(stdout).toMatch(/^In launch ada\.mia and bob\.mia repeat themselves .* until a person says something\.$/m);
});
