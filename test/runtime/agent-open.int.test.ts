/** Opening agent programs that are slow, mute, newer, forgetful or strict. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { exists } from '#base/fs.ts';
import { silentLog } from '#base/log.ts';
import { type Agent, type AgentOptions, openAgent } from '#runtime/agent.ts';
import { listLeases } from '#runtime/lease.ts';
import { eventually } from '../support/eventually.ts';
import { type TempDir, tempDir, writeFiles } from '../support/temp.ts';

const ODD = join(import.meta.dirname, '../support/odd-agent.ts');

const open = (dir: TempDir, oddity: string, more: Partial<AgentOptions> = {}): Promise<Agent> =>
  openAgent({
    program: { kind: 'acp', command: [process.execPath, ODD, oddity], origin: 'odd' },
    env: { PATH: process.env['PATH'] ?? '' },
    leasesDir: join(dir.path, 'leases'),
    sessionId: 's',
    open: { cwd: dir.path },
    onUpdate: () => {},
    onPermission: async () => ({ kind: 'cancelled' }),
    onUnprompted: () => {},
    log: silentLog,
    ...more,
  });

test('a program that can only load gets the conversation back, and its replay is not taken for news', async () => {
  await using dir = await tempDir();
  const updates: string[] = [];
  await using agent = await open(dir, 'plain', {
    open: { cwd: dir.path, conversation: 'old' },
    onUpdate: (update) => updates.push(JSON.stringify(update)),
  });
  expect(agent).toMatchObject({ opened: 'loaded', conversation: 'old', info: { name: 'odd', version: '0.1' } });
  expect(await agent.prompt('Go on.')).toMatchObject({ kind: 'ended', text: 'answer', lastMessageId: 'm1' });
  expect(updates.join('\n')).not.toContain('before');
  expect(updates).toHaveLength(1);
});

test('a conversation that the program does not know is begun again', async () => {
  await using dir = await tempDir();
  await using agent = await open(dir, 'plain', { open: { cwd: dir.path, conversation: 'forgotten' } });
  expect(agent).toMatchObject({ opened: 'renewed', conversation: 'old' });
});

test('a failure that is not "unknown" never costs a conversation', async () => {
  await using dir = await tempDir();
  const opening = open(dir, 'broken', { open: { cwd: dir.path, conversation: 'old' } });
  await expect(opening).rejects.toMatchObject({ code: 'AGENT_FAILED' });
  expect(await listLeases(join(dir.path, 'leases'))).toEqual([]);
});

test('a program that answers to an unknown conversation with any failure is asked what it knows', async () => {
  await using dir = await tempDir();
  await using agent = await open(dir, 'lists', { open: { cwd: dir.path, conversation: 'forgotten' } });
  expect(agent).toMatchObject({ opened: 'renewed', conversation: 'old' });
  const known = open(dir, 'lists', { open: { cwd: dir.path, conversation: 'old' } });
  await expect(known).rejects.toMatchObject({ code: 'AGENT_FAILED' });
});

test('a program without anything that the protocol leaves to it works', async () => {
  await using dir = await tempDir();
  const asked: unknown[] = [];
  await using agent = await open(dir, 'bare', {
    open: { cwd: dir.path, conversation: 'earlier', mode: 'default' },
    onPermission: async (request) => {
      asked.push(request);
      return { kind: 'selected', optionId: 'go' };
    },
  });
  expect(agent).toMatchObject({ opened: 'renewed', info: { name: 'acp', version: '' } });
  expect(agent.warnings).toEqual([expect.stringContaining('default')]);
  expect(await agent.prompt('Hello.')).toEqual({
    kind: 'ended',
    stopReason: 'end_turn',
    text: 'go',
    lastMessageId: null,
    counters: { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0, costMicros: 0 },
  });
  expect(asked).toEqual([
    {
      title: 'look: ls -la',
      command: 'ls -la',
      toolKind: 'other',
      paths: [],
      options: [{ id: 'go', kind: 'allow_once', name: 'Go' }],
      digest: expect.stringMatching(/^[0-9a-f]{64}$/),
    },
  ]);
});

test('a mode that is refused is said, and the conversation is open', async () => {
  await using dir = await tempDir();
  await using agent = await open(dir, 'plain', { open: { cwd: dir.path, mode: 'bypassPermissions' } });
  expect(agent.warnings).toEqual([expect.stringContaining('bypassPermissions')]);
  expect(await agent.prompt('Hello.')).toMatchObject({ text: 'answer' });
});

test.for(['eager', 'late', 'hasty'])('work that nobody asked for is told from turns, and ends: %s', async (oddity) => {
  await using dir = await tempDir();
  const heard: string[] = [];
  await using agent = await open(dir, oddity, { onUnprompted: (state) => heard.push(state) });
  expect(await agent.prompt('Hello.')).toMatchObject({ text: 'answer' });
  await writeFiles(dir.path, { over: '' });
  await eventually('it worked by itself', () => heard.includes('ended'));
  expect(heard).toEqual(['started', 'ended']);
});

test('a program that reads nothing any more can be cancelled and ended', async () => {
  await using dir = await tempDir();
  await using agent = await open(dir, 'frozen');
  await eventually('it is frozen', () => exists(join(dir.path, 'frozen')));
  // More than a pipe holds.
  const turn = agent.prompt('x'.repeat(1_000_000));
  expect(agent.cancel()).toBe(true);
  await agent[Symbol.asyncDispose]();
  expect(await turn).toMatchObject({ kind: 'failed', reason: 'agent_exited' });
});

test.for([
  ['needs a login before it opens', 'login', 'not logged in'],
  ['speaks a newer protocol only', 'newer', 'version 2 of ACP'],
] as const)('a program that %s says so, and nothing is left', async ([, oddity, words]) => {
  await using dir = await tempDir();
  await expect(open(dir, oddity)).rejects.toMatchObject({
    code: 'AGENT_FAILED',
    message: expect.stringContaining(words),
    hint: expect.any(String),
  });
  expect(await listLeases(join(dir.path, 'leases'))).toEqual([]);
});

test('a program that never answers is given up, and nothing is left', async () => {
  await using dir = await tempDir();
  await expect(open(dir, 'mute')).rejects.toMatchObject({
    code: 'AGENT_FAILED',
    message: expect.stringContaining('did not answer in time'),
  });
  expect(await listLeases(join(dir.path, 'leases'))).toEqual([]);
});

test('an opening that is cancelled ends at once, and nothing is left', async () => {
  await using dir = await tempDir();
  const cancel = new AbortController();
  const opening = open(dir, 'mute', { signal: cancel.signal });
  await eventually('it was started', async () => (await listLeases(join(dir.path, 'leases'))).length > 0);
  cancel.abort();
  await expect(opening).rejects.toMatchObject({ code: 'CANCELLED' });
  expect(await listLeases(join(dir.path, 'leases'))).toEqual([]);
});
