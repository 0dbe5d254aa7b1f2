/**
 * What a reader of event streams knows and does, as data. Pure; `socket.ts` performs it.
 *
 * The log is the truth, the socket is a hint. A batch is applied only if it begins where the reader stands: what is
 * lower was seen before and is dropped, what is higher leaves a gap and the stream is asked for again.
 *
 *   waiting ─open─► opening ─hello─► authenticating ─ready─► ready ─closed─► waiting
 */
import type { DownFrame, RelayedFrame, StreamEvent, UpFrame } from '#contract/frames.ts';
import type { StreamId } from '#contract/ids.ts';

export type Phase = 'waiting' | 'opening' | 'authenticating' | 'ready';

export interface SocketState {
  readonly phase: Phase;
  /** Connections in a row that did not get as far as a calm minute. */
  readonly failures: number;
  /** Position in each stream; null: whatever comes from the moment of subscribing. */
  readonly cursors: ReadonlyMap<StreamId, number | null>;
}

export type SocketInput =
  | { readonly kind: 'open' }
  | { readonly kind: 'frame'; readonly frame: DownFrame }
  | { readonly kind: 'closed' }
  /** The connection has held for a minute. */
  | { readonly kind: 'settled' }
  | { readonly kind: 'subscribe'; readonly stream: StreamId; readonly after: number | null }
  | { readonly kind: 'unsubscribe'; readonly stream: StreamId };

export type SocketOutput =
  | { readonly kind: 'authenticate' }
  | { readonly kind: 'send'; readonly frame: UpFrame }
  | { readonly kind: 'apply'; readonly stream: StreamId; readonly event: StreamEvent }
  /** What comes from now on is heard; what was before is not known. */
  | { readonly kind: 'begin'; readonly stream: StreamId }
  | { readonly kind: 'reset'; readonly stream: StreamId; readonly seq: number }
  | { readonly kind: 'denied'; readonly stream: StreamId }
  | { readonly kind: 'connected'; readonly connected: boolean }
  /** Said by another socket of the same person. */
  | { readonly kind: 'relayed'; readonly frame: RelayedFrame }
  /** Close now, come back after this long; undefined: after the usual back-off. */
  | { readonly kind: 'reconnect'; readonly afterMs: number | undefined };

export interface Step {
  readonly state: SocketState;
  readonly outputs: readonly SocketOutput[];
}

export const INITIAL: SocketState = { phase: 'waiting', failures: 0, cursors: new Map() };

/** Streams in one subscribe frame; the contract allows up to 1000. */
const SUBSCRIBE_LIMIT = 500;

export function step(state: SocketState, input: SocketInput): Step {
  switch (input.kind) {
    case 'open':
      return state.phase === 'waiting' ? to({ ...state, phase: 'opening' }) : to(state);
    case 'closed': {
      if (state.phase === 'waiting') return to(state);
      const lost = { ...state, phase: 'waiting', failures: state.failures + 1 } as const;
      return to(lost, ...(state.phase === 'ready' ? [{ kind: 'connected', connected: false } as const] : []));
    }
    case 'settled':
      return to(state.phase === 'ready' ? { ...state, failures: 0 } : state);
    case 'subscribe': {
      if (state.cursors.has(input.stream)) return to(state);
      const next = { ...state, cursors: new Map(state.cursors).set(input.stream, input.after) };
      return to(next, ...(state.phase === 'ready' ? subscribeFrames([[input.stream, input.after]]) : []));
    }
    case 'unsubscribe': {
      if (!state.cursors.has(input.stream)) return to(state);
      const next = without(state, input.stream);
      const frame: UpFrame = { type: 'unsubscribe', streams: [input.stream] };
      return to(next, ...(state.phase === 'ready' ? [{ kind: 'send', frame } as const] : []));
    }
    case 'frame':
      return onFrame(state, input.frame);
  }
}

function onFrame(state: SocketState, frame: DownFrame): Step {
  switch (frame.type) {
    case 'hello':
      if (state.phase !== 'opening') return to(state);
      return to({ ...state, phase: 'authenticating' }, { kind: 'authenticate' });
    case 'ready':
      if (state.phase !== 'authenticating') return to(state);
      return to({ ...state, phase: 'ready' }, ...subscribeFrames([...state.cursors]), {
        kind: 'connected',
        connected: true,
      });
    case 'batch':
      return onBatch(state, frame);
    case 'live': {
      const cursor = state.cursors.get(frame.stream);
      if (cursor === undefined) return to(state);
      if (cursor === null) return to(at(state, frame.stream, frame.seq), { kind: 'begin', stream: frame.stream });
      return cursor < frame.seq ? to(state, ...subscribeFrames([[frame.stream, cursor]])) : to(state);
    }
    case 'reset':
      if (!state.cursors.has(frame.stream)) return to(state);
      return to(at(state, frame.stream, frame.seq), { kind: 'reset', stream: frame.stream, seq: frame.seq });
    case 'denied':
      if (!state.cursors.has(frame.stream)) return to(state);
      return to(without(state, frame.stream), { kind: 'denied', stream: frame.stream });
    case 'reconnect':
      return to(state, { kind: 'reconnect', afterMs: frame.afterMs });
    case 'permission_title':
    case 'permission_titles_wanted':
      return to(state, { kind: 'relayed', frame });
  }
}

function onBatch(state: SocketState, batch: Extract<DownFrame, { type: 'batch' }>): Step {
  const { stream, from, to: last, events } = batch;
  const cursor = state.cursors.get(stream);
  if (cursor === undefined) return to(state);
  const here = cursor ?? from;
  if (last <= here) return to(state);
  // A hole between what is known and what came: ask again from where we stand.
  if (from > here) return to(state, ...subscribeFrames([[stream, here]]));
  const fresh = events.filter(({ seq }) => seq > here);
  return to(at(state, stream, last), ...fresh.map((event) => ({ kind: 'apply', stream, event }) as const));
}

function subscribeFrames(streams: readonly (readonly [StreamId, number | null])[]): readonly SocketOutput[] {
  const frames: SocketOutput[] = [];
  for (let start = 0; start < streams.length; start += SUBSCRIBE_LIMIT) {
    const part = streams.slice(start, start + SUBSCRIBE_LIMIT).map(([stream, after]) => ({ stream, after }));
    frames.push({ kind: 'send', frame: { type: 'subscribe', streams: part } });
  }
  return frames;
}

const at = (state: SocketState, stream: StreamId, seq: number): SocketState => ({
  ...state,
  cursors: new Map(state.cursors).set(stream, seq),
});

function without(state: SocketState, stream: StreamId): SocketState {
  const cursors = new Map(state.cursors);
  cursors.delete(stream);
  return { ...state, cursors };
}

const to = (state: SocketState, ...outputs: readonly SocketOutput[]): Step => ({ state, outputs });
