/**
 * Work of an agent that nobody asked for, such as what follows a command that ended in the background. The session
 * takes no turn meanwhile.
 *
 * A `usage_update` ends it, and Claude Code always sends one. Of other programs only the last words of a turn come
 * late, with nothing after them: there silence is the end.
 */
import type { SessionUpdate } from '@agentclientprotocol/sdk';
import type { AgentKind } from './agent-program.ts';

export interface UnpromptedWork extends Disposable {
  /** @param isAsked a turn is open */
  hear(update: SessionUpdate, isAsked: boolean): void;
}

const SILENCE_MS = 5_000;
/** A command of Claude Code may run for long without a word. */
const CLAUDE_SILENCE_MS = 15 * 60_000;

export function watchUnprompted(kind: AgentKind, tell: (state: 'started' | 'ended') => void): UnpromptedWork {
  const silenceMs = kind === 'claude' ? CLAUDE_SILENCE_MS : SILENCE_MS;
  let silence: NodeJS.Timeout | undefined;
  const end = () => {
    if (silence === undefined) return;
    clearTimeout(silence);
    silence = undefined;
    tell('ended');
  };
  return {
    hear({ sessionUpdate: update }, isAsked) {
      if (update === 'usage_update') return end();
      const isWork = update === 'agent_message_chunk' || update === 'tool_call';
      if (silence === undefined && (isAsked || !isWork)) return;
      if (silence === undefined) tell('started');
      clearTimeout(silence);
      silence = setTimeout(end, silenceMs).unref();
    },
    [Symbol.dispose]: () => clearTimeout(silence),
  };
}
