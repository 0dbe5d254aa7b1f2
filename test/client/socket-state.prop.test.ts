/** The reader against a model of the server, joined by two queues that the test flushes, breaks and disturbs. */

import { expect, test } from 'vitest';
import { INITIAL, type SocketInput, step } from '#client/socket-state.ts';
import type { DownFrame, StreamEvent, UpFrame } from '#contract/frames.ts';
import type { StreamId } from '#contract/ids.ts';
import fc from '../support/property.ts';

const STREAMS = ['a', 'b', 'c'] as unknown as readonly [StreamId, StreamId, StreamId];

/** Keeps logs with holes in their numbers, sends what is asked for, and then what comes. */
class ModelServer {
  readonly logs = new Map<StreamId, number[]>(STREAMS.map((stream) => [stream, []]));
  readonly down: DownFrame[] = [];
  private sent = new Map<StreamId, number>();

  append(stream: StreamId, gap: number): void {
    const log = this.logs.get(stream) ?? [];
    const seq = (log.at(-1) ?? 0) + gap;
    log.push(seq);
    const from = this.sent.get(stream);
    if (from !== undefined) this.push(stream, from);
  }

  take(frame: UpFrame): void {
    if (frame.type === 'unsubscribe') for (const stream of frame.streams) this.sent.delete(stream);
    if (frame.type !== 'subscribe') return;
    for (const { stream, after } of frame.streams) {
      const last = this.logs.get(stream)?.at(-1) ?? 0;
      this.push(stream, after ?? last);
      this.down.push({ type: 'live', stream, seq: last });
    }
  }

  disconnect(): void {
    this.down.length = 0;
    this.sent.clear();
  }

  private push(stream: StreamId, from: number): void {
    const seqs = (this.logs.get(stream) ?? []).filter((seq) => seq > from);
    const to = seqs.at(-1) ?? from;
    this.sent.set(stream, to);
    if (seqs.length === 0) return;
    const events = seqs.map((seq) => ({ seq }) as StreamEvent);
    this.down.push({ type: 'batch', stream, from, to, events });
  }
}

class Reader {
  state = INITIAL;
  readonly up: UpFrame[] = [];
  readonly seen = new Map<StreamId, number[]>(STREAMS.map((stream) => [stream, []]));

  feed(input: SocketInput): void {
    const { state, outputs } = step(this.state, input);
    this.state = state;
    for (const output of outputs) {
      if (output.kind === 'send') this.up.push(output.frame);
      if (output.kind === 'apply') this.seen.get(output.stream)?.push(output.event.seq);
    }
  }

  connect(): void {
    this.feed({ kind: 'open' });
    this.feed({ kind: 'frame', frame: { type: 'hello', protocol: 1, heartbeatMs: 1, serverTime: '' } });
    this.feed({ kind: 'frame', frame: { type: 'ready' } });
  }
}

const stream = fc.constantFrom(...STREAMS);
const action = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('append'), stream, gap: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 4, arbitrary: fc.constant({ kind: 'up' }) },
  { weight: 4, arbitrary: fc.constant({ kind: 'down' }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('subscribe'), stream }) },
  // What must never happen, and must do no harm: a frame that is lost, one that comes twice, two that swap places.
  { weight: 1, arbitrary: fc.constantFrom({ kind: 'lose' }, { kind: 'repeat' }, { kind: 'swap' }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'disconnect' }) },
) as fc.Arbitrary<{ kind: string; stream?: StreamId; gap?: number }>;

function perform(
  server: ModelServer,
  reader: Reader,
  { kind, stream: of, gap }: { kind: string; stream?: StreamId; gap?: number },
): void {
  const { down } = server;
  switch (kind) {
    case 'append':
      if (of !== undefined) server.append(of, gap ?? 1);
      break;
    case 'subscribe':
      if (of !== undefined) reader.feed({ kind: 'subscribe', stream: of, after: 0 });
      break;
    case 'up': {
      const frame = reader.up.shift();
      if (frame !== undefined) server.take(frame);
      break;
    }
    case 'down': {
      const frame = down.shift();
      if (frame !== undefined) reader.feed({ kind: 'frame', frame });
      break;
    }
    case 'lose':
      down.shift();
      break;
    case 'repeat':
      if (down[0] !== undefined) down.unshift(down[0]);
      break;
    case 'swap':
      if (down[0] !== undefined && down[1] !== undefined) [down[0], down[1]] = [down[1], down[0]];
      break;
    case 'disconnect':
      reconnect(server, reader);
      break;
  }
}

function reconnect(server: ModelServer, reader: Reader): void {
  reader.feed({ kind: 'closed' });
  reader.up.length = 0;
  server.disconnect();
  reader.connect();
}

test('each event of each stream is handed over once and in order, whatever the connection does', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 120, size: 'max' }), (actions) => {
      const server = new ModelServer();
      const reader = new Reader();
      reader.connect();
      for (const one of actions) perform(server, reader, one);
      for (const of of STREAMS) reader.feed({ kind: 'subscribe', stream: of, after: 0 });
      reconnect(server, reader);
      for (let turns = 0; reader.up.length + server.down.length > 0; turns += 1) {
        expect(turns).toBeLessThan(1000);
        perform(server, reader, { kind: 'up' });
        perform(server, reader, { kind: 'down' });
      }
      expect(reader.seen).toEqual(server.logs);
    }),
    { numRuns: 500 },
  );
});
