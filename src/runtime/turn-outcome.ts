/**
 * How a turn came out, read from what the agent program answered to the prompt. Pure.
 *
 * A failed turn has no text: programs also send their errors as ordinary words, and those are nobody's answer.
 */
import type { PromptResponse, RequestError, StopReason } from '@agentclientprotocol/sdk';
import { allTokens, type Counters } from '#contract/entities.ts';

export type TurnOutcome =
  | {
      readonly kind: 'ended';
      readonly stopReason: StopReason;
      /** The last message of the turn, without the words between tool calls; empty if there is none. */
      readonly text: string;
      readonly counters: Counters;
      /** Where a later rewind can cut the conversation. */
      readonly lastMessageId: string | null;
    }
  | {
      readonly kind: 'failed';
      /** What it used, as far as that is known; null: it counts with the turn that goes on with this one. */
      readonly counters: Counters | null;
      readonly reason: 'auth_required' | 'rate_limit' | 'agent_error' | 'agent_exited';
      readonly message: string;
      readonly hint: string | null;
      /** When a limit ends, in epoch milliseconds, if the program said so. */
      readonly resetsAt: number | null;
    };

/** The code of ACP for a missing login. */
export const AUTH_REQUIRED = -32_000;
/** @param login what a person does to log in, if it is known, as the beginning of a sentence */
export const noLogin = (login = 'Log in as the program wants it') => ({
  message: 'The agent program is not logged in.',
  hint: `${login}, then send a message again.`,
});

type Failed = Extract<TurnOutcome, { kind: 'failed' }>;

const failed = (
  reason: Failed['reason'],
  message: string,
  hint: string | null,
  resetsAt: number | null = null,
  counters: Counters | null = null,
): Failed => ({ kind: 'failed', reason, message, hint, resetsAt, counters });

/** What a turn has used so far. */
export interface Spent {
  readonly tokens: number;
  readonly costMicros: number;
}

/** Of a turn whose end nobody told: all tokens as those that most of them are, read by the model. */
const countersSoFar = ({ tokens, costMicros }: Spent): Counters => ({
  inputTokens: tokens,
  outputTokens: 0,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  costMicros,
});

/** With what a turn used before it was broken off: the cost counts by itself, because programs go on counting that. */
export const withEarlier = (counters: Counters | null, tokens: number): Counters | null => {
  const { inputTokens, ...others } = counters ?? countersSoFar({ tokens: 0, costMicros: 0 });
  return tokens === 0 ? counters : { ...others, inputTokens: inputTokens + tokens };
};

/** @param lastWords what the program wrote to stderr at the end, on one line */
export const exited = (lastWords: string, spent: Spent): Failed =>
  failed(
    'agent_exited',
    'The agent program ended in the middle of a turn.',
    `Its last words: ${lastWords}`,
    null,
    countersSoFar(spent),
  );

/**
 * Tells failures apart by their codes; sentences change.
 *
 * @param resetsAt when the limit that was last heard of ends, in epoch milliseconds
 * @param login see `noLogin`
 */
export function failureOf(thrown: RequestError, resetsAt: number | null, spent: Spent, login?: string): Failed {
  if (thrown.code === AUTH_REQUIRED) {
    const { message, hint } = noLogin(login);
    return failed('auth_required', message, hint);
  }
  if (record(thrown.data)['errorKind'] === 'rate_limit') {
    const when = resetsAt === null ? 'in a few minutes' : `at ${new Date(resetsAt).toISOString()}`;
    return failed(
      'rate_limit',
      'The usage limit of the agent program is reached.',
      `It goes on by itself ${when}.`,
      resetsAt,
    );
  }
  return failed(
    'agent_error',
    `The agent program failed: ${explain(thrown)}.`,
    'Send the message again; `aachat session log` shows the turn.',
    null,
    countersSoFar(spent),
  );
}

export function countersOf(reply: PromptResponse, spent: Spent): Counters {
  const usage = record((reply as { usage?: unknown }).usage);
  const count = (name: string): number => {
    const value = usage[name];
    return typeof value === 'number' && Number.isFinite(value) ? Math.max(0, Math.round(value)) : 0;
  };
  const counters = {
    inputTokens: count('inputTokens'),
    outputTokens: count('outputTokens'),
    cacheReadTokens: count('cachedReadTokens'),
    cacheWriteTokens: count('cachedWriteTokens'),
    costMicros: spent.costMicros,
  };
  return allTokens(counters) === 0 ? countersSoFar(spent) : counters;
}

/** The program's own sentence, to stand inside one of ours. */
export const explain = (thrown: unknown): string =>
  (thrown instanceof Error ? thrown.message : String(thrown)).replace(/\.$/, '');

/** The value if it is an object, else an empty one. */
export function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
