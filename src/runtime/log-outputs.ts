/** Sidecar files of a session's log: what an agent program said that is too long for a line. */
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureDir, PRIVATE_FILE, readIfExists } from '#base/fs.ts';
import { parseJson } from '#base/json.ts';
import type { Output } from './log-events.ts';

/** A longer update goes into a file of its own. */
const LONGEST_UPDATE = 16 * 1024;
/** Of each long text so many characters stay in the line. */
const LONGEST_TEXT = 1_000;
/** And of all together. */
const LONGEST_TEXTS = 8_000;
const MOST_PARTS = 50;

/**
 * Puts a long update aside, whole, before its line is written.
 *
 * @returns what the line holds
 */
export async function putAside(
  dir: string,
  update: unknown,
): Promise<{ readonly update: unknown; readonly whole?: Output }> {
  const text = JSON.stringify(update);
  if (text.length <= LONGEST_UPDATE) return { update };
  const bytes = Buffer.from(text);
  const file = `${digest(bytes)}.json`;
  await ensureDir(dir);
  await writeFile(join(dir, file), bytes, { mode: PRIVATE_FILE });
  return { update: shorten(update), whole: { file, bytes: bytes.length } };
}

/** @returns the update as it was; undefined if its file is gone, or is not what was written */
export async function readAside(dir: string, { file }: Output): Promise<unknown> {
  if (!/^[0-9a-f]{32}\.json$/.test(file)) return undefined;
  const text = await readIfExists(join(dir, file));
  if (text === undefined || `${digest(Buffer.from(text))}.json` !== file) return undefined;
  return parseJson(text);
}

const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex').slice(0, 32);

/** The same shape with long texts cut, so that a line stays a line. What stands at the top is what it is about. */
function shorten(update: unknown): unknown {
  let left = LONGEST_TEXTS;
  const cut = (value: unknown, depth: number): unknown => {
    if (typeof value === 'string') {
      const most = depth === 1 ? LONGEST_TEXT : Math.min(LONGEST_TEXT, left);
      const text = value.length <= most ? value : `${value.slice(0, most).toWellFormed()}…`;
      left -= text.length;
      return text;
    }
    if (typeof value !== 'object' || value === null) return value;
    left -= 1;
    if (left <= 0 && depth > 0) return null;
    if (Array.isArray(value)) return value.slice(0, MOST_PARTS).map((part) => cut(part, depth + 1));
    const parts = Object.entries(value).slice(0, MOST_PARTS);
    return Object.fromEntries(parts.map(([name, part]) => [name, cut(part, depth + 1)]));
  };
  return cut(update, 0);
}
