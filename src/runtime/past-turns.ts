/**
 * What was said in a session so far, turn by turn, for a conversation that goes on from one of them: in another session
 * (a fork), or in the same one (a rewind). Read from event logs; the reducer is pure.
 */
import { AachatError } from '#base/errors.ts';
import { exists } from '#base/fs.ts';
import { type SessionId, shortId, type TurnId } from '#contract/ids.ts';
import { foldLog, type LogLine, type Reducer, type TurnRecord } from './event-log.ts';
import type { Home } from './home.ts';
import type { Branch, Repos } from './log-events.ts';
import { saidIn } from './prompt.ts';

export interface PastTurn {
  readonly turnId: TurnId;
  readonly startedAt: string;
  /** Of the agent program. */
  readonly conversation: string | null;
  /** null: it is not over. */
  readonly state: TurnRecord['state'] | null;
  /** Where the conversation can be cut after it. */
  readonly lastMessageId: string | null;
  readonly git: Repos | null;
  /** Empty for turns of long ago. */
  readonly prompt: string;
  readonly answer: string;
}

export interface Past {
  readonly conversation: string | null;
  /** What goes before: the turns of another session up to one of its. */
  readonly before: Pick<Branch, 'from' | 'turnId'> | null;
  readonly turns: readonly PastTurn[];
}

/** So many of the newest turns keep their words, and so much of each. */
const TOLD_TURNS = 20;
const TOLD_CHARS = 2_000;

/** @param session whose log is read: a branch from itself takes turns back */
export const pastOfLog = (session: SessionId): Reducer<Past> => ({
  initial: { conversation: null, before: null, turns: [] },
  advance: (past, line) => ({ ...past, ...changed(past, line, session) }),
});

function changed(past: Past, line: LogLine, session: SessionId): Partial<Past> {
  const { turns, conversation } = past;
  const inTurn = (turnId: TurnId, change: Partial<PastTurn>) => ({
    turns: turns.map((turn) => (turn.turnId === turnId ? { ...turn, ...change } : turn)),
  });
  switch (line.type) {
    case 'agent.opened':
      return { conversation: line.conversation };
    case 'turn.started': {
      const { turnId, at } = line;
      if (turns.some((turn) => turn.turnId === turnId)) return {};
      const words = { prompt: '', answer: '' };
      const open = { state: null, lastMessageId: null, git: null };
      const old = turns.length - TOLD_TURNS;
      const kept = turns.map((turn, index) => (index === old ? { ...turn, ...words } : turn));
      return { turns: [...kept, { turnId, startedAt: at, conversation, ...open, ...words }] };
    }
    case 'turn.prompted':
      return inTurn(line.turnId, { conversation, prompt: cut(saidIn(line.prompt)) });
    case 'turn.finished': {
      const { outcome } = line;
      const { state, lastMessageId, text } = outcome;
      return inTurn(line.turnId, { state, lastMessageId, answer: cut(text) });
    }
    case 'turn.closed':
      return inTurn(line.turnId, { git: line.git ?? null });
    case 'session.branched': {
      const { from, turnId, conversation: source } = line;
      if (from !== session) return { before: { from, turnId }, conversation: source, turns: [] };
      const at = turns.findIndex((turn) => turn.turnId === turnId);
      // A turn of the session that it was forked from: nothing of its own is left.
      if (at === -1 && past.before !== null) return { before: { ...past.before, turnId }, turns: [] };
      return { turns: turns.slice(0, at + 1) };
    }
    default:
      return {};
  }
}

const cut = (text: string): string => (text.length <= TOLD_CHARS ? text : `${text.slice(0, TOLD_CHARS)} […]`);

/** A fork of a fork of a fork: no family is deeper. */
const DEPTH = 50;

/**
 * The turns of a session, with those that it took over from the session that it was forked from. What is no longer on
 * this machine is left out.
 */
export async function pastOf(home: Home, id: SessionId, depth = DEPTH): Promise<Past> {
  const own = await foldLog(home.session(id).log, pastOfLog(id));
  if (own.before === null || own.before.turnId === null || depth === 0) return own;
  const earlier = (await pastOf(home, own.before.from, depth - 1)).turns;
  const at = earlier.findIndex(({ turnId }) => turnId === own.before?.turnId);
  return { ...own, turns: [...earlier.slice(0, at + 1), ...own.turns] };
}

/**
 * Where a fork of a session begins: after the newest turn that is over.
 *
 * @throws AachatError `NOT_FOUND` when the session has not run on this machine
 */
export async function branchOf(home: Home, id: SessionId): Promise<Branch> {
  if (!(await isHere(home, id))) throw notHere(id);
  const { turns, conversation } = await pastOf(home, id);
  const last = turns.findLastIndex(({ state }) => state !== null);
  return branchAt(id, turns, last, conversation);
}

/** What is kept of a session whose turns after one are taken back. */
export function branchAt(
  from: SessionId,
  turns: readonly PastTurn[],
  index: number,
  conversation: string | null,
): Branch {
  const turn = turns[index];
  const isWhole = index === turns.length - 1 && (turn === undefined || turn.conversation === conversation);
  return {
    from,
    turnId: turn?.turnId ?? null,
    conversation: turn?.conversation ?? (isWhole ? conversation : null),
    messageId: turn?.lastMessageId ?? null,
    isWhole,
    git: turn?.git ?? { team: null, agent: null },
  };
}

/** Whether a session has run on this machine. */
export const isHere = (home: Home, id: SessionId): Promise<boolean> => exists(home.session(id).log);

export const notHere = (id: SessionId): AachatError =>
  new AachatError(
    'NOT_FOUND',
    `Session ${shortId(id)} has not run on this machine, and what it did is only where it ran.`,
    {
      hint: `Run \`aachat session show ${shortId(id)}\` to see where that is.`,
    },
  );
