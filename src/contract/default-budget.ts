/** What an agent may use whose owner has set nothing else. By itself, because help texts name it and load no schemas. */
import type { Budget } from './budget.ts';

export const DEFAULT_BUDGET = {
  turnsPerHour: 60,
  tokensPerDay: 50_000_000,
  costMicrosPerDay: 50_000_000,
} as const satisfies Budget;
