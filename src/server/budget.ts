/** Budgets: what an agent may use, what it has used, and what is said once it is used up. */
import { AachatError } from '#base/errors.ts';
import { isoTime } from '#base/time.ts';
import { type Budget, type BudgetLeft, type BudgetState, leftOf } from '#contract/budget.ts';
import { DEFAULT_BUDGET } from '#contract/default-budget.ts';
import { allTokens, Counters } from '#contract/entities.ts';
import type { AgentId, ProjectId } from '#contract/ids.ts';
import type { ROUTES } from '#contract/routes.ts';
import type { AgentRow } from './database/schema.ts';
import type { Tx, View } from './database/store.ts';
import { agentFacts } from './facts.ts';
import type { Reading, Writing } from './request.ts';
import { partyOf } from './signals.ts';

const HOUR_MS = 60 * 60_000;
const DAY_MS = 24 * HOUR_MS;

/** A turn as far as budgets count it. */
export interface CountedTurn {
  /** When it began, in epoch milliseconds. */
  readonly startedAt: number;
  /** Null while it is open, or when it broke off. */
  readonly counters: Counters | null;
}

type LimitName = keyof Budget;

interface Rule {
  readonly windowMs: number;
  /** How much of the limit a turn takes. */
  readonly amount: (turn: CountedTurn) => number;
  readonly show: (amount: number) => string;
  /** Follows the amount. */
  readonly unit: string;
  readonly option: string;
}

const RULES: Record<LimitName, Rule> = {
  turnsPerHour: {
    windowMs: HOUR_MS,
    amount: () => 1,
    show: String,
    unit: 'turns in the last hour',
    option: '--turns-per-hour',
  },
  tokensPerDay: {
    windowMs: DAY_MS,
    amount: ({ counters }) => (counters === null ? 0 : allTokens(counters)),
    show: (amount) => amount.toLocaleString('en'),
    unit: 'tokens in the last 24 hours',
    option: '--tokens-per-day',
  },
  costMicrosPerDay: {
    windowMs: DAY_MS,
    amount: ({ counters }) => counters?.costMicros ?? 0,
    show: (amount) => `$${(amount / 1_000_000).toFixed(2)}`,
    unit: 'in the last 24 hours',
    option: '--cost-per-day',
  },
};
const LIMITS = Object.keys(RULES) as LimitName[];

/**
 * What the turns of the last day have used. Pure.
 *
 * @param turns oldest first
 * @param now epoch milliseconds
 */
export function judge(budget: Budget, turns: readonly CountedTurn[], now: number): BudgetState {
  const used = { turnsPerHour: 0, tokensPerDay: 0, costMicrosPerDay: 0 };
  let exhausted: { readonly limit: LimitName; readonly until: number } | null = null;
  for (const name of LIMITS) {
    const { windowMs, amount } = RULES[name];
    const counted = turns.filter(({ startedAt }) => startedAt > now - windowMs);
    used[name] = counted.reduce((sum, turn) => sum + amount(turn), 0);
    const limit = budget[name];
    if (limit === 'unlimited') continue;
    let left = used[name];
    for (const turn of counted) {
      if (left < limit) break;
      left -= amount(turn);
      const until = turn.startedAt + windowMs;
      if (until > (exhausted?.until ?? 0)) exhausted = { limit: name, until };
    }
  }
  return {
    budget,
    used,
    exhausted: exhausted === null ? null : { limit: exhausted.limit, retryAt: isoTime(exhausted.until) },
  };
}

const limitsSet = ({ budget }: AgentRow): Partial<Budget> => (budget === null ? {} : JSON.parse(budget));

async function stateOf({ q, now }: View, agent: AgentRow): Promise<BudgetState> {
  const at = Date.parse(now);
  const rows = await q
    .selectFrom('turns')
    .innerJoin('sessions', 'sessions.id', 'turns.session_id')
    .select(['turns.started_at', 'turns.counters'])
    .where('sessions.agent_id', '=', agent.id)
    .where('turns.started_at', '>', isoTime(at - DAY_MS))
    // One that ended without counters had nothing left to do: another session had answered.
    .where((eb) => eb.or([eb('turns.state', '!=', 'ended'), eb('turns.counters', 'is not', null)]))
    .orderBy('turns.started_at')
    .execute();
  const turns = rows.map(({ started_at, counters }) => ({
    startedAt: Date.parse(started_at),
    counters: counters === null ? null : Counters.parse(JSON.parse(counters)),
  }));
  return judge({ ...DEFAULT_BUDGET, ...limitsSet(agent) }, turns, at);
}

