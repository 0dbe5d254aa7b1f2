/** Texts that could not be shared and had to give way: nobody else has them. */
import { dirname, join } from 'node:path';
import { isSystemError } from '#base/errors.ts';
import { PRIVATE_DIR, PRIVATE_FILE } from '#base/fs.ts';
import { isoTime } from '#base/time.ts';
import type { Disk } from './disk.ts';
import { bytesOf, create } from './file.ts';

/** Writes `<folder>/<date>/<path>`, never over another text, and each text once. @returns the file */
export function keepText(disk: Disk, folder: string, path: string, bytes: Uint8Array): string {
  const file = join(folder, isoTime(Date.now()).slice(0, 10), path);
  disk.mkdirSync(dirname(file), { recursive: true, mode: PRIVATE_DIR });
  for (let copy = 1; ; copy += 1) {
    const name = copy === 1 ? file : `${file}.${copy}`;
    try {
      create(disk, name, bytes, PRIVATE_FILE, (fd) => disk.fsyncSync(fd));
      return name;
    } catch (thrown) {
      if (!isSystemError(thrown, 'EEXIST')) throw thrown;
      // What could not be replaced is kept again at each look.
      if (bytesOf(disk, name)?.equals(bytes) === true) return name;
    }
  }
}
