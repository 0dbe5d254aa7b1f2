/** Between mirrors and the server: answers come late, in another order, twice or never, and news too. */
import { AachatError } from '#base/errors.ts';
import type { RemoteChange, Replica } from '#sync/replica.ts';
import type { MemoryServer } from '../../support/memory-replica.ts';
import { cycle, wait } from './clock.ts';

/** What becomes of one question to the server. */
export interface Fate {
  readonly outMs: number;
  readonly backMs: number;
  readonly lost?: 'question' | 'answer';
  /** Arrives once more, so much later. */
  readonly againMs?: number;
}

/** Whoever asks; the dead ask nothing and hear nothing. */
export interface Asker {
  isDead: boolean;
}

export interface Pushed {
  readonly path: string;
  readonly text: string | null;
}

const never = <T>(): Promise<T> => new Promise(() => {});
const noAnswer = () => new AachatError('SERVER_UNREACHABLE', 'No answer.');

export class Network {
  readonly server: MemoryServer;
  /** Everything that mirrors handed in, as often as they did. */
  readonly pushed: Pushed[] = [];
  /** From now on nothing is late or lost. */
  isCalm: boolean = false;
  readonly #fate: () => Fate;
  readonly #newsMs: () => number;

  constructor(server: MemoryServer, fates: readonly Fate[], newsMs: readonly number[]) {
    this.server = server;
    this.#fate = cycle(fates, { outMs: 0, backMs: 0 });
    this.#newsMs = cycle(newsMs, 0);
  }

  replica(who: string, asker: Asker): Replica {
    const { list, read, push, settle } = this.server.replica(who);
    return {
      list: () => this.#ask(asker, list),
      read: (...args) => this.#ask(asker, () => read(...args)),
      push: (submission) => {
        const { path, bytes } = submission;
        if (!asker.isDead) this.pushed.push({ path, text: bytes && Buffer.from(bytes).toString() });
        return this.#ask(asker, () => push(submission));
      },
      settle: (settlement) => this.#ask(asker, () => settle(settlement)),
    };
  }

  async #ask<T>(asker: Asker, work: () => Promise<T>): Promise<T> {
    if (asker.isDead) return never();
    const { outMs, backMs, lost, againMs }: Fate = this.isCalm ? { outMs: 1, backMs: 1 } : this.#fate();
    // What is on its way arrives, also when whoever sent it is gone.
    await wait(outMs);
    if (lost === 'question') await wait(backMs);
    const answer = lost === 'question' ? Promise.reject(noAnswer()) : work();
    await answer.catch(() => {});
    if (againMs !== undefined && lost !== 'question') setTimeout(() => void work().catch(() => {}), againMs);
    if (lost !== 'question') await wait(backMs);
    if (asker.isDead) return never();
    return lost === 'answer' ? Promise.reject(noAnswer()) : answer;
  }

  /** What a connection did not bring is lost with it. @returns stops it */
  subscribe(asker: Asker, connection: () => number | undefined, hear: (change: RemoteChange) => void): () => void {
    return this.server.subscribe((change) => {
      const own = connection();
      if (own === undefined) return;
      const ms = this.isCalm ? 0 : this.#newsMs();
      const tell = () => asker.isDead || connection() !== own || hear(change);
      // News that comes twice is late the second time.
      if (ms % 2 === 1) setTimeout(tell, ms * 3);
      if (ms === 0) tell();
      else setTimeout(tell, ms);
    });
  }
}