const agentRow = ({ q }: View, id: AgentId): Promise<AgentRow> =>
  q.selectFrom('agents').selectAll().where('id', '=', id).executeTakeFirstOrThrow();

/** What a turn that begins now may use before it is cancelled. */
export async function budgetLeft(view: View, agentId: AgentId): Promise<BudgetLeft> {
  return leftOf(await stateOf(view, await agentRow(view, agentId)));
}

/**
 * Whether a new turn must wait. Then the people of the project are told, at most once an hour: while the agent is kept
 * busy, its budget is used up again with every turn that it may begin.
 *
 * @returns the refusal; undefined: the turn may begin
 */
export async function overBudget(tx: Tx, agentId: AgentId, projectId: ProjectId): Promise<AachatError | undefined> {
  const agent = await agentRow(tx, agentId);
  const { budget, used, exhausted } = await stateOf(tx, agent);
  if (exhausted === null) return undefined;
  const { limit, retryAt } = exhausted;
  await tellProject(tx, agent, projectId, { retryAt, cancelled: false });
  const { show, unit, option } = RULES[limit];
  const amounts = `${show(used[limit])} of ${show(Number(budget[limit]))} ${unit}`;
  const at = `${retryAt.slice(0, 16).replace('T', ' ')} UTC`;
  return new AachatError('BUDGET_EXCEEDED', `${agent.name} has used up its budget: ${amounts}.`, {
    hint: `It goes on by itself at ${at}, or at once with \`aachat agent budget ${agent.name} ${option} <more>\`.`,
    details: { retryAt },
  });
}

/**
 * Tells the people of a project when a turn in it used up what its agent may use. That an hour has no more turns is told
 * once something has to wait for it. The caller holds the lock of the agent.
 *
 * @param cancelled whether the turn ran past the budget, and was cut off
 */
export async function noteSpent(tx: Tx, agentId: AgentId, projectId: ProjectId, cancelled: boolean): Promise<void> {
  const agent = await agentRow(tx, agentId);
  const { exhausted } = await stateOf(tx, agent);
  if (exhausted === null || (exhausted.limit === 'turnsPerHour' && !cancelled)) return;
  await tellProject(tx, agent, projectId, { retryAt: exhausted.retryAt, cancelled });
}

async function tellProject(
  tx: Tx,
  agent: AgentRow,
  projectId: ProjectId,
  what: { readonly retryAt: string; readonly cancelled: boolean },
): Promise<void> {
  const told: Record<string, string> = agent.budget_told === null ? {} : JSON.parse(agent.budget_told);
  const recent = isoTime(Date.parse(tx.now) - HOUR_MS);
  if ((told[projectId] ?? '') > recent) return;
  const kept = Object.entries({ ...told, [projectId]: tx.now }).filter(([, at]) => at > recent);
  await tx.q
    .updateTable('agents')
    .set({ budget_told: JSON.stringify(Object.fromEntries(kept)) })
    .where('id', '=', agent.id)
    .execute();
  const data = { agent: partyOf('agent', agent.id, agent.name), ...what };
  tx.emit({ stream: projectId, type: 'budget.reached', entityId: agent.id, data });
}

export const getBudget: Reading<typeof ROUTES.getBudget> = async (view, { actor, params, ask }) => {
  const { agent, resource } = await agentFacts(view, actor, params.agentId);
  ask(resource);
  return await stateOf(view, agent);
};

export const setBudget: Writing<typeof ROUTES.setBudget> = async (tx, { actor, params, body, ask }) => {
  await tx.engine.lock(tx.q, 'agents', [params.agentId]);
  const { agent, resource } = await agentFacts(tx, actor, params.agentId);
  ask(resource);
  const changed = { budget: JSON.stringify({ ...limitsSet(agent), ...body }), budget_told: null };
  await tx.q.updateTable('agents').set(changed).where('id', '=', agent.id).execute();
  const data = { agent: partyOf('agent', agent.id, agent.name) };
  tx.emit({ stream: agent.owner_id, type: 'budget.changed', entityId: agent.id, data });
  return await stateOf(tx, { ...agent, ...changed });
};
