import { describe, expect, test } from 'vitest';
import { AachatError, toAachatError } from '#base/errors.ts';
import type { TurnId } from '#contract/ids.ts';
import {
  activityOf,
  DEATH_LIMIT,
  failureCause,
  mayRest,
  type SessionEvent,
  type SessionState,
  transition,
} from '#runtime/session-state.ts';

type Kind = SessionState['kind'];
const turnId = '019a1b2c-3d4e-7f60-8a9b-0c1d2e3f4a5b' as TurnId;
const otherTurn = '019a1b2c-3d4e-7f60-8a9b-0c1d2e3f4a5c' as TurnId;

const states: { [K in Kind]: Extract<SessionState, { kind: K }> } = {
  stopped: { kind: 'stopped' },
  booting: { kind: 'booting', deaths: 0 },
  ready: { kind: 'ready', deaths: 1 },
  working: { kind: 'working', turnId, deaths: 1 },
  cancelling: { kind: 'cancelling', turnId, deaths: 1 },
  unprompted: { kind: 'unprompted', deaths: 1 },
  hibernated: { kind: 'hibernated', deaths: 1 },
  waiting: { kind: 'waiting', deaths: 1 },
  waking: { kind: 'waking', deaths: 1 },
  limited: { kind: 'limited', until: 1000, deaths: 1 },
  'backing-off': { kind: 'backing-off', deaths: 1 },
  failed: { kind: 'failed' },
  stopping: { kind: 'stopping' },
};

const events: { [K in SessionEvent['kind']]: Extract<SessionEvent, { kind: K }> } = {
  boot: { kind: 'boot' },
  booted: { kind: 'booted', isAsleep: false },
  'boot-failed': { kind: 'boot-failed', cause: 'lasting' },
  'turn-started': { kind: 'turn-started', turnId },
  cancel: { kind: 'cancel' },
  'turn-ended': { kind: 'turn-ended', turnId },
  'limit-reached': { kind: 'limit-reached', turnId, until: 1000 },
  'limit-over': { kind: 'limit-over', until: 1000 },
  'budget-changed': { kind: 'budget-changed' },
  'unprompted-started': { kind: 'unprompted-started' },
  'unprompted-ended': { kind: 'unprompted-ended' },
  sleep: { kind: 'sleep' },
  wanted: { kind: 'wanted' },
  'place-granted': { kind: 'place-granted' },
  opened: { kind: 'opened' },
  blocked: { kind: 'blocked', isRetried: false },
  'agent-closed': { kind: 'agent-closed' },
  settled: { kind: 'settled' },
  'retry-due': { kind: 'retry-due' },
  stop: { kind: 'stop' },
  released: { kind: 'released' },
};

/** Every event that is not named leaves the state as it is. */
const row = (self: Kind, moves: Partial<Record<SessionEvent['kind'], Kind>>): Record<SessionEvent['kind'], Kind> => {
  const stay = Object.fromEntries(Object.keys(events).map((event) => [event, self]));
  return { ...(stay as Record<SessionEvent['kind'], Kind>), ...moves };
};

