/**
 * The life of one agent session on this machine, as data.
 *
 *   stopped ─boot─► booting ─booted─► ready ─turn-started─► working ─turn-ended─► ready
 *                      │                │                      ├─cancel─► cancelling ─turn-ended─► ready
 *                      │                │                      └─limit-reached─► limited ─limit-over, budget-changed─► ready
 *                      │                └─unprompted-started─► unprompted ─unprompted-ended─► ready
 *                      ├─boot-failed (a person must act)─► failed ─boot, retry-due─► booting
 *                      └─boot-failed (passing)─► backing-off ─retry-due─► booting
 *   any state with a process ─agent-closed─► backing-off   any ─stop─► stopping ─released─► stopped
 *   any state with a process ─blocked─► failed (─retry-due─► booting, where the disk was full)
 *
 * Without a process, while its run, its workspace and its mirrors go on:
 *
 *   ready ─sleep─► hibernated ─wanted─► waiting ─place-granted─► waking ─opened─► ready
 *   booting ─booted, no place was free─► hibernated          └─boot-failed─► as from booting
 *   limited ─sleep─► limited (asleep) ─limit-over─► hibernated
 *
 * `transition` is pure and total: every state answers every event. `session.ts` performs the effects.
 */
import { type AachatError, isDiskFull } from '#base/errors.ts';
import type { LiveSession } from '#contract/control.ts';
import type { Activity } from '#contract/entities.ts';
import type { TurnId } from '#contract/ids.ts';

/** `deaths`: how often in a row the agent program ended by itself; a calm minute sets it back. */
export type SessionState =
  | { readonly kind: 'stopped' }
  | { readonly kind: 'booting'; readonly deaths: number }
  | { readonly kind: 'ready'; readonly deaths: number }
  /** No process. */
  | { readonly kind: 'hibernated'; readonly deaths: number }
  /** No process yet: it has something to do, and waits for its turn to start one. */
  | { readonly kind: 'waiting'; readonly deaths: number }
  | { readonly kind: 'waking'; readonly deaths: number }
  | ({ readonly kind: 'working' } & TurnFacts)
  | ({ readonly kind: 'cancelling' } & TurnFacts)
  | { readonly kind: 'unprompted'; readonly deaths: number }
  | {
      readonly kind: 'limited';
      readonly until: number;
      readonly deaths: number;
      /** No process. */
      readonly isAsleep?: true;
    }
  | { readonly kind: 'backing-off'; readonly deaths: number }
  | { readonly kind: 'failed' }
  | { readonly kind: 'stopping' };

interface TurnFacts {
  readonly turnId: TurnId;
  readonly deaths: number;
  /** The agent got another budget since the turn was asked for: a refusal may be about the old one. */
  readonly isBudgetNew?: true;
}

export type SessionEvent =
  | { readonly kind: 'boot' }
  /** `isAsleep`: no place was free for its process. */
  | { readonly kind: 'booted'; readonly isAsleep: boolean }
  /**
   * `elsewhere`: another machine has the session, for as long as it is heard of. `disk-full`: somebody makes room, sooner
   * or later, and tells nobody.
   */
  | { readonly kind: 'boot-failed'; readonly cause: 'passing' | 'elsewhere' | 'disk-full' | 'lasting' }
  | { readonly kind: 'turn-started'; readonly turnId: TurnId }
  | { readonly kind: 'cancel' }
  | { readonly kind: 'turn-ended'; readonly turnId: TurnId }
  /** The budget that the owner gave the agent is used up. `until`: epoch milliseconds. */
  | { readonly kind: 'limit-reached'; readonly turnId: TurnId; readonly until: number }
  /** The limit that was to end at `until`. */
  | { readonly kind: 'limit-over'; readonly until: number }
  | { readonly kind: 'budget-changed' }
  | { readonly kind: 'unprompted-started' }
  | { readonly kind: 'unprompted-ended' }
  /** Its process has nothing to do and is to end. */
  | { readonly kind: 'sleep' }
  /** It sleeps, and there is something to do. */
  | { readonly kind: 'wanted' }
  | { readonly kind: 'place-granted' }
  /** Its process runs again. */
  | { readonly kind: 'opened' }
  /** A person has to act before it can go on, such as log in. `isRetried`: whoever acts tells nobody. */
  | { readonly kind: 'blocked'; readonly isRetried: boolean }
  | { readonly kind: 'agent-closed' }
  | { readonly kind: 'settled' }
  | { readonly kind: 'retry-due' }
  | { readonly kind: 'stop' }
  | { readonly kind: 'released' };

