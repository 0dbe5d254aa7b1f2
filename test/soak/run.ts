/**
 * `npm run soak [-- --seeds N] [--first K] [--times T]`: runs of documents in step, N seeds from K on, T times each. All
 * that a run decides comes from its seed, and a seed that failed is printed with the command that repeats it; when
 * things happen is up to the machine, so to fail again it may need some times.
 */
import { parseArgs } from 'node:util';
import { commandFor, soak } from './soak.ts';
import { openWorld, type World } from './world.ts';

/** A world is dear to start; in one that is long in use everything is slow to look at. */
const SEEDS_PER_WORLD = 20;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '20' },
    first: { type: 'string', default: '1' },
    times: { type: 'string', default: '1' },
  },
});
const [count, first, times] = [values.seeds, values.first, values.times].map(Number) as [number, number, number];
const seeds = Array.from({ length: count * times }, (_, index) => first + (index % count));

const failed: number[] = [];
for (let from = 0; from < seeds.length; from += SEEDS_PER_WORLD) {
  await using world = await openWorld();
  for (const seed of seeds.slice(from, from + SEEDS_PER_WORLD)) await runSeed(world, seed);
}
console.log(`${seeds.length - failed.length} of ${seeds.length} runs passed`);
process.exitCode = failed.length > 0 ? 1 : 0;

async function runSeed(world: World, seed: number): Promise<void> {
  const start = performance.now();
  const { wrong, saves, asides, restMs } = await soak(world, seed);
  const took = [performance.now() - start, restMs].map((ms) => `${(ms / 1000).toFixed(1)} s`);
  console.log(`seed ${seed}: ${saves} saves, ${asides} kept aside, ${took[0]}, to rest ${took[1]}`);
  if (wrong.length === 0) return;
  failed.push(seed);
  console.log(`${wrong.join('\n')}\nAgain: ${commandFor(seed)}`);
}
