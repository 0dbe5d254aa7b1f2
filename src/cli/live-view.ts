/**
 * What `aachat up` shows. Pure: text in, text out. On a terminal a block that is redrawn, in a pipe one line for each
 * change, with `--json` one object for each change.
 */
import { basename } from 'node:path';
import type { LiveSession, MirrorView, PendingPermission } from '#contract/control.ts';
import { shortId } from '#contract/ids.ts';
import { documentsLine, documentTroubles } from './documents-view.ts';
import { clockTime, plain } from './output.ts';

export interface LiveState {
  readonly sessions: readonly LiveSession[];
  readonly permissions: readonly PendingPermission[];
  readonly mirrors: readonly MirrorView[];
  readonly connected: boolean;
}

/** Colours for the parts that a person looks for first. */
export interface Paint {
  readonly dim: (text: string) => string;
  readonly good: (text: string) => string;
  readonly busy: (text: string) => string;
  readonly bad: (text: string) => string;
}

/** The block of a terminal: a line per session, then what waits for an answer. Without the server nothing looks good. */
export function liveBlock(state: LiveState, colours: Paint, columns: number): string {
  const paint = state.connected ? colours : { ...colours, good: colours.dim };
  const width = Math.max(4, ...state.sessions.map(({ agent }) => agent.length));
  const shared = sharedProblems(state.sessions);
  const said = (lines: readonly string[]) =>
    lines.flatMap((line) => wrap(line, columns - 2).map((part) => paint.bad(`  ${part}`)));
  const lines = state.sessions.flatMap((session) => [
    clip(sessionLine(session, width), columns, (text) => paintLine(session, text, paint)),
    ...(shared.has(problemLines(session).join('\n')) ? [] : said(problemLines(session))),
  ]);
  for (const [problem, agents] of shared) {
    lines.push(...said(problem.split('\n')), ...said([`  (${agents.length} sessions: ${agents.join(', ')})`]));
  }
  if (state.sessions.some(({ phase }) => phase === 'failed')) {
    lines.push(...wrap('What failed is tried again when it gets a message.', columns));
  }
  const troubles = documentTroubles(state.mirrors).map(oneLine);
  if (state.mirrors.length > 0) {
    lines.push(
      clip(documentsLine(state.mirrors), columns, paint.dim),
      ...troubles.slice(0, MOST_TROUBLES).map((line) => clip(`  ${line}`, columns, paint.bad)),
      ...(troubles.length > MOST_TROUBLES ? [`  and ${troubles.length - MOST_TROUBLES} more: aachat status`] : []),
    );
  }
  const first = state.permissions[0];
  if (first !== undefined) {
    const more = state.permissions.length > 1 ? ` (${state.permissions.length - 1} more wait)` : '';
    lines.push(
      '',
      clip(`${first.agent} asks: ${oneLine(first.title)}`, columns, paint.busy),
      clip(`  y allow once   n deny${more}   or: aachat permission allow ${shortId(first.id)}`, columns, String),
    );
  }
  if (!state.connected) lines.push(clip('Connecting to the server …', columns, paint.bad));
  return lines.join('\n');
}

const MOST_TROUBLES = 4;

/** `waits for a free place` is the longest. */
const STATE_WIDTH = 22;

/** `ada.mia  working  sid=1a2b3c4d  ws=ada.mia--1a2b3c4d  unread=2  tokens=1.2k` */
export function sessionLine(session: LiveSession, width = 0): string {
  const { agent, team, sessionId, name, workspace, unread, tokens } = session;
  const facts = [
    stateWord(session).padEnd(STATE_WIDTH),
    `sid=${shortId(sessionId)}`,
    ...(name === null ? [] : [`name=${plain(name)}`]),
    `ws=${basename(workspace)}`,
    `team=${team}`,
    ...(unread > 0 ? [`unread=${unread}`] : []),
    ...(tokens > 0 ? [`tokens=${compact(tokens)}`] : []),
  ];
  return `${agent.padEnd(width)}  ${facts.join('  ')}`;
}

/**
 * The lines that a pipe gets for what changed between two states.
 *
 * @param before undefined for the first look
 */
