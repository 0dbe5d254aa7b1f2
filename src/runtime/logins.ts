/**
 * What sessions share that use one login of one agent program on this machine: its usage limit, whether it is there at
 * all, and the moment in which a process renews it. `limits.ts` decides; this tells the sessions.
 */
import { createHash } from 'node:crypto';
import { createSerial } from '#base/async.ts';
import { type Clock, LOOK_MS } from '#base/time.ts';
import type { AgentProgram } from './agent-program.ts';
import { loginEnvironment } from './environment.ts';
import { admission, limitReached, type Pause, turnOver } from './limits.ts';

/** What tells two logins apart. */
export interface LoginKey {
  readonly id: string;
  /** It lies in files that the program itself renews: two that do so at once may lose it. */
  readonly isRenewed: boolean;
}

/** The same program with the same credentials; where they are looked for counts as well as their values. */
export function loginOf(program: AgentProgram, env: Readonly<Record<string, string>>): LoginKey {
  const { kind, command } = program;
  const credentials = loginEnvironment(kind, env);
  const line = kind === 'acp' ? command : [];
  const hasKey = Object.keys(credentials).some((name) => /(KEY|TOKEN)$/.test(name));
  return {
    id: createHash('sha256')
      .update(JSON.stringify([kind, line, Object.entries(credentials).toSorted(([a], [b]) => (a < b ? -1 : 1))]))
      .digest('hex'),
    isRenewed: kind !== 'scripted' && !(kind === 'claude' && hasKey),
  };
}

/** A session, as far as its login is concerned. */
export interface Member {
  /** It may begin a turn now. */
  onAdmit(): void;
  /** The limit is another one, or none any more. */
  onLimit(): void;
  /** Somebody else got in with the login that this one missed. */
  onMended(): void;
}

/** One session's part in its login. */
export interface Login {
  /** When the limit ends; null: nobody knows; undefined: there is none. */
  readonly limitedUntil: number | null | undefined;
  /** @returns whether a turn may begin; else `onAdmit` follows */
  ask(): boolean;
  /** The same, and the turn begins if so. */
  begin(): boolean;
  /** @param resetsAt null: the program did not say */
  limitReached(resetsAt: number | null): void;
  /** @param answered the program did its work */
  turnOver(answered: boolean): void;
  /**
   * There is no login.
   *
   * @param where the program said so when its conversation was opened, or not before the first prompt
   * @returns whether this is the first session to say so
   */
  missing(where: 'open' | 'turn'): boolean;
  /** The conversation was opened. */
  opened(): void;
  /** It wants to begin nothing for now. */
  rest(): void;
  /** The session is over. */
  leave(): void;
}

export interface Logins extends Disposable {
  /** @param wasLimited a turn of it is still owed because of a limit */
  join(key: LoginKey, member: Member, wasLimited?: boolean): Login;
  /** Starts a process of it, one after the other where they would renew it. */
  start<T>(key: LoginKey, open: () => Promise<T>): Promise<T>;
}

/** @param options.isShared a limit of one session holds for all of the login */
export function createLogins(options: {
  readonly isShared: () => boolean;
  readonly clock?: Clock;
  readonly random?: () => number;
}): Logins {
  const { isShared, clock = Date.now, random = Math.random } = options;
  const over = new AbortController();
  const spaces = new Map<string, ReturnType<typeof createSerial>>();
  const gates = new Map<string, Gate>();
  const missing = new Map<string, Map<Member, 'open' | 'turn'>>();
  const entry = <V>(map: Map<string, V>, id: string, make: () => V): V => {
    const value = map.get(id) ?? make();
    map.set(id, value);
    return value;
  };
  return {
    start: (key, open) => (key.isRenewed ? entry(spaces, key.id, createSerial)(open) : open()),
    join(key, member, wasLimited = false) {
      const newGate = () => createGate(clock, random, over.signal);
      const gate = isShared() ? entry(gates, key.id, newGate) : newGate();
      const lacking = entry(missing, key.id, () => new Map());
      /** Not in this call: it ends in a boot of other sessions. */
      const mended = (proof: 'open' | 'turn') => {
        for (const [other, where] of lacking) {
          if (proof === 'open' && where === 'turn') continue;
          lacking.delete(other);
          if (other !== member) queueMicrotask(() => other.onMended());
        }
      };
      gate.join(member);
      if (wasLimited) gate.doubt();
      return {
        get limitedUntil() {
          return gate.limitedUntil;
        },
        ask: () => gate.ask(member),
        begin: () => gate.begin(member),
        limitReached: (resetsAt) => gate.limitReached(member, resetsAt),
        turnOver(answered) {
          gate.turnOver(member, answered);
          if (answered) mended('turn');
        },
        missing(where) {
          lacking.set(member, where);
          return lacking.size === 1;
        },
        opened: () => mended('open'),
        rest: () => gate.rest(member),
        leave() {
          gate.leave(member);
          lacking.delete(member);
        },
      };
    },
    [Symbol.dispose]: () => over.abort(),
  };
}

type Gate = ReturnType<typeof createGate>;

/** Keeps turns from beginning while a limit is on. */
function createGate(clock: Clock, random: () => number, over: AbortSignal) {
  const members = new Set<Member>();
  const waiting = new Set<Member>();
  const admitted = new Set<Member>();
  let pause: Pause<Member> | undefined;
  let timer: NodeJS.Timeout | undefined;

  /** Members are never called within a call of theirs. */
  function look(changed = pause): void {
    clearTimeout(timer);
    if (over.aborted) return;
    const now = clock();
    const before = pause?.kind;
    const { pause: next, admit, nextAt } = admission(changed, { now, waiting: [...waiting], random });
    pause = next;
    if (admit !== undefined) {
      waiting.delete(admit);
      admitted.add(admit);
      queueMicrotask(() => admit.onAdmit());
    }
    if (before !== next?.kind) for (const member of members) queueMicrotask(() => member.onLimit());
    if (nextAt !== null) timer = setTimeout(look, Math.min(nextAt - now, LOOK_MS)).unref();
  }

  const ask = (member: Member): boolean => {
    if (pause === undefined || admitted.has(member)) return true;
    waiting.add(member);
    look();
    return admitted.has(member);
  };
  const rest = (member: Member) => {
    waiting.delete(member);
    admitted.delete(member);
    look(turnOver(pause, { by: member, now: clock(), answered: false }));
  };
  return {
    get limitedUntil() {
      if (pause === undefined || pause.kind === 'resuming' || pause.kind === 'doubted') return undefined;
      return pause.kind === 'closed' && pause.isKnown ? pause.until : null;
    },
    join: (member: Member) => void members.add(member),
    doubt() {
      pause ??= { kind: 'doubted' };
    },
    ask,
    begin(member: Member): boolean {
      if (!ask(member)) return false;
      admitted.delete(member);
      return true;
    },
    limitReached: (by: Member, resetsAt: number | null) => look(limitReached(pause, { by, now: clock(), resetsAt })),
    turnOver: (by: Member, answered: boolean) => look(turnOver(pause, { by, now: clock(), answered })),
    rest,
    leave(member: Member) {
      rest(member);
      members.delete(member);
    },
  };
}
