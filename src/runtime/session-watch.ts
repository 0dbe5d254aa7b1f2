/**
 * What happens in the sessions of one `up`, for those who watch. Nobody who watches can hold up a session or make `up`
 * grow: each watcher has a queue of bounded length, and is told what it was too slow for.
 */
import { type Clock, isoTime } from '#base/time.ts';
import type { SessionEvent } from '#contract/attachment.ts';
import type { SessionId, TurnId } from '#contract/ids.ts';
import type { AgentUpdate } from './agent.ts';
import type { LogEvent } from './log-events.ts';

/** As it is told; when, is added here. */
export type Happening = SessionEvent extends infer E ? (E extends SessionEvent ? Omit<E, 'at'> : never) : never;

export interface SessionWatch {
  tell(sessionId: SessionId, happening: Happening): void;
  /**
   * What happened in the turn of the moment, what holds now, then what comes, until `signal` aborts or the watch is
   * closed.
   *
   * @param now what holds at the moment; said again after a gap
   */
  open(
    sessionId: SessionId,
    now: () => readonly Happening[],
    signal: AbortSignal,
  ): AsyncGenerator<SessionEvent, void, undefined>;
  /** Ends for all who watch. */
  close(): void;
}

/** Most characters that wait for one watcher, and that are remembered of a turn. */
const MOST_WAITING = 256 * 1024;
const MOST_REMEMBERED = 64 * 1024;

export function createSessionWatch(clock: Clock = Date.now): SessionWatch {
  const over = new AbortController();
  const turns = new Map<SessionId, Queue>();
  const watchers = new Map<SessionId, Set<(event: SessionEvent) => void>>();

  const stamped = (happening: Happening): SessionEvent => ({ ...happening, at: isoTime(clock()) }) as SessionEvent;

  /** Keeps the events of the turn that runs, so that who comes in the middle sees how it began. */
  function remember(sessionId: SessionId, event: SessionEvent): void {
    if (event.type === 'prompt') turns.set(sessionId, new Queue(MOST_REMEMBERED, 'newest'));
    else if (event.type === 'turn') turns.delete(sessionId);
    if (event.type === 'prompt' || event.type === 'text' || event.type === 'tool') turns.get(sessionId)?.add(event);
  }

  return {
    tell(sessionId, happening) {
      const event = stamped(happening);
      remember(sessionId, event);
      for (const hear of watchers.get(sessionId) ?? []) hear(event);
    },
    async *open(sessionId, now, asked) {
      const queue = new Queue(MOST_WAITING, 'oldest');
      const signal = AbortSignal.any([asked, over.signal]);
      let wake = () => {};
      const hear = (event: SessionEvent) => {
        queue.add(event);
        wake();
      };
      const ended = () => wake();
      const heard = watchers.get(sessionId) ?? new Set();
      watchers.set(sessionId, heard.add(hear));
      signal.addEventListener('abort', ended);
      try {
        yield* [...(turns.get(sessionId)?.all() ?? []), ...now().map(stamped)];
        while (!signal.aborted) {
          const { events, dropped } = queue.take();
          yield* events;
          if (dropped > 0) yield* [stamped({ type: 'dropped', count: dropped }), ...now().map(stamped)];
          if (!queue.isEmpty || signal.aborted) continue;
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
        yield* queue.take().events;
      } finally {
        signal.removeEventListener('abort', ended);
        heard.delete(hear);
        if (heard.size === 0) watchers.delete(sessionId);
      }
    },
    close: () => over.abort(),
  };
}

/**
 * Events in order, of bounded length. Parts of one text are put together. What is too much is left out at one end: of
 * the newest ones, with their count, or of the oldest.
 */
class Queue {
  readonly #most: number;
  readonly #keeps: 'oldest' | 'newest';
  #events: SessionEvent[] = [];
  #size = 0;
  #dropped = 0;

  constructor(most: number, keeps: 'oldest' | 'newest') {
    this.#most = most;
    this.#keeps = keeps;
  }

  get isEmpty(): boolean {
    return this.#events.length === 0 && this.#dropped === 0;
  }

  all(): readonly SessionEvent[] {
    return this.#events;
  }

  add(event: SessionEvent): void {
    const last = this.#events.at(-1);
    const goesOn = event.type === 'text' && last?.type === 'text' && isSameText(last, event);
    const size = goesOn ? event.text.length : sizeOf(event);
    // Once something is missing, what comes after it would only mislead.
    if (this.#keeps === 'oldest' && (this.#dropped > 0 || this.#size + size > this.#most)) {
      this.#dropped += 1;
      return;
    }
    this.#size += size;
    if (goesOn) this.#events[this.#events.length - 1] = { ...last, text: last.text + event.text };
    else this.#events.push(event);
    if (this.#keeps === 'newest') this.#shorten();
  }

  #shorten(): void {
    while (this.#size > this.#most) {
      const first = this.#events[0];
      const over = this.#size - this.#most;
      if (first?.type === 'text' && first.text.length > over) {
        this.#events[0] = { ...first, text: first.text.slice(over) };
        this.#size -= over;
      } else {
        this.#events.shift();
        this.#size -= first === undefined ? this.#size : sizeOf(first);
      }
    }
  }

  take(): { readonly events: readonly SessionEvent[]; readonly dropped: number } {
    const taken = { events: this.#events, dropped: this.#dropped };
    this.#events = [];
    this.#size = 0;
    this.#dropped = 0;
    return taken;
  }
}

/** About how many characters it takes. */
const sizeOf = (event: SessionEvent): number => (event.type === 'text' ? event.text : JSON.stringify(event)).length;

type Text = Extract<SessionEvent, { type: 'text' }>;
const isSameText = (a: Text, b: Text): boolean =>
  a.turnId === b.turnId && a.messageId === b.messageId && a.isThought === b.isThought;

/** What those who watch are told of an update of the agent program. */
export function happeningOf(turnId: TurnId | null, update: AgentUpdate): Happening | undefined {
  switch (update.sessionUpdate) {
    case 'agent_message_chunk':
    case 'agent_thought_chunk': {
      const { content, messageId = null } = update;
      if (content.type !== 'text') return undefined;
      return {
        type: 'text',
        turnId,
        messageId,
        isThought: update.sessionUpdate === 'agent_thought_chunk',
        text: content.text,
      };
    }
    case 'tool_call':
    case 'tool_call_update': {
      const { toolCallId, title, status } = update;
      return { type: 'tool', turnId, toolCallId, title: title ?? null, status: status ?? null };
    }
    default:
      return undefined;
  }
}

/** What they are told of a line of the log; updates come sooner, as they are said. */
export function happeningOfLine(line: LogEvent): Happening | undefined {
  switch (line.type) {
    case 'turn.prompted':
      return { type: 'prompt', turnId: line.turnId, text: line.prompt };
    case 'turn.finished':
      return { type: 'turn', turnId: line.turnId, state: line.outcome.state, stopReason: line.outcome.stopReason };
    case 'turn.held':
      return { type: 'turn', turnId: line.turnId, state: 'held', stopReason: line.cause };
    default:
      return undefined;
  }
}
