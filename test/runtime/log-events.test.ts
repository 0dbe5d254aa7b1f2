import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { LOG_VERSION, LogEvent } from '#runtime/log-events.ts';
import { decode, encode } from '#runtime/log-lines.ts';

test('L2 a changed schema asks for a decision about the version of the log', () => {
  const schema = z.toJSONSchema(LogEvent, { unrepresentable: 'any' });
  const fingerprint = createHash('sha256').update(JSON.stringify(schema)).digest('hex').slice(0, 12);
  // Changed on purpose? If an older program can still read it, update the fingerprint; if not, raise LOG_VERSION too.
  expect({ LOG_VERSION, fingerprint }).toEqual({ LOG_VERSION: 2, fingerprint: 'd0029c4d3ce4' });
});

test('L2 a line of version 1 is read as this version has it', () => {
  const counters = { inputTokens: 1, outputTokens: 2, cachedTokens: 4, costMicros: 5 };
  const outcome = { state: 'ended', stopReason: 'end_turn', text: '', counters, lastMessageId: null };
  const old = { seq: 1, at: '2026-01-01T00:00:00.000Z', type: 'turn.finished', turnId: 't', outcome };
  const [read] = decode(Buffer.from(encode(old as never))).lines;
  const split = { inputTokens: 1, outputTokens: 2, cacheReadTokens: 4, cacheWriteTokens: 0, costMicros: 5 };
  expect(read?.line).toEqual({ ...old, outcome: { ...outcome, counters: split } });
});
