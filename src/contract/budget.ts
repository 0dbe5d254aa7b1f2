/**
 * What an agent may use, over all its sessions on all machines: turns, and the tokens and money that they cost. The
 * windows roll: a turn counts until it began an hour, or a day, ago.
 */
import { z } from 'zod';

/** Having no limit must be asked for by name. */
export const Limit = z.union([z.int().positive(), z.literal('unlimited')]);
export type Limit = z.infer<typeof Limit>;

export const Budget = z.object({
  turnsPerHour: Limit,
  /** All that the model reads and writes, with what it takes from its cache. */
  tokensPerDay: Limit,
  /** Millionths of a US dollar, as estimated by the agent program. */
  costMicrosPerDay: Limit,
});
export type Budget = z.infer<typeof Budget>;

export const BudgetState = z.object({
  budget: Budget,
  /** Of each limit. */
  used: z.object({
    turnsPerHour: z.int().nonnegative(),
    tokensPerDay: z.int().nonnegative(),
    costMicrosPerDay: z.int().nonnegative(),
  }),
  /** Set while no new turn may begin: the limit that holds longest, and when it lets the next turn begin. */
  exhausted: z.object({ limit: Budget.keyof(), retryAt: z.iso.datetime() }).nullable(),
});
export type BudgetState = z.infer<typeof BudgetState>;

/** What an agent may still use when a turn begins; null: there is no limit. */
export const BudgetLeft = z.object({
  tokens: z.int().nonnegative().nullable(),
  costMicros: z.int().nonnegative().nullable(),
});
export type BudgetLeft = z.infer<typeof BudgetLeft>;

/** What is left of the limits of a day, never below 0. */
export function leftOf({ budget, used }: Pick<BudgetState, 'budget' | 'used'>): BudgetLeft {
  const left = (name: keyof Budget): number | null => {
    const limit = budget[name];
    return limit === 'unlimited' ? null : Math.max(0, limit - used[name]);
  };
  return { tokens: left('tokensPerDay'), costMicros: left('costMicrosPerDay') };
}
