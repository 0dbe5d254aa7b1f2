/** `npm run soak -- --faults N [--first K]`: N random faults from number K on, a line for each, a table by kind. */
import { commandForFault, type FaultReport, runFault } from './fault.ts';
import { openFaultWorld } from './fault-world.ts';

const RUNS_PER_WORLD = 20;

/** @returns the numbers of those that something did not survive */
export async function soakFaults(
  first: number,
  count: number,
  say: (text: string) => void,
): Promise<readonly number[]> {
  const reports: FaultReport[] = [];
  const failed: number[] = [];
  for (let number = first; number < first + count; ) {
    await using world = await openFaultWorld();
    const end = Math.min(number + RUNS_PER_WORLD, first + count);
    while (number < end) {
      const report = await runFault(world, number);
      reports.push(report);
      const { kind, told, wrong, messages, healMs, isSkipped } = report;
      const result = isSkipped ? 'skipped' : `${messages} messages, well after ${seconds(healMs)}`;
      say(`${number}: ${[kind, told.trim()].join(' ').trim()}: ${result}`);
      number += 1;
      if (wrong.length === 0) continue;
      failed.push(number - 1);
      say(`${wrong.join('\n')}\nAgain: ${commandForFault(number - 1)}`);
      // What is wrong stays wrong: the next one gets a fresh world.
      break;
    }
  }
  say(table(reports));
  return failed;
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

function table(reports: readonly FaultReport[]): string {
  const rows = [...new Set(reports.map(({ kind }) => kind))].sort().map((kind) => {
    const own = reports.filter((report) => report.kind === kind && !report.isSkipped);
    const times = own.map(({ healMs }) => healMs).sort((a, b) => a - b);
    const survived = own.filter(({ wrong }) => wrong.length === 0).length;
    const median = times[Math.floor(times.length / 2)] ?? 0;
    return `| ${kind} | ${own.length} | ${survived} | ${seconds(median)} | ${seconds(times.at(-1) ?? 0)} |`;
  });
  return ['| fault | tried | survived | well after, median | longest |', '|---|---|---|---|---|', ...rows].join('\n');
}
