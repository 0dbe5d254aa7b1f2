import { describe, expect, test } from 'vitest';
import { changedLines, compact, type LiveState, liveBlock } from '#cli/live-view.ts';
import type { LiveSession, PendingPermission } from '#contract/control.ts';
import { NO_PAINT } from '../support/command.ts';

const session = (more: Partial<LiveSession> = {}): LiveSession =>
  ({
    sessionId: '019a1b2c-3d4e-7f60-8a9b-0c1d2e3f4a5b',
    agent: 'ada.mia',
    team: 'acme',
    phase: 'running',
    step: 'ready',
    activity: 'input_ready',
    unread: 0,
    tokens: 0,
    workspace: '/home/mia/aachat/.run/workspaces/ada.mia--2e3f4a5b',
    pid: 1,
    limitedUntil: null,
    name: null,
    problem: null,
    ...more,
  }) as LiveSession;

const permission = (title: string): PendingPermission =>
  ({ id: '019a1b2c-3d4e-7f60-8a9b-0c1d2e3f4a5c', agent: 'ada.mia', title, toolKind: 'execute', options: [] }) as never;

const state = (more: Partial<LiveState> = {}): LiveState => ({
  sessions: [session()],
  permissions: [],
  mirrors: [],
  connected: true,
  ...more,
});

describe('live view', () => {
  test('a session has its state, sid and ws on one line', () => {
    expect(liveBlock(state({ sessions: [session({ unread: 2, tokens: 1234 })] }), NO_PAINT, 200)).toBe(
      'ada.mia  input ready             sid=2e3f4a5b  ws=ada.mia--2e3f4a5b  team=acme  unread=2  tokens=1.2k',
    );
    expect(liveBlock(state({ sessions: [session({ name: 'fix it' })] }), NO_PAINT, 200)).toContain(
      'sid=2e3f4a5b  name=fix it  ws=',
    );
  });

  test('a booting session shows its step, a failed one what to do', () => {
    const failed = session({ phase: 'failed', problem: { message: 'No Claude Code.', hint: 'Install it.' } });
    const block = liveBlock(
      state({ sessions: [session({ phase: 'booting', step: 'worktree' }), failed] }),
      NO_PAINT,
      200,
    );
    expect(block).toContain('worktree');
    expect(block).toContain('! No Claude Code.\n');
    expect(block).toContain('Install it.\nWhat failed is tried again when it gets a message.');
  });

  test('what is wrong with several sessions is said once, and whose it is', () => {
    const problem = { message: 'The agent program is not logged in.', hint: 'Type /login.' };
    const failed = ['ada.mia', 'bob.mia'].map((agent) =>
      session({ sessionId: agent as never, agent: agent as never, phase: 'failed', problem }),
    );
    const lines = liveBlock(state({ sessions: failed }), NO_PAINT, 200).split('\n');
    expect(lines.filter((line) => line.includes('not logged in'))).toHaveLength(1);
    expect(lines.slice(2)).toEqual([
      '  ! The agent program is not logged in.',
      '    Type /login.',
      '    (2 sessions: ada.mia, bob.mia)',
      'What failed is tried again when it gets a message.',
    ]);
    const booting = state({ sessions: failed.map((one) => ({ ...one, phase: 'booting', problem: null })) });
    const piped = changedLines(booting, state({ sessions: failed }));
    expect(piped.filter((line) => line.includes('not logged in'))).toHaveLength(1);
  });

  test('a limit says when it ends, if that is known, and a session without a process what it waits for', () => {
    const shown = (more: Partial<LiveSession>) => liveBlock(state({ sessions: [session(more)] }), NO_PAINT, 200);
    const until = new Date(2_099, 0, 1, 5, 33).toISOString();
    expect(shown({ activity: 'limited', limitedUntil: until })).toContain('limited until 2099-01-01 05:33  sid=');
    expect(shown({ activity: 'limited' })).toContain('ada.mia  limited  ');
    expect(shown({ activity: 'hibernated', step: 'waits for a free place' })).toContain('waits for a free place  sid=');
  });

  test('what to do is shown whole, however narrow the terminal is', () => {
    const hint = 'Run `/home/mia/aachat/.run/programs/claude` and type /login, then send a message again.';
    const failed = session({ phase: 'failed', problem: { message: 'Not logged in.', hint } });
    const lines = liveBlock(state({ sessions: [failed] }), NO_PAINT, 50)
      .split('\n')
      .slice(1);
    expect(lines.map((line) => line.length <= 50)).not.toContain(false);
    expect(lines).toEqual([
      '  ! Not logged in.',
      '    Run `/home/mia/aachat/.run/programs/claude`',
      '      and type /login, then send a message again.',
      'What failed is tried again when it gets a message.',
    ]);
  });

  test('a question stands below with its keys; control characters of a title do not reach the terminal', () => {
    const block = liveBlock(
      state({ permissions: [permission('rm -rf x\u001b]52;c;AAAA\u0007\nnext')] }),
      NO_PAINT,
      200,
    );
    expect(block).toContain('ada.mia asks: rm -rf x ]52;c;AAAA next');
    expect(block).toContain('y allow once');
  });

  test('a session looks good only while the server is reached', () => {
    const paint = { ...NO_PAINT, good: (text: string) => `good ${text}`, bad: (text: string) => `bad ${text}` };
    expect(liveBlock(state(), paint, 200)).toMatch(/^good ada\.mia .*$/);
    expect(liveBlock(state({ connected: false }), paint, 200)).toMatch(/^ada\.mia .*\nbad Connecting to the server …$/);
  });

  test('no line is wider than the terminal', () => {
    const block = liveBlock(state({ permissions: [permission('x'.repeat(500))] }), NO_PAINT, 40);
    expect(Math.max(...block.split('\n').map((line) => line.length))).toBeLessThanOrEqual(40);
  });

  test('a pipe gets a line only where something moved', () => {
    const before = state();
    expect(changedLines(undefined, before)).toHaveLength(1);
    expect(changedLines(before, state({ sessions: [session({ tokens: 50 })] }))).toEqual([]);
    expect(changedLines(before, state({ sessions: [session({ activity: 'working' })] }))).toEqual([
      expect.stringContaining('working'),
    ]);
    expect(changedLines(before, state({ permissions: [permission('Write a')] }))).toEqual([
      'ada.mia asks: Write a  (aachat permission allow | deny 2e3f4a5c)',
    ]);
  });

  test.for([
    [0, '0'],
    [999, '999'],
    [1_000, '1k'],
    [12_345, '12.3k'],
    [3_400_000, '3.4M'],
  ] as const)('%i is %s', ([count, text]) => {
    expect(compact(count)).toBe(text);
  });
});
