/** Brings the index over all sessions up to their logs, and looks things up in it. The rules are in `SPEC.md`. */
import { open, readdir, stat } from 'node:fs/promises';
import { isAachatError, isSystemError } from '#base/errors.ts';
import { withFileLock } from '#base/pid-file.ts';
import { indexedWords, wordQuery } from '#base/words.ts';
import { SessionId } from '#contract/ids.ts';
import { isWritten, scanLog, wholeLine } from './event-log.ts';
import type { Home } from './home.ts';
import type { LogLine } from './log-events.ts';
import { decode } from './log-lines.ts';
import { textOf } from './log-text.ts';
import { HISTORY } from './session-history.ts';
import {
  type FoundLine,
  type IndexedLine,
  type IndexedSession,
  isDamagedIndex,
  openSessionIndex,
  type Relative,
  removeSessionIndex,
  type SessionIndex,
  unindexed,
} from './session-index.ts';

export interface SearchHit {
  readonly sessionId: SessionId;
  readonly agent: string | null;
  readonly line: LogLine;
  /** All that is searched in the line. */
  readonly text: string;
}

export interface Refreshed {
  readonly sessions: number;
  /** Lines that came into the index now. */
  readonly lines: number;
  /** Sessions whose logs a newer program wrote: what it wrote is not in the index. */
  readonly unread: readonly SessionId[];
}

export interface RefreshOptions {
  /** `scratch` throws away what there is. */
  readonly from?: 'logs' | 'scratch';
  readonly signal?: AbortSignal;
  /** It will take a while. */
  readonly onLong?: () => void;
}

/**
 * Uses the index of a home, after bringing it up to the logs. One that is damaged is made anew.
 *
 * @throws AachatError `CANCELLED` when `signal` aborts; what is in the index by then stays
 */
export async function withSessionIndex<T>(
  home: Home,
  use: (index: SessionIndex, refreshed: Refreshed) => Promise<T> | T,
  options: RefreshOptions = {},
): Promise<T> {
  const attempt = async (start: 'logs' | 'scratch') => {
    if (start === 'scratch') await withFileLock(home.sessionIndex, () => removeSessionIndex(home.sessionIndex));
    using index = await withFileLock(home.sessionIndex, () => openSessionIndex(home.sessionIndex));
    const refreshed = await withFileLock(home.sessionIndex, () => refresh(home, index, options));
    return await use(index, refreshed);
  };
  try {
    return await attempt(options.from ?? 'logs');
  } catch (thrown) {
    if (!isDamagedIndex(thrown)) throw thrown;
    return await attempt('scratch');
  }
}

/** The sessions that have run on this machine. */
export async function localSessions(home: Home): Promise<readonly SessionId[]> {
  try {
    return (await readdir(home.sessions)).flatMap((name) => SessionId.safeParse(name).data ?? []);
  } catch (thrown) {
    if (isSystemError(thrown, 'ENOENT')) return [];
    throw thrown;
  }
}

/** So much takes seconds to index. */
const LONG_BYTES = 20e6;

async function refresh(home: Home, index: SessionIndex, { signal, onLong }: RefreshOptions): Promise<Refreshed> {
  const here = new Set(await localSessions(home));
  for (const id of index.ids()) if (!here.has(id)) index.remove(id);
  let [lines, bytes] = [0, 0];
  const unread: SessionId[] = [];
  for (const id of here) {
    try {
      for await (const batch of indexLog(index, id, home.session(id).log)) {
        signal?.throwIfAborted();
        if (bytes < LONG_BYTES && bytes + batch.bytes >= LONG_BYTES) onLong?.();
        bytes += batch.bytes;
        lines += batch.lines;
      }
    } catch (thrown) {
      if (!isAachatError(thrown, 'PROTOCOL_MISMATCH')) throw thrown;
      unread.push(id);
    }
  }
  return { sessions: here.size, lines, unread };
}

