/** Turns of the real Claude Code: answers, failures, limits, cancelling, dying, coming back. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { exists, readIfExists } from '#base/fs.ts';
import { identityOf, isRunning } from '#base/process.ts';
import { listLeases } from '#runtime/lease.ts';
import { type ClaudeScene, claudeScene, type OpenedClaude } from '../support/claude.ts';
import { eventually } from '../support/eventually.ts';
import { script } from '../support/fake-anthropic.ts';

/** Pids of the processes that `pid` started. */
function childrenOf(pid: number): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
        return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === pid;
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** The process whose pid a command wrote there; a shell makes the file before it writes. */
const identityIn = async (file: string) => identityOf(Number((await readIfExists(file)) ?? ''));

test('the answer is the last message, and counters are those of the turn', async () => {
  await using scene = await claudeScene();
  await using claude = await scene.open();
  expect(claude.agent).toMatchObject({ opened: 'new', warnings: [] });
  const first = await claude.agent.prompt(
    script({ say: 'Let me look.', tool: 'Bash', input: { command: 'pwd' } }, { text: 'Here it is.', chunks: 4 }),
  );
  expect(first).toMatchObject({ kind: 'ended', stopReason: 'end_turn', text: 'Here it is.' });
  const second = await claude.agent.prompt(script({ text: 'Again.' }));
  const third = await claude.agent.prompt(script({ text: 'Once more.' }));
  if (first.kind !== 'ended' || second.kind !== 'ended' || third.kind !== 'ended') throw new Error('A turn failed.');
  expect(first.counters).toMatchObject({
    inputTokens: 200,
    outputTokens: 20,
    cacheReadTokens: 14,
    cacheWriteTokens: 0,
  });
  expect(second.counters).toMatchObject({
    inputTokens: 100,
    outputTokens: 10,
    cacheReadTokens: 7,
    cacheWriteTokens: 0,
  });
  // The cost that the program reports is cumulative; a turn has its own. A side call may fall into any of them.
  const [one, two, three] = [first, second, third].map(({ counters }) => counters.costMicros);
  expect(two).toBeGreaterThan(0);
  expect(three).toBeLessThan((one ?? 0) + (two ?? 0));
  expect(second.lastMessageId).not.toBe(first.lastMessageId);
});

describe('one conversation goes on after', () => {
  let scene: ClaudeScene;
  let claude: OpenedClaude;
  beforeAll(async () => {
    scene = await claudeScene();
    claude = await scene.open();
  });
  afterAll(async () => {
    await claude[Symbol.asyncDispose]();
    await scene[Symbol.asyncDispose]();
  });

  test('a second prompt while one is open is refused', async () => {
    const hanging = claude.agent.prompt(script({ hang: true }));
    await expect(claude.agent.prompt('Me too.')).rejects.toThrow('open already');
    claude.agent.cancel();
    expect(await hanging).toMatchObject({ stopReason: 'cancelled' });
  });

  test('a key that the API refuses is a missing login', async () => {
    const refusal = { status: 401, error: 'authentication_error', message: 'invalid x-api-key' };
    expect(await claude.agent.prompt(script(refusal))).toMatchObject({ kind: 'failed', reason: 'auth_required' });
  });

  test.for([
    [{ status: 429, error: 'rate_limit_error' }, 'rate_limit'],
    [{ status: 529, error: 'overloaded_error' }, 'agent_error'],
    [{ status: 400, error: 'invalid_request_error' }, 'agent_error'],
  ] as const)('the API answers %o: the turn fails as %s, without words to post', async ([step, reason]) => {
    const outcome = await claude.agent.prompt(script(step));
    expect(outcome).toMatchObject({ kind: 'failed', reason, resetsAt: null });
    expect(outcome).not.toHaveProperty('text');
    expect(await claude.agent.prompt(script({ text: 'Still here.' }))).toMatchObject({ text: 'Still here.' });
  });

  test('a refusal of the model is an end of its own kind', async () => {
    const outcome = await claude.agent.prompt(script({ text: '', stop: 'refusal' }));
    expect(outcome).toMatchObject({ kind: 'ended', stopReason: 'refusal' });
  });

  test('notices of the program are not the words of the agent', async () => {
    const before = claude.updates.length;
    // Claude Code notes a refusal in mid-text and goes on by itself once.
    const outcome = await claude.agent.prompt(script({ text: 'Well,', stop: 'refusal' }));
    expect(JSON.stringify(claude.updates.slice(before))).toContain('"kind":"informational"');
    expect(outcome).toMatchObject({ kind: 'ended', text: expect.stringMatching(/^echo: /) });
  });
});