export type SessionEffect =
  | { readonly kind: 'start-boot' }
  /** Look for something to answer. */
  | { readonly kind: 'next-turn' }
  | { readonly kind: 'cancel-turn' }
  | { readonly kind: 'schedule-retry'; readonly delayMs: number }
  | { readonly kind: 'schedule-limit-over'; readonly until: number }
  | { readonly kind: 'end-program' }
  | { readonly kind: 'ask-place' }
  | { readonly kind: 'open-program' }
  /** End the process and the run, and wait for a person. */
  | { readonly kind: 'give-back' }
  /** End turn, process and run for good; answered by `released`. */
  | { readonly kind: 'release' };

export interface Transition {
  readonly state: SessionState;
  readonly effects: readonly SessionEffect[];
}

const RETRY_BASE_MS = 1_000;
const RETRY_CAP_MS = 60_000;
/** Another machine may be gone, which is taken for that after two minutes of silence, and a full disk may have room. */
const LOOK_AGAIN_MS = 30_000;
const LOOK_AGAIN = { kind: 'schedule-retry', delayMs: LOOK_AGAIN_MS } as const;
/** After so many deaths in a row a person has to look. */
export const DEATH_LIMIT = 5;

export function transition(state: SessionState, event: SessionEvent): Transition {
  if (event.kind === 'stop') {
    return state.kind === 'stopped' || state.kind === 'stopping'
      ? stay(state)
      : go({ kind: 'stopping' }, { kind: 'release' });
  }
  switch (state.kind) {
    case 'failed':
      if (event.kind === 'boot' || event.kind === 'retry-due') {
        return go({ kind: 'booting', deaths: 0 }, { kind: 'start-boot' });
      }
      return stay(state);
    case 'stopped':
      if (event.kind === 'boot') return go({ kind: 'booting', deaths: 0 }, { kind: 'start-boot' });
      return stay(state);
    case 'stopping':
      if (event.kind === 'released') return go({ kind: 'stopped' });
      return stay(state);
    case 'booting':
      if (event.kind === 'booted') {
        return go({ kind: event.isAsleep ? 'hibernated' : 'ready', deaths: state.deaths }, { kind: 'next-turn' });
      }
      return event.kind === 'boot-failed' ? notUp(state.deaths, event.cause) : stay(state);
    case 'hibernated':
      if (event.kind === 'wanted') return go({ kind: 'waiting', deaths: state.deaths }, { kind: 'ask-place' });
      return stay(state);
    case 'waiting':
      if (event.kind === 'place-granted') return go({ kind: 'waking', deaths: state.deaths }, { kind: 'open-program' });
      return stay(state);
    case 'waking':
      if (event.kind === 'opened') return go({ kind: 'ready', deaths: state.deaths }, { kind: 'next-turn' });
      return event.kind === 'boot-failed' ? notUp(state.deaths, event.cause) : stay(state);
    case 'backing-off':
      if (event.kind === 'retry-due') return go({ kind: 'booting', deaths: state.deaths }, { kind: 'start-boot' });
      return stay(state);
    default:
      return running(state, event);
  }
}

type RunningState = Extract<SessionState, { kind: 'ready' | 'working' | 'cancelling' | 'unprompted' | 'limited' }>;

