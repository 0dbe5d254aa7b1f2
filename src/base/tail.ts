/** Reads on where a growing file ends. */
import { type FileHandle, open, stat } from 'node:fs/promises';
import { isSystemError } from './errors.ts';

export interface Tail {
  /** Whole lines that came since the last call, each with its line end. */
  next(): Promise<string>;
  close(): Promise<void>;
}

const CHUNK_BYTES = 64 * 1024;

/**
 * Follows a file from its start, also after it was moved away and begun anew; one that is missing may still come. A
 * torn last line is left until it is whole, and may be cut off meanwhile.
 */
export function openTail(path: string): Tail {
  let file: FileHandle | undefined;
  /** Where the whole lines end that were given. */
  let position = 0;

  async function readOn(handle: FileHandle): Promise<string> {
    const parts: Buffer[] = [];
    for (let at = position; ; ) {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES, at);
      if (bytesRead === 0) break;
      parts.push(buffer.subarray(0, bytesRead));
      at += bytesRead;
    }
    const all = Buffer.concat(parts);
    const end = all.lastIndexOf(0x0a) + 1;
    position += end;
    return all.subarray(0, end).toString('utf8');
  }

  return {
    async next() {
      let text = '';
      if (file !== undefined && !(await isFile(file, path))) {
        // What was written before it was moved comes first.
        text = await readOn(file);
        await file.close();
        file = undefined;
        position = 0;
      }
      file ??= await openIfExists(path);
      return file === undefined ? text : text + (await readOn(file));
    },
    close: async () => file?.close(),
  };
}

async function isFile(file: FileHandle, path: string): Promise<boolean> {
  try {
    const [ours, there] = await Promise.all([file.stat(), stat(path)]);
    return ours.ino === there.ino && ours.dev === there.dev;
  } catch (thrown) {
    if (isSystemError(thrown, 'ENOENT')) return false;
    throw thrown;
  }
}

async function openIfExists(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (thrown) {
    if (isSystemError(thrown, 'ENOENT')) return undefined;
    throw thrown;
  }
}
