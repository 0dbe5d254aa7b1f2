import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { silentLog } from '#base/log.ts';
import { processStart } from '#base/process.ts';
import { type Agent, type AgentOptions, openAgent, type PermissionRequest } from '#runtime/agent.ts';
import { listLeases } from '#runtime/lease.ts';
import { eventually } from '../support/eventually.ts';
import { tempDir } from '../support/temp.ts';

const SCRIPTED = [process.execPath, join(import.meta.dirname, '../support/scripted-entry.ts')] as const;
const script = (...steps: readonly object[]) => `SCRIPT:${JSON.stringify(steps)}`;

async function open(dir: string, more: Partial<AgentOptions> = {}): Promise<Agent> {
  return await openAgent({
    program: { kind: 'scripted', command: SCRIPTED, origin: 'scripted' },
    env: { PATH: process.env['PATH'] ?? '', TMPDIR: dir },
    leasesDir: join(dir, 'leases'),
    sessionId: 's',
    open: { cwd: dir },
    onUpdate: () => {},
    onPermission: async () => ({ kind: 'cancelled' }),
    onUnprompted: () => {},
    log: silentLog,
    ...more,
  });
}

const isAlive = (pid: number): boolean => processStart(pid) !== undefined;

describe('agent', () => {
  test('a turn ends with its last message, not with the words before', async () => {
    await using dir = await tempDir();
    const updates: string[] = [];
    await using agent = await open(dir.path, { onUpdate: ({ sessionUpdate }) => updates.push(sessionUpdate) });
    const outcome = await agent.prompt(
      script(
        { thought: 'hm' },
        { text: 'I will look.' },
        { bash: 'printf found > f; cat f' },
        { text: 'It is found.' },
      ),
    );
    expect(outcome).toMatchObject({ kind: 'ended', stopReason: 'end_turn', text: 'It is found.' });
    expect(new Set(updates)).toEqual(
      new Set(['agent_thought_chunk', 'agent_message_chunk', 'tool_call', 'tool_call_update']),
    );
    expect(await readFile(join(dir.path, 'f'), 'utf8')).toBe('found');
  });

  test('a turn that ends with a tool call says nothing', async () => {
    await using dir = await tempDir();
    await using agent = await open(dir.path);
    expect(await agent.prompt(script({ text: 'I will write.' }, { edit: 'a.md', content: 'x' }))).toMatchObject({
      text: '',
    });
  });

  test('permission requests carry title, kind and paths, and the answer goes back', async () => {
    await using dir = await tempDir();
    const asked: PermissionRequest[] = [];
    await using agent = await open(dir.path, {
      onPermission: async (request) => {
        asked.push(request);
        return { kind: 'selected', optionId: request.options.find(({ kind }) => kind === 'reject_once')?.id ?? '' };
      },
    });
    expect(await agent.prompt(script({ edit: 'a.md', ask: true, content: 'x' }, { ask: 'rm -rf /' }))).toMatchObject({
      text: 'refused',
    });
    expect(asked.map(({ title, toolKind, paths }) => [title, toolKind, paths])).toEqual([
      ['Write a.md', 'edit', [join(dir.path, 'a.md')]],
      ['rm -rf /', 'execute', []],
    ]);
    await expect(readFile(join(dir.path, 'a.md'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('a cancel ends the turn, also while it waits for an answer, and the next one works', async () => {
    await using dir = await tempDir();
    const { promise: never } = Promise.withResolvers<never>();
    let asked = false;
    await using agent = await open(dir.path, {
      onPermission: () => {
        asked = true;
        return never;
      },
    });
    const hanging = agent.prompt(script({ text: 'one' }, { hang: true }));
    agent.cancel();
    expect(await hanging).toMatchObject({ kind: 'ended', stopReason: 'cancelled' });
    const waiting = agent.prompt(script({ ask: 'may I?' }));
    await eventually('the agent asks', () => asked);
    agent.cancel();
    expect(await waiting).toMatchObject({ stopReason: 'cancelled' });
    expect(await agent.prompt(script({ text: 'still here' }))).toMatchObject({ text: 'still here' });
  });

  test('failures are told apart by their codes', async () => {
    await using dir = await tempDir();
    await using agent = await open(dir.path);
    const reasons: unknown[] = [];
    for (const step of [{ error: -32_000 }, { error: -32_603, kind: 'rate_limit' }, { error: -32_603 }]) {
      const outcome = await agent.prompt(script({ text: 'words before' }, step));
      reasons.push(outcome.kind === 'failed' && outcome.reason);
    }
    expect(reasons).toEqual(['auth_required', 'rate_limit', 'agent_error']);
  });

  test('an agent that dies in a turn fails it and closes', async () => {
    await using dir = await tempDir();
    await using agent = await open(dir.path);
    expect(await agent.prompt(script({ exit: 3 }))).toMatchObject({ kind: 'failed', reason: 'agent_exited' });
    await eventually('closed', () => agent.closed.aborted);
  });

  test('the same conversation is resumed, an unknown one is begun again', async () => {
    await using dir = await tempDir();
    let conversation = '';
    {
      await using agent = await open(dir.path);
      conversation = agent.conversation;
      expect(agent.opened).toBe('new');
    }
    {
      await using agent = await open(dir.path, { open: { cwd: dir.path, conversation } });
      expect([agent.opened, agent.conversation]).toEqual(['resumed', conversation]);
    }
    await using agent = await open(dir.path, { open: { cwd: dir.path, conversation: 'unknown' } });
    expect(agent.opened).toBe('renewed');
  });

  test.for([
    ['ends at once', 'console.error("no such model \\u001b[31m"); process.exit(1)', 'no such model'],
    [
      'prints garbage',
      'console.log("hello\\n{]"); process.stdin.resume(); setTimeout(() => process.exit(0), 300)',
      'ended with status 0',
    ],
  ] as const)(
    'a program that is no agent and %s fails with its last words, and nothing is left',
    async ([, code, words]) => {
      await using dir = await tempDir();
      const program = { kind: 'acp', command: [process.execPath, '-e', code], origin: 'odd' } as const;
      const error = await open(dir.path, { program }).then(
        () => undefined,
        (thrown: Error & { hint?: string }) => thrown,
      );
      expect(error).toMatchObject({ code: 'AGENT_FAILED' });
      expect(`${error?.message} ${error?.hint}`).toContain(words);
      expect(error?.hint).not.toContain('\u001b');
      expect(await listLeases(join(dir.path, 'leases'))).toEqual([]);
    },
  );

  test('a program that is not there says so', async () => {
    await using dir = await tempDir();
    const program = { kind: 'acp', command: ['/nowhere/agent'], origin: 'odd' } as const;
    await expect(open(dir.path, { program })).rejects.toMatchObject({
      code: 'AGENT_FAILED',
      hint: expect.stringContaining('doctor'),
    });
    expect(await listLeases(join(dir.path, 'leases'))).toEqual([]);
  });

  test('giving it back ends what it started, however stubborn', async () => {
    await using dir = await tempDir();
    const agent = await open(dir.path);
    const stubborn = `setsid sh -c 'trap "" TERM HUP; echo $$ > stubborn.pid; while :; do sleep 1; done' >/dev/null 2>&1 & until test -s stubborn.pid; do sleep 0.1; done; echo started`;
    expect(await agent.prompt(script({ bash: stubborn }))).toMatchObject({ text: 'started' });
    const pid = Number(await readFile(join(dir.path, 'stubborn.pid'), 'utf8'));
    expect(isAlive(pid)).toBe(true);
    await agent[Symbol.asyncDispose]();
    expect(isAlive(pid)).toBe(false);
    expect(isAlive(agent.pid)).toBe(false);
  });
});
