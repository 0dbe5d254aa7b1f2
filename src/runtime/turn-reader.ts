/**
 * Reads the updates of one turn for what will be posted of it. Pure.
 *
 * The answer is the last message: chunks with the last message id. Programs without message ids have the text after
 * the last tool call instead. Notices of the program itself are not the agent's words.
 */
import type { SessionUpdate } from '@agentclientprotocol/sdk';
import { countTokens, NO_TOKENS, tokensOf } from './token-count.ts';

export interface TurnReader {
  add(update: SessionUpdate): void;
  result(): {
    readonly text: string;
    readonly lastMessageId: string | null;
    /** Cost of the whole conversation so far, in millionths of a dollar; null if the program does not say. */
    readonly costMicros: number | null;
    /** See `token-count.ts`. */
    readonly tokens: number;
  };
}

export function createTurnReader(): TurnReader {
  let text = '';
  let messageId: string | null = null;
  let costMicros: number | null = null;
  let toolSince = false;
  let count = NO_TOKENS;
  return {
    add(update) {
      count = countTokens(count, update);
      switch (update.sessionUpdate) {
        case 'agent_message_chunk': {
          if (isNotice(update._meta) || update.content.type !== 'text') return;
          const id = update.messageId ?? null;
          if (id !== null ? id !== messageId : toolSince) text = '';
          messageId = id;
          toolSince = false;
          text += update.content.text;
          return;
        }
        case 'tool_call':
          toolSince = true;
          return;
        case 'usage_update':
          if (update.cost?.currency === 'USD') costMicros = Math.round(update.cost.amount * 1_000_000);
          return;
        default:
          return;
      }
    },
    // Words before the last tool call announce something; they answer nothing.
    result: () => ({
      text: toolSince ? '' : text.trim(),
      lastMessageId: messageId,
      costMicros,
      tokens: tokensOf(count),
    }),
  };
}

function isNotice(meta: unknown): boolean {
  const { claudeCode } = (meta ?? {}) as { claudeCode?: { kind?: unknown } };
  return claudeCode?.kind !== undefined;
}
