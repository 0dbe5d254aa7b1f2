/**
 * A file that says which process owns something: the data of a server, the sessions of a machine.
 *
 * Whoever holds it is proved by pid and start time, so a file left by a crash never blocks and a reused pid never
 * fools. Reading and replacing happen under a lock beside the file, so two starters cannot both win.
 */
import { readFileSync, unlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { lock } from 'proper-lockfile';
import { z } from 'zod';
import { AachatError, isSystemError } from './errors.ts';
import { ensureDir, readIfExists, writePrivate } from './fs.ts';
import { parseJson } from './json.ts';
import { isRunning, ownIdentity, ProcessIdentity } from './process.ts';

/** A lock is a folder beside the file. */
export const LOCK_SUFFIX = '.lock';
/** Its holder touches it more often; a dead one's is taken over after this long, and so is that of one held up longer. */
export const STALE_LOCK_MS = 10_000;
/** Wait for another one for about 45 s, longer than a platform may take to start. */
const LOCK_OPTIONS = {
  realpath: false,
  stale: STALE_LOCK_MS,
  retries: { retries: 300, minTimeout: 20, maxTimeout: 150, randomize: true },
} as const;

/**
 * Runs `critical` while no other process is inside for the same `path`. The folder is created if needed.
 *
 * @throws AachatError `TIMEOUT` when somebody else stays inside
 */
export async function withFileLock<T>(path: string, critical: () => Promise<T>): Promise<T> {
  await ensureDir(dirname(path));
  let isOurs = true;
  const release = await lock(path, {
    ...LOCK_OPTIONS,
    lockfilePath: `${path}${LOCK_SUFFIX}`,
    // A process that was suspended for long finds its lock taken over. By default the library throws that from a timer.
    onCompromised: () => {
      isOurs = false;
    },
  }).catch((thrown: unknown) => {
    if (!isSystemError(thrown, 'ELOCKED')) throw thrown;
    throw new AachatError('TIMEOUT', `Another process of aachat keeps ${path} busy.`, {
      hint: 'Try again; `aachat doctor` shows what runs.',
      cause: thrown,
    });
  });
  try {
    return await critical();
  } finally {
    if (isOurs) await release();
  }
}

export type Claim<T> =
  | { readonly claimed: true; readonly file: PidFile }
  | { readonly claimed: false; readonly holder: ProcessIdentity & T };

/** Owned by this process until `release`. */
export interface PidFile {
  /** Synchronous, so that it also works in an exit handler. Leaves a file that somebody else wrote alone. */
  release(): void;
}

/**
 * Takes the file for this process unless a living one holds it.
 *
 * @param shape facts stored beside the identity, such as a port
 */
export async function claimPidFile<T extends object>(path: string, shape: z.ZodType<T>, facts: T): Promise<Claim<T>> {
  return withFileLock(path, async () => {
    const holder = await readPidFile(path, shape);
    if (holder !== undefined) return { claimed: false, holder };
    const text = `${JSON.stringify({ ...ownIdentity(), ...facts })}\n`;
    await writePrivate(path, text);
    let held = true;
    return {
      claimed: true,
      file: {
        release: () => {
          if (!held) return;
          held = false;
          try {
            if (readFileSync(path, 'utf8') === text) unlinkSync(path);
          } catch {
            // Somebody removed the folder: there is nothing left to release.
          }
        },
      },
    };
  });
}

/** @returns the living holder, or undefined if there is no file, no such process, or no sense in it */
export async function readPidFile<T extends object>(
  path: string,
  shape: z.ZodType<T>,
): Promise<(ProcessIdentity & T) | undefined> {
  const text = await readIfExists(path);
  if (text === undefined) return undefined;
  const holder = z.intersection(ProcessIdentity, shape).safeParse(parseJson(text));
  return holder.success && isRunning(holder.data) ? (holder.data as ProcessIdentity & T) : undefined;
}