test('without a login it opens, and the turn says how to log in', async () => {
  await using scene = await claudeScene();
  const { ANTHROPIC_API_KEY: _, ...env } = scene.env();
  await using claude = await scene.open({ env });
  expect(await claude.agent.prompt(script({ text: 'Never.' }))).toMatchObject({
    kind: 'failed',
    reason: 'auth_required',
    hint: expect.stringContaining('/login'),
  });
  expect(scene.api.turns()).toEqual([]);
});

test('a limit of the subscription tells when it ends, and the next prompt goes through', async () => {
  await using scene = await claudeScene();
  const { ANTHROPIC_API_KEY: _, ...env } = scene.env();
  await using claude = await scene.open({ env: { ...env, CLAUDE_CODE_OAUTH_TOKEN: 'sk-ant-oat01-not-a-real-token' } });
  const resetsAt = Math.floor(Date.now() / 1000) + 3600;
  const limit = {
    status: 429,
    error: 'rate_limit_error',
    headers: {
      'anthropic-ratelimit-unified-status': 'rejected',
      'anthropic-ratelimit-unified-reset': String(resetsAt),
      'anthropic-ratelimit-unified-representative-claim': 'five_hour',
      'anthropic-ratelimit-unified-5h-status': 'rejected',
      'anthropic-ratelimit-unified-5h-reset': String(resetsAt),
      'anthropic-ratelimit-unified-5h-utilization': '1.0',
    },
  };
  expect(await claude.agent.prompt(script(limit))).toMatchObject({
    kind: 'failed',
    reason: 'rate_limit',
    resetsAt: resetsAt * 1000,
  });
  expect(await claude.agent.prompt(script({ text: 'On again.' }))).toMatchObject({ kind: 'ended', text: 'On again.' });
});

test('a cancel ends the turn while text streams, a command runs, or a question is open', async () => {
  await using scene = await claudeScene();
  const { promise: never } = Promise.withResolvers<never>();
  await using claude = await scene.open({ onPermission: () => never });
  const { agent, updates, asked } = claude;
  const cancelled = { kind: 'ended', stopReason: 'cancelled' };

  const streaming = agent.prompt(script({ text: 'A word.', hang: true }));
  await eventually('text streams', () => JSON.stringify(updates).includes('word'));
  agent.cancel();
  expect(await streaming).toMatchObject(cancelled);

  const asking = agent.prompt(script({ tool: 'Bash', input: { command: 'touch never' } }));
  await eventually('a question is open', () => asked.length > 0);
  agent.cancel();
  expect(await asking).toMatchObject(cancelled);
  expect(await exists(join(scene.workspace, 'never'))).toBe(false);

  const mark = join(scene.workspace, 'aachat', 'docs', 'running');
  const command = `tail -f /dev/null & echo $! > ${mark}; wait`;
  await using full = await scene.open({ policy: 'full' });
  const running = full.agent.prompt(script({ tool: 'Bash', input: { command } }));
  const child = await eventually('the command runs', () => identityIn(mark));
  full.agent.cancel();
  expect(await running).toMatchObject(cancelled);
  await eventually('the command is gone', () => !isRunning(child));
  expect(await full.agent.prompt(script({ text: 'Go on.' }))).toMatchObject({ text: 'Go on.' });
});

