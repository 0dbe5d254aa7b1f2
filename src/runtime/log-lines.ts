/** Lines of a session's log as bytes, and back. Pure. The rules are in `SPEC.md`. */
import { crc32 } from 'node:zlib';
import { AachatError } from '#base/errors.ts';
import { LOG_VERSION, type LogLine, modernize } from './log-events.ts';

/** How far a log was read: whole good lines only. */
export interface LogPosition {
  readonly bytes: number;
  readonly seq: number;
}
export const LOG_START: LogPosition = { bytes: 0, seq: 0 };

export function encode(line: LogLine): string {
  const body = JSON.stringify(line).slice(0, -1);
  return `${body},"crc":"${checksum(body)}"}\n`;
}

export interface Decoded {
  readonly lines: readonly { readonly line: LogLine; readonly end: LogPosition }[];
  /** Behind the last good line. */
  readonly position: LogPosition;
  /** Whether a line end follows there: what lies before it is no good line, and will not become one. */
  readonly isDamaged: boolean;
}

/**
 * Reads lines up to the first one that is not good.
 *
 * @param from where in the log `bytes` begin
 * @throws AachatError `PROTOCOL_MISMATCH` for a good line of a newer version
 */
export function decode(bytes: Buffer, from: LogPosition = LOG_START): Decoded {
  const lines: Decoded['lines'][number][] = [];
  let position = from;
  for (;;) {
    const start = position.bytes - from.bytes;
    // Only the byte 0x0a ends a line: U+2028 and its like stand inside JSON strings.
    const end = bytes.indexOf(0x0a, start);
    const line = end < 0 ? undefined : parse(bytes.subarray(start, end));
    if (line === undefined || line.seq !== position.seq + 1) {
      return { lines, position, isDamaged: end >= 0 };
    }
    refuseNewer(line);
    position = { bytes: from.bytes + end + 1, seq: line.seq };
    lines.push({ line, end: position });
  }
}

const SEAL = Buffer.from(',"crc":"');
/** `,"crc":"00000000"}` */
const SEAL_BYTES = SEAL.length + 10;

function parse(line: Buffer): LogLine | undefined {
  const at = line.length - SEAL_BYTES;
  if (at < 1 || line.compare(SEAL, 0, SEAL.length, at, at + SEAL.length) !== 0) return undefined;
  const body = line.subarray(0, at);
  if (line.toString('latin1', at + SEAL.length) !== `${checksum(body)}"}`) return undefined;
  try {
    return modernize(JSON.parse(`${body.toString('utf8')}}`) as LogLine);
  } catch {
    // Somebody made a seal for what is no line.
    return undefined;
  }
}

const checksum = (data: string | Buffer): string => crc32(data).toString(16).padStart(8, '0');

function refuseNewer({ v = 1 }: LogLine): void {
  if (v <= LOG_VERSION) return;
  throw new AachatError(
    'PROTOCOL_MISMATCH',
    `A newer aachat wrote this log, in version ${v}; this one reads ${LOG_VERSION}.`,
    {
      hint: 'Install the newer aachat again; the log is as it was.',
    },
  );
}