function running(state: RunningState, event: SessionEvent): Transition {
  const { deaths } = state;
  if (state.kind === 'limited' && state.isAsleep) {
    return isLimitOver(state, event) ? go({ kind: 'hibernated', deaths }, { kind: 'next-turn' }) : stay(state);
  }
  if (event.kind === 'agent-closed') return backOff(deaths);
  if (event.kind === 'blocked') {
    return go({ kind: 'failed' }, { kind: 'give-back' }, ...(event.isRetried ? [LOOK_AGAIN] : []));
  }
  if (event.kind === 'settled') return go({ ...state, deaths: 0 });
  const ready = () => go({ kind: 'ready', deaths }, { kind: 'next-turn' });
  switch (state.kind) {
    case 'ready':
      if (event.kind === 'turn-started') return go({ kind: 'working', turnId: event.turnId, deaths });
      if (event.kind === 'unprompted-started') return go({ kind: 'unprompted', deaths });
      if (event.kind === 'sleep') return go({ kind: 'hibernated', deaths }, { kind: 'end-program' });
      return stay(state);
    case 'unprompted':
      return event.kind === 'unprompted-ended' ? ready() : stay(state);
    case 'limited':
      if (event.kind === 'sleep') return go({ ...state, isAsleep: true }, { kind: 'end-program' });
      return isLimitOver(state, event) ? ready() : stay(state);
    case 'working':
    case 'cancelling':
      if ((event.kind === 'turn-ended' || event.kind === 'limit-reached') && event.turnId !== state.turnId)
        return stay(state);
      if (event.kind === 'turn-ended') return ready();
      if (event.kind === 'limit-reached') {
        if (state.isBudgetNew) return ready();
        const { until } = event;
        return go({ kind: 'limited', until, deaths }, { kind: 'schedule-limit-over', until });
      }
      if (event.kind === 'budget-changed') return go({ ...state, isBudgetNew: true });
      if (event.kind === 'cancel' && state.kind === 'working')
        return go({ ...state, kind: 'cancelling' }, { kind: 'cancel-turn' });
      return stay(state);
  }
}

const isLimitOver = ({ until }: Extract<SessionState, { kind: 'limited' }>, event: SessionEvent): boolean =>
  event.kind === 'limit-over' ? event.until === until : event.kind === 'budget-changed';

/** Whether its process may end for want of something to do: `sleep` is heard in no other state. */
export const mayRest = (state: SessionState): boolean =>
  state.kind === 'ready' || (state.kind === 'limited' && state.isAsleep !== true);

/** What the server and people are told. Undefined while there is no running session. */
export function activityOf(
  state: SessionState,
  facts: {
    readonly awaitsPermission: boolean;
    readonly isStalled: boolean;
    /** A usage limit of its login keeps turns from beginning. */
    readonly isPaused: boolean;
  },
): Activity | undefined {
  switch (state.kind) {
    case 'ready':
      return facts.isPaused ? 'limited' : 'input_ready';
    case 'limited':
      return 'limited';
    case 'hibernated':
    case 'waiting':
    case 'waking':
      return facts.isPaused ? 'limited' : 'hibernated';
    case 'working':
    case 'cancelling':
    case 'unprompted':
      if (facts.awaitsPermission) return 'awaiting_permission';
      return facts.isStalled ? 'stalled' : 'working';
    default:
      return undefined;
  }
}

const go = (state: SessionState, ...effects: readonly SessionEffect[]): Transition => ({ state, effects });
const stay = (state: SessionState): Transition => ({ state, effects: [] });

type FailureCause = Extract<SessionEvent, { kind: 'boot-failed' }>['cause'];

/** @param atServer the server refused it, before anything was made here */
export function failureCause(error: AachatError, atServer: boolean): FailureCause {
  const { code } = error;
  if (isDiskFull(error)) return 'disk-full';
  if (code === 'SERVER_UNREACHABLE' || code === 'TIMEOUT') return 'passing';
  return atServer && code === 'CONFLICT' ? 'elsewhere' : 'lasting';
}

/** What has been tried to bring its process up has failed. */
function notUp(deaths: number, cause: FailureCause): Transition {
  if (cause === 'passing') return backOff(deaths);
  return cause === 'lasting' ? go({ kind: 'failed' }) : go({ kind: 'failed' }, LOOK_AGAIN);
}

function backOff(deaths: number): Transition {
  if (deaths + 1 >= DEATH_LIMIT) return go({ kind: 'failed' });
  const delayMs = Math.min(RETRY_CAP_MS, RETRY_BASE_MS * 2 ** deaths);
  return go({ kind: 'backing-off', deaths: deaths + 1 }, { kind: 'schedule-retry', delayMs });
}

const PHASES: Readonly<Record<SessionState['kind'], LiveSession['phase']>> = {
  stopped: 'stopped',
  booting: 'booting',
  ready: 'running',
  hibernated: 'running',
  waiting: 'running',
  waking: 'running',
  working: 'running',
  cancelling: 'running',
  unprompted: 'running',
  limited: 'running',
  'backing-off': 'booting',
  failed: 'failed',
  stopping: 'stopping',
};

export const phaseOf = ({ kind }: SessionState): LiveSession['phase'] => PHASES[kind];
