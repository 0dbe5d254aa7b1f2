/** What a run of documents in step does, and when: every decision comes from its seed. */
import fc from 'fast-check';

/** Whoever saves: the folders of a person, of her connected repo, of her agent, of somebody else; and HTTP. */
export const WRITERS = ['mia', 'repo', 'ada', 'bo', 'http'] as const;
export type Writer = (typeof WRITERS)[number];
/** Whoever runs an `up`. */
export const PEOPLE = ['mia', 'bo'] as const;
export type Person = (typeof PEOPLE)[number];

export const DOCUMENTS = ['one', 'two', 'new'] as const;
export type DocumentName = (typeof DOCUMENTS)[number];

const WAYS = ['in place', 'slowly', 'rename', 'append', 'sed', 'cp -p', 'recreate'] as const;

export interface Save {
  /** Before it. */
  readonly pauseMs: number;
  readonly document: DocumentName;
  /** `settle` saves over a text that was kept aside; where there is none it does nothing. */
  readonly way: (typeof WAYS)[number] | 'delete' | 'settle';
  /** A new line, or another word in a line that is there. By `append` and `sed` always a line. */
  readonly edit: 'line' | 'word';
  /** Per cent of the way down the text. */
  readonly at: number;
}

export interface Trouble {
  readonly pauseMs: number;
  readonly what: 'kill up' | 'stop up' | 'kill server' | 'cut' | 'slow';
  /** Whose `up`, or whose connection. */
  readonly whose: Person;
  /** Until it is over. */
  readonly forMs: number;
}

/** All writers and the troubles at the same time; after it everything comes to rest. */
export interface Round {
  readonly saves: Readonly<Record<Writer, readonly Save[]>>;
  readonly troubles: readonly Trouble[];
}

const ms = (max: number) => fc.integer({ min: 0, max });

const save: fc.Arbitrary<Save> = fc.record({
  pauseMs: fc.oneof(ms(20), ms(200)),
  document: fc.constantFrom(...DOCUMENTS),
  way: fc.oneof(
    { weight: 10, arbitrary: fc.constantFrom(...WAYS) },
    { weight: 1, arbitrary: fc.constantFrom('delete' as const, 'settle' as const) },
  ),
  edit: fc.constantFrom('line', 'line', 'word'),
  at: fc.integer({ min: 0, max: 99 }),
});

const trouble: fc.Arbitrary<Trouble> = fc.record({
  pauseMs: ms(500),
  what: fc.constantFrom('kill up', 'kill up', 'stop up', 'kill server', 'cut', 'slow'),
  whose: fc.constantFrom(...PEOPLE),
  forMs: ms(400),
});

const many = <T>(arbitrary: fc.Arbitrary<T>, minLength: number, maxLength: number) =>
  fc.array(arbitrary, { minLength, maxLength, size: 'max' });

const saves = many(save, 3, 10);
const round: fc.Arbitrary<Round> = fc.record({
  saves: fc.record({ mia: saves, repo: saves, ada: saves, bo: saves, http: many(save, 0, 5) }),
  troubles: many(trouble, 1, 3),
});

export function planOf(seed: number): readonly Round[] {
  const [plan] = fc.sample(many(round, 1, 2), { seed, numRuns: 1 });
  if (plan === undefined) throw new Error('fast-check made no plan');
  return plan;
}
