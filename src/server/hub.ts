/**
 * Carries committed events to whoever listens in this process. A hint only: a listener that missed something reads
 * the log. For other processes on the same database see `relay.ts`.
 */
import type { StreamId } from '#contract/ids.ts';
import type { Publication } from './database/store.ts';

export type Listener = (publication: Publication) => void;

export interface Hub {
  publish(publication: Publication): void;
  /** @returns ends it */
  listen(stream: StreamId, listener: Listener): () => void;
  /** Streams that somebody listens to, with the newest number that was carried (0: none yet). */
  listened(): ReadonlyMap<StreamId, number>;
}

export function createHub(): Hub {
  const channels = new Map<StreamId, { seq: number; listeners: Set<Listener> }>();
  return {
    publish(publication) {
      const channel = channels.get(publication.stream);
      if (channel === undefined) return;
      channel.seq = Math.max(channel.seq, publication.to);
      for (const listener of [...channel.listeners]) listener(publication);
    },
    listen(stream, listener) {
      const channel = channels.get(stream) ?? { seq: 0, listeners: new Set() };
      channels.set(stream, channel);
      channel.listeners.add(listener);
      return () => {
        channel.listeners.delete(listener);
        if (channel.listeners.size === 0) channels.delete(stream);
      };
    },
    listened: () => new Map([...channels].map(([stream, { seq }]) => [stream, seq])),
  };
}
