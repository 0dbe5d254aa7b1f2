/**
 * What commands print: text for people, one JSON object for programs. Results go to stdout, everything said beside
 * them to stderr.
 */
import { stripVTControlCharacters } from 'node:util';
import pc from 'picocolors';
import type { AachatError } from '#base/errors.ts';

export type Paint = ReturnType<typeof pc.createColors>;

export interface Output {
  readonly isJson: boolean;
  readonly paint: Paint;
  /** The result: `{"data": …}`, or `text`. Called at most once by each command. */
  result(data: unknown, text: string): void;
  /** One of many results that come one by one: one JSON object per line, or `text`. */
  line(data: unknown, text: string): void;
  /** Beside the result: progress, warnings. Silent for nobody: it goes to stderr. */
  note(text: string): void;
  error(error: AachatError): void;
}

export function createOutput(options: {
  readonly stdout: NodeJS.WritableStream & { readonly isTTY?: boolean };
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean };
  readonly json: boolean;
  readonly env: NodeJS.ProcessEnv;
}): Output {
  const { stdout, stderr, json, env } = options;
  let printed = false;
  const paint = pc.createColors(wantsColours(stdout.isTTY === true, env));
  const isPainted = wantsColours(stderr.isTTY === true, env);
  return {
    isJson: json,
    paint,
    result(data, text) {
      printed = true;
      stdout.write(json ? jsonLine({ data }) : text === '' ? '' : `${text}\n`);
    },
    line: (data, text) => stdout.write(json ? jsonLine(data) : `${text}\n`),
    note: (text) => stderr.write(`${isPainted ? text : stripVTControlCharacters(text)}\n`),
    error({ code, message, hint }) {
      // A result that says what is wrong is the one object; its status says that something is.
      if (json && !printed) stdout.write(jsonLine({ error: { code, message, hint } }));
      else stderr.write(`${plain(message)}\n${hint === undefined ? '' : `${plain(hint)}\n`}`);
    },
  };
}

/** Who says no wins; who asks for colours gets them also in a pipe, such as to `less -R`. */
function wantsColours(isTerminal: boolean, { NO_COLOR, FORCE_COLOR, TERM }: NodeJS.ProcessEnv): boolean {
  if (NO_COLOR || FORCE_COLOR === '0' || FORCE_COLOR === 'false') return false;
  return Boolean(FORCE_COLOR) || (isTerminal && TERM !== 'dumb');
}

/** What is left of control characters, and marks that make text read in another order than it is stored. */
const CONTROLS = /(?![\n\t])[\p{Cc}\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]/gu;

/** Text that others wrote, safe for a terminal: only line ends and tabs are left of what controls it. */
export const plain = (text: string): string =>
  stripVTControlCharacters(text.replace(/\r\n?/g, '\n')).replace(CONTROLS, '');

/** Programs read the same text, and a terminal that shows it sees nothing but letters. */
export const jsonLine = (value: unknown): string =>
  `${JSON.stringify(value).replace(CONTROLS, (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, '0')}`)}\n`;

/** A margin for each line that has something on it. */
export const indent = (text: string, width: number): string => text.replace(/^(?=.)/gm, ' '.repeat(width));

/** Rows as columns that line up; the last column is as long as it is. Cells may hold what others wrote. */
export function table(lines: readonly (readonly string[])[]): string {
  const rows = lines.map((row) => row.map((cell) => plain(cell).replace(/\s+/g, ' ')));
  const widths = rows.reduce<number[]>((all, row) => row.map((cell, i) => Math.max(all[i] ?? 0, cell.length)), []);
  return rows
    .map((row) =>
      row
        .map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** `14:05`, or with the day if it is not today; local time. */
export function clockTime(iso: string, now = new Date()): string {
  const at = new Date(iso);
  const two = (value: number) => String(value).padStart(2, '0');
  const time = `${two(at.getHours())}:${two(at.getMinutes())}`;
  if (at.toDateString() === now.toDateString()) return time;
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${time}`;
}
