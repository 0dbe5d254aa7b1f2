import { describe, expect, test } from 'vitest';
import {
  INITIAL,
  type Phase,
  type SocketInput,
  type SocketOutput,
  type SocketState,
  step,
} from '#client/socket-state.ts';
import type { DownFrame, StreamEvent } from '#contract/frames.ts';
import type { StreamId } from '#contract/ids.ts';

const A = '019a1b2c-3d4e-7f60-8a9b-0c1d2e3f4a5a' as StreamId;
const B = '019a1b2c-3d4e-7f60-8a9b-0c1d2e3f4a5b' as StreamId;
const event = (seq: number) => ({ seq, type: 'member.added' }) as StreamEvent;
const batch = (from: number, to: number, ...seqs: number[]): DownFrame => ({
  type: 'batch',
  stream: A,
  from,
  to,
  events: seqs.map(event),
});
const at = (phase: Phase, cursor?: number | null, failures = 0): SocketState => ({
  phase,
  failures,
  cursors: new Map(cursor === undefined ? [] : [[A, cursor]]),
});
const frame = (down: DownFrame): SocketInput => ({ kind: 'frame', frame: down });

const INPUTS = {
  open: { kind: 'open' },
  closed: { kind: 'closed' },
  settled: { kind: 'settled' },
  subscribe: { kind: 'subscribe', stream: B, after: 7 },
  unsubscribe: { kind: 'unsubscribe', stream: A },
  hello: frame({ type: 'hello', protocol: 1, heartbeatMs: 20_000, serverTime: '2026-01-01T00:00:00Z' }),
  ready: frame({ type: 'ready' }),
  batch: frame(batch(5, 6, 6)),
  live: frame({ type: 'live', stream: A, seq: 5 }),
  reset: frame({ type: 'reset', stream: A, seq: 9 }),
  denied: frame({ type: 'denied', stream: A }),
  reconnect: frame({ type: 'reconnect', afterMs: 500 }),
  relayed: frame({ type: 'permission_titles_wanted' }),
} as const satisfies Record<string, SocketInput>;

/** What each input does, in words: the next phase if it is another one, and the outputs. `-`: nothing. */
const TABLE: Record<keyof typeof INPUTS, Record<Phase, string>> = {
  open: { waiting: 'opening', opening: '-', authenticating: '-', ready: '-' },
  closed: { waiting: '-', opening: 'waiting', authenticating: 'waiting', ready: 'waiting connected' },
  settled: { waiting: '-', opening: '-', authenticating: '-', ready: '-' },
  subscribe: { waiting: '-', opening: '-', authenticating: '-', ready: 'send:subscribe' },
  unsubscribe: { waiting: '-', opening: '-', authenticating: '-', ready: 'send:unsubscribe' },
  hello: { waiting: '-', opening: 'authenticating authenticate', authenticating: '-', ready: '-' },
  ready: { waiting: '-', opening: '-', authenticating: 'ready send:subscribe connected', ready: '-' },
  batch: { waiting: 'apply', opening: 'apply', authenticating: 'apply', ready: 'apply' },
  live: { waiting: '-', opening: '-', authenticating: '-', ready: '-' },
  reset: { waiting: 'reset', opening: 'reset', authenticating: 'reset', ready: 'reset' },
  denied: { waiting: 'denied', opening: 'denied', authenticating: 'denied', ready: 'denied' },
  reconnect: { waiting: 'reconnect', opening: 'reconnect', authenticating: 'reconnect', ready: 'reconnect' },
  relayed: { waiting: 'relayed', opening: 'relayed', authenticating: 'relayed', ready: 'relayed' },
};

const word = (output: SocketOutput): string => (output.kind === 'send' ? `send:${output.frame.type}` : output.kind);

describe('every phase answers every input', () => {
  for (const [name, row] of Object.entries(TABLE)) {
    for (const [phase, expected] of Object.entries(row)) {
      test(`${phase}, ${name}: ${expected === '-' ? 'nothing is said' : expected}`, () => {
        const { state, outputs } = step(at(phase as Phase, 5), INPUTS[name as keyof typeof INPUTS]);
        const words = [...(state.phase === phase ? [] : [state.phase]), ...outputs.map(word)];
        expect(words.join(' ') || '-').toBe(expected);
      });
    }
  }
});

