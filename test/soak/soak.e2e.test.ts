/** Random writers in every place, kills, bad connections: afterwards all places agree, and nothing was lost. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { commandFor, soak } from './soak.ts';
import { openWorld, type World } from './world.ts';

const SEEDS = Array.from({ length: 20 }, (_, index) => index + 1);

describe('S1, S4, S7, S25: documents in step, whatever happens', () => {
  let world: World;
  beforeAll(async () => {
    world = await openWorld();
  });
  afterAll(async () => {
    await world[Symbol.asyncDispose]();
  });
  test.for(SEEDS)('seed %i', async (seed) => {
    const { wrong } = await soak(world, seed);
    expect(wrong, `Again: ${commandFor(seed)}`).toEqual([]);
  });
});
