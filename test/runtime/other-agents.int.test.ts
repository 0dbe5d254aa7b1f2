/** The real Gemini CLI and the real Codex, as far as they go without a login. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { silentLog } from '#base/log.ts';
import { type Agent, openAgent } from '#runtime/agent.ts';
import { findAgentProgram } from '#runtime/agent-program.ts';
import { agentEnvironment } from '#runtime/environment.ts';
import { listLeases } from '#runtime/lease.ts';
import { AGENTS_PATH } from '../support/agents.ts';
import { type TempDir, tempDir } from '../support/temp.ts';

async function open(dir: TempDir, name: string, keys: Readonly<Record<string, string>> = {}): Promise<Agent> {
  const at = (folder: string) => join(dir.path, folder);
  await Promise.all(['home', 'tmp', 'ws', 'bin'].map((folder) => mkdir(at(folder), { recursive: true })));
  const program = await findAgentProgram({
    runtimeYaml: `runtime: ${name}`,
    path: AGENTS_PATH,
    managedDir: at('managed'),
    engine: { self: ['x'], scripted: ['x'], module: ['x'], root: undefined },
  });
  const env = agentEnvironment({
    parent: { PATH: AGENTS_PATH, HOME: at('home'), LANG: 'C.UTF-8', ...keys },
    declared: {},
    own: {},
    shimDir: at('bin'),
    temp: at('tmp'),
    kind: program.kind,
  });
  return await openAgent({
    program,
    env,
    leasesDir: at('leases'),
    sessionId: 's',
    open: { cwd: at('ws'), ...(program.mode === undefined ? {} : { mode: program.mode }) },
    onUpdate: () => {},
    onPermission: async () => ({ kind: 'cancelled' }),
    onUnprompted: () => {},
    log: silentLog,
  });
}

test.for([
  ['gemini', 'GEMINI_API_KEY'],
  ['codex', 'codex-acp login'],
] as const)('%s without a login says how to log in, and nothing is left', async ([name, way]) => {
  await using dir = await tempDir();
  await expect(open(dir, name)).rejects.toMatchObject({
    code: 'AGENT_FAILED',
    message: 'The agent program is not logged in.',
    hint: expect.stringContaining(way),
  });
  expect(await listLeases(join(dir.path, 'leases'))).toEqual([]);
});

test('gemini with a key of the person opens a conversation, in the mode in which it asks', async () => {
  await using dir = await tempDir();
  await using agent = await open(dir, 'gemini', { GEMINI_API_KEY: 'not-a-real-key' });
  expect(agent).toMatchObject({ opened: 'new', conversation: expect.stringMatching(/./), warnings: [] });
});
