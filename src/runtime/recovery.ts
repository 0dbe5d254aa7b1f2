/**
 * What a session owes after its last run, read from its event log. Pure.
 *
 * A turn goes through started → prompted → finished → posted → closed, each step logged before the next one is taken.
 * So the last step in the log says what may already have happened:
 *
 *   started    the agent has seen nothing            → begin it again, as if new
 *   prompted   the agent may have worked             → one prompt that says what was interrupted, same turn id
 *   finished   the answer is known, maybe posted     → post it (its client id is the turn's id), then close
 *   posted     the answer is there                   → close
 */
import type { ProjectId, SignalId, TurnId } from '#contract/ids.ts';
import type { LogLine, TurnRecord } from './event-log.ts';

export interface OwedTurn {
  readonly turnId: TurnId;
  readonly projectId: ProjectId;
  readonly signals: readonly SignalId[];
  readonly hop: number;
  readonly step: 'started' | 'prompted' | 'finished' | 'posted';
  /** The prompt that was sent, from `prompted` on. */
  readonly prompt: string | null;
  /** From `finished` on. */
  readonly outcome: TurnRecord | null;
  /** How often the turn was prompted so far. */
  readonly attempts: number;
}

export interface Recovery {
  /** The newest conversation of the agent program, to be resumed. */
  readonly conversation: string | null;
  readonly owed: OwedTurn | null;
  /** Tokens of all turns so far, for the live line. */
  readonly tokens: number;
}

export function recover(lines: readonly LogLine[]): Recovery {
  let conversation: string | null = null;
  let owed: OwedTurn | null = null;
  let tokens = 0;
  for (const line of lines) {
    switch (line.type) {
      case 'agent.opened':
        conversation = line.conversation;
        break;
      case 'turn.started': {
        const { turnId, projectId, signals, hop } = line;
        // The same turn starts again after an interruption: what it was prompted with is still owed.
        if (owed?.turnId === turnId) break;
        owed = { turnId, projectId, signals, hop, step: 'started', prompt: null, outcome: null, attempts: 0 };
        break;
      }
      case 'turn.prompted':
        if (owed?.turnId === line.turnId) {
          owed = { ...owed, step: 'prompted', prompt: line.prompt, attempts: owed.attempts + 1 };
        }
        break;
      case 'turn.finished':
        tokens += (line.outcome.counters?.inputTokens ?? 0) + (line.outcome.counters?.outputTokens ?? 0);
        if (owed?.turnId === line.turnId) owed = { ...owed, step: 'finished', outcome: line.outcome };
        break;
      case 'turn.posted':
        if (owed?.turnId === line.turnId) owed = { ...owed, step: 'posted' };
        break;
      case 'turn.closed':
        if (owed?.turnId === line.turnId) owed = null;
        break;
      default:
        break;
    }
  }
  return { conversation, owed, tokens };
}
