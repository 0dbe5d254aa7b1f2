/** What every benchmark needs: medians, interleaving, and rows of one table. */
import { readFileSync } from 'node:fs';
import { isSystemError } from '#base/errors.ts';

export interface Row {
  readonly what: string;
  readonly measured: string;
  readonly floor: string;
  readonly ratio: string;
  readonly aim: string;
}

/** @param share of the values that lie below: 0.99 */
export const percentile = (values: readonly number[], share: number): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length * share)] ?? Number.NaN;
};
export const median = (values: readonly number[]): number => percentile(values, 0.5);

/** Runs the candidates in turn, `rounds` times, so that all of them meet the same machine. @returns median ms of each */
export async function interleave<Name extends string>(
  rounds: number,
  candidates: Readonly<Record<Name, () => Promise<unknown> | unknown>>,
): Promise<Record<Name, number>> {
  const names = Object.keys(candidates) as Name[];
  const times = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  for (let round = 0; round <= rounds; round += 1) {
    for (const name of names) {
      const start = performance.now();
      await candidates[name]();
      // The first round warms caches of the system and is not counted.
      if (round > 0) times[name].push(performance.now() - start);
    }
  }
  return Object.fromEntries(names.map((name) => [name, median(times[name])])) as Record<Name, number>;
}

export const ms = (value: number): string => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
export const percent = (share: number): string => `${Math.round(share * 100)} %`;
export const times = (value: number): string => `${value.toFixed(2)}×`;
export const plus = (value: number): string => `${value < 0 ? '−' : '+'}${ms(Math.abs(value))}`;

/** What a file has that others replace meanwhile; undefined: it is gone. */
export function readOrNothing(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch (thrown) {
    if (isSystemError(thrown, 'ENOENT')) return undefined;
    throw thrown;
  }
}

/** Processor time that a process has used, in ms. */
export function processorMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  // Linux counts these in hundredths of a second, whatever the kernel's clock.
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Resident memory of a process, in MB. */
export function residentMb(pid: number): number {
  const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(line) / 1024;
}

export function printTable(rows: readonly Row[]): void {
  const head: Row = { what: 'what', measured: 'measured', floor: 'floor', ratio: 'ratio', aim: 'aim' };
  const keys = Object.keys(head) as (keyof Row)[];
  const all = [head, ...rows];
  const widths = keys.map((key) => Math.max(...all.map((row) => row[key].length)));
  for (const [index, row] of all.entries()) {
    console.log(`| ${keys.map((key, column) => row[key].padEnd(widths[column] ?? 0)).join(' | ')} |`);
    if (index === 0) console.log(`|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`);
  }
}