describe('a batch', () => {
  test('that begins where the reader stands is applied, and the reader moves to its end', () => {
    const { state, outputs } = step(at('ready', 5), frame(batch(5, 9, 6, 8)));
    expect(outputs).toEqual([
      { kind: 'apply', stream: A, event: event(6) },
      { kind: 'apply', stream: A, event: event(8) },
    ]);
    expect(state.cursors.get(A)).toBe(9);
  });

  test('without events moves the reader all the same', () => {
    const { state, outputs } = step(at('ready', 5), frame(batch(5, 9)));
    expect(outputs).toEqual([]);
    expect(state.cursors.get(A)).toBe(9);
  });

  test('that was seen before is dropped', () => {
    const before = at('ready', 5);
    expect(step(before, frame(batch(2, 5, 3, 5)))).toEqual({ state: before, outputs: [] });
  });

  test('that overlaps gives only what is new', () => {
    const { state, outputs } = step(at('ready', 5), frame(batch(3, 7, 4, 5, 7)));
    expect(outputs).toEqual([{ kind: 'apply', stream: A, event: event(7) }]);
    expect(state.cursors.get(A)).toBe(7);
  });

  test('behind a gap is not applied: the stream is asked for again', () => {
    const before = at('ready', 5);
    expect(step(before, frame(batch(6, 8, 8)))).toEqual({
      state: before,
      outputs: [{ kind: 'send', frame: { type: 'subscribe', streams: [{ stream: A, after: 5 }] } }],
    });
  });

  test('is the beginning for a reader that wanted only what is new', () => {
    const { state, outputs } = step(at('ready', null), frame(batch(41, 42, 42)));
    expect(outputs).toEqual([{ kind: 'apply', stream: A, event: event(42) }]);
    expect(state.cursors.get(A)).toBe(42);
  });

  test('of a stream that nobody reads is dropped', () => {
    const before = at('ready');
    expect(step(before, frame(batch(0, 1, 1)))).toEqual({ state: before, outputs: [] });
  });
});

describe('the live mark', () => {
  test('gives a place to a reader that wanted only what is new', () => {
    expect(step(at('ready', null), frame({ type: 'live', stream: A, seq: 41 })).state.cursors.get(A)).toBe(41);
  });

  test('ahead of the reader means that something was lost', () => {
    const { state, outputs } = step(at('ready', 5), frame({ type: 'live', stream: A, seq: 6 }));
    expect(outputs.map(word)).toEqual(['send:subscribe']);
    expect(state.cursors.get(A)).toBe(5);
  });
});

describe('subscriptions', () => {
  test('are asked for again on each new connection, from where the reader stands', () => {
    const moved = step(at('ready', 5), frame(batch(5, 9, 9))).state;
    const lost = step(moved, { kind: 'closed' }).state;
    const { outputs } = step({ ...lost, phase: 'authenticating' }, INPUTS.ready);
    expect(outputs[0]).toEqual({ kind: 'send', frame: { type: 'subscribe', streams: [{ stream: A, after: 9 }] } });
  });

  test('a second one for the same stream changes nothing', () => {
    const before = at('ready', 5);
    expect(step(before, { kind: 'subscribe', stream: A, after: 0 })).toEqual({ state: before, outputs: [] });
  });

  test('end when the server denies the stream, and are not asked for again', () => {
    const { state } = step(at('ready', 5), INPUTS.denied);
    expect(state.cursors.has(A)).toBe(false);
    expect(step({ ...state, phase: 'authenticating' }, INPUTS.ready).outputs.map(word)).toEqual(['connected']);
  });

  test('more than a frame may hold are spread over several', () => {
    const cursors = new Map(Array.from({ length: 1201 }, (_, index) => [`${index}` as StreamId, index]));
    const { outputs } = step({ phase: 'authenticating', failures: 0, cursors }, INPUTS.ready);
    const counts = outputs.map((output) =>
      output.kind === 'send' && output.frame.type === 'subscribe' ? output.frame.streams.length : 0,
    );
    expect(counts).toEqual([500, 500, 201, 0]);
  });
});

describe('failures', () => {
  test('add up over connections, also those that logged in, until one has been calm', () => {
    let state = INITIAL;
    for (const input of ['open', 'hello', 'ready', 'closed', 'open', 'closed'] as const)
      state = step(state, INPUTS[input]).state;
    expect(state.failures).toBe(2);
    for (const input of ['open', 'hello', 'ready', 'settled'] as const) state = step(state, INPUTS[input]).state;
    expect(state.failures).toBe(0);
  });
});
