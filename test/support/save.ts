/** How a test saves beside a mirror of another process. */
import { open } from 'node:fs/promises';

/**
 * In place and with one call, so that nobody ever sees a part of it, however long this process is held up. What the
 * file had more of becomes empty lines.
 */
export async function saveInPlace(file: string, text: string): Promise<void> {
  await using handle = await open(file, 'r+');
  const { size } = await handle.stat();
  await handle.write(text + '\n'.repeat(Math.max(0, size - Buffer.byteLength(text))), 0);
}
