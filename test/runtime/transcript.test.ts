import { describe, expect, test } from 'vitest';
import { newId } from '#base/id.ts';
import type { ProjectId } from '#contract/ids.ts';
import { LogEvent } from '#runtime/log-events.ts';
import { createTranscriptCopy, createTranscriptReader, parseTranscriptLine } from '#runtime/transcript.ts';
import fc from '../support/property.ts';

const NOW = Date.parse('2026-05-01T00:00:00.000Z');
const AT = '2026-03-01T10:00:00.000Z';
const usage = { input_tokens: 10, output_tokens: 5, cache_read_input_tokens: 100, cache_creation_input_tokens: 20 };
let count = 0;

const line = (type: 'user' | 'assistant', content: unknown, more: object = {}, message: object = {}) => {
  count += 1;
  return { type, uuid: `u${count}`, timestamp: AT, message: { role: type, content, ...message }, ...more };
};

function read(lines: readonly unknown[]) {
  const reader = createTranscriptReader(newId<ProjectId>(), NOW);
  const parsed = lines.map((value) => parseTranscriptLine(JSON.stringify(value)));
  const events = [...parsed.flatMap((one) => (one === undefined ? [] : reader.read(one))), ...reader.end()];
  return { events, bad: parsed.filter((one) => one === undefined).length };
}

const outcomes = (lines: readonly unknown[]) =>
  read(lines).events.flatMap(({ event }) => (event.type === 'turn.finished' ? [event.outcome] : []));

