/**
 * A server of documents in memory that decides with the real rules (`server/documents-decision.ts`). It passes
 * `test/sync/replica-suite.ts`, as the real one does.
 */
import { createHash } from 'node:crypto';
import { AachatError } from '#base/errors.ts';
import { conflictWho } from '#contract/paths.ts';
import { decidePush, takeIn } from '#server/documents-decision.ts';
import type {
  Accepted,
  Listing,
  RemoteChange,
  RemoteConflict,
  RemoteDocument,
  Replica,
  Settlement,
  Submission,
} from '#sync/replica.ts';

interface KeptAside {
  readonly conflict: RemoteConflict;
  readonly base: string | undefined;
  readonly submitted: string;
  readonly before: string | undefined;
  readonly after: string | undefined;
  isSettled: boolean;
}

interface Held {
  version: number;
  digest: string | null;
  last: { readonly digest: string; readonly text: string } | undefined;
  readonly texts: Map<string, string>;
  readonly conflicts: KeptAside[];
}

export interface Rights {
  readonly mayRead?: (path: string) => boolean;
  readonly mayWrite?: (path: string) => boolean;
}

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export class MemoryServer {
  /** While false, nobody gets an answer. */
  isReachable: boolean = true;
  /** While true, everything is done but the answer gets lost. */
  losesAnswers: boolean = false;
  /** Versions made so far. */
  versions = 0;
  readonly #documents = new Map<string, Held>();
  readonly #answers = new Map<string, Accepted | null>();
  readonly #listeners = new Map<(change: RemoteChange) => void, Rights>();

  /** Hears every change of what `rights` may read. @returns stops it */
  subscribe(listener: (change: RemoteChange) => void, rights: Rights = {}): () => void {
    this.#listeners.set(listener, rights);
    return () => this.#listeners.delete(listener);
  }

  text(path: string): string | undefined {
    const held = this.#documents.get(path);
    return held?.digest == null ? undefined : held.texts.get(held.digest);
  }

  /** Living documents, path → text. */
  all(): Map<string, string> {
    const found = new Map<string, string>();
    for (const path of this.#documents.keys()) {
      const text = this.text(path);
      if (text !== undefined) found.set(path, text);
    }
    return found;
  }

  /** Every text that a document ever had or was handed in for it. */
  history(path: string): string[] {
    return [...(this.#documents.get(path)?.texts.values() ?? [])];
  }

  openConflicts(path: string): string[] {
    const held = this.#documents.get(path);
    return (held?.conflicts ?? []).filter(({ isSettled }) => !isSettled).map(({ submitted }) => submitted);
  }

  replica(who: string, { mayRead = () => true, mayWrite = () => true }: Rights = {}): Replica {
    const allowed = (path: string) => {
      if (!mayRead(path)) throw new AachatError('NOT_FOUND', `There is no ${path}.`);
      if (!mayWrite(path)) throw new AachatError('FORBIDDEN', `You may not write ${path}.`);
    };
    return {
      list: () => this.#answer(() => this.#list(mayRead)),
      read: (path, digest) =>
        this.#answer(() => {
          const text = mayRead(path) ? this.#documents.get(path)?.texts.get(digest) : undefined;
          if (text === undefined) throw new AachatError('NOT_FOUND', `${path} never had that text.`);
          return new TextEncoder().encode(text);
        }),
      push: (submission) =>
        this.#answer(() => {
          allowed(submission.path);
          const before = this.#answers.get(submission.opId);
          if (before) return before;
          const accepted = this.#push(who, submission);
          this.#answers.set(submission.opId, accepted);
          return accepted;
        }),
      settle: (settlement) =>
        this.#answer(() => {
          allowed(settlement.path);
          if (this.#answers.has(settlement.opId)) return;
          this.#settle(settlement);
          this.#answers.set(settlement.opId, null);
        }),
    };
  }

  async #answer<T>(work: () => T): Promise<T> {
    const unreachable = () => new AachatError('SERVER_UNREACHABLE', 'No answer.');
    await Promise.resolve();
    if (!this.isReachable) throw unreachable();
    const result = work();
    if (this.losesAnswers) throw unreachable();
    return result;
  }

  #list(mayRead: (path: string) => boolean): Listing {
    const readable = [...this.#documents].filter(([path]) => mayRead(path));
    return {
      documents: readable.map(([path, held]) => documentOf(path, held)),
      conflicts: readable.flatMap(([, { conflicts }]) =>
        conflicts.filter(({ isSettled }) => !isSettled).map(({ conflict }) => conflict),
      ),
    };
  }

  #push(who: string, { path, baseDigest, bytes }: Submission): Accepted {
    const text = bytes === null ? null : utf8.decode(bytes);
    const held = this.#documents.get(path) ?? newDocument();
    if (text === null && held.version === 0)
      throw new AachatError('VALIDATION_ERROR', `There is no ${path} to delete.`);
    if (text !== null && held.digest === null) this.#refuseTwin(path);
    const submitted = text === null ? null : { text, digest: digestOf(text) };
    const decision = decidePush(held, {
      base: baseDigest === null ? null : { digest: baseDigest, text: held.texts.get(baseDigest) },
      text: submitted,
      known: submitted !== null && held.texts.has(submitted.digest),
    });
    const { outcome } = decision;
    if (outcome === 'unchanged' || outcome === 'kept') return { document: documentOf(path, held), outcome };
    this.#documents.set(path, held);
    const before = held.last?.text;
    const open = held.conflicts.find((one) => !one.isSettled && one.conflict.digest === submitted?.digest);
    if (outcome === 'overlap' && open !== undefined) {
      return { document: documentOf(path, held), outcome, conflict: open.conflict };
    }
    const base = baseDigest === null ? undefined : held.texts.get(baseDigest);
    if (submitted !== null) held.texts.set(submitted.digest, submitted.text);
    this.#addVersion(path, held, decision.text);
    if (outcome !== 'overlap' || submitted === null) return { document: documentOf(path, held), outcome };
    const conflict = { path, number: held.conflicts.length + 1, who: conflictWho(who), digest: submitted.digest };
    const after = decision.text ?? undefined;
    held.conflicts.push({ conflict, base, submitted: submitted.text, before, after, isSettled: false });
    this.#tell({ conflict, isSettled: false });
    return { document: documentOf(path, held), outcome, conflict };
  }

  #refuseTwin(path: string): void {
    const twin = [...this.#documents].find(
      ([other, { digest }]) => digest !== null && other !== path && other.toLowerCase() === path.toLowerCase(),
    );
    if (twin !== undefined) throw new AachatError('VALIDATION_ERROR', `There is a ${twin[0]} already.`);
  }

  #addVersion(path: string, held: Held, text: string | null): void {
    this.versions += 1;
    held.version += 1;
    held.digest = text === null ? null : digestOf(text);
    if (text !== null && held.digest !== null) {
      held.texts.set(held.digest, text);
      held.last = { digest: held.digest, text };
    }
    this.#tell({ document: documentOf(path, held) });
  }

  #settle({ path, number, bytes }: Settlement): void {
    const held = this.#documents.get(path);
    const kept = held?.conflicts[number - 1];
    if (held === undefined || kept === undefined)
      throw new AachatError('NOT_FOUND', `${path} has no conflict ${number}.`);
    const taken = bytes === null ? null : utf8.decode(bytes);
    if (taken !== null && digestOf(taken) !== held.digest) {
      held.texts.set(digestOf(taken), taken);
      this.#addVersion(path, held, takeIn(held, kept, taken));
    }
    if (kept.isSettled) return;
    kept.isSettled = true;
    this.#tell({ conflict: kept.conflict, isSettled: true });
  }

  #tell(change: RemoteChange): void {
    const { path } = 'document' in change ? change.document : change.conflict;
    for (const [listener, { mayRead = () => true }] of this.#listeners) {
      if (mayRead(path)) queueMicrotask(() => listener(change));
    }
  }
}

const newDocument = (): Held => ({ version: 0, digest: null, last: undefined, texts: new Map(), conflicts: [] });
const documentOf = (path: string, { version, digest }: Held): RemoteDocument => ({ path, version, digest });
