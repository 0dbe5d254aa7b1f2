/** What a session's program is started with, and when it has to be started again. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { newId } from '#base/id.ts';
import { silentLog } from '#base/log.ts';
import { openHome } from '#runtime/home.ts';
import type { Policy } from '#runtime/policy.ts';
import { prepareProgram } from '#runtime/session-program.ts';
import { tempDir, writeFiles } from '../support/temp.ts';

test('a process of Claude Code keeps the policy that it was started with, also if another one was looked up meanwhile', async () => {
  await using dir = await tempDir();
  const home = openHome(join(dir.path, 'home'));
  await writeFiles(dir.path, { 'workspace/a.txt': '' });
  await mkdir(home.workspaces, { recursive: true });
  const starting = Promise.withResolvers<void>();
  const started = Promise.withResolvers<unknown>();
  let allowed: Policy = 'accept-edits';
  const options = {
    launcher: {
      home,
      serverUrl: new URL('http://127.0.0.1:1'),
      owner: { id: newId(), login: 'mia' },
      log: silentLog,
      secrets: new Set(),
      parentEnv: {},
      engine: { module: [process.execPath], root: join(import.meta.dirname, '../..') },
      programSetting: () => 'claude',
      isTrusted: () => true,
      trustedProgramOf: () => undefined,
      policyOf: async () => allowed,
    },
    conversation: null,
    costMicros: 0,
    branch: null,
    join: () => async () => {
      starting.resolve();
      return await started.promise;
    },
    signal: new AbortController().signal,
  };
  const session = { id: newId(), agent: 'ada.mia', team: 'mia', projects: [] };
  const path = join(dir.path, 'workspace');
  const workspace = { path, agentDir: path, repo: { identity: '' } };
  const program = await prepareProgram(options as never, session as never, workspace as never, {});

  const opening = program.open();
  await starting.promise;
  allowed = 'read-only';
  expect(await program.takePolicy()).toBe(true);
  started.resolve({ conversation: 'a', [Symbol.asyncDispose]: async () => {} });
  await opening;
  expect(await program.takePolicy()).toBe(false);

  await program.end();
  await program.open();
  expect(await program.takePolicy()).toBe(true);
});
