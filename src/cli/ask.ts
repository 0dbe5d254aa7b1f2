/** What a person is asked, or hands in by standard input. */
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AachatError } from '#base/errors.ts';
import type { CommandContext } from './context.ts';

/**
 * Returns when it may be done: `--yes` was given, or somebody at the terminal says so.
 *
 * @param why what makes it ask, as a sentence; programs get it as the error
 * @param question ends with `?`
 * @throws AachatError `CONFLICT` where nobody can be asked, `CANCELLED` for any answer but yes
 */
export async function confirm(
  context: Pick<CommandContext, 'stdin' | 'stderr' | 'output' | 'signal'>,
  ask: { readonly why: string; readonly question: string; readonly yes: boolean },
): Promise<void> {
  if (ask.yes) return;
  if (!canAsk(context)) {
    throw new AachatError('CONFLICT', ask.why, { hint: 'Add --yes if you mean it: here is nobody to ask.' });
  }
  if (!(await saysYes(context, `${ask.why}\n${ask.question}`))) throw new AachatError('CANCELLED', 'Nothing was done.');
}

/** Whether somebody sits there who can answer. */
export const canAsk = ({ stdin, output }: Pick<CommandContext, 'stdin' | 'output'>): boolean =>
  stdin.isTTY === true && !output.isJson;

/** Anything but yes is no. @throws AachatError `CANCELLED` when `signal` aborts */
export const saysYes = async (
  context: Pick<CommandContext, 'stdin' | 'stderr' | 'signal'>,
  question: string,
): Promise<boolean> => /^y(es)?$/i.test(await readAnswer(context, `${question} [y/N] `));

/**
 * One line from the terminal, without the spaces around it; empty when the input ends.
 *
 * @throws AachatError `CANCELLED` when `signal` aborts
 */
export async function readAnswer(
  { stdin, stderr, signal }: Pick<CommandContext, 'stdin' | 'stderr' | 'signal'>,
  question: string,
): Promise<string> {
  stderr.write(question);
  // The terminal stays as it is, so that Ctrl+C reaches `signal`.
  const lines = createInterface({ input: stdin, terminal: false, signal });
  try {
    for await (const line of lines) return line.trim();
    signal.throwIfAborted();
    return '';
  } finally {
    lines.close();
  }
}

/**
 * The text of standard input.
 *
 * @param tooLong what is thrown past `limitBytes`: what follows may never end
 * @throws AachatError `VALIDATION_ERROR` if it is no text
 */
export async function readInput(
  { stdin, signal }: Pick<CommandContext, 'stdin' | 'signal'>,
  limitBytes: number,
  tooLong: () => AachatError,
): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  await pipeline(
    stdin,
    async (source: AsyncIterable<string | Buffer>) => {
      for await (const chunk of source) {
        chunks.push(Buffer.from(chunk as Buffer));
        size += chunk.length;
        if (size > limitBytes) throw tooLong();
      }
    },
    { signal },
  );
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch (cause) {
    throw new AachatError('VALIDATION_ERROR', 'Standard input is no text in UTF-8.', {
      hint: 'Nothing was done with it.',
      cause,
    });
  }
}

/** The environment of a process takes no longer text. */
const SECRET_BYTES = 100_000;

/**
 * A text that must not stay in the history of the shell: typed unseen at a terminal, else read from standard input.
 *
 * @throws AachatError `CANCELLED` if it was left, `VALIDATION_ERROR` if standard input has no text
 */
export async function readSecret(context: CommandContext, question: string): Promise<string> {
  const { stdin, stderr, signal, interrupt } = context;
  if (stdin.isTTY !== true) {
    const tooLong = () => new AachatError('VALIDATION_ERROR', `A value has at most ${SECRET_BYTES} bytes.`);
    return (await readInput(context, SECRET_BYTES, tooLong)).replace(/\r?\n$/, '');
  }
  stderr.write(question);
  const unseen = new Writable({ write: (_, __, done) => done() });
  const lines = createInterface({ input: stdin, output: unseen, terminal: true, historySize: 0, signal });
  // In this mode the terminal hands Ctrl+C over as a letter.
  lines.on('SIGINT', () => {
    interrupt();
    lines.close();
  });
  const { value, done } = await lines[Symbol.asyncIterator]().next();
  lines.close();
  stderr.write('\n');
  if (done === true) throw new AachatError('CANCELLED', 'Nothing was set.');
  return value;
}
