/**
 * The local, append-only log of one session: the truth about its turns. Never leaves this machine. The rules are in
 * `SPEC.md`.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { type FileHandle, open, truncate } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { createSerial } from '#base/async.ts';
import { AachatError, isSystemError } from '#base/errors.ts';
import { ensureDir, PRIVATE_FILE, removeAll } from '#base/fs.ts';
import { claimPidFile, readPidFile } from '#base/pid-file.ts';
import { type Clock, isoTime } from '#base/time.ts';
import { LOG_VERSION, type LogEvent, type LogLine } from './log-events.ts';
import { type Decoded, decode, encode, LOG_START, type LogPosition } from './log-lines.ts';
import { putAside, readAside } from './log-outputs.ts';

export type { DocumentNotice, LogEvent, LogLine, Notice, TurnRecord } from './log-events.ts';

/** What follows from lines, one after the other. Pure. */
export interface Reducer<S> {
  readonly initial: S;
  readonly advance: (state: S, line: LogLine) => S;
}

export interface EventLog extends AsyncDisposable {
  /**
   * Appends in call order. Resolves when the line is written; with `durable`, when it would survive a power loss.
   *
   * @throws AachatError `CONFLICT` if somebody else wrote into the file
   */
  append(event: LogEvent, durable?: 'durable'): Promise<void>;
}

/** Where long updates of a log lie. */
export const outputsOf = (path: string): string => join(dirname(path), 'outputs');

/**
 * Opens the log for its one writer, after cutting a damaged tail.
 *
 * @returns the log, and what follows from the lines that it has
 * @throws AachatError `CONFLICT` while another one writes it, `PROTOCOL_MISMATCH` if a newer program wrote it
 */
export async function openEventLog<S>(
  path: string,
  { initial, advance }: Reducer<S>,
  clock: Clock = Date.now,
): Promise<EventLog & { readonly state: S }> {
  const claim = await claimPidFile(writerFile(path), z.object({}), {});
  if (!claim.claimed) {
    throw new AachatError('CONFLICT', `Process ${claim.holder.pid} is writing the log of this session.`, {
      hint: 'It ends with `aachat down`.',
    });
  }
  try {
    let state = initial;
    const { bytes, seq } = await mend(path, clock, (line) => {
      state = advance(state, line);
    });
    const file = await open(path, 'a', PRIVATE_FILE);
    return { state, ...writerOf(path, file, { bytes, seq }, clock, claim.file.release) };
  } catch (thrown) {
    claim.file.release();
    throw thrown;
  }
}

/** Whether a living process has the log open to write: its session runs on this machine. */
export const isWritten = async (path: string): Promise<boolean> =>
  (await readPidFile(writerFile(path), z.object({}))) !== undefined;

/** Says who writes the log at `path`. */
export const writerFile = (path: string): string => `${path}.writer`;

function writerOf(path: string, file: FileHandle, end: LogPosition, clock: Clock, release: () => void): EventLog {
  const serial = createSerial();
  let { bytes: size, seq } = end;

  async function write(event: LogEvent): Promise<void> {
    // What another one wrote must neither be cut off below nor be followed by a number that it has taken.
    if ((await file.stat()).size !== size) {
      throw new AachatError('CONFLICT', `Something else wrote into ${path}.`, {
        hint: 'Run `aachat down`, then `aachat up`: what does not belong there is put aside.',
      });
    }
    const aside = event.type === 'update' ? await putAside(outputsOf(path), event.update) : {};
    const line = encode({ v: LOG_VERSION, seq: seq + 1, at: isoTime(clock()), ...event, ...aside });
    const bytes = Buffer.from(line);
    try {
      await file.appendFile(bytes);
    } catch (thrown) {
      // On a full disk a part of it was written: it would hide everything that comes after it.
      await file.truncate(size);
      throw thrown;
    }
    seq += 1;
    size += bytes.length;
  }

  return {
    append: (event, durable) =>
      serial(async () => {
        await write(event);
        if (durable === 'durable') await file.datasync();
      }),
    [Symbol.asyncDispose]: () =>
      serial(async () => {
        release();
        await file.close();
      }),
  };
}

/** Folds a log that somebody else may be writing; a damaged tail, if any, is left alone. */
export async function foldLog<S>(path: string, { initial, advance }: Reducer<S>): Promise<S> {
  let state = initial;
  for await (const batch of scanLog(path)) for (const { line } of batch) state = advance(state, line);
  return state;
}

/** All lines of a log; `foldLog` needs no memory for them. */
export async function readEventLog(path: string): Promise<readonly LogLine[]> {
  const lines: LogLine[] = [];
  for await (const batch of scanLog(path)) for (const { line } of batch) lines.push(line);
  return lines;
}

/** The line with its update as the agent program said it, as long as the file with it is there. */
export async function wholeLine(path: string, line: LogLine): Promise<LogLine> {
  if (line.type !== 'update' || line.whole === undefined) return line;
  const update = await readAside(outputsOf(path), line.whole);
  return update === undefined ? line : { ...line, update };
}

const CHUNK_BYTES = 1024 * 1024;
/** No line of ours is this long: what has no end by then is damage, such as the NULs of a power loss. */
const LONGEST_LINE = 64 * CHUNK_BYTES;

/**
 * The good lines of a log, some at a time, each with the place where it ends. No file: none.
 *
 * @param from where an earlier scan ended
 */
export async function* scanLog(path: string, from: LogPosition = LOG_START): AsyncGenerator<Decoded['lines']> {
  await using file = await openIfExists(path);
  if (file === undefined) return;
  let position = from;
  let rest: Buffer = Buffer.alloc(0);
  while (rest.length < LONGEST_LINE) {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    const { bytesRead } = await file.read(chunk, 0, CHUNK_BYTES, position.bytes + rest.length);
    if (bytesRead === 0) return;
    const bytes = Buffer.concat([rest, chunk.subarray(0, bytesRead)]);
    const decoded = decode(bytes, position);
    yield decoded.lines;
    if (decoded.isDamaged) return;
    rest = bytes.subarray(decoded.position.bytes - position.bytes);
    position = decoded.position;
  }
}

/** Cuts what follows the last good line and keeps it beside the log. */
async function mend(path: string, clock: Clock, onLine: (line: LogLine) => void): Promise<LogPosition> {
  await ensureDir(dirname(path));
  let position = LOG_START;
  for await (const batch of scanLog(path)) {
    for (const { line } of batch) onLine(line);
    position = batch.at(-1)?.end ?? position;
  }
  await using file = await openIfExists(path);
  const size = (await file?.stat())?.size ?? 0;
  if (size <= position.bytes) return position;
  const aside = `${path}.damaged-${clock()}`;
  try {
    const to = createWriteStream(aside, { flags: 'wx', mode: PRIVATE_FILE, flush: true });
    await pipeline(createReadStream(path, { start: position.bytes }), to);
  } catch (thrown) {
    // On a full disk: the next try has all of it again.
    if (!isSystemError(thrown, 'EEXIST')) await removeAll(aside);
    throw thrown;
  }
  await truncate(path, position.bytes);
  return position;
}

async function openIfExists(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (thrown) {
    if (isSystemError(thrown, 'ENOENT')) return undefined;
    throw thrown;
  }
}
