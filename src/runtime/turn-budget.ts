/**
 * Watches what turns use, and ends them once they run past what was left of the budget. The server counts a turn when
 * it has ended: what the open ones of an agent use on this machine is added up here.
 */
import type { BudgetLeft } from '#contract/budget.ts';
import type { Party } from '#contract/entities.ts';
import type { Spent } from './turn-outcome.ts';

export interface BudgetGuards {
  /**
   * A turn of the agent begins.
   *
   * @param left by the count of the server
   * @param cancel called at most once
   */
  begin(agent: Party['id'], left: BudgetLeft, cancel: () => void): BudgetGuard;
  /** By the count of the server so much is left now: its owner has set another budget. */
  renew(agent: Party['id'], left: BudgetLeft): void;
}

export interface BudgetGuard {
  /** To be called with what the turn has used so far. */
  readonly watch: (spent: Spent) => void;
  /** Whether it has ended the turn. */
  readonly hasCancelled: boolean;
  /** The turn is over. */
  readonly end: () => void;
}

/** Programs tell the cost with the end of a turn: a whole answer that is already on its way is not thrown away. */
const GRACE_MS = 1_000;

interface OpenTurn {
  readonly agent: Party['id'];
  /** What it used itself. */
  spent: Spent;
  /** What is gone of `left` since the server counted. */
  gone: Spent;
  left: BudgetLeft;
  readonly look: () => void;
}

const NOTHING: Spent = { tokens: 0, costMicros: 0 };
const plus = (a: Spent, b: Spent): Spent => ({ tokens: a.tokens + b.tokens, costMicros: a.costMicros + b.costMicros });

const isPast = ({ gone, left }: OpenTurn): boolean =>
  (left.tokens !== null && gone.tokens > left.tokens) ||
  (left.costMicros !== null && gone.costMicros > left.costMicros);

/** All sessions of one `up` share them. */
export function createBudgetGuards(): BudgetGuards {
  const open = new Set<OpenTurn>();
  const turnsOf = (agent: Party['id']) => [...open].filter((turn) => turn.agent === agent);
  const uncounted = (agent: Party['id']) => turnsOf(agent).reduce((sum, { spent }) => plus(sum, spent), NOTHING);
  return {
    begin(agent, left, cancel) {
      let timer: NodeJS.Timeout | undefined;
      let hasCancelled = false;
      const turn: OpenTurn = {
        agent,
        spent: NOTHING,
        gone: uncounted(agent),
        left,
        look() {
          if (hasCancelled) return;
          if (isPast(turn)) {
            timer ??= setTimeout(() => {
              hasCancelled = true;
              cancel();
            }, GRACE_MS);
          } else {
            clearTimeout(timer);
            timer = undefined;
          }
        },
      };
      open.add(turn);
      return {
        get hasCancelled() {
          return hasCancelled;
        },
        watch(spent) {
          const more = plus(spent, { tokens: -turn.spent.tokens, costMicros: -turn.spent.costMicros });
          turn.spent = spent;
          for (const one of turnsOf(agent)) {
            one.gone = plus(one.gone, more);
            one.look();
          }
        },
        end() {
          open.delete(turn);
          clearTimeout(timer);
        },
      };
    },
    renew(agent, left) {
      const gone = uncounted(agent);
      for (const turn of turnsOf(agent)) {
        turn.gone = gone;
        turn.left = left;
        turn.look();
      }
    },
  };
}
