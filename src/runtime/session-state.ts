/**
 * The life of one agent session on this machine, as data.
 *
 *   stopped ─boot─► booting ─booted─► ready ─turn-started─► working ─turn-ended─► ready
 *                      │                │                      ├─cancel─► cancelling ─turn-ended─► ready
 *                      │                │                      └─limit-reached─► limited ─limit-over─► ready
 *                      │                │                            of a budget: ─budget-changed─► ready
 *                      │                └─unprompted-started─► unprompted ─unprompted-ended─► ready
 *                      ├─boot-failed (a person must act)─► failed ─boot, retry-due─► booting
 *                      └─boot-failed (passing)─► backing-off ─retry-due─► booting
 *   any running state ─agent-closed─► backing-off          any ─stop─► stopping ─released─► stopped
 *   any running state ─blocked─► failed
 *
 * `transition` is pure and total: every state answers every event. `session.ts` performs the effects.
 */
import type { LiveSession } from '#contract/control.ts';
import type { Activity } from '#contract/entities.ts';
import type { TurnId } from '#contract/ids.ts';

/** `deaths`: how often in a row the agent program ended by itself; a calm minute sets it back. */
export type SessionState =
  | { readonly kind: 'stopped' }
  | { readonly kind: 'booting'; readonly deaths: number }
  | { readonly kind: 'ready'; readonly deaths: number }
  | ({ readonly kind: 'working' } & TurnFacts)
  | ({ readonly kind: 'cancelling' } & TurnFacts)
  | { readonly kind: 'unprompted'; readonly deaths: number }
  | { readonly kind: 'limited'; readonly of: LimitOwner; readonly until: number; readonly deaths: number }
  | { readonly kind: 'backing-off'; readonly deaths: number }
  | { readonly kind: 'failed' }
  | { readonly kind: 'stopping' };

interface TurnFacts {
  readonly turnId: TurnId;
  readonly deaths: number;
  /** The agent got another budget since the turn was asked for: a refusal may be about the old one. */
  readonly isBudgetNew?: true;
}

/** Whose limit it is: that of the agent program's account, or the budget that the owner gave the agent. */
export type LimitOwner = 'program' | 'budget';

export type SessionEvent =
  | { readonly kind: 'boot' }
  | { readonly kind: 'booted' }
  /** `elsewhere`: another machine has the session, for as long as it is heard of. */
  | { readonly kind: 'boot-failed'; readonly cause: 'passing' | 'elsewhere' | 'lasting' }
  | { readonly kind: 'turn-started'; readonly turnId: TurnId }
  | { readonly kind: 'cancel' }
  | { readonly kind: 'turn-ended'; readonly turnId: TurnId }
  /** `until`: epoch milliseconds. */
  | { readonly kind: 'limit-reached'; readonly turnId: TurnId; readonly of: LimitOwner; readonly until: number }
  /** The limit that was to end at `until`. */
  | { readonly kind: 'limit-over'; readonly until: number }
  | { readonly kind: 'budget-changed' }
  | { readonly kind: 'unprompted-started' }
  | { readonly kind: 'unprompted-ended' }
  /** A person has to act before it can go on, such as log in. */
  | { readonly kind: 'blocked' }
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
/** The other machine may be gone: it is taken for that after two minutes of silence. */
const ELSEWHERE_MS = 30_000;
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
      if (event.kind === 'booted') return go({ kind: 'ready', deaths: state.deaths }, { kind: 'next-turn' });
      if (event.kind === 'boot-failed') {
        if (event.cause === 'passing') return backOff(state.deaths);
        const later = { kind: 'schedule-retry', delayMs: ELSEWHERE_MS } as const;
        return event.cause === 'elsewhere' ? go({ kind: 'failed' }, later) : go({ kind: 'failed' });
      }
      return stay(state);
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
  if (event.kind === 'agent-closed') return backOff(deaths);
  if (event.kind === 'blocked') return go({ kind: 'failed' }, { kind: 'give-back' });
  if (event.kind === 'settled') return go({ ...state, deaths: 0 });
  const ready = () => go({ kind: 'ready', deaths }, { kind: 'next-turn' });
  switch (state.kind) {
    case 'ready':
      if (event.kind === 'turn-started') return go({ kind: 'working', turnId: event.turnId, deaths });
      if (event.kind === 'unprompted-started') return go({ kind: 'unprompted', deaths });
      return stay(state);
    case 'unprompted':
      return event.kind === 'unprompted-ended' ? ready() : stay(state);
    case 'limited':
      if (event.kind === 'limit-over' && event.until === state.until) return ready();
      return event.kind === 'budget-changed' && state.of === 'budget' ? ready() : stay(state);
    case 'working':
    case 'cancelling':
      if ((event.kind === 'turn-ended' || event.kind === 'limit-reached') && event.turnId !== state.turnId)
        return stay(state);
      if (event.kind === 'turn-ended') return ready();
      if (event.kind === 'limit-reached') {
        const { of, until } = event;
        if (of === 'budget' && state.isBudgetNew) return ready();
        return go({ kind: 'limited', of, until, deaths }, { kind: 'schedule-limit-over', until });
      }
      if (event.kind === 'budget-changed') return go({ ...state, isBudgetNew: true });
      if (event.kind === 'cancel' && state.kind === 'working')
        return go({ ...state, kind: 'cancelling' }, { kind: 'cancel-turn' });
      return stay(state);
  }
}

/** What the server and people are told. Undefined while there is no running session. */
export function activityOf(
  state: SessionState,
  facts: { readonly awaitsPermission: boolean; readonly isStalled: boolean },
): Activity | undefined {
  switch (state.kind) {
    case 'ready':
      return 'input_ready';
    case 'limited':
      return 'limited';
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

function backOff(deaths: number): Transition {
  if (deaths + 1 >= DEATH_LIMIT) return go({ kind: 'failed' });
  const delayMs = Math.min(RETRY_CAP_MS, RETRY_BASE_MS * 2 ** deaths);
  return go({ kind: 'backing-off', deaths: deaths + 1 }, { kind: 'schedule-retry', delayMs });
}

const PHASES: Readonly<Record<SessionState['kind'], LiveSession['phase']>> = {
  stopped: 'stopped',
  booting: 'booting',
  ready: 'running',
  working: 'running',
  cancelling: 'running',
  unprompted: 'running',
  limited: 'running',
  'backing-off': 'booting',
  failed: 'failed',
  stopping: 'stopping',
};

export const phaseOf = ({ kind }: SessionState): LiveSession['phase'] => PHASES[kind];
