/** Makes sessions of transcripts of Claude Code: their past as a log of ours, their conversation as a copy to go on from. */
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rename, rm, rmdir, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AachatError, isSystemError } from '#base/errors.ts';
import { ensureDir, exists, PRIVATE_FILE, realPlace, removeAll } from '#base/fs.ts';
import type { ProjectId, SessionId } from '#contract/ids.ts';
import { foldLog, openEventLog } from './event-log.ts';
import type { Home } from './home.ts';
import type { LogEvent, SessionFacts } from './log-events.ts';
import { RECOVERY } from './recovery.ts';
import {
  createTranscriptCopy,
  createTranscriptReader,
  parseTranscriptLine,
  type TranscriptLine,
  titleOf,
} from './transcript.ts';

/** What a look through a transcript tells. */
export interface Transcript {
  readonly path: string;
  /** So much of it was looked at: it may be growing. */
  readonly bytes: number;
  readonly digest: string;
  /** Its own id. */
  readonly source: string | null;
  /** Where it was held. */
  readonly cwd: string | null;
  readonly title: string;
  readonly turns: number;
  readonly lines: number;
  /** Lines that could not be read. */
  readonly bad: number;
}

/** No line of a transcript is this long: nothing longer is held in memory. */
const LONGEST_LINE = 16 * 1024 * 1024;
const LONGEST_TITLE = 100;
/** Turns of a look are thrown away. */
const NOWHERE = '00000000-0000-7000-8000-000000000000' as ProjectId;

/** @throws AachatError `NOT_FOUND`, or `VALIDATION_ERROR` for a file that is no transcript */
export async function readTranscript(path: string, signal: AbortSignal): Promise<Transcript> {
  const bytes = await sizeOf(path);
  const hash = createHash('sha256');
  const reader = createTranscriptReader(NOWHERE, Date.now());
  let [lines, bad] = [0, 0];
  let [source, cwd, title]: (string | undefined)[] = [];
  for await (const parsed of parsedLines(path, bytes, signal, hash)) {
    lines += 1;
    if (parsed === undefined) {
      bad += 1;
      continue;
    }
    reader.read(parsed);
    source ??= short(parsed.line['sessionId']);
    cwd ??= short(parsed.line['cwd']);
    title = titleOf(parsed) ?? title;
  }
  if (reader.turns === 0) {
    throw new AachatError('VALIDATION_ERROR', `${path} is no transcript of Claude Code: nobody says anything in it.`, {
      hint: 'They are in ~/.claude/projects/<folder>/<id>.jsonl.',
    });
  }
  const named = oneLine(title ?? '') || oneLine(reader.firstPrompt ?? '') || 'imported';
  return {
    path,
    bytes,
    digest: hash.digest('hex'),
    source: source ?? null,
    cwd: cwd ?? null,
    title: named,
    turns: reader.turns,
    lines,
    bad,
  };
}

const short = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' && value.length <= 1_000 ? value : undefined;

const oneLine = (words: string): string =>
  words
    .slice(0, 10 * LONGEST_TITLE)
    .replace(/[\p{C}\p{Z}]+/gu, ' ')
    .trim()
    .slice(0, LONGEST_TITLE)
    .toWellFormed();

async function sizeOf(path: string): Promise<number> {
  try {
    const found = await stat(path);
    if (found.isFile()) return found.size;
    throw new AachatError('VALIDATION_ERROR', `${path} is no file.`, { hint: 'Name the transcripts themselves.' });
  } catch (thrown) {
    if (!isSystemError(thrown, 'ENOENT', 'ENOTDIR')) throw thrown;
    throw new AachatError('NOT_FOUND', `There is no file ${path}.`, {
      hint: 'Transcripts are in ~/.claude/projects/<folder>/<id>.jsonl.',
    });
  }
}

/** Where Claude Code keeps its conversations. */
export const claudeConfig = (env: NodeJS.ProcessEnv): string =>
  env['CLAUDE_CONFIG_DIR'] || join(env['HOME'] || homedir(), '.claude');

/**
 * Makes the log of a session that nobody knows yet, with the copy of its conversation beside it. All of it is there in
 * the end, or nothing.
 *
 * @param projectId where its turns count as held
 */
