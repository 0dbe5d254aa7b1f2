/** `aachat logs`: what `aachat up` wrote down on this machine, with its Launch Report. Read from the file. */
import { z } from 'zod';
import { readIfExists } from '#base/fs.ts';
import { parseJson } from '#base/json.ts';
import { openTail } from '#base/tail.ts';
import type { CommandContext } from '#cli/context.ts';
import { follow } from '#cli/follow.ts';
import { clockTime, plain } from '#cli/output.ts';

const LogLine = z.looseObject({ level: z.string(), at: z.string(), event: z.string() });
type LogLine = z.infer<typeof LogLine>;

/** `aachat logs [--limit <count>] [--follow]` */
export async function logs(
  context: CommandContext,
  args: { readonly limit: number; readonly follow: boolean },
): Promise<void> {
  const { home, output, signal } = context;
  const tail = openTail(home.upLog);
  try {
    let lines = parseLines(await tail.next());
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
    await follow(
      lines,
      async () => parseLines(await tail.next()),
      (line) => output.line(line, show(context, line)),
      signal,
    );
  } finally {
    await tail.close();
  }
}

/** A line that a crash tore is left out. */
function parseLines(text: string): readonly LogLine[] {
  return text.split('\n').flatMap((line) => LogLine.safeParse(parseJson(line)).data ?? []);
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
