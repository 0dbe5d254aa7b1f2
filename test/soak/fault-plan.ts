/** Which fault comes, and what is under way when it does: every decision comes from the number of the fault. */
import fc from 'fast-check';

export const AGENTS = ['ada', 'bob', 'cem'] as const;
export type AgentName = (typeof AGENTS)[number];

export const FAULTS = [
  'kill launcher',
  'kill agent',
  'kill server',
  'kill child',
  'kill tool',
  'kill launcher and guard',
  'kill launcher in its boot',
  'suspend launcher',
  'suspend agent',
  'suspend server',
  'cut socket',
  'full disk',
  'delete workspace',
  'delete branch',
  'Ctrl+C twice',
  'closed terminal',
] as const;
export type FaultKind = (typeof FAULTS)[number];

/** A message that asks an agent to do something. */
export interface Work {
  /** After the one before. */
  readonly pauseMs: number;
  readonly agent: AgentName;
  readonly ms: number;
  readonly how: 'tool' | 'wait';
}

export interface FaultPlan {
  readonly kind: FaultKind;
  readonly whose: AgentName;
  /** From the first message on. */
  readonly afterMs: number;
  /** How long what passes lasts. */
  readonly forMs: number;
  /** The launcher is killed, too, before anybody mends anything. */
  readonly alsoKilled: boolean;
  readonly works: readonly Work[];
}

const ms = (min: number, max: number) => fc.integer({ min, max });
const work: fc.Arbitrary<Work> = fc.record({
  pauseMs: ms(0, 150),
  agent: fc.constantFrom(...AGENTS),
  ms: fc.oneof(ms(0, 100), ms(200, 1_500)),
  how: fc.constantFrom('tool', 'wait'),
});
const details = fc.record({
  whose: fc.constantFrom(...AGENTS),
  afterMs: ms(0, 1_200),
  forMs: ms(0, 2_500),
  alsoKilled: fc.integer({ min: 0, max: 3 }).map((draw) => draw === 0),
  works: fc.array(work, { minLength: 1, maxLength: 6, size: 'max' }),
});

/** Any sixteen numbers in a row have every kind once. */
export function faultOf(number: number): FaultPlan {
  const [plan] = fc.sample(details, { seed: number, numRuns: 1 });
  if (plan === undefined) throw new Error('fast-check made no plan');
  const kind = FAULTS[(number - 1) % FAULTS.length] ?? 'kill launcher';
  // There must be a tool to kill, and an agent at work.
  const first: Work = { pauseMs: 0, agent: plan.whose, ms: 1_000, how: 'tool' };
  return { ...plan, kind, works: [first, ...plan.works] };
}