export function changedLines(before: LiveState | undefined, after: LiveState): readonly string[] {
  const old = new Map(before?.sessions.map((session) => [session.sessionId, session]));
  const asked = new Set(before?.permissions.map(({ id }) => id));
  const known = new Set(documentTroubles(before?.mirrors ?? []));
  const told = new Set(before?.sessions.map((session) => problemLines(session).join('\n')));
  return [
    ...after.sessions.flatMap((session) => {
      const was = old.get(session.sessionId);
      const isNewProblem = was?.problem?.message !== session.problem?.message;
      if (was !== undefined && stateWord(was) === stateWord(session) && !isNewProblem) return [];
      const problem = problemLines(session);
      const isTold = told.has(problem.join('\n'));
      told.add(problem.join('\n'));
      return [sessionLine(session), ...(isNewProblem && !isTold ? problem : [])];
    }),
    ...after.permissions
      .filter(({ id }) => !asked.has(id))
      .map(
        ({ agent, title, id }) => `${agent} asks: ${oneLine(title)}  (aachat permission allow | deny ${shortId(id)})`,
      ),
    ...documentTroubles(after.mirrors)
      .filter((line) => !known.has(line))
      .map(oneLine),
  ];
}

/** `working`, `fetch`, `failed`: what a person reads of its state. */
export function stateWord({ phase, step, activity, limitedUntil }: LiveSession): string {
  if (phase !== 'running') return phase === 'booting' ? step : phase;
  if (activity === 'limited' && limitedUntil !== null) return `limited until ${clockTime(limitedUntil)}`;
  return activity === 'hibernated' ? step : (activity ?? 'running').replaceAll('_', ' ');
}

/** What is wrong with a session, and what to do about it. */
export function problemLines({ problem }: LiveSession): readonly string[] {
  if (problem === null) return [];
  return [`! ${oneLine(problem.message)}`, ...(problem.hint === null ? [] : [`  ${oneLine(problem.hint)}`])];
}

/** What is wrong with more than one session is said once: the lines, and whose they are. */
function sharedProblems(sessions: readonly LiveSession[]): ReadonlyMap<string, readonly string[]> {
  const groups = Map.groupBy(sessions, (session) => problemLines(session).join('\n'));
  return new Map(
    [...groups]
      .filter(([problem, { length }]) => problem !== '' && length > 1)
      .map(([problem, those]) => [problem, those.map(({ agent }) => agent)]),
  );
}

function paintLine({ phase, activity }: LiveSession, line: string, paint: Paint): string {
  if (phase === 'failed') return paint.bad(line);
  if (phase === 'booting' || phase === 'stopping' || activity === 'working' || activity === 'awaiting_permission')
    return paint.busy(line);
  return phase === 'running' ? paint.good(line) : paint.dim(line);
}

/** Titles come from agent programs: one line, no control characters. */
const oneLine = (text: string): string =>
  text
    .replace(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]+/gu, ' ')
    .trim()
    .slice(0, 300);

/** Cuts before colouring, so that an escape sequence is never cut. */
const clip = (text: string, columns: number, paint: (text: string) => string): string =>
  paint(text.length > columns ? `${text.slice(0, Math.max(0, columns - 1))}…` : text);

/** Lines of whole words, because a hint that is cut is none; the later ones stand a little further in. */
export function wrap(text: string, columns: number): readonly string[] {
  const words = text.trimStart();
  const lead = text.slice(0, text.length - words.length);
  const lines: string[] = [];
  let line = lead;
  for (const word of words.split(' ')) {
    const isFirst = line.trim() === '';
    if (!isFirst && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = `${lead}  ${word}`;
    } else line += isFirst ? word : ` ${word}`;
  }
  return [...lines, line];
}

/** 950, 1.2k, 3.4M */
export function compact(count: number): string {
  if (count < 1_000) return String(count);
  const [divisor, unit] = count < 1_000_000 ? [1_000, 'k'] : [1_000_000, 'M'];
  return `${(count / divisor).toFixed(1).replace(/\.0$/, '')}${unit}`;
}
