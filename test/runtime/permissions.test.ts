import { resolve } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { LOOK_MS } from '#base/time.ts';
import type { PermissionRequest } from '#runtime/agent.ts';
import { createPermissionDesk } from '#runtime/permission-desk.ts';
import { answerFor, decide, type PermissionScope } from '#runtime/permissions.ts';
import { POLICIES, type Policy } from '#runtime/policy.ts';

const scope: PermissionScope = {
  workspace: '/h/ws',
  own: ['/h/ws/aachat/docs', '/h/ws/aachat/agents/ada.mia'],
  denied: ['/h/.run/tokens', '/h/.run/sessions', '/h/.run/sessions/me/token'],
  exempt: ['/h/.run/sessions/me'],
};
const request = (toolKind: string, ...paths: string[]): PermissionRequest => ({
  title: 'x',
  toolKind,
  paths: paths.map((path) => resolve(scope.workspace, path)),
  digest: 'd',
  options: [
    { id: 'always', kind: 'allow_always', name: 'Always' },
    { id: 'yes', kind: 'allow_once', name: 'Yes' },
    { id: 'no', kind: 'reject_once', name: 'No' },
  ],
});

type Verdict = 'allow' | 'reject' | 'ask';
const table: readonly (readonly [what: string, request: PermissionRequest, verdicts: Record<Policy, Verdict>])[] = [
  [
    'an edit of a document',
    request('edit', 'aachat/docs/a.md'),
    { ask: 'allow', 'read-only': 'reject', 'accept-edits': 'allow', full: 'allow' },
  ],
  [
    'an edit of its own repo',
    request('edit', '/h/ws/aachat/agents/ada.mia/memory/x'),
    { ask: 'allow', 'read-only': 'reject', 'accept-edits': 'allow', full: 'allow' },
  ],
  [
    'an edit of the workspace',
    request('edit', 'src/a.ts'),
    { ask: 'ask', 'read-only': 'reject', 'accept-edits': 'allow', full: 'allow' },
  ],
  [
    'an edit outside',
    request('edit', '/etc/passwd'),
    { ask: 'ask', 'read-only': 'reject', 'accept-edits': 'ask', full: 'allow' },
  ],
  [
    'an edit that climbs out',
    request('edit', 'aachat/docs/../../../x'),
    { ask: 'ask', 'read-only': 'reject', 'accept-edits': 'ask', full: 'allow' },
  ],
  [
    'an edit of a folder with a longer name',
    request('edit', '/h/ws/aachat/docs-evil/a'),
    { ask: 'ask', 'read-only': 'reject', 'accept-edits': 'allow', full: 'allow' },
  ],
  [
    'two edits, one of them elsewhere',
    request('edit', 'aachat/docs/a.md', '/etc/x'),
    { ask: 'ask', 'read-only': 'reject', 'accept-edits': 'ask', full: 'allow' },
  ],
  ['a command', request('execute'), { ask: 'ask', 'read-only': 'reject', 'accept-edits': 'ask', full: 'allow' }],
  ['a read', request('read', 'a.txt'), { ask: 'ask', 'read-only': 'allow', 'accept-edits': 'ask', full: 'allow' }],
  [
    'a read of the tokens',
    request('read', '/h/.run/tokens/refresh'),
    { ask: 'reject', 'read-only': 'reject', 'accept-edits': 'reject', full: 'reject' },
  ],
  [
    'an edit of the tokens by another name',
    request('edit', '/h/ws/../.run/tokens/x'),
    { ask: 'reject', 'read-only': 'reject', 'accept-edits': 'reject', full: 'reject' },
  ],
  [
    'a read of what another session has, whenever that began',
    request('read', '/h/.run/sessions/other/events.jsonl'),
    { ask: 'reject', 'read-only': 'reject', 'accept-edits': 'reject', full: 'reject' },
  ],
  [
    'a read of a temporary file of its own',
    request('read', '/h/.run/sessions/me/tmp/out.txt'),
    { ask: 'ask', 'read-only': 'allow', 'accept-edits': 'ask', full: 'allow' },
  ],
  [
    'a read of its own token',
    request('read', '/h/.run/sessions/me/token'),
    { ask: 'reject', 'read-only': 'reject', 'accept-edits': 'reject', full: 'reject' },
  ],
];

describe('policy', () => {
  test.for(table)('%s', ([, asked, verdicts]) => {
    const decided = Object.fromEntries(POLICIES.map((policy) => [policy, decide(policy, asked, scope)]));
    expect(decided).toEqual(verdicts);
  });
});

