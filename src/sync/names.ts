/** Names and texts that a mirror leaves alone, whatever the grammar of documents says. */
import { isUtf8 } from 'node:buffer';

/** What a path is, by the grammar of documents; `sync` itself only knows that there are three folders above a file. */
export type Classified =
  | { readonly kind: 'document' }
  | { readonly kind: 'conflict'; readonly of: string; readonly number: number; readonly who: string }
  /** A name of ours that is not shared, such as `_errors.md`. */
  | { readonly kind: 'ours' }
  | { readonly kind: 'problem'; readonly reason: string };

/** Folders above a document. */
export const FOLDERS = 3;
/** The folder of ours in the root of a mirror. */
export const OURS = '.aachat';
const MOST_BYTES = 1024 * 1024;

/**
 * What other programs put beside a file while they save it, and what desktops leave behind. Everything that begins with
 * a dot is hidden, and somebody's own: swap files, locks, folders of editors.
 */
const FOREIGN =
  /^\.|\.tmp(\.\d+\.[0-9a-f]+)?$|~$|^#.*#$|\.crswap$|___jb_(tmp|old)___$|^4913$|^Thumbs\.db$|^desktop\.ini$/;

export const isForeign = (name: string): boolean => FOREIGN.test(name);

export const tooLarge = (bytes: number): string | undefined =>
  bytes > MOST_BYTES ? `It has ${kibibytes(bytes)}; a document has at most ${kibibytes(MOST_BYTES)}.` : undefined;
const kibibytes = (bytes: number): string => `${Math.ceil(bytes / 1024)} KiB`;

/** Why the bytes cannot be a document. */
export function textProblem(bytes: Uint8Array): string | undefined {
  if (!isUtf8(bytes)) return 'It is not text in UTF-8.';
  if (bytes.includes(0)) return 'It has a NUL character, so it is not text.';
  return undefined;
}
