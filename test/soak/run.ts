/**
 * `npm run soak [-- --seeds N] [--first K] [--times T]`: runs of documents in step, N seeds from K on, T times each. All
 * that a run decides comes from its seed, and a seed that failed is printed with the command that repeats it; when
 * things happen is up to the machine, so to fail again it may need some times.
 *
 * `npm run soak -- --faults N [--first K]`: N faults from number K on.
 *
 * `npm run soak -- --cycles N`: N times up and down.
 */
import { parseArgs } from 'node:util';
import { runCycles } from './cycles.ts';
import { soakFaults } from './faults.ts';
import { commandFor, soak } from './soak.ts';
import { openWorld, type World } from './world.ts';

/** A world is dear to start; in one that is long in use everything is slow to look at. */
const RUNS_PER_WORLD = 20;
/** To rest: nothing is wrong, but somebody may want to know. */
const LONG_MS = 10_000;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '20' },
    faults: { type: 'string' },
    cycles: { type: 'string' },
    first: { type: 'string', default: '1' },
    times: { type: 'string', default: '1' },
  },
});
const [count, first, times] = [values.seeds, values.first, values.times].map(Number) as [number, number, number];
if (values.faults !== undefined) {
  const failed = await soakFaults(first, Number(values.faults), (text) => console.log(text));
  process.exit(failed.length > 0 ? 1 : 0);
}
if (values.cycles !== undefined) {
  await runCycles(Number(values.cycles), (sample, cycle) => console.log(`${cycle}: ${JSON.stringify(sample)}`));
  process.exit();
}
const runs = Array.from(
  { length: count * times },
  (_, index) => [first + (index % count), 1 + Math.floor(index / count)] as const,
);

const failed: number[] = [];
for (let from = 0; from < runs.length; from += RUNS_PER_WORLD) {
  await using world = await openWorld();
  for (const [seed, nth] of runs.slice(from, from + RUNS_PER_WORLD)) await runSeed(world, seed, nth);
}
console.log(`${runs.length - failed.length} of ${runs.length} runs passed`);
process.exitCode = failed.length > 0 ? 1 : 0;

async function runSeed(world: World, seed: number, nth: number): Promise<void> {
  const start = performance.now();
  const { wrong, saves, asides, restMs, waitedFor } = await soak(world, seed, nth);
  const took = [performance.now() - start, restMs].map((ms) => `${(ms / 1000).toFixed(1)} s`);
  console.log(`seed ${seed}: ${saves} saves, ${asides} kept aside, ${took[0]}, to rest ${took[1]}`);
  if (restMs > LONG_MS) console.log(`It waited for this:\n${waitedFor.join('\n')}`);
  if (wrong.length === 0) return;
  failed.push(seed);
  console.log(`${wrong.join('\n')}\nAgain: ${commandFor(seed)}`);
}
