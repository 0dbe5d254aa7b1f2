/**
 * Writes what an agent does during a turn into the session's log: streamed text as one line per message, everything
 * else as it comes.
 */
import type { TurnId } from '#contract/ids.ts';
import type { AgentUpdate } from './agent.ts';
import type { EventLog } from './event-log.ts';

export interface UpdateLog {
  /** Takes one update; never waits. */
  add(turnId: TurnId | null, update: AgentUpdate): void;
  /** Writes text that is still being gathered. */
  flush(): Promise<void>;
}

const CHUNKS = ['agent_message_chunk', 'agent_thought_chunk'];

export function createUpdateLog(log: EventLog, onError: (thrown: unknown) => void): UpdateLog {
  let gathered:
    | { readonly key: string; readonly turnId: TurnId | null; readonly kind: string; text: string }
    | undefined;
  let last: Promise<void> = Promise.resolve();
  const write = (turnId: TurnId | null, update: unknown) => {
    last = log.append({ type: 'update', turnId, update }).catch(onError);
  };
  const flush = () => {
    if (gathered === undefined) return;
    const { turnId, kind, text } = gathered;
    gathered = undefined;
    write(turnId, { sessionUpdate: kind, text });
  };
  return {
    add(turnId, update) {
      const kind = update.sessionUpdate;
      if (!CHUNKS.includes(kind)) {
        flush();
        write(turnId, update);
        return;
      }
      const { content, messageId } = update as { content?: { text?: string }; messageId?: string | null };
      const key = `${turnId ?? ''} ${kind} ${messageId ?? ''}`;
      if (gathered?.key !== key) flush();
      gathered ??= { key, turnId, kind, text: '' };
      gathered.text += content?.text ?? '';
    },
    async flush() {
      flush();
      await last;
    },
  };
}
