/** What is wrong with a session, for people: shown while it is so, written down once. */
import type { Log } from '#base/log.ts';
import { type SessionId, shortId } from '#contract/ids.ts';
import type { LogEvent } from './log-events.ts';
import type { Failure } from './turn.ts';

export const SUPERSEDED: Failure = {
  message: 'Another run of this session took over.',
  hint: 'Run `aachat session list` to see where.',
};

export const endedByItself = (id: SessionId): Failure => ({
  message: 'The agent program ended by itself.',
  hint: `Run \`aachat session log ${shortId(id)}\` to see what it did last.`,
});

export interface Problems {
  /** null: all is well. */
  current: Failure | null;
  /** What came out of a turn. */
  hear(failure: Failure | null): void;
}

export function createProblems(options: {
  readonly log: Log;
  /** Writes it into the session's log. */
  readonly note: (event: LogEvent) => void;
  readonly onChange: () => void;
}): Problems {
  const { log, note, onChange } = options;
  const problems: Problems = {
    current: null,
    hear(failure) {
      if (failure?.message === problems.current?.message) return;
      problems.current = failure;
      onChange();
      if (failure === null) return;
      note({ type: 'problem', ...failure });
      log.warn('session.turn_failed', { reason: failure.message });
    },
  };
  return problems;
}