const expected: Record<Kind, Record<SessionEvent['kind'], Kind>> = {
  stopped: row('stopped', { boot: 'booting' }),
  booting: row('booting', { booted: 'ready', 'boot-failed': 'failed', stop: 'stopping' }),
  ready: row('ready', {
    'turn-started': 'working',
    'unprompted-started': 'unprompted',
    sleep: 'hibernated',
    blocked: 'failed',
    'agent-closed': 'backing-off',
    stop: 'stopping',
  }),
  working: row('working', {
    cancel: 'cancelling',
    'turn-ended': 'ready',
    'limit-reached': 'limited',
    blocked: 'failed',
    'agent-closed': 'backing-off',
    stop: 'stopping',
  }),
  cancelling: row('cancelling', {
    'turn-ended': 'ready',
    'limit-reached': 'limited',
    blocked: 'failed',
    'agent-closed': 'backing-off',
    stop: 'stopping',
  }),
  hibernated: row('hibernated', { wanted: 'waiting', stop: 'stopping' }),
  waiting: row('waiting', { 'place-granted': 'waking', stop: 'stopping' }),
  waking: row('waking', { opened: 'ready', 'boot-failed': 'failed', stop: 'stopping' }),
  unprompted: row('unprompted', {
    'unprompted-ended': 'ready',
    blocked: 'failed',
    'agent-closed': 'backing-off',
    stop: 'stopping',
  }),
  limited: row('limited', {
    'limit-over': 'ready',
    'budget-changed': 'ready',
    blocked: 'failed',
    'agent-closed': 'backing-off',
    stop: 'stopping',
  }),
  'backing-off': row('backing-off', { 'retry-due': 'booting', stop: 'stopping' }),
  failed: row('failed', { boot: 'booting', 'retry-due': 'booting', stop: 'stopping' }),
  stopping: row('stopping', { released: 'stopped' }),
};

