/** What happens in one run, as plain data: generated, shrunk, and kept where it found something. */
import fc from 'fast-check';
import type { Fate } from './network.ts';
import { EDITS, type Edit, WAYS, type Way } from './people.ts';
import type { Hints, Moment } from './place.ts';

export interface Schedule {
  /** How many mirrors. */
  readonly places: number;
  /** Of questions to the server, one after another and round again. */
  readonly fates: readonly Fate[];
  /** How late news of the server is; an odd number comes twice. */
  readonly newsMs: readonly number[];
  /** How late hints are, while they are. */
  readonly lateMs: readonly number[];
  readonly steps: readonly Step[];
}

interface At {
  readonly place: number;
  /** Left out: now. Otherwise before a call that the mirror there makes to its disk. */
  readonly at?: Moment | undefined;
}

export type Step =
  | ({
      readonly do: 'save';
      readonly document: number;
      readonly way: Way;
      readonly edit: Edit;
      /** Between the parts of the save. */
      readonly pausesMs: readonly number[];
    } & At)
  | ({ readonly do: 'delete' | 'touch'; readonly document: number } & At)
  /** Saves over the file of a conflict, or deletes it. */
  | ({ readonly do: 'settle'; readonly how: 'save' | 'delete' } & At)
  | { readonly do: 'save on server'; readonly document: number; readonly edit: Edit }
  | { readonly do: 'delete on server'; readonly document: number }
  /** Ends a mirror, and starts another one after a while. */
  | ({ readonly do: 'kill'; readonly ms: number } & At)
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'away'; readonly how: 'isReachable' | 'losesAnswers'; readonly ms: number }
  /** Hears no news for a while, and then asks for everything. */
  | { readonly do: 'deaf'; readonly place: number; readonly ms: number }
  | { readonly do: 'hints'; readonly place: number; readonly how: Hints }
  | { readonly do: 'full'; readonly place: number; readonly ms: number }
  | { readonly do: 'lock'; readonly place: number; readonly mode: number; readonly ms: number }
  | { readonly do: 'link'; readonly place: number; readonly ms: number }
  | { readonly do: 'clock'; readonly days: number }
  | {
      readonly do: 'lose';
      readonly place: number;
      readonly what: 'documents' | 'marker' | 'root';
      readonly resume: 'restore' | 'delete';
      readonly ms: number;
    };

const place = fc.nat({ max: 2 });
const document = fc.nat({ max: 2 });
const edit: fc.Arbitrary<Edit> = fc.record({ how: fc.constantFrom(...EDITS), at: fc.nat({ max: 6 }) });
/** Long enough for the moments at which something is believed. */
const short = fc.constantFrom(0, 0, 1, 5, 12, 24, 29, 35, 120, 290, 320, 700, 990, 1_100);
const long = fc.constantFrom(5, 50, 400, 1_500, 4_000, 20_000, 70_000);
const moment: fc.Arbitrary<Moment | undefined> = fc.option(
  fc.oneof(
    fc.record({ nth: fc.integer({ min: 1, max: 60 }) }),
    fc.record({
      call: fc.constantFrom(
        'linkSync',
        'renameSync',
        'writeSync',
        'openSync',
        'unlinkSync',
        'exchange',
        'sync',
        'lstatSync',
      ),
      nth: fc.integer({ min: 1, max: 4 }),
    }),
  ),
  { nil: undefined, freq: 2 },
);
const is = <T extends string>(name: T) => fc.constant(name);

const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      do: is('save'),
      place,
      document,
      way: fc.constantFrom(...WAYS),
      edit,
      pausesMs: fc.array(short, { maxLength: 3 }),
      at: moment,
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: is('save on server'), document, edit }) },
  { weight: 10, arbitrary: fc.record({ do: is('pass'), ms: fc.oneof(short, fc.nat({ max: 60 }), long) }) },
  { weight: 3, arbitrary: fc.record({ do: is('kill'), place, ms: fc.oneof(short, long), at: moment }) },
  { weight: 2, arbitrary: fc.record({ do: is('delete'), place, document, at: moment }) },
  { weight: 1, arbitrary: fc.record({ do: is('touch'), place, document, at: moment }) },
  { weight: 1, arbitrary: fc.record({ do: is('delete on server'), document }) },
  { weight: 2, arbitrary: fc.record({ do: is('settle'), place, how: fc.constantFrom('save', 'delete'), at: moment }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: is('away'), how: fc.constantFrom('isReachable', 'losesAnswers'), ms: long }),
  },
  { weight: 1, arbitrary: fc.record({ do: is('deaf'), place, ms: long }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: is('hints'), place, how: fc.constantFrom('prompt', 'late', 'twice', 'missing') }),
  },
  { weight: 1, arbitrary: fc.record({ do: is('full'), place, ms: long }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: is('lock'), place, mode: fc.constantFrom(0o000, 0o000, 0o500, 0o300), ms: long }),
  },
  { weight: 1, arbitrary: fc.record({ do: is('link'), place, ms: long }) },
  { weight: 1, arbitrary: fc.record({ do: is('clock'), days: fc.constantFrom(-1, 1) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: is('lose'),
      place,
      what: fc.constantFrom('documents', 'marker', 'root'),
      resume: fc.constantFrom('restore', 'delete'),
      ms: long,
    }),
  },
);

const fate: fc.Arbitrary<Fate> = fc.record(
  {
    outMs: fc.constantFrom(0, 0, 1, 3, 20, 400),
    backMs: fc.constantFrom(0, 0, 1, 3, 20, 400),
    lost: fc.constantFrom('question', 'answer'),
    againMs: short,
  },
  { requiredKeys: ['outMs', 'backMs'] },
);
const plain: fc.Arbitrary<Fate> = fc.record({ outMs: fc.nat({ max: 9 }), backMs: fc.nat({ max: 9 }) });

export const schedules: fc.Arbitrary<Schedule> = fc.record({
  places: fc.integer({ min: 2, max: 3 }),
  fates: fc.array(fc.oneof({ weight: 4, arbitrary: plain }, { weight: 1, arbitrary: fate }), { maxLength: 8 }),
  newsMs: fc.array(short, { maxLength: 5 }),
  lateMs: fc.array(short, { minLength: 1, maxLength: 3 }),
  steps: fc.array(steps, { minLength: 1, maxLength: 25, size: 'max' }),
});
