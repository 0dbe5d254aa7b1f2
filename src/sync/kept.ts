/** Texts that could not be shared and had to give way: nobody else has them. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isSystemError } from '#base/errors.ts';
import { PRIVATE_DIR, PRIVATE_FILE } from '#base/fs.ts';
import { isoTime } from '#base/time.ts';

/** Writes `<folder>/<date>/<path>`, never over another text. @returns the file */
export function keepText(folder: string, path: string, bytes: Uint8Array): string {
  const file = join(folder, isoTime(Date.now()).slice(0, 10), path);
  mkdirSync(dirname(file), { recursive: true, mode: PRIVATE_DIR });
  for (let copy = 1; ; copy += 1) {
    const name = copy === 1 ? file : `${file}.${copy}`;
    try {
      writeFileSync(name, bytes, { flag: 'wx', mode: PRIVATE_FILE, flush: true });
      return name;
    } catch (thrown) {
      if (!isSystemError(thrown, 'EEXIST')) throw thrown;
    }
  }
}
