/** `aachat logs`: what `aachat up` wrote down on this machine, with its Launch Report. Read from the file. */
import { type FileHandle, open, stat } from 'node:fs/promises';
import { z } from 'zod';
import { isSystemError } from '#base/errors.ts';
import { readIfExists } from '#base/fs.ts';
import { sleep } from '#base/time.ts';
import type { CommandContext } from '#cli/context.ts';
import { clockTime, plain } from '#cli/output.ts';

const LogLine = z.looseObject({ level: z.string(), at: z.string(), event: z.string() });
type LogLine = z.infer<typeof LogLine>;

/** A file cannot say that it grew; looking costs microseconds. */
const LOOK_MS = 200;
const CHUNK_BYTES = 64 * 1024;

/** `aachat logs [--limit <count>] [--follow]` */
export async function logs(
  context: CommandContext,
  args: { readonly limit: number; readonly follow: boolean },
): Promise<void> {
  const { home, output, signal } = context;
  const reader = await openReader(home.upLog);
  try {
    let lines = await reader.next();
    if (lines.length < args.limit) {
      // The part before, from when the file grew too long.
      lines = [...parseLines((await readIfExists(`${home.upLog}.1`)) ?? ''), ...lines];
    }
    lines = lines.slice(-args.limit);
    if (!args.follow) {
      const text = lines.map((line) => show(context, line)).join('\n');
      output.result({ lines }, text || 'Nothing yet: `aachat up` has not run here.');
      return;
    }
    while (!signal.aborted) {
      for (const line of lines) output.line(line, show(context, line));
      await sleep(LOOK_MS, signal).catch(() => {});
      lines = await reader.next();
    }
  } finally {
    await reader.close();
  }
}

interface Reader {
  /** Whole lines that came since the last call. */
  next(): Promise<readonly LogLine[]>;
  close(): Promise<void>;
}

/** Reads on where a file ends, also after it was moved away and begun anew; one that is missing may still come. */
async function openReader(path: string): Promise<Reader> {
  let file: FileHandle | undefined;
  let rest = Buffer.alloc(0);

  async function readOn(handle: FileHandle): Promise<string> {
    const parts = [rest];
    for (;;) {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES);
      if (bytesRead === 0) break;
      parts.push(buffer.subarray(0, bytesRead));
    }
    const all = Buffer.concat(parts);
    const end = all.lastIndexOf(0x0a) + 1;
    rest = all.subarray(end);
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
        rest = Buffer.alloc(0);
      }
      file ??= await openIfExists(path);
      return parseLines(file === undefined ? text : text + (await readOn(file)));
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

/** A line that a crash tore is left out. */
function parseLines(text: string): readonly LogLine[] {
  return text.split('\n').flatMap((line) => {
    try {
      const parsed = LogLine.safeParse(JSON.parse(line));
      return parsed.success ? [parsed.data] : [];
    } catch {
      return [];
    }
  });
}

function show({ output }: CommandContext, { at, level, event, report, ...fields }: LogLine): string {
  const { dim, red, yellow } = output.paint;
  const paint = level === 'error' ? red : level === 'warn' ? yellow : (text: string) => text;
  const facts = Object.entries(fields).map(([name, value]) => `${name}=${asText(value)}`);
  const first = [dim(clockTime(at)), paint(event), ...facts.map(plain)].join('  ');
  return [first, ...(Array.isArray(report) ? report.flatMap(reportLines) : [])].join('\n');
}

const asText = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

const ReportEntry = z.object({
  agent: z.string(),
  team: z.string(),
  phase: z.string(),
  workspace: z.string(),
  warnings: z.array(z.string()),
  environment: z.object({ missing: z.array(z.string()) }),
  problem: z.object({ message: z.string() }).nullable(),
  kept: z.array(z.string()),
});

/** An entry of the Launch Report: what came up, what is missing and why. */
function reportLines(value: unknown): readonly string[] {
  const parsed = ReportEntry.safeParse(value);
  if (!parsed.success) return [];
  const { agent, team, phase, workspace, warnings, environment, problem, kept } = parsed.data;
  const missing = environment.missing.length === 0 ? [] : [`no value for ${environment.missing.join(', ')}`];
  const notes = [...(problem === null ? [] : [problem.message]), ...missing, ...warnings, ...kept];
  return [`  ${agent} in ${team}: ${phase}  ${workspace}`, ...notes.map((note) => `    ${note}`)].map(plain);
}
