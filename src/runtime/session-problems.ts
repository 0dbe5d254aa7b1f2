/** What is wrong with a session, for people: shown while it is so, written down once. */
import type { AachatError } from '#base/errors.ts';
import type { Log } from '#base/log.ts';
import { type SessionId, shortId } from '#contract/ids.ts';
import type { LogEvent } from './log-events.ts';
import type { Failure } from './turn.ts';

export const superseded = (id: SessionId): Failure => ({
  message: 'Another run of this session took its place, so it has ended here.',
  hint: `Bring it back with \`aachat session resume ${shortId(id)}\` when that one has ended; \`aachat session list\` says where it runs.`,
});

export const endedByItself = (id: SessionId): Failure => ({
  message: 'The agent program ended by itself.',
  hint: `Run \`aachat session log ${shortId(id)}\` to see what it did last.`,
});

export interface Problems {
  /** null: all is well. */
  current: Failure | null;
  /**
   * What came out of a turn; null: all is well.
   *
   * @param about.isKnown it was said of another session already
   */
  hear(failure: Failure | null, about?: { readonly isKnown?: boolean; readonly isLimit?: boolean }): void;
  /** It did not come up. */
  notUp(error: AachatError, about: { readonly step: string; readonly isKnown: boolean }): void;
  /** The usage limit is over. */
  limitOver(): void;
}

export function createProblems(options: {
  readonly log: Log;
  /** Writes it into the session's log. */
  readonly note: (event: LogEvent) => void;
  readonly onChange: () => void;
}): Problems {
  const { log, note, onChange } = options;
  let limit: Failure | null = null;
  const problems: Problems = {
    current: null,
    hear(failure, { isKnown = false, isLimit = false } = {}) {
      limit = isLimit ? failure : null;
      if (failure?.message === problems.current?.message) return;
      problems.current = failure;
      onChange();
      if (failure === null) return;
      note({ type: 'problem', ...failure });
      log[isKnown ? 'debug' : 'warn']('session.turn_failed', { reason: failure.message });
    },
    notUp(error, { step, isKnown }) {
      log[error.code === 'INTERNAL' ? 'error' : isKnown ? 'debug' : 'warn']('session.boot_failed', { error, step });
      problems.current = { message: error.message, hint: error.hint ?? null };
    },
    limitOver() {
      if (limit !== null && problems.current === limit) problems.current = null;
    },
  };
  return problems;
}
