/**
 * The local, append-only log of one session: the truth about its turns. Never leaves this machine.
 *
 * One JSON object per line, `{"seq":…,"at":…,"type":…,…,"crc":"…"}`; the checksum covers everything before it. A tail
 * that a crash tore or damaged is cut to the last good line and kept aside, never silently dropped.
 */
import { appendFile, type FileHandle, open, readFile, truncate } from 'node:fs/promises';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import { createSerial } from '#base/async.ts';
import { isSystemError } from '#base/errors.ts';
import { ensureDir, PRIVATE_FILE } from '#base/fs.ts';
import { type Clock, isoTime } from '#base/time.ts';
import type { Counters, StopReason } from '#contract/entities.ts';
import type { MessageId, PermissionId, ProjectId, RunId, SignalId, TurnId } from '#contract/ids.ts';

/** What can be in the log. Readers skip types that they do not know, so that an older program can read a newer log. */
export type LogEvent =
  | { readonly type: 'run.started'; readonly runId: RunId; readonly epoch: number }
  | {
      readonly type: 'agent.opened';
      readonly pid: number;
      readonly program: string;
      readonly conversation: string;
      readonly opened: string;
    }
  | {
      readonly type: 'turn.started';
      readonly turnId: TurnId;
      readonly projectId: ProjectId;
      readonly signals: readonly SignalId[];
    }
  /** Written before the prompt is sent: from here on the agent may have seen it. */
  | {
      readonly type: 'turn.prompted';
      readonly turnId: TurnId;
      readonly prompt: string;
      /** How many of the oldest `document.lost` it told the agent about. */
      readonly told?: number;
    }
  /** Broken off on purpose, to be taken up again. */
  | { readonly type: 'turn.held'; readonly turnId: TurnId; readonly cause: 'limit' | 'login' | 'stopped' }
  | { readonly type: 'turn.finished'; readonly turnId: TurnId; readonly outcome: TurnRecord }
  | { readonly type: 'turn.posted'; readonly turnId: TurnId; readonly messageId: MessageId }
  | { readonly type: 'turn.closed'; readonly turnId: TurnId }
  | { readonly type: 'update'; readonly turnId: TurnId | null; readonly update: unknown }
  | {
      readonly type: 'permission.asked';
      readonly turnId: TurnId | null;
      readonly permissionId: PermissionId;
      readonly title: string;
      readonly toolKind: string;
    }
  | {
      readonly type: 'permission.answered';
      readonly permissionId: PermissionId;
      readonly outcome: string;
    }
  /** An edit of the agent is not in the document, or not all of it: the next prompt says so. */
  | ({ readonly type: 'document.lost' } & DocumentNotice)
  | { readonly type: 'problem'; readonly message: string; readonly hint: string | null }
  | { readonly type: 'run.ended'; readonly runId: RunId; readonly reason: string };

export interface DocumentNotice {
  readonly path: string;
  /** Path of the file with the agent's text; null: it was a deletion, and the document is back. */
  readonly conflict: string | null;
}

/** How a turn came out. `text` is what will be posted; empty: nothing. */
export interface TurnRecord {
  readonly state: 'ended' | 'failed' | 'cancelled';
  readonly stopReason: StopReason;
  readonly text: string;
  readonly counters: Counters | null;
  /** Where a later rewind can cut the conversation. */
  readonly lastMessageId: string | null;
}

export type LogLine = LogEvent & { readonly seq: number; readonly at: string };

export interface EventLog extends AsyncDisposable {
  /** Appends in call order. Resolves when the line is written; with `durable`, when it would survive a power loss. */
  append(event: LogEvent, durable?: 'durable'): Promise<void>;
}

/** Opens the log for its one writer, after cutting a damaged tail. */
export async function openEventLog(
  path: string,
  clock: Clock = Date.now,
): Promise<EventLog & { readonly lines: readonly LogLine[] }> {
  await ensureDir(dirname(path));
  const { lines, goodBytes } = await mend(path, clock);
  const file: FileHandle = await open(path, 'a', PRIVATE_FILE);
  const serial = createSerial();
  let [seq, size] = [lines.at(-1)?.seq ?? 0, goodBytes];
  return {
    lines,
    append: (event, durable) =>
      serial(async () => {
        const line = Buffer.from(encode({ seq: seq + 1, at: isoTime(clock()), ...event }));
        try {
          await file.appendFile(line);
        } catch (thrown) {
          // On a full disk a part of it was written: it would hide everything that comes after it.
          await file.truncate(size);
          throw thrown;
        }
        seq += 1;
        size += line.length;
        if (durable === 'durable') await file.datasync();
      }),
    [Symbol.asyncDispose]: () => serial(() => file.close()),
  };
}

/** Reads a log that somebody else may be writing; the damaged tail, if any, is left alone. */
export async function readEventLog(path: string): Promise<readonly LogLine[]> {
  return decode(await readOrEmpty(path)).lines;
}

export function encode(line: LogLine): string {
  const body = JSON.stringify(line).slice(0, -1);
  return `${body},"crc":"${checksum(body)}"}\n`;
}

const checksum = (text: string): string => crc32(text).toString(16).padStart(8, '0');
const LINE = /^(?<body>\{.*),"crc":"(?<crc>[0-9a-f]{8})"\}$/s;

/**
 * Reads lines up to the first one that is not whole.
 *
 * @returns the good lines and how many bytes they take
 */
export function decode(bytes: Buffer): { readonly lines: readonly LogLine[]; readonly goodBytes: number } {
  const lines: LogLine[] = [];
  let start = 0;
  for (;;) {
    // Only the byte 0x0a ends a line: U+2028 and its like stand inside JSON strings.
    const end = bytes.indexOf(0x0a, start);
    if (end < 0) break;
    const groups = LINE.exec(bytes.toString('utf8', start, end))?.groups;
    if (groups?.['body'] === undefined || checksum(groups['body']) !== groups['crc']) break;
    lines.push(JSON.parse(`${groups['body']}}`) as LogLine);
    start = end + 1;
  }
  return { lines, goodBytes: start };
}

async function mend(path: string, clock: Clock): Promise<ReturnType<typeof decode>> {
  const bytes = await readOrEmpty(path);
  const { lines, goodBytes } = decode(bytes);
  if (goodBytes < bytes.length) {
    await appendFile(`${path}.damaged-${clock()}`, bytes.subarray(goodBytes), { mode: PRIVATE_FILE });
    await truncate(path, goodBytes);
  }
  return { lines, goodBytes };
}

async function readOrEmpty(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (thrown) {
    if (isSystemError(thrown, 'ENOENT')) return Buffer.alloc(0);
    throw thrown;
  }
}
