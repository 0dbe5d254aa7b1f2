/** The place of one session among the processes of this machine: whether it needs it, and when it is gone. */
import { aborted } from '#base/async.ts';
import type { Log } from '#base/log.ts';
import type { Clock } from '#base/time.ts';
import type { Agent } from './agent.ts';
import type { Places, Seat } from './places.ts';
import type { SessionProgram } from './session-program.ts';
import type { SessionEvent } from './session-state.ts';

export interface SessionProcess extends Pick<Seat, 'idleSince'> {
  /** @returns whether it may start now */
  take(): boolean;
  /** Waits for a place: `place-granted` follows. */
  ask(): void;
  /** Whether there is nothing to do for it. */
  rest(isIdle: boolean): void;
  /** Hears when it ends by itself. */
  watch(program: SessionProgram, agent: Agent): void;
  /** Ends it, and gives its place back when it is gone. */
  end(program: SessionProgram | undefined): Promise<void>;
  release(): void;
}

export function createSessionProcess(options: {
  readonly places: Places;
  /** Somebody counts on it, though it has nothing to do. */
  readonly isNeeded: () => boolean;
  readonly send: (event: SessionEvent) => void;
  /** It ended, and nobody here has asked for that. */
  readonly onClosed: (program: SessionProgram, agent: Agent) => Promise<void>;
  readonly log: Log;
  readonly clock?: Clock;
}): SessionProcess {
  const { places, isNeeded, send, onClosed, log, clock = Date.now } = options;
  let since: number | null = null;
  const seat: Seat = {
    get idleSince() {
      return isNeeded() ? null : since;
    },
    onPlace: () => send({ kind: 'place-granted' }),
    onSleep: () => send({ kind: 'sleep' }),
  };
  const release = () => places.release(seat);
  return {
    get idleSince() {
      return seat.idleSince;
    },
    take: () => places.take(seat),
    ask: () => places.ask(seat),
    rest(isIdle) {
      since = isIdle ? (since ?? clock()) : null;
      if (isIdle) places.look();
    },
    watch(program, agent) {
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
      release();
    },
    release,
  };
}
