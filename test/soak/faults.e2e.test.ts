/** Random faults while agents work: afterwards nothing runs that nobody knows, and each message has one answer. */
import { afterAll, describe, expect, test } from 'vitest';
import { commandForFault, runFault } from './fault.ts';
import { faultOf } from './fault-plan.ts';
import { type FaultWorld, openFaultWorld } from './fault-world.ts';

const NUMBERS = Array.from({ length: 20 }, (_, index) => index + 1);

describe('no orphan, no stuck status, no message lost or answered twice', () => {
  let world: FaultWorld | undefined;
  const close = async () => {
    await world?.[Symbol.asyncDispose]();
    world = undefined;
  };
  afterAll(close);
  test.for(NUMBERS.map((number) => [number, faultOf(number).kind] as const))(
    'after fault %i: %s',
    async ([number], { skip }) => {
      world ??= await openFaultWorld();
      const { wrong, told, isSkipped } = await runFault(world, number);
      if (isSkipped) skip(told);
      // What is wrong stays wrong: the next one gets a fresh world.
      if (wrong.length > 0) await close();
      expect(wrong, `Again: ${commandForFault(number)}`).toEqual([]);
    },
  );
});
