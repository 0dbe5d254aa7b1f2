/** How a transaction runs; each engine has its own way (`group-commit.ts`, `pipeline.ts`). */
import type { CompiledQuery } from 'kysely';
import type { Queries } from './schema.ts';

export interface Work<T> {
  readonly result: T;
  /** Statements that nobody asks anything after: they may travel together with the commit. */
  readonly last: readonly CompiledQuery[];
}

/** Runs `work` and what it leaves to be written, and commits; or throws and leaves no trace. */
export type Transact = <T>(work: (q: Queries) => Promise<Work<T>>) => Promise<T>;
