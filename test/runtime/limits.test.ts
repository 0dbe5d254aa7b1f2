import { describe, expect, test } from 'vitest';
import type { AgentProgram } from '#runtime/agent-program.ts';
import { type Admission, admission, limitReached, type Pause, turnOver } from '#runtime/limits.ts';
import { loginOf } from '#runtime/logins.ts';

const middle = () => 0.5;
const look = (pause: Pause<string> | undefined, now: number, ...waiting: string[]): Admission<string> =>
  admission(pause, { now, waiting, random: middle });
const hit = (pause: Pause<string> | undefined, by: string, now: number, resetsAt: number | null = null) =>
  limitReached(pause, { by, now, resetsAt });

/** Everybody who waits, in the order and at the times in which they go on. */
function resume(pause: Pause<string>, now: number, waiting: readonly string[]) {
  const order: [string, number][] = [];
  let [state, at, left]: [Pause<string> | undefined, number, readonly string[]] = [pause, now, waiting];
  for (let steps = 0; state !== undefined && steps < 100; steps += 1) {
    const { pause: next, admit, nextAt } = look(state, at, ...left);
    if (admit !== undefined) order.push([admit, at]);
    left = left.filter((id) => id !== admit);
    if (next !== undefined && nextAt === null) break;
    state = next;
    at = nextAt ?? at;
  }
  return { order, state };
}

describe('usage limit', () => {
  test('nobody begins before the time that was told, and then one after the other, at distances', () => {
    const pause = hit(undefined, 'a', 1_000, 60_000);
    expect(look(pause, 59_999, 'a', 'b')).toEqual({ pause, admit: undefined, nextAt: 60_000 });
    const { order, state } = resume(pause, 60_000, ['a', 'b', 'c']);
    expect(order).toEqual([
      ['a', 61_000],
      ['b', 63_000],
      ['c', 65_000],
    ]);
    expect(state).toBeUndefined();
  });

  test('of several limits the last one counts, and none is forgotten for one whose end nobody tells', () => {
    const week = hit(hit(undefined, 'a', 0, 60_000), 'b', 10, 900_000);
    expect(week).toMatchObject({ until: 900_000, isKnown: true });
    expect(hit(week, 'c', 20, 60_000)).toMatchObject({ until: 900_000 });
    expect(hit(week, 'c', 20)).toBe(week);
  });

  test('a time that is past is no time: it is asked again after a while, and by one session only', () => {
    const pause = hit(undefined, 'a', 100_000, 99_000);
    expect(pause).toEqual({ kind: 'closed', until: 160_000, isKnown: false, failures: 1 });
    const probe = look(pause, 160_000, 'a', 'b');
    expect(probe).toMatchObject({ pause: { kind: 'probing', by: 'a' }, admit: 'a' });
    expect(look(probe.pause, 160_001, 'b').admit).toBeUndefined();
  });

  test('one that was reached before is tried by the first who has something to do, and the others wait', () => {
    const pause: Pause<string> = { kind: 'doubted' };
    expect(look(pause, 1_000)).toEqual({ pause, admit: undefined, nextAt: null });
    const probe = look(pause, 1_000, 'a', 'b');
    expect(probe).toMatchObject({ pause: { kind: 'probing', by: 'a' }, admit: 'a' });
    expect(look(probe.pause, 1_001, 'b').admit).toBeUndefined();
    expect(hit(probe.pause, 'a', 1_002, 60_000)).toMatchObject({ kind: 'closed', until: 60_000, isKnown: true });
  });

  test('a probe that is refused waits twice as long, up to half an hour', () => {
    const waits: number[] = [];
    let pause = hit(undefined, 'a', 0);
    for (let round = 0; round < 8; round += 1) {
      if (pause.kind !== 'closed') throw new Error('It is not closed.');
      const now = pause.until;
      const probe = look(pause, now, 'a').pause;
      // One that had begun before says nothing about the probe.
      expect(hit(probe, 'b', now)).toBe(probe);
      pause = hit(probe, 'a', now);
      if (pause.kind === 'closed') waits.push(pause.until - now);
    }
    expect(waits.map((ms) => ms / 60_000)).toEqual([2, 4, 8, 16, 30, 30, 30, 30]);
  });

  test('an answered probe lets the others go on, and so does one that works for long', () => {
    const probe = look(hit(undefined, 'a', 0), 60_000, 'a', 'b').pause;
    expect(resume(turnOver(probe, { by: 'a', now: 61_000, answered: true }) as Pause<string>, 61_000, ['b'])).toEqual({
      order: [['b', 61_000]],
      state: undefined,
    });
    expect(turnOver(probe, { by: 'b', now: 61_000, answered: true })).toBe(probe);
    const calm = look(probe, 60_000 + 180_000, 'b');
    expect(calm).toMatchObject({ pause: { kind: 'resuming' }, admit: 'b' });
  });

  test('when the one that probes is gone, the next one does', () => {
    const probe = look(hit(undefined, 'a', 0), 60_000, 'a', 'b').pause;
    const left = turnOver(probe, { by: 'a', now: 61_000, answered: false });
    expect(look(left, 61_000, 'b')).toMatchObject({ pause: { kind: 'probing', by: 'b' }, admit: 'b' });
  });

  test('while nobody waits nobody probes, and the first who comes does', () => {
    const pause = hit(undefined, 'a', 0);
    expect(look(pause, 100_000)).toEqual({ pause, admit: undefined, nextAt: null });
    expect(look(pause, 200_000, 'b').admit).toBe('b');
  });
});

describe('login', () => {
  const claude = { kind: 'claude', command: ['/a', 'b'], origin: 'x' } as unknown as AgentProgram;
  const home = { HOME: '/home/mia', PATH: '/bin', ANTHROPIC_MODEL: 'one', GITHUB_TOKEN: 'g' };

  test('the same credentials are one login, whatever else differs', () => {
    const other = { ...home, PATH: '/usr/bin', ANTHROPIC_MODEL: 'two', GITHUB_TOKEN: 'h' };
    expect(loginOf(claude, home).id).toBe(loginOf(claude, other).id);
    expect(loginOf({ ...claude, command: ['/newer'] }, home).id).toBe(loginOf(claude, home).id);
  });

  test('another key, home or program is another one', () => {
    const ids = [
      loginOf(claude, home),
      loginOf(claude, { ...home, HOME: '/home/bo' }),
      loginOf(claude, { ...home, ANTHROPIC_API_KEY: 'k1' }),
      loginOf(claude, { ...home, ANTHROPIC_API_KEY: 'k2' }),
      loginOf(claude, { ...home, CLAUDE_CONFIG_DIR: '/c' }),
      loginOf({ ...claude, kind: 'opencode' }, home),
      loginOf({ ...claude, kind: 'acp' }, home),
      loginOf({ ...claude, kind: 'acp', command: ['/other'] }, home),
    ].map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('only a login in files is renewed', () => {
    expect(loginOf(claude, home).isRenewed).toBe(true);
    expect(loginOf(claude, { ...home, ANTHROPIC_API_KEY: 'k' }).isRenewed).toBe(false);
    expect(loginOf({ ...claude, kind: 'scripted' }, home).isRenewed).toBe(false);
  });
});