describe('a transcript', () => {
  test('becomes turns with prompt, thoughts, tools, answer, tokens and the times that it has', () => {
    const answer = { id: 'm1', usage };
    const { events } = read([
      line('user', 'Where?'),
      line('assistant', [{ type: 'thinking', thinking: 'Hm.' }], {}, answer),
      line('assistant', [{ type: 'tool_use', id: 't', name: 'Read', input: { file_path: 'a.md' } }], {}, answer),
      line('user', [
        { type: 'tool_result', tool_use_id: 't', is_error: true, content: [{ type: 'text', text: 'no' }] },
      ]),
      line('assistant', [{ type: 'text', text: 'Here.' }], {}, { id: 'm2', usage }),
    ]);
    expect(events.map(({ event }) => (event.type === 'update' ? event.update : event.type))).toEqual([
      'turn.started',
      'turn.prompted',
      { sessionUpdate: 'agent_thought_chunk', text: 'Hm.' },
      {
        sessionUpdate: 'tool_call',
        toolCallId: 't',
        title: 'Read a.md',
        status: 'pending',
        rawInput: { file_path: 'a.md' },
      },
      expect.objectContaining({ sessionUpdate: 'tool_call_update', toolCallId: 't', status: 'failed' }),
      { sessionUpdate: 'agent_message_chunk', text: 'Here.' },
      'turn.finished',
      'turn.closed',
    ]);
    expect(new Set(events.map(({ at }) => at))).toEqual(new Set([AT]));
    // What each line of an answer repeats counts once.
    const counters = { inputTokens: 20, outputTokens: 10, cacheReadTokens: 200, cacheWriteTokens: 40, costMicros: 0 };
    expect(events.find(({ event }) => event.type === 'turn.finished')?.event).toMatchObject({
      outcome: { state: 'ended', stopReason: 'end_turn', text: 'Here.', counters },
    });
  });

  test('has turns that were interrupted, that failed, and that nobody answered', () => {
    const states = outcomes([
      line('user', 'one'),
      line('assistant', [{ type: 'text', text: 'half' }]),
      line('user', [{ type: 'text', text: '[Request interrupted by user]' }]),
      line('user', 'two'),
      line('assistant', [{ type: 'text', text: 'API Error' }], { isApiErrorMessage: true }),
      line('user', 'three'),
    ]).map(({ state }) => state);
    expect(states).toEqual(['cancelled', 'failed', 'failed']);
  });

  test('says nothing by side talks, reminders and summaries', () => {
    const { events } = read([
      line('user', 'side', { isSidechain: true }),
      line('user', 'reminder', { isMeta: true }),
      line('user', 'summary', { isCompactSummary: true }),
    ]);
    expect(events).toEqual([]);
  });

  test.each([
    ['a time that cannot be', line('user', 'x', { timestamp: '+275760-09-13T00:00:00.000Z' })],
    ['a time that is none', line('user', 'x', { timestamp: 'soon' })],
    ['counts that are none', line('assistant', 'x', {}, { usage: { input_tokens: -5, output_tokens: 1e300 } })],
  ])('with %s is read all the same', (_, value) => {
    const { events, bad } = read([value]);
    expect(bad).toBe(0);
    for (const { at, event } of events) {
      expect(Date.parse(at)).toBeLessThanOrEqual(NOW);
      expect(LogEvent.safeParse(event).error).toBeUndefined();
    }
  });

  test('that is deeper than the stack stays shallow in log and copy', () => {
    const deep = `{"a":${'['.repeat(50_000)}${']'.repeat(50_000)}}`;
    const raw = JSON.stringify(line('assistant', [{ type: 'tool_use', id: 't', name: 'X', input: 'DEEP' }]));
    const parsed = parseTranscriptLine(raw.replace('"DEEP"', deep));
    if (parsed === undefined) throw new Error('It is a line.');
    const reader = createTranscriptReader(newId<ProjectId>(), NOW);
    expect(JSON.stringify(reader.read(parsed)).length).toBeLessThan(2_000);
    expect(createTranscriptCopy('s')(parsed)?.length).toBeLessThan(2_000);
  });

  test('has no line that breaks reading or copying, or makes what is no line of a log', () => {
    const parts = fc.dictionary(
      fc.constantFrom('type', 'text', 'thinking', 'id', 'name', 'input', 'content'),
      fc.jsonValue(),
    );
    const content = fc.oneof(fc.string(), fc.array(fc.oneof(parts, fc.jsonValue())), fc.jsonValue());
    const type = fc.constantFrom('user', 'assistant', 'system', 'summary');
    const message = fc.record({ role: type, content, id: fc.jsonValue(), usage: fc.jsonValue() }, { requiredKeys: [] });
    const parents = fc.oneof(fc.constantFrom('a', 'b', 'c'), fc.jsonValue());
    const any = fc.record(
      { type, uuid: parents, parentUuid: parents, timestamp: fc.jsonValue(), isSidechain: fc.jsonValue(), message },
      { requiredKeys: ['type'] },
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(any, fc.jsonValue())), (lines) => {
        const copy = createTranscriptCopy('new');
        const copied = lines.flatMap((value) => {
          const parsed = parseTranscriptLine(JSON.stringify(value));
          return parsed === undefined ? [] : (copy(parsed) ?? []);
        });
        const kept = copied.map(
          (text) => JSON.parse(text) as { uuid: string; parentUuid: string | null; sessionId: string },
        );
        for (const [index, { parentUuid, sessionId }] of kept.entries()) {
          expect(sessionId).toBe('new');
          if (parentUuid !== null) expect(kept.slice(0, index).map(({ uuid }) => uuid)).toContain(parentUuid);
        }
        for (const { event } of read(lines).events) expect(LogEvent.safeParse(event).error).toBeUndefined();
      }),
    );
  });

  test('is copied without what others read, and what was said still hangs together', () => {
    const copy = createTranscriptCopy('new');
    const lines = [
      { ...line('user', 'one'), parentUuid: null, sessionId: 'old', cwd: '/x', toolUseResult: { secret: 1 } },
      { type: 'attachment', uuid: 'att', parentUuid: `u${count}`, sessionId: 'old' },
      { ...line('assistant', 'two'), parentUuid: 'att', sessionId: 'old' },
      { ...line('user', 'three'), parentUuid: 'lost', sessionId: 'old' },
    ];
    const copied = lines.flatMap((value) => {
      const parsed = parseTranscriptLine(JSON.stringify(value));
      const text = parsed === undefined ? undefined : copy(parsed);
      return text === undefined ? [] : [JSON.parse(text)];
    });
    const [one, two, three] = [lines[0], lines[2], lines[3]] as { uuid: string }[];
    expect(copied.map(({ uuid, parentUuid }) => [uuid, parentUuid])).toEqual([
      [one?.uuid, null],
      [two?.uuid, one?.uuid],
      [three?.uuid, two?.uuid],
    ]);
    expect(copied[0]).not.toHaveProperty('toolUseResult');
  });
});
