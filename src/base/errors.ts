/**
 * Errors a user or a script can act on.
 *
 * Everything that crosses a floor is an `AachatError`: a permanent `code` for programs, one sentence for people, and a
 * `hint` with the next step. Anything else that reaches the top of the process is a bug; `toAachatError` reports it as
 * `INTERNAL` and keeps the original as `cause`.
 */

/** Exit and HTTP status of each code. Codes are public API: add freely, never rename or reuse. */
export const ERROR_STATUS = {
  INTERNAL: { exit: 70, http: 500 },
  USAGE: { exit: 2, http: 400 },
  VALIDATION_ERROR: { exit: 2, http: 400 },
  AMBIGUOUS_PROJECT: { exit: 2, http: 400 },
  AMBIGUOUS_NAME: { exit: 2, http: 400 },
  UNAUTHORIZED: { exit: 3, http: 401 },
  FORBIDDEN: { exit: 3, http: 403 },
  NOT_FOUND: { exit: 4, http: 404 },
  CONFLICT: { exit: 5, http: 409 },
  /** The run that reports is not the newest run of its session. */
  STALE_RUN: { exit: 5, http: 409 },
  /** Too many failed attempts; waiting helps. */
  RATE_LIMITED: { exit: 6, http: 429 },
  /** The agent has used what it may; `retryAt` in the details says when it may use more. */
  BUDGET_EXCEEDED: { exit: 6, http: 429 },
  SERVER_UNREACHABLE: { exit: 6, http: 503 },
  TIMEOUT: { exit: 6, http: 504 },
  PROTOCOL_MISMATCH: { exit: 7, http: 426 },
  AGENT_FAILED: { exit: 8, http: 502 },
  GIT_FAILED: { exit: 8, http: 502 },
  CANCELLED: { exit: 130, http: 503 },
} as const satisfies Record<string, { exit: number; http: number }>;

export type ErrorCode = keyof typeof ERROR_STATUS;
export const ERROR_CODES = Object.keys(ERROR_STATUS) as [ErrorCode, ...ErrorCode[]];

/** What the end of the process says to a script. Shown in the help. */
export const EXIT_MEANING: Readonly<Record<0 | 1 | (typeof ERROR_STATUS)[ErrorCode]['exit'], string>> = {
  0: 'done',
  1: 'what it says could not be written, such as to a full disk',
  2: 'the command line, or a value in it, is wrong',
  3: 'not logged in, or not allowed',
  4: 'there is no such thing',
  5: 'it is in the way of something, or needs --yes; or `doctor` found something',
  6: 'the server does not answer, or not now: try again later',
  7: 'this program and the server are too far apart in age',
  8: 'an agent program or git failed',
  70: 'a bug in aachat',
  130: 'interrupted, or answered with no (129, 143: ended by a signal)',
};

export interface ErrorOptions {
  /** What to do next, as an imperative sentence. Leave out only when there is nothing to do. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
  /** Small, loggable facts: ids, paths, counts. Never secrets, never file contents. */
  readonly details?: Readonly<Record<string, string | number | boolean>>;
}

export class AachatError extends Error {
  override readonly name = 'AachatError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly details: Readonly<Record<string, string | number | boolean>>;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.details = options.details ?? {};
  }

  get exitStatus(): number {
    return ERROR_STATUS[this.code].exit;
  }
}

/** True for an `AachatError` with one of `codes` (any code if none is given). */
export function isAachatError(thrown: unknown, ...codes: readonly ErrorCode[]): thrown is AachatError {
  return thrown instanceof AachatError && (codes.length === 0 || codes.includes(thrown.code));
}

/** True for an error of the operating system with one of `codes`, such as `ENOENT`. */
export function isSystemError(thrown: unknown, ...codes: readonly string[]): thrown is NodeJS.ErrnoException {
  return thrown instanceof Error && 'code' in thrown && codes.includes(String(thrown.code));
}

/** Whether it failed for want of room on a disk, here or in a program that was run. */
export function isDiskFull(thrown: unknown): boolean {
  if (isSystemError(thrown, 'ENOSPC', 'EDQUOT')) return true;
  if (!(thrown instanceof Error)) return false;
  return /No space left on device|Disk quota exceeded/.test(thrown.message) || isDiskFull(thrown.cause);
}

/** What to do about an error of the operating system that a person can mend. */
const SYSTEM_HINTS: Readonly<Record<string, string>> = {
  EACCES: 'Check who owns it; `AACHAT_HOME` moves the home of aachat to another folder.',
  EPERM: 'Check who owns it; `AACHAT_HOME` moves the home of aachat to another folder.',
  EROFS: 'The file system is read-only; `AACHAT_HOME` moves the home of aachat to another folder.',
  ENOSPC: 'The disk is full: free some space and try again.',
  EDQUOT: 'Your disk quota is used up: free some space and try again.',
  EMFILE: 'Too many open files: raise the limit with `ulimit -n` and try again.',
  ENOTDIR: 'Something that should be a folder is a file: look at the path above.',
};

/** Narrows whatever was thrown. The original survives as `cause`, so no stack is lost. */
export function toAachatError(thrown: unknown): AachatError {
  if (thrown instanceof AachatError) return thrown;
  if (thrown instanceof Error && thrown.name === 'AbortError') {
    return new AachatError('CANCELLED', 'The operation was cancelled.', { cause: thrown });
  }
  if (isSystemError(thrown, ...Object.keys(SYSTEM_HINTS))) {
    const place = thrown.path === undefined ? '' : `: ${thrown.path}`;
    return new AachatError('FORBIDDEN', `The operating system refused (${thrown.code})${place}.`, {
      hint: SYSTEM_HINTS[thrown.code ?? ''],
      cause: thrown,
    });
  }
  return new AachatError('INTERNAL', thrown instanceof Error ? thrown.message : String(thrown), {
    hint: 'This is a bug in aachat. Run `aachat doctor` and report its output.',
    cause: thrown,
  });
}
