/**
 * A server of documents in memory that decides with the real rules (`server/documents-decision.ts`). It passes
 * `test/sync/replica-suite.ts`, as the real one does.
 */
import { createHash } from 'node:crypto';
import type { z } from 'zod';
import { AachatError } from '#base/errors.ts';
import { conflictWho, foldName, parseDocumentPath } from '#contract/paths.ts';
import { explainIssues } from '#contract/route.ts';
import { ROUTES } from '#contract/routes.ts';
import { decidePush, takeIn } from '#server/documents-decision.ts';
import type { Accepted, Listing, RemoteChange, RemoteConflict, RemoteDocument, Replica } from '#sync/replica.ts';

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

function textOf(bytes: Uint8Array | null): string | null {
  try {
    return bytes === null ? null : utf8.decode(bytes);
  } catch (cause) {
    throw new AachatError('VALIDATION_ERROR', 'It is not text in UTF-8.', { cause });
  }
}

/** Checks what would travel as the real routes do. */
function parse<S extends z.ZodType>(schema: S, value: z.input<S>): z.output<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new AachatError('VALIDATION_ERROR', explainIssues(parsed.error));
}

type Push = z.output<typeof ROUTES.pushDocument.body> & { readonly path: string };
type Settle = z.output<typeof ROUTES.settleConflict.body> & { readonly path: string; readonly number: number };

export class MemoryServer {
  /** While false, nobody gets an answer. */
  isReachable: boolean = true;
  /** While true, everything is done but the answer gets lost. */
  losesAnswers: boolean = false;
  /** Versions made so far. */
  versions = 0;
  readonly #documents = new Map<string, Held>();
  /** What was done, by author and id. */
  readonly #answers = new Map<string, { readonly command: string; readonly answer: Accepted | undefined }>();
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
    const find = (path: string) => {
      if (!mayRead(path)) throw new AachatError('NOT_FOUND', `There is no ${path}.`);
    };
    /** The same command again gets the same answer, whatever its author may do by now. */
    const once = (command: Push | Settle, work: () => Accepted | undefined): Accepted | undefined => {
      const key = `${who} ${command.clientId}`;
      const before = this.#answers.get(key);
      const text = JSON.stringify(command);
      if (before?.command === text) return before.answer;
      if (before !== undefined) throw new AachatError('CONFLICT', 'This client id was used for something else.');
      if (!mayWrite(command.path)) throw new AachatError('FORBIDDEN', `You may not write ${command.path}.`);
      const answer = work();
      this.#answers.set(key, { command: text, answer });
      return answer;
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
          const { path, opId, baseDigest, bytes } = submission;
          const { kind, name } = parseDocumentPath(path);
          find(path);
          const body = { clientId: opId, kind, name, baseDigest, text: textOf(bytes) };
          const command = { path, ...parse(ROUTES.pushDocument.body, body) };
          return once(command, () => this.#push(who, command)) as Accepted;
        }),
      settle: (settlement) =>
        this.#answer(() => {
          const { path, number, opId, bytes } = settlement;
          const body = { clientId: opId, text: textOf(bytes) };
          find(path);
          const command = { path, number, ...parse(ROUTES.settleConflict.body, body) };
          once(command, () => this.#settle(command));
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

  #push(who: string, { path, baseDigest, text }: Push): Accepted {
    const held = this.#documents.get(path) ?? newDocument();
    const isNew = held.version === 0;
    if (text === null && isNew) throw new AachatError('VALIDATION_ERROR', `There is no ${path} to delete.`);
    const submitted = text === null ? null : { text, digest: digestOf(text) };
    const decision = decidePush(held, {
      base: baseDigest === null || isNew ? null : { digest: baseDigest, text: held.texts.get(baseDigest) },
      text: submitted,
      known: submitted !== null && held.texts.has(submitted.digest),
    });
    const { outcome } = decision;
    if (outcome === 'unchanged' || outcome === 'kept') return { document: documentOf(path, held), outcome };
    const before = held.last?.text;
    const open = held.conflicts.find((one) => !one.isSettled && one.conflict.digest === submitted?.digest);
    if (outcome === 'overlap' && open !== undefined) {
      return { document: documentOf(path, held), outcome, conflict: open.conflict };
    }
    const base = baseDigest === null ? undefined : held.texts.get(baseDigest);
    this.#addVersion(path, held, decision.text, submitted?.text);
    if (outcome !== 'overlap' || submitted === null) return { document: documentOf(path, held), outcome };
    const conflict = { path, number: held.conflicts.length + 1, who: conflictWho(who), digest: submitted.digest };
    const after = decision.text ?? undefined;
    held.conflicts.push({ conflict, base, submitted: submitted.text, before, after, isSettled: false });
    this.#tell({ conflict, isSettled: false });
    return { document: documentOf(path, held), outcome, conflict };
  }

  #refuseTwin(path: string): void {
    const twin = [...this.#documents].find(
      ([other, { digest }]) => digest !== null && other !== path && foldName(other) === foldName(path),
    );
    if (twin !== undefined) throw new AachatError('VALIDATION_ERROR', `There is a ${twin[0]} already.`);
  }

  #addVersion(path: string, held: Held, text: string | null, submitted: string | undefined): void {
    if (held.digest === null && text !== null) this.#refuseTwin(path);
    if (submitted !== undefined) held.texts.set(digestOf(submitted), submitted);
    this.#documents.set(path, held);
    this.versions += 1;
    held.version += 1;
    held.digest = text === null ? null : digestOf(text);
    if (text !== null && held.digest !== null) {
      held.texts.set(held.digest, text);
      held.last = { digest: held.digest, text };
    }
    this.#tell({ document: documentOf(path, held) });
  }

  #settle({ path, number, text }: Settle): undefined {
    const held = this.#documents.get(path);
    const kept = held?.conflicts[number - 1];
    if (held === undefined || kept === undefined)
      throw new AachatError('NOT_FOUND', `${path} has no conflict ${number}.`);
    if (text !== null && digestOf(text) !== held.digest) {
      this.#addVersion(path, held, takeIn(held, kept, text), text);
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
