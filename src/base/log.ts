/** Structured log: one JSON object per line, in a file. Never stdout, which belongs to results and to protocols. */
import { appendFileSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Logger, pino } from 'pino';
import { AachatError, toAachatError } from './errors.ts';
import { PRIVATE_DIR, PRIVATE_FILE } from './fs.ts';

export type Level = 'debug' | 'info' | 'warn' | 'error';
export type Fields = Readonly<Record<string, unknown>>;

export interface Log {
  /** A logger that adds `fields` to every line; ids travel this way, not through parameters. */
  child(fields: Fields): Log;
  /** @param event stable dotted name, past tense: `session.started` */
  debug(event: string, fields?: Fields): void;
  info(event: string, fields?: Fields): void;
  warn(event: string, fields?: Fields): void;
  error(event: string, fields?: Fields): void;
}

export interface LogOptions {
  readonly write: (line: string) => void;
  readonly level?: Level;
  /** Exact values that must never appear, such as tokens and the values of declared environment names. */
  readonly secrets?: () => Iterable<string>;
}

/** Shorter values are too common to search for; nothing that we issue is that short. */
const SHORTEST_SECRET = 8;

export function createLog(options: LogOptions): Log {
  const { write, level = 'info', secrets = () => [] } = options;
  const stream = {
    write(line: string) {
      let clean = line;
      for (const secret of secrets()) {
        // In a line of JSON, quotes and line ends are spelled in another way.
        if (secret.length >= SHORTEST_SECRET)
          clean = clean.replaceAll(JSON.stringify(secret).slice(1, -1), '[redacted]');
      }
      write(clean);
    },
  };
  const root = pino(
    {
      level,
      base: null,
      messageKey: 'event',
      timestamp: () => `,"at":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: serializeError },
    },
    stream,
  );
  return wrap(root);
}

/** A log that keeps nothing. */
export const silentLog: Log = createLog({ write: () => {} });

/** Past this size the file is moved to `<path>.1`, which replaces the one before. */
const ROTATE_BYTES = 10 * 1024 * 1024;

/** Appends to a file that only the owner may read; a log that cannot be written never stops the work. */
export function fileWriter(path: string): (line: string) => void {
  mkdirSync(dirname(path), { recursive: true, mode: PRIVATE_DIR });
  return (line) => {
    try {
      if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > ROTATE_BYTES) renameSync(path, `${path}.1`);
      appendFileSync(path, line, { mode: PRIVATE_FILE });
    } catch {
      // A full disk must not end a session for the sake of its log.
    }
  };
}

function wrap(logger: Logger): Log {
  return {
    child: (fields) => wrap(logger.child(fields)),
    debug: (event, fields = {}) => logger.debug(fields, event),
    info: (event, fields = {}) => logger.info(fields, event),
    warn: (event, fields = {}) => logger.warn(fields, event),
    error: (event, fields = {}) => logger.error(fields, event),
  };
}

/** Expected errors keep their code without a stack; a bug keeps everything. */
function serializeError(thrown: unknown): Fields {
  const error = toAachatError(thrown);
  const { code, message, details } = error;
  if (code !== 'INTERNAL') return { code, message, ...details };
  const cause = error.cause instanceof Error ? error.cause : error;
  return {
    code,
    message,
    stack: cause.stack,
    cause: cause.cause instanceof AachatError ? cause.cause.message : undefined,
  };
}
