/** `aachat` and `chat` as sessions find them on PATH: small shell scripts that start this program. */
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { writePrivate } from '#base/fs.ts';

/** Writes both into `dir`; running sessions see the new ones at their next command. */
export async function writeShims(dir: string, selfCommand: readonly string[]): Promise<void> {
  const command = selfCommand.map(shellQuote).join(' ');
  for (const name of ['aachat', 'chat']) {
    const path = join(dir, name);
    await writePrivate(path, `#!/bin/sh\nAACHAT_NAME=${name} exec ${command} "$@"\n`);
    await chmod(path, 0o700);
  }
}

/** One word for a POSIX shell, whatever it holds. */
export const shellQuote = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