/** Yields what came in, some at a time. */
async function* indexLog(
  index: SessionIndex,
  id: SessionId,
  log: string,
): AsyncGenerator<{ readonly lines: number; readonly bytes: number }> {
  const size = await sizeOf(log);
  let known = index.get(id) ?? unindexed(id);
  if (known.position.bytes === size && size > 0 && (await sealAt(log, size)) === known.seal) return;
  // It is not the log that was indexed: somebody put another one in its place.
  if (known.position.bytes > 0 && (await sealAt(log, known.position.bytes)) !== known.seal) {
    index.remove(id);
    known = unindexed(id);
  }
  for await (const batch of scanLog(log, known.position)) {
    const last = batch.at(-1);
    if (last === undefined) continue;
    const lines: IndexedLine[] = [];
    let [history, start] = [known.history, known.position.bytes];
    for (const { line, end } of batch) {
      history = HISTORY.advance(history, line);
      const words = indexedWords(textOf(await wholeLine(log, line)));
      if (words.length > 0) lines.push({ seq: line.seq, at: line.at, start, length: end.bytes - start, words });
      start = end.bytes;
    }
    const next: IndexedSession = { id, history, position: last.end, seal: await sealAt(log, last.end.bytes) };
    if (!index.put(next, lines, known.position)) return;
    yield { lines: batch.length, bytes: last.end.bytes - known.position.bytes };
    known = next;
  }
}

/** The end of a line has its checksum, over its number and time: enough to know it again. */
const SEAL_BYTES = 32;

async function sealAt(log: string, end: number): Promise<string> {
  const length = Math.min(SEAL_BYTES, end);
  return (await readAt(log, end - length, length)).toString('latin1');
}

async function readAt(path: string, start: number, length: number): Promise<Buffer> {
  try {
    await using file = await open(path, 'r');
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, start);
    return buffer.subarray(0, bytesRead);
  } catch (thrown) {
    if (isSystemError(thrown, 'ENOENT')) return Buffer.alloc(0);
    throw thrown;
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (thrown) {
    if (isSystemError(thrown, 'ENOENT')) return 0;
    throw thrown;
  }
}

/**
 * Looks for words in everything that sessions of this machine did.
 *
 * @param typed every word must occur in a line; the last one may be only begun
 * @returns newest first; undefined if there is no word in what was typed
 */
export async function searchSessions(
  home: Home,
  index: SessionIndex,
  typed: string,
  options: { readonly session?: SessionId | undefined; readonly limit: number; readonly offset: number },
): Promise<readonly SearchHit[] | undefined> {
  const query = wordQuery(typed);
  if (query === undefined) return undefined;
  const hits = await Promise.all(index.find({ ...query, ...options }).map((found) => hitOf(home, index, found)));
  return hits.flatMap((hit) => hit ?? []);
}

/** The family of a session. What a log says to be running counts as such while a process writes it. */
export async function familyOf(home: Home, index: SessionIndex, id: SessionId): Promise<readonly Relative[]> {
  return await Promise.all(
    index.family(id).map(async (relative) => {
      const runs = relative.state === 'running' && (await isWritten(home.session(relative.id).log));
      return { ...relative, state: runs ? 'running' : 'stopped' } as const;
    }),
  );
}

/**
 * The session of this machine that somebody means who names none: the active one, else the latest.
 *
 * @param agent full name; undefined: of any
 */
export async function activeOrLatest(
  home: Home,
  index: SessionIndex,
  agent: string | undefined,
): Promise<SessionId | undefined> {
  const told = (state: 'running' | 'stopped') =>
    index
      .inState(state, here)
      .map((id) => ({ id, history: index.get(id)?.history }))
      .filter(({ history }) => agent === undefined || history?.about?.agent === agent);
  const here = index.ids().length;
  // A launcher that was killed had no time to say that they ended.
  const running = told('running');
  for (const { id } of running) if (await isWritten(home.session(id).log)) return id;
  const all = [...running, ...told('stopped')];
  const at = ({ history }: (typeof all)[number]) => history?.lastAt ?? '';
  return all.toSorted((a, b) => (at(a) < at(b) ? 1 : -1))[0]?.id;
}

/** @returns undefined if the line is not there any more */
async function hitOf(home: Home, index: SessionIndex, found: FoundLine): Promise<SearchHit | undefined> {
  const { log } = home.session(found.sessionId);
  const bytes = await readAt(log, found.start, found.length);
  const line = decode(bytes, { bytes: found.start, seq: found.seq - 1 }).lines[0]?.line;
  if (line === undefined) return undefined;
  const agent = index.get(found.sessionId)?.history.about?.agent ?? null;
  const whole = await wholeLine(log, line);
  return { sessionId: found.sessionId, agent, line: whole, text: textOf(whole) };
}