test.for(['SIGKILL', 'SIGTERM'] as const)(
  'an adapter that is ended by %s in a turn fails the turn, and what it started goes with it',
  async (signal) => {
    await using scene = await claudeScene();
    await using claude = await scene.open({ policy: 'full' });
    const mark = join(scene.workspace, 'running');
    const command = `echo $$ > ${mark}; tail -f /dev/null`;
    const turn = claude.agent.prompt(script({ tool: 'Bash', input: { command } }));
    const tool = await eventually('the command runs', () => identityIn(mark));
    process.kill(claude.agent.pid, signal);
    expect(await turn).toMatchObject({ kind: 'failed', reason: 'agent_exited' });
    await eventually('closed', () => claude.agent.closed.aborted);
    await claude.agent[Symbol.asyncDispose]();
    expect(isRunning(tool)).toBe(false);
    expect(await listLeases(scene.leasesDir)).toEqual([]);
  },
);

test('when Claude dies under its adapter, the agent closes so that it can be opened again', async () => {
  await using scene = await claudeScene();
  await using claude = await scene.open();
  await claude.agent.prompt(script({ text: 'First.' }));
  const turn = claude.agent.prompt(script({ hang: true }));
  await eventually('the turn began', () => scene.api.turns().length > 1);
  for (const pid of childrenOf(claude.agent.pid)) process.kill(pid, 'SIGKILL');
  expect(await turn).toMatchObject({ kind: 'failed', reason: 'agent_error' });
  expect(await claude.agent.prompt(script({ text: 'Gone.' }))).toMatchObject({
    kind: 'failed',
    reason: 'agent_exited',
  });
  await eventually('closed', () => claude.agent.closed.aborted);
});

test('a resumed conversation knows what was said, also after a kill in mid-turn', async () => {
  await using scene = await claudeScene();
  let conversation = '';
  let costMicros = 0;
  {
    await using claude = await scene.open();
    const first = await claude.agent.prompt(`The word is HORIZON. ${script({ text: 'Noted.' })}`);
    // A side call counts for the turn in which it ends.
    await eventually('it has its title', () => scene.api.requests.length > scene.api.turns().length);
    const second = await claude.agent.prompt(script({ text: 'Still here.' }));
    for (const turn of [first, second]) if (turn.kind === 'ended') costMicros += turn.counters.costMicros;
    const turn = claude.agent.prompt(script({ hang: true }));
    await eventually('the turn began', () => scene.api.turns().length > 2);
    process.kill(claude.agent.pid, 'SIGKILL');
    await turn;
    conversation = claude.agent.conversation;
  }
  await using claude = await scene.open({ conversation, costMicros });
  expect(claude.agent).toMatchObject({ opened: 'resumed', conversation });
  const outcome = await claude.agent.prompt(script({ text: 'I know it.' }));
  expect(outcome).toMatchObject({ kind: 'ended', text: 'I know it.' });
  expect(scene.api.turns().at(-1)?.raw).toContain('HORIZON');
  expect(claude.updates.filter(({ sessionUpdate }) => sessionUpdate === 'user_message_chunk')).toEqual([]);
  // One request now, three then: the past is not paid for again.
  if (outcome.kind === 'ended') expect(outcome.counters.costMicros).toBeLessThan(costMicros);
});

test('a conversation that Claude does not know is begun again, and said to be', async () => {
  await using scene = await claudeScene();
  const conversation = '0b6c1f4e-94a5-4c5e-8d6e-3a1f5b7c9d10';
  await using claude = await scene.open({ conversation });
  expect(claude.agent.opened).toBe('renewed');
  expect(claude.agent.conversation).not.toBe(conversation);
  expect(await claude.agent.prompt(script({ text: 'New here.' }))).toMatchObject({ text: 'New here.' });
});
