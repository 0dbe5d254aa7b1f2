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
import type { LogLine, Notice, Reducer, TurnRecord } from './event-log.ts';
import type { Branch } from './log-events.ts';
import { countTokens, NO_TOKENS, nextCall, type TokenCount } from './token-count.ts';

export interface OwedTurn {
  readonly turnId: TurnId;
  readonly projectId: ProjectId;
  readonly signals: readonly SignalId[];
  readonly step: 'started' | 'prompted' | 'finished' | 'posted';
  /** The prompt that was sent, from `prompted` on. */
  readonly prompt: string | null;
  /** From `finished` on. */
  readonly outcome: TurnRecord | null;
  /** How often the turn was prompted so far. */
  readonly attempts: number;
  /** Why it is not over. */
  readonly cause: InterruptionCause;
  /** What the model read and wrote for it so far. */
  readonly count: TokenCount;
}

export type InterruptionCause = 'crash' | 'limit' | 'login' | 'stopped';

export interface OpenBranch extends Branch {
  /** Whether the agent program carried the conversation over; else a note has to say what was in it. */
  readonly isCarried: boolean;
}

export interface Recovery {
  /** The newest conversation of the agent program, to be resumed. */
  readonly conversation: string | null;
  /** Whether the agent answered a prompt in that conversation: it then knows what stands at its head. */
  readonly introduced: boolean;
  readonly owed: OwedTurn | null;
  /** Where the conversation goes on from, until the agent has answered a prompt that says so. */
  readonly branch: OpenBranch | null;
  /** Tokens of all turns so far, for the live line. */
  readonly tokens: number;
  /** What the conversation cost so far, in millionths of a dollar: the agent program counts on from there. */
  readonly costMicros: number;
  /** What no prompt has told the agent yet, oldest first. */
  readonly notices: readonly Notice[];
  /** What the conversation was held with. */
  readonly program: { readonly origin: string; readonly version: string | undefined } | null;
  /** Epoch of the newest run on this machine; 0: there was none. */
  readonly epoch: number;
}

export const RECOVERY: Reducer<Recovery> = {
  initial: {
    conversation: null,
    introduced: false,
    owed: null,
    branch: null,
    tokens: 0,
    costMicros: 0,
    notices: [],
    program: null,
    epoch: 0,
  },
  advance,
};

export const recover = (lines: readonly LogLine[]): Recovery => lines.reduce(advance, RECOVERY.initial);

function advance(state: Recovery, line: LogLine): Recovery {
  const { owed } = state;
  switch (line.type) {
    case 'run.started':
      return { ...state, epoch: line.epoch };
    case 'imported':
      return { ...state, conversation: line.conversation };
    case 'agent.opened': {
      const { conversation, opened, program: origin, version } = line;
      const known = { ...state, conversation, program: { origin, version } };
      const isFresh = opened === 'new' || opened === 'renewed' || opened === 'forked';
      if (!isFresh) return known;
      const branch = state.branch === null ? null : { ...state.branch, isCarried: opened === 'forked' };
      return { ...known, branch, introduced: false, costMicros: 0 };
    }
    case 'session.branched': {
      const { from, turnId, conversation, messageId, isWhole, git, files } = line;
      const branch = { from, turnId, conversation, messageId, isWhole, git, files, isCarried: false };
      // What an interrupted turn was for waits at the server again once nobody owes it.
      return { ...state, branch, conversation: null, introduced: false, owed: null, costMicros: 0 };
    }
    case 'turn.started': {
      const { turnId, projectId, signals } = line;
      // The same turn starts again after an interruption: what it was prompted with is still owed.
      if (owed?.turnId === turnId) return state;
      const fresh = { step: 'started', prompt: null, outcome: null, attempts: 0, cause: 'crash' } as const;
      return { ...state, owed: { turnId, projectId, signals, ...fresh, count: NO_TOKENS } };
    }
    case 'document.lost': {
      const { path, conflict } = line;
      return { ...state, notices: [...state.notices, { path, conflict }] };
    }
    case 'note':
      return { ...state, notices: [...state.notices, { note: line.text }] };
    case 'turn.prompted':
      if (owed?.turnId !== line.turnId) return state;
      return {
        ...state,
        notices: state.notices.slice(line.told ?? 0),
        owed: {
          ...owed,
          step: 'prompted',
          prompt: line.prompt,
          attempts: owed.attempts + 1,
          cause: 'crash',
          count: nextCall(owed.count),
        },
      };
    case 'update': {
      if (owed === null || owed.turnId !== line.turnId) return state;
      const count = countTokens(owed.count, line.update);
      return count === owed.count ? state : { ...state, owed: { ...owed, count } };
    }
    case 'turn.held':
      // Broken off on purpose: not the fault of the turn, so it does not count as a failed try.
      return owed?.turnId === line.turnId ? { ...state, owed: { ...owed, cause: line.cause, attempts: 0 } } : state;
    case 'turn.finished': {
      const { counters, state: end } = line.outcome;
      const introduced = state.introduced || (end === 'ended' && owed?.turnId === line.turnId && owed.attempts > 0);
      const tokens = state.tokens + (counters?.inputTokens ?? 0) + (counters?.outputTokens ?? 0);
      const costMicros = state.costMicros + (counters?.costMicros ?? 0);
      const branch = introduced ? null : state.branch;
      if (owed?.turnId !== line.turnId) return { ...state, introduced, branch, tokens, costMicros };
      return {
        ...state,
        introduced,
        branch,
        tokens,
        costMicros,
        owed: { ...owed, step: 'finished', outcome: line.outcome },
      };
    }
    case 'turn.posted':
      return owed?.turnId === line.turnId ? { ...state, owed: { ...owed, step: 'posted' } } : state;
    case 'turn.closed':
      return owed?.turnId === line.turnId ? { ...state, owed: null } : state;
    default:
      return state;
  }
}
