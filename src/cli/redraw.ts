/** A part of a terminal that is drawn again and again. */
import type { WriteStream } from 'node:tty';

export type Terminal = NodeJS.WritableStream & Partial<Pick<WriteStream, 'isTTY' | 'columns' | 'rows'>>;

/** What is drawn last stays in place until `clear` or `done`; the cursor stays visible. */
export async function openRedraw(terminal: Terminal) {
  // Loaded here: pipes do without it.
  const { createLogUpdate } = await import('log-update');
  return createLogUpdate(sized(terminal) as WriteStream, { showCursor: true });
}

/** Some terminals report a size of 0, which means unknown; taken at its word, nothing would be shown. */
const sized = (terminal: Terminal) => ({
  isTTY: terminal.isTTY,
  write: (text: string) => terminal.write(text),
  get columns() {
    return terminal.columns || 80;
  },
  get rows() {
    return terminal.rows || 24;
  },
});
