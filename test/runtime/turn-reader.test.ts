import type { SessionUpdate } from '@agentclientprotocol/sdk';
import { describe, expect, test } from 'vitest';
import { createTurnReader } from '#runtime/turn-reader.ts';

const chunk = (text: string, messageId?: string, meta?: Record<string, unknown>): SessionUpdate => ({
  sessionUpdate: 'agent_message_chunk',
  content: { type: 'text', text },
  ...(messageId === undefined ? {} : { messageId }),
  ...(meta === undefined ? {} : { _meta: meta }),
});
const tool: SessionUpdate = { sessionUpdate: 'tool_call', toolCallId: 't', title: 'Read' };
const usage = (amount: number, currency = 'USD', used = 1): SessionUpdate => ({
  sessionUpdate: 'usage_update',
  used,
  size: 2,
  cost: { amount, currency },
});

function read(...updates: readonly SessionUpdate[]) {
  const reader = createTurnReader();
  for (const update of updates) reader.add(update);
  return reader.result();
}

describe('the answer of a turn', () => {
  test.for([
    { what: 'nothing was said', updates: [], text: '', id: null },
    { what: 'chunks of one message', updates: [chunk('Hel', 'a'), chunk('lo. ', 'a')], text: 'Hello.', id: 'a' },
    { what: 'the last of two messages', updates: [chunk('One.', 'a'), chunk('Two.', 'b')], text: 'Two.', id: 'b' },
    { what: 'words before a tool call', updates: [chunk('I look.', 'a'), tool], text: '', id: 'a' },
    {
      what: 'words after a tool call',
      updates: [chunk('I look.', 'a'), tool, chunk('So.', 'b')],
      text: 'So.',
      id: 'b',
    },
    { what: 'one message around a tool call', updates: [chunk('A', 'a'), tool, chunk('B', 'a')], text: 'AB', id: 'a' },
    {
      what: 'no ids: words after the tool call',
      updates: [chunk('A'), tool, chunk('B'), chunk('C')],
      text: 'BC',
      id: null,
    },
    {
      what: 'a notice of the program',
      updates: [chunk('Answer.', 'a'), chunk('Update available', 'n', { claudeCode: { kind: 'informational' } })],
      text: 'Answer.',
      id: 'a',
    },
    {
      what: 'thoughts and echoed prompts',
      updates: [
        chunk('Answer.', 'a'),
        { sessionUpdate: 'agent_thought_chunk', content: { type: 'text', text: 'hm' } },
        { sessionUpdate: 'user_message_chunk', content: { type: 'text', text: 'hi' } },
      ] satisfies SessionUpdate[],
      text: 'Answer.',
      id: 'a',
    },
  ])('$what', ({ updates, text, id }) => {
    expect(read(...updates)).toMatchObject({ text, lastMessageId: id });
  });
});

test('the cost is the last one that was told, in millionths of a dollar', () => {
  expect(read().costMicros).toBeNull();
  expect(read(usage(0.5), usage(0.0018042)).costMicros).toBe(1804);
  expect(read(usage(1, 'EUR')).costMicros).toBeNull();
});

test('the tokens are those of each call of the model, which is called again with what its tools gave', () => {
  const done: SessionUpdate = { sessionUpdate: 'tool_call_update', toolCallId: 't', status: 'completed' };
  const progress: SessionUpdate = { ...done, status: 'in_progress' };
  const used = (tokens: number) => usage(0, 'USD', tokens);
  expect(read().tokens).toBe(0);
  expect(read(used(100), used(130), tool, used(140)).tokens).toBe(140);
  expect(read(used(100), tool, tool, used(140), progress, done, done, used(200), used(210)).tokens).toBe(350);
  expect(read(used(100), done).tokens).toBe(100);
});