describe('desk', () => {
  const from = { sessionId: 's' as never, agent: 'ada.mia', turnId: 't' as never };
  const never = new AbortController().signal;
  const open = (more: Partial<Parameters<typeof createPermissionDesk>[0]> = {}) =>
    createPermissionDesk({ lifetimeMs: 600_000, onChange: () => {}, ...more });
  const say = (allow: boolean, by = 'up') => ({ allow, by, digest: 'd' });

  test('the first answer wins, the second is told who was first and what they said', async () => {
    const changes: string[] = [];
    const desk = open({ onChange: ({ kind }) => changes.push(kind) });
    const asked = desk.ask(from, request('execute'), never);
    expect(desk.pending()).toMatchObject([{ id: asked.id, agent: 'ada.mia', turnId: 't', digest: 'd' }]);
    expect(desk.answer(asked.id, say(true, 'aachat up on laptop')).outcome).toBe('allowed');
    expect(() => desk.answer(asked.id, say(false))).toThrow(
      expect.objectContaining({
        code: 'CONFLICT',
        message: expect.stringContaining('allowed already, by aachat up on laptop'),
      }),
    );
    expect(await asked.answered).toMatchObject({
      settled: { outcome: 'allowed', by: 'aachat up on laptop' },
      answer: { kind: 'selected', optionId: 'yes' },
    });
    expect([desk.pending(), desk.settled().map(({ id }) => id), changes]).toEqual([
      [],
      [asked.id],
      ['asked', 'settled'],
    ]);
  });

  test('an answer to another request than the one that waits does nothing', () => {
    const desk = open();
    const asked = desk.ask(from, request('execute'), never);
    expect(() => desk.answer(asked.id, { ...say(true), digest: 'of another' })).toThrow(/another request/);
    expect(desk.pending()).toHaveLength(1);
    expect(() => desk.answer('unknown' as never, say(true))).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }));
  });

  test('what expired while the machine slept is over soon after it wakes', async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const asked = open().ask(from, request('execute'), never);
    vi.setSystemTime(Date.now() + 600_000);
    await vi.advanceTimersByTimeAsync(LOOK_MS);
    expect(await Promise.race([asked.answered, 'waits'])).toMatchObject({ settled: { outcome: 'expired', by: null } });
  });

  test('a request ends with its turn, and cannot be answered any more', async () => {
    const desk = open();
    const turn = new AbortController();
    const asked = desk.ask(from, request('execute'), turn.signal);
    turn.abort();
    expect((await asked.answered).answer).toEqual({ kind: 'cancelled' });
    expect(() => desk.answer(asked.id, say(true))).toThrow(/turn ended before/);
    const late = desk.ask(from, request('execute'), turn.signal);
    expect((await late.answered).settled.outcome).toBe('cancelled');
    expect(desk.pending()).toEqual([]);
  });

  test('nobody answers: it expires to a rejection, and who comes later is told', async () => {
    const desk = open({ lifetimeMs: 5 });
    const asked = desk.ask(from, request('execute'), never);
    expect(await asked.answered).toMatchObject({
      settled: { outcome: 'expired', by: null },
      answer: { kind: 'selected', optionId: 'no' },
    });
    expect(() => desk.answer(asked.id, say(true))).toThrow(/expired/);
  });

  test('what is over is forgotten after an hour', () => {
    let now = 0;
    const desk = open({ clock: () => now });
    const asked = desk.ask(from, request('execute'), never);
    desk.answer(asked.id, say(true));
    now += 59 * 60_000;
    expect(desk.settled()).toHaveLength(1);
    now += 2 * 60_000;
    expect(desk.settled()).toEqual([]);
    expect(() => desk.answer(asked.id, say(true))).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }));
  });

  test('one that waits does not hold another', async () => {
    const desk = open();
    const turn = new AbortController();
    const first = desk.ask(from, request('execute'), turn.signal);
    const second = desk.ask(from, request('edit', 'a'), never);
    desk.answer(second.id, say(false));
    expect((await second.answered).settled.outcome).toBe('denied');
    turn.abort();
    expect((await first.answered).settled.outcome).toBe('cancelled');
  });

  test('an allowance never covers later requests, whatever the program offers', () => {
    const onlyAlways = { ...request('execute'), options: [{ id: 'always', kind: 'allow_always', name: 'Always' }] };
    expect(answerFor(onlyAlways, 'allowed')).toEqual({ kind: 'cancelled' });
    expect(answerFor(request('execute'), 'allowed')).toEqual({ kind: 'selected', optionId: 'yes' });
  });
});

describe('a command', () => {
  const run = (command: string, policy: Policy) =>
    decide(policy, { ...request('execute'), title: 'anything', command }, scope);

  test.for([
    'aachat inbox',
    'aachat project read launch --limit 20',
    'chat project send launch "Done: it\'s 2 > 1; see @bob.mia!"',
    "aachat project send launch 'two\nlines with $HOME and `ticks`'",
    'aachat find --project="launch" x  ',
  ])('of ours needs no question: %s', (command) => {
    for (const policy of POLICIES) expect(run(command, policy)).toBe('allow');
  });

  test.for([
    'aachat inbox > /home/mia/.bashrc',
    'aachat inbox; rm -rf x',
    'aachat inbox && rm x',
    'aachat inbox\nrm x',
    'aachat project send launch $(cat /etc/passwd)',
    'aachat project send launch "`id`"',
    'aachat project send launch "$HOME"',
    'PATH=/evil aachat inbox',
    '{ aachat inbox; } > x',
    './aachat inbox',
    'aachatter inbox',
    "aachat 'open",
    'aachat a\\ b',
    '',
  ])('that could do more is asked for: %s', (command) => {
    expect(run(command, 'ask')).toBe('ask');
    expect(run(command, 'read-only')).toBe('reject');
  });

  test('is what the program will run, never its title', () => {
    expect(decide('ask', { ...request('execute'), title: 'aachat inbox' }, scope)).toBe('ask');
  });
});
