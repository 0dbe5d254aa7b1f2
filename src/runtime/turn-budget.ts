/** Watches what a turn uses, and ends it once it runs past what was left of the budget when it began. */
import type { BudgetLeft } from '#contract/budget.ts';
import type { Spent } from './turn-outcome.ts';

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

/** @param cancel called at most once */
export function guardBudget(left: BudgetLeft, cancel: () => void): BudgetGuard {
  let timer: NodeJS.Timeout | undefined;
  let hasCancelled = false;
  const isPast = ({ tokens, costMicros }: Spent): boolean =>
    (left.tokens !== null && tokens > left.tokens) || (left.costMicros !== null && costMicros > left.costMicros);
  return {
    get hasCancelled() {
      return hasCancelled;
    },
    watch(spent) {
      if (!isPast(spent)) return;
      timer ??= setTimeout(() => {
        hasCancelled = true;
        cancel();
      }, GRACE_MS);
    },
    end: () => clearTimeout(timer),
  };
}
