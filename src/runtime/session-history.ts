/** What a session did on this machine, read from its event log, for people. Pure. */
import type { Counters, StopReason } from '#contract/entities.ts';
import type { ProjectId, RunId, TurnId } from '#contract/ids.ts';
import type { LogLine, Reducer } from './event-log.ts';
import type { GitState, SessionFacts, TurnRecord } from './log-events.ts';

export interface TurnHistory {
  readonly turnId: TurnId;
  readonly projectId: ProjectId;
  readonly startedAt: string;
  /** `held`: broken off, to be taken up again. */
  readonly state: 'open' | 'held' | TurnRecord['state'];
  readonly stopReason: StopReason | null;
  readonly counters: Counters | null;
  /** Calls of tools. */
  readonly tools: number;
  /** How often it was prompted: more than once after an interruption. */
  readonly prompts: number;
  readonly git: { readonly team: GitState | null; readonly agent: GitState | null } | null;
}

export interface SessionHistory {
  readonly about: SessionFacts | null;
  /** The file that its first turns were in. */
  readonly imported: { readonly from: string; readonly digest: string; readonly source: string | null } | null;
  /** The newest. One without an end goes on, or its launcher was killed. */
  readonly run: {
    readonly runId: RunId;
    readonly epoch: number;
    readonly startedAt: string;
    readonly endedAt: string | null;
    readonly reason: string | null;
  } | null;
  readonly program: string | null;
  /** In the agent program's own store. */
  readonly conversation: string | null;
  /** The newest, oldest first. */
  readonly turns: readonly TurnHistory[];
  /** Of all turns. */
  readonly totals: Counters & { readonly turns: number };
  readonly permissionsAsked: number;
  readonly problem: { readonly at: string; readonly message: string; readonly hint: string | null } | null;
  readonly lastAt: string | null;
}

/** So many turns are kept: a session may have thousands. */
const KEPT_TURNS = 50;

const NONE = { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0, costMicros: 0 };

export const HISTORY: Reducer<SessionHistory> = {
  initial: {
    about: null,
    imported: null,
    run: null,
    program: null,
    conversation: null,
    turns: [],
    totals: { ...NONE, turns: 0 },
    permissionsAsked: 0,
    problem: null,
    lastAt: null,
  },
  advance: (history, line) => ({ ...history, lastAt: line.at, ...changed(history, line) }),
};

function changed(history: SessionHistory, line: LogLine): Partial<SessionHistory> {
  const { turns, totals } = history;
  const inTurn = (turnId: TurnId, change: (turn: TurnHistory) => Partial<TurnHistory>) => ({
    turns: turns.map((turn) => (turn.turnId === turnId ? { ...turn, ...change(turn) } : turn)),
  });
  switch (line.type) {
    case 'imported': {
      const { from, digest, source, about, conversation } = line;
      return { about, conversation, imported: { from, digest, source } };
    }
    case 'run.started': {
      const { runId, epoch, at } = line;
      const run = { runId, epoch, startedAt: at, endedAt: null, reason: null };
      return { run, about: line.about ?? history.about };
    }
    case 'run.ended': {
      const { run } = history;
      return run?.runId === line.runId ? { run: { ...run, endedAt: line.at, reason: line.reason } } : {};
    }
    case 'agent.opened':
      return { program: line.program, conversation: line.conversation };
    case 'turn.started': {
      const { turnId, projectId, at } = line;
      if (turns.some((turn) => turn.turnId === turnId)) return {};
      const counts = { counters: null, tools: 0, prompts: 0 };
      const turn: TurnHistory = {
        turnId,
        projectId,
        startedAt: at,
        state: 'open',
        stopReason: null,
        ...counts,
        git: null,
      };
      return { turns: [...turns.slice(1 - KEPT_TURNS), turn], totals: { ...totals, turns: totals.turns + 1 } };
    }
    case 'turn.prompted':
      return inTurn(line.turnId, ({ prompts }) => ({ prompts: prompts + 1, state: 'open' }));
    case 'turn.held':
      return inTurn(line.turnId, () => ({ state: 'held' }));
    case 'turn.finished': {
      const { outcome } = line;
      const { state, stopReason, counters } = outcome;
      return { ...inTurn(line.turnId, () => ({ state, stopReason, counters })), totals: sum(totals, counters) };
    }
    case 'turn.closed':
      return inTurn(line.turnId, () => ({ git: line.git ?? null }));
    case 'update':
      return line.turnId !== null && isToolCall(line.update)
        ? inTurn(line.turnId, ({ tools }) => ({ tools: tools + 1 }))
        : {};
    case 'permission.asked':
      return { permissionsAsked: history.permissionsAsked + 1 };
    case 'problem':
      return { problem: { at: line.at, message: line.message, hint: line.hint } };
    default:
      return {};
  }
}

const isToolCall = (update: unknown): boolean =>
  (update as { readonly sessionUpdate?: unknown } | null)?.sessionUpdate === 'tool_call';

function sum(totals: SessionHistory['totals'], counters: Counters | null): SessionHistory['totals'] {
  if (counters === null) return totals;
  const names = Object.keys(NONE) as (keyof Counters)[];
  return { ...totals, ...Object.fromEntries(names.map((name) => [name, totals[name] + counters[name]])) };
}
