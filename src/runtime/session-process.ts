/**
 * What one session has in common with the others on this machine: the places for processes and the login of its
 * program. It says when the process is needed, when a turn may begin, and what came out of it.
 */
import { aborted } from '#base/async.ts';
import { type AachatError, isAachatError } from '#base/errors.ts';
import type { Log } from '#base/log.ts';
import { type Clock, createTimers } from '#base/time.ts';
import type { Agent } from './agent.ts';
import type { Login, LoginKey, Logins } from './logins.ts';
import type { Places, Seat } from './places.ts';
import type { Problems } from './session-problems.ts';
import type { SessionProgram } from './session-program.ts';
import { mayRest, type SessionEvent, type SessionState } from './session-state.ts';
import type { TurnResult } from './turn.ts';

export interface SessionProcess {
  /** When the limit of its login ends; null: nobody knows; undefined: there is none. */
  readonly limitedUntil: number | null | undefined;
  /** @returns whether it may start now */
  take(): boolean;
  /** Waits for a place: `place-granted` follows. */
  ask(): void;
  /**
   * See `ProgramOptions`.
   *
   * @param wasLimited a turn of it is still owed because of a usage limit
   */
  join(key: LoginKey, wasLimited: boolean): <T>(open: () => Promise<T>) => Promise<T>;
  /** Whether there is nothing to do for it. */
  rest(isIdle: boolean): void;
  /** Nothing waits for it. */
  idle(state: SessionState): void;
  /** There is something to do. Whether it can begin now; else the loop is woken when it can. */
  mayBegin(state: SessionState['kind']): boolean;
  /** What came out of a turn. */
  turnOver(result: TurnResult): void;
  /** @returns whether others of its login have failed for want of it, too */
  notOpened(error: AachatError): boolean;
  /** It runs. */
  opened(program: SessionProgram, agent: Agent): void;
  /** Ends it, and gives its place back when it is gone. */
  end(program: SessionProgram | undefined): Promise<void>;
  /** It is gone, and all that was waited for. */
  release(): void;
  /** The session is over. */
  leave(): void;
}

/** A process that lived this long did not die of its start. */
const CALM_MS = 60_000;

export function createSessionProcess(options: {
  readonly places: Places;
  readonly logins: Logins;
  /** Somebody counts on it, though it has nothing to do. */
  readonly isNeeded: () => boolean;
  readonly problems: Problems;
  readonly send: (event: SessionEvent) => void;
  /** It ended, and nobody here has asked for that. */
  readonly onClosed: (program: SessionProgram, agent: Agent) => Promise<void>;
  /** The limit of its login has changed; `mayBegin`: so has the answer to that. */
  readonly onLimit: () => void;
  readonly onMayBegin: () => void;
  /** The login that it lacked is there. */
  readonly onMended: () => void;
  readonly log: Log;
  readonly clock?: Clock;
}): SessionProcess {
  const { places, logins, isNeeded, problems, send, onClosed, onLimit, log, clock = Date.now } = options;
  let since: number | null = null;
  let login: Login | undefined;
  const calm = createTimers();
  const member = {
    onAdmit: options.onMayBegin,
    onMended: options.onMended,
    onLimit() {
      if (login?.limitedUntil === undefined) problems.limitOver();
      onLimit();
    },
  };
  const seat: Seat = {
    get idleSince() {
      return isNeeded() ? null : since;
    },
    onPlace: () => send({ kind: 'place-granted' }),
    onSleep: () => send({ kind: 'sleep' }),
  };
  const rest = (isIdle: boolean) => {
    since = isIdle ? (since ?? clock()) : null;
    if (isIdle) places.look();
  };
  const release = () => {
    places.release(seat);
    login?.rest();
    calm[Symbol.dispose]();
  };
  return {
    get limitedUntil() {
      return login?.limitedUntil;
    },
    take: () => places.take(seat),
    ask: () => places.ask(seat),
    join(key, wasLimited) {
      login = logins.join(key, member, wasLimited);
      return (open) => logins.start(key, open);
    },
    rest,
    idle: (state) => rest(mayRest(state)),
    mayBegin(state) {
      if (login?.ask() === false) {
        if (state === 'ready') rest(true);
        return false;
      }
      if (state === 'hibernated') send({ kind: 'wanted' });
      return state === 'ready' && login?.begin() !== false;
    },
    turnOver(result) {
      let isKnown = false;
      const isLimit = result.kind === 'owed' && result.reason === 'limit';
      if (isLimit) {
        isKnown = login?.limitedUntil !== undefined;
        login?.limitReached(result.resetsAt);
      } else if (result.kind === 'owed' && result.reason === 'login') isKnown = login?.missing('turn') === false;
      else login?.turnOver(result.kind === 'closed' && result.answered);
      if ('failure' in result) problems.hear(result.failure, { isKnown, isLimit });
    },
    notOpened: (error) =>
      isAachatError(error, 'AGENT_FAILED') && error.details['login'] === false && login?.missing('open') === false,
    opened(program, agent) {
      login?.opened();
      calm[Symbol.dispose]();
      calm.after(CALM_MS, () => send({ kind: 'settled' }));
      // It may have ended before anybody listened.
      void aborted(agent.closed).then(() => onClosed(program, agent));
    },
    async end(program) {
      try {
        await program?.end();
      } catch (error) {
        // It is swept with the other leases at the end.
        log.error('session.process_not_ended', { error });
      }
      places.free(seat);
    },
    release,
    leave() {
      release();
      login?.leave();
    },
  };
}
