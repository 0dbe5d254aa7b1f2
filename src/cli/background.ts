/** This program once more, in the background: started, waited for, and quoted when it ends too soon. */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { AachatError } from '#base/errors.ts';
import { ensureDir, PRIVATE_FILE, readIfExists } from '#base/fs.ts';
import { parseJson } from '#base/json.ts';
import { sleep } from '#base/time.ts';
import { ErrorBody } from '#contract/errors.ts';

export interface Background<T> {
  /** What it is called in sentences. */
  readonly name: string;
  /** How to start this program, and with which words. */
  readonly command: readonly [file: string, ...args: string[]];
  readonly env: NodeJS.ProcessEnv;
  /** File for everything that it prints. */
  readonly printed: string;
  /** Where it tells more, for people. */
  readonly log: string;
  readonly limitMs: number;
  /** Asked again and again, until there is something. */
  readonly ready: (pid: number | undefined) => Promise<T | undefined>;
}

/**
 * Starts it and waits until it is ready; it outlives this process.
 *
 * @throws AachatError what it said itself when it ended; `TIMEOUT` when it is not ready in time, and goes on
 */
export async function startInBackground<T>(
  { name, command, env, printed, log, limitMs, ready }: Background<T>,
  signal: AbortSignal,
): Promise<T> {
  await ensureDir(dirname(printed));
  const output = openSync(printed, 'w', PRIVATE_FILE);
  const [file, ...args] = command;
  // With `--json` the last thing that it prints is the error, whole.
  const child = spawn(file, [...args, '--json'], { env, detached: true, stdio: ['ignore', output, output] });
  closeSync(output);
  child.unref();
  let ended = false;
  for (const event of ['exit', 'error']) child.once(event, () => (ended = true));
  for (const end = Date.now() + limitMs; Date.now() < end && !ended; await sleep(20, signal)) {
    const found = await ready(child.pid);
    if (found !== undefined) return found;
  }
  if (!ended) {
    throw new AachatError('TIMEOUT', `${name} (pid ${child.pid}) is not ready after ${limitMs / 1000} s.`, {
      hint: `It goes on; look into ${log}.`,
    });
  }
  const lastLine = (await readIfExists(printed))?.trim().split('\n').at(-1) ?? '';
  const told = ErrorBody.safeParse(parseJson(lastLine)).data?.error;
  if (told !== undefined) throw new AachatError(told.code, told.message, { hint: told.hint });
  throw new AachatError('SERVER_UNREACHABLE', `${name} did not start.`, { hint: `Look into ${printed} and ${log}.` });
}
