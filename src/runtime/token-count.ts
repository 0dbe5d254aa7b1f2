/**
 * How much the model read and wrote so far in a turn, from what the program says meanwhile: of each of its calls the
 * context. Programs tell the exact number with the end of a prompt only, which one that was broken off has not. Pure.
 */
import { record } from './turn-outcome.ts';

export interface TokenCount {
  readonly earlierCalls: number;
  readonly thisCall: number;
  /** A tool gave something: the model is called again with that. */
  readonly hasResult: boolean;
}

export const NO_TOKENS: TokenCount = { earlierCalls: 0, thisCall: 0, hasResult: false };

/** @param update may come from a log of long ago, and be anything */
export function countTokens(count: TokenCount, update: unknown): TokenCount {
  const { sessionUpdate, status, used } = record(update);
  if (sessionUpdate === 'tool_call_update') {
    return status === 'completed' || status === 'failed' ? { ...count, hasResult: true } : count;
  }
  if (sessionUpdate !== 'usage_update' || typeof used !== 'number') return count;
  const { earlierCalls, thisCall } = count.hasResult ? nextCall(count) : count;
  return { earlierCalls, thisCall: Math.max(thisCall, used), hasResult: false };
}

/** The model is called anew. */
export const nextCall = (count: TokenCount): TokenCount => ({ ...NO_TOKENS, earlierCalls: tokensOf(count) });

export const tokensOf = ({ earlierCalls, thisCall }: TokenCount): number => earlierCalls + thisCall;
