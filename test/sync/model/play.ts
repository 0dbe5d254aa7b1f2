/** One run from beginning to rest. */
import { pass, withClock } from './clock.ts';
import { complaintsAtRest } from './rest.ts';
import type { Schedule } from './schedule.ts';
import { World } from './world.ts';

/** @returns what is wrong when all has come to rest, as sentences */
export function play(schedule: Schedule): Promise<string[]> {
  return withClock(async () => {
    const world = new World(schedule);
    await world.begin();
    for (const step of schedule.steps) await world.run(step);
    await pass(100);
    return complaintsAtRest(world);
  });
}
