/** Budgets as people read them. Pure. */
import type { Budget, BudgetState, Limit } from '#contract/budget.ts';
import { compact } from './live-view.ts';
import { clockTime, table } from './output.ts';

/** A line for each limit, and one more while the agent waits. */
export function budgetTable(state: BudgetState): string {
  const rows = LIMITS.map((name) => [SHOWN[name].label, share(state, name)]);
  const waits = exhaustion(state);
  return [table(rows), ...(waits === undefined ? [] : [waits])].join('\n');
}

/** What an agent waits for; undefined while it may begin turns. */
export function exhaustion(state: BudgetState): string | undefined {
  if (state.exhausted === null) return undefined;
  const { limit, retryAt } = state.exhausted;
  const { label, option } = SHOWN[limit];
  return `used up until ${clockTime(retryAt)}: ${share(state, limit)} ${label} (${option} raises it)`;
}

const share = ({ budget, used }: BudgetState, name: keyof Budget): string =>
  `${SHOWN[name].show(used[name])} of ${showLimit(budget[name], SHOWN[name].show)}`;

const showLimit = (limit: Limit, show: (amount: number) => string): string =>
  limit === 'unlimited' ? limit : show(limit);

const dollars = (micros: number): string => `$${(micros / 1_000_000).toFixed(2)}`;

interface Shown {
  readonly label: string;
  readonly show: (amount: number) => string;
  readonly option: string;
}

const SHOWN: Record<keyof Budget, Shown> = {
  turnsPerHour: { label: 'turns in the last hour', show: String, option: '--turns-per-hour' },
  tokensPerDay: { label: 'tokens in the last 24 hours', show: compact, option: '--tokens-per-day' },
  costMicrosPerDay: { label: 'cost in the last 24 hours', show: dollars, option: '--cost-per-day' },
};
const LIMITS = Object.keys(SHOWN) as (keyof Budget)[];