export async function importTranscript(options: {
  readonly home: Home;
  readonly id: SessionId;
  readonly transcript: Transcript;
  readonly about: SessionFacts;
  readonly projectId: ProjectId;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { home, id, transcript, about, projectId, signal } = options;
  const draft = join(home.run, 'import', id);
  const conversation = randomUUID();
  try {
    await ensureDir(draft);
    await writePast({ draft, transcript, about, projectId, conversation, signal });
    await copyConversation(transcript, join(draft, COPY), conversation, signal);
    const { dir } = home.session(id);
    await ensureDir(dirname(dir));
    await rename(draft, dir);
  } catch (thrown) {
    await removeAll(draft);
    throw thrown;
  }
}

/** Beside the log of a session as long as its import is not finished. */
const COPY = 'conversation.jsonl';

/** Whether a session was imported, but perhaps nobody was told of it: whoever did it was killed. */
export const isHalfImported = (home: Home, id: SessionId): Promise<boolean> => exists(join(home.session(id).dir, COPY));

/** Puts the copy where Claude Code finds it, then makes the session known by `tell`. */
export async function finishImport<T>(home: Home, id: SessionId, config: string, tell: () => Promise<T>): Promise<T> {
  const place = await placeOfCopy(home, id, config);
  if (place === undefined) throw new Error('Only what was imported is finished.');
  await ensureDir(dirname(place));
  const copied = createWriteStream(place, { flags: 'wx', mode: PRIVATE_FILE, flush: true });
  await pipeline(createReadStream(join(home.session(id).dir, COPY)), copied);
  const told = await tell();
  await markImported(home, id);
  return told;
}

/** It is known. */
export const markImported = (home: Home, id: SessionId): Promise<void> =>
  rm(join(home.session(id).dir, COPY), { force: true });

/** Removes the copy that a session goes on from, if it was imported: nobody else knows of it. */
export async function removeCopy(home: Home, id: SessionId, config: string): Promise<void> {
  const place = await placeOfCopy(home, id, config);
  if (place === undefined) return;
  await rm(place, { force: true });
  try {
    await rmdir(dirname(place));
  } catch (thrown) {
    // Claude Code keeps other things there, once it has run.
    if (!isSystemError(thrown, 'ENOENT', 'ENOTEMPTY')) throw thrown;
  }
}

type Imported = Extract<LogEvent, { type: 'imported' }>;

/** Claude Code finds a conversation by its id in the folder of any workspace. @returns undefined: it was not imported */
async function placeOfCopy(home: Home, id: SessionId, config: string): Promise<string | undefined> {
  const imported = await foldLog<Imported | null>(home.session(id).log, {
    initial: null,
    advance: (found, line) => found ?? (line.type === 'imported' ? line : null),
  });
  if (imported === null) return undefined;
  const cwd = await realPlace(home.workspace(imported.about.agent, id));
  return join(config, 'projects', cwd.replace(/[^A-Za-z0-9]/g, '-'), `${imported.conversation}.jsonl`);
}

async function writePast(options: {
  readonly draft: string;
  readonly transcript: Transcript;
  readonly about: SessionFacts;
  readonly projectId: ProjectId;
  readonly conversation: string;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { draft, transcript, about, projectId, conversation, signal } = options;
  const { path, bytes, digest, source, cwd } = transcript;
  const now = Date.now();
  const reader = createTranscriptReader(projectId, now);
  let at = now;
  await using log = await openEventLog(join(draft, 'events.jsonl'), RECOVERY, () => at);
  await log.append({ type: 'imported', from: path, digest, source, conversation, about });
  const write = async (events: ReturnType<typeof reader.end>) => {
    for (const { at: time, event } of events) {
      at = Date.parse(time);
      await log.append(event);
    }
  };
  for await (const parsed of parsedLines(path, bytes, signal))
    if (parsed !== undefined) await write(reader.read(parsed));
  await write(reader.end());
  at = now;
  await log.append({ type: 'note', text: heldElsewhere(cwd) }, 'durable');
}

const heldElsewhere = (cwd: string | null): string =>
  `Until now this conversation was held outside of aachat${cwd === null ? '' : `, in ${JSON.stringify(oneLine(cwd))}`}. You go on with it in a workspace of your own: files that you remember may lie elsewhere, or be others.`;

async function copyConversation(
  { path, bytes }: Transcript,
  to: string,
  conversation: string,
  signal: AbortSignal,
): Promise<void> {
  const copy = createTranscriptCopy(conversation);
  const lines = async function* () {
    for await (const parsed of parsedLines(path, bytes, signal)) {
      const line = parsed === undefined ? undefined : copy(parsed);
      if (line !== undefined) yield `${line}\n`;
    }
  };
  await pipeline(Readable.from(lines()), createWriteStream(to, { mode: PRIVATE_FILE }));
}

/** Yields undefined for a line that cannot be read; empty ones are none. */
async function* parsedLines(
  path: string,
  bytes: number,
  signal: AbortSignal,
  hash?: { update(chunk: Buffer): unknown },
): AsyncGenerator<TranscriptLine | undefined> {
  for await (const line of rawLines(path, bytes, hash)) {
    signal.throwIfAborted();
    if (line === undefined) yield undefined;
    else if (line.trim() !== '') yield parseTranscriptLine(line);
  }
}

async function* rawLines(
  path: string,
  bytes: number,
  hash: { update(chunk: Buffer): unknown } | undefined,
): AsyncGenerator<string | undefined> {
  if (bytes === 0) return;
  let [parts, length, isTooLong]: [Buffer[], number, boolean] = [[], 0, false];
  const take = (part: Buffer) => {
    length += part.length;
    isTooLong ||= length > LONGEST_LINE;
    parts = isTooLong ? [] : [...parts, part];
  };
  const finish = (): string | undefined => {
    const line = isTooLong ? undefined : Buffer.concat(parts).toString('utf8');
    [parts, length, isTooLong] = [[], 0, false];
    return line;
  };
  for await (const chunk of createReadStream(path, { end: bytes - 1, highWaterMark: 256 * 1024 })) {
    const read = chunk as Buffer;
    hash?.update(read);
    let start = 0;
    for (let end = read.indexOf(0x0a); end >= 0; end = read.indexOf(0x0a, start)) {
      take(read.subarray(start, end));
      yield finish();
      start = end + 1;
    }
    take(read.subarray(start));
  }
  if (length > 0) yield finish();
}