describe('session state', () => {
  const rows = Object.entries(expected).flatMap(([from, row]) =>
    Object.entries(row).map(([event, to]) => ({ from: from as Kind, event: event as SessionEvent['kind'], to })),
  );
  test.for(rows)('$from on $event → $to', ({ from, event, to }) => {
    expect(transition(states[from], events[event]).state.kind).toBe(to);
  });

  test('a limit goes on while the process sleeps, and its end starts none by itself', () => {
    const { state, effects } = transition(states.limited, events.sleep);
    expect({ state, effects }).toEqual({
      state: { ...states.limited, isAsleep: true },
      effects: [{ kind: 'end-program' }],
    });
    for (const event of [events['agent-closed'], events.blocked, events.sleep, events.wanted]) {
      expect(transition(state, event)).toEqual({ state, effects: [] });
    }
    expect(transition(state, events['limit-over'])).toEqual({
      state: { kind: 'hibernated', deaths: 1 },
      effects: [{ kind: 'next-turn' }],
    });
  });

  test('whatever may rest hears that it is to sleep, and nothing else does', () => {
    const asleep = { ...states.limited, isAsleep: true } as const;
    for (const state of [...Object.values(states), asleep]) {
      const { effects } = transition(state, events.sleep);
      expect(effects.some(({ kind }) => kind === 'end-program')).toBe(mayRest(state));
    }
  });

  test('what comes up without a place sleeps, and looks at once for something to do', () => {
    expect(transition(states.booting, { kind: 'booted', isAsleep: true })).toEqual({
      state: { kind: 'hibernated', deaths: 0 },
      effects: [{ kind: 'next-turn' }],
    });
    expect(transition(states.waking, { kind: 'boot-failed', cause: 'passing' }).effects).toEqual([
      { kind: 'schedule-retry', delayMs: 2_000 },
    ]);
  });

  test('a turn that is not the current one cannot end it', () => {
    expect(transition(states.working, { kind: 'turn-ended', turnId: otherTurn })).toEqual({
      state: states.working,
      effects: [],
    });
    expect(transition(states.working, { kind: 'limit-reached', turnId: otherTurn, until: 5 }).effects).toEqual([]);
  });

  test('a boot that may pass is tried again, one that a person must mend is not', () => {
    expect(transition(states.booting, { kind: 'boot-failed', cause: 'passing' })).toEqual({
      state: { kind: 'backing-off', deaths: 1 },
      effects: [{ kind: 'schedule-retry', delayMs: 1_000 }],
    });
    expect(transition(states.booting, { kind: 'boot-failed', cause: 'lasting' }).effects).toEqual([]);
    expect(transition(states.booting, { kind: 'boot-failed', cause: 'elsewhere' })).toMatchObject({
      state: { kind: 'failed' },
      effects: [{ kind: 'schedule-retry' }],
    });
  });

  test('what a full disk has ended is tried again, because whoever makes room tells nobody', () => {
    const again = [{ kind: 'schedule-retry', delayMs: 30_000 }];
    expect(transition(states.booting, { kind: 'boot-failed', cause: 'disk-full' }).effects).toEqual(again);
    const { effects } = transition(states.working, { kind: 'blocked', isRetried: true });
    expect(effects).toEqual([{ kind: 'give-back' }, ...again]);
    expect(transition(states.working, events.blocked).effects).toEqual([{ kind: 'give-back' }]);
    const full = Object.assign(new Error('write'), { code: 'ENOSPC' });
    const byGit = new AachatError('GIT_FAILED', 'git worktree failed: fatal: write: No space left on device');
    for (const thrown of [full, byGit]) expect(failureCause(toAachatError(thrown), false)).toBe('disk-full');
    expect(failureCause(toAachatError(new Error('no')), false)).toBe('lasting');
  });

  test('an agent that keeps dying waits longer each time and then needs a person', () => {
    const lives = Array.from({ length: DEATH_LIMIT }, (_, deaths) =>
      transition({ kind: 'ready', deaths }, events['agent-closed']),
    );
    expect(lives.map(({ effects }) => effects.map((e) => (e.kind === 'schedule-retry' ? e.delayMs : e.kind)))).toEqual([
      [1_000],
      [2_000],
      [4_000],
      [8_000],
      [],
    ]);
    expect(lives.at(-1)?.state.kind).toBe('failed');
  });

  test('a calm minute forgets earlier deaths', () => {
    expect(transition(states.working, events.settled).state).toEqual({ ...states.working, deaths: 0 });
  });

  test('another budget ends a limit, and the end of an earlier limit none that came later', () => {
    expect(transition(states.limited, events['budget-changed']).effects).toEqual([{ kind: 'next-turn' }]);
    expect(transition(states.limited, { kind: 'limit-over', until: 999 }).state).toBe(states.limited);
  });

  test('a refusal for a budget that was changed meanwhile is no reason to wait, a second one is', () => {
    const changed = transition(states.working, events['budget-changed']).state;
    expect(transition(changed, events['limit-reached'])).toMatchObject({
      state: { kind: 'ready' },
      effects: [{ kind: 'next-turn' }],
    });
    const again = transition({ kind: 'ready', deaths: 0 }, events['turn-started']).state;
    expect(transition(again, events['limit-reached']).state.kind).toBe('limited');
  });

  test('stopping twice releases once', () => {
    const first = transition(states.working, events.stop);
    expect(first.effects).toEqual([{ kind: 'release' }]);
    expect(transition(first.state, events.stop).effects).toEqual([]);
  });

  test('the end of every turn looks for the next one', () => {
    expect(transition(states.working, events['turn-ended']).effects).toEqual([{ kind: 'next-turn' }]);
    expect(transition(states.limited, events['limit-over']).effects).toEqual([{ kind: 'next-turn' }]);
    expect(transition(states.booting, events.booted).effects).toEqual([{ kind: 'next-turn' }]);
  });

  test('activity says what people see', () => {
    const calm = { awaitsPermission: false, isStalled: false, isPaused: false };
    const shown = (state: SessionState, facts = calm) => activityOf(state, facts);
    expect(shown(states.ready)).toBe('input_ready');
    expect(shown(states.working)).toBe('working');
    expect(shown(states.working, { ...calm, awaitsPermission: true, isStalled: true })).toBe('awaiting_permission');
    expect(shown(states.working, { ...calm, isStalled: true })).toBe('stalled');
    expect(shown(states.limited)).toBe('limited');
    const paused = { ...calm, isPaused: true };
    expect([states.ready, states.hibernated, states.working].map((state) => shown(state, paused))).toEqual([
      'limited',
      'limited',
      'working',
    ]);
    expect([states.hibernated, states.waiting, states.waking].map((state) => shown(state))).toEqual(
      Array(3).fill('hibernated'),
    );
    expect(['stopped', 'booting', 'backing-off', 'failed', 'stopping'].map((k) => shown(states[k as Kind]))).toEqual(
      Array(5).fill(undefined),
    );
  });
});
