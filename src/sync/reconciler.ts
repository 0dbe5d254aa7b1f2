/** Does what `plan` says about one path: reads it, hands it in, replaces or removes it. */
import { randomUUID } from 'node:crypto';
import { dirname } from 'node:path/posix';
import { isAachatError, toAachatError } from '#base/errors.ts';
import { newId } from '#base/id.ts';
import { type Digest, plan } from './core/plan.ts';
import type { Directory } from './directory.ts';
import { digestOf, isYoung, lasting, type Seen } from './file.ts';
import type { Entry, Journal, Operation } from './journal.ts';
import { FOLDERS } from './names.ts';
import { localProblem } from './refusal.ts';
import type { Grammar, Remote } from './remote.ts';
import type { Accepted, RemoteChange, Replica } from './replica.ts';

export interface ReconcilerOptions {
  readonly directory: Directory;
  readonly journal: Journal;
  readonly remote: Remote;
  readonly replica: Replica;
  readonly grammar: Grammar;
  /** Copies a text to a safe place. */
  readonly keep: (path: string, bytes: Uint8Array) => void;
  /** Whether a file that is gone may count as deleted by hand. @param sinceMs when it was first missed */
  readonly mayDelete: (path: string, sinceMs: number) => boolean;
  /** Asks for another look. */
  readonly again: (path: string, delayMs: number) => void;
  /** Asks for one now, unless one is due soon: a file that is being saved is left in peace. */
  readonly remind: (path: string) => void;
  /** Called for every answer, at least once, also after a crash. */
  readonly onAccepted: (accepted: Accepted) => void;
}

/** Quiet before a file is read. */
export const QUIET_MS = 30;
/** A file that is gone may be in the middle of being saved (unlink, then create); so may one that is nearly empty. */
const GONE_MS = 1_000;
const SHRUNK_MS = 300;
/** A file that is written all the time is handed in once in a while. */
const RESTLESS_MS = 2_000;
/** Looks at one path in a row, each because something changed meanwhile. */
const ROUNDS = 10;

/** What is known of a path for as long as the process lives. */
interface Slot {
  digest?: Digest | undefined;
  stamp?: string;
  /** What may be half a save, and since when it has looked so. */
  doubt?: { readonly digest: Digest; readonly since: number; readonly begun: number } | undefined;
  refused?: { readonly digest: Digest; readonly reason: string } | undefined;
}

export class Reconciler {
  /** Path → why it is not in step, for a person to mend. */
  readonly problems = new Map<string, string>();
  readonly #options: ReconcilerOptions;
  readonly #slots = new Map<string, Slot>();

  constructor(options: ReconcilerOptions) {
    this.#options = options;
  }

  /**
   * Decides what a crash left open: whether a staged file took its place, whether a file went aside, what a power cut
   * emptied, and which texts are to be handed in again.
   */
  recover(): string[] {
    const { directory, journal } = this.#options;
    for (const [path, entry] of journal.entries) {
      const { writing, removing, ...before } = entry;
      if (removing !== undefined) {
        journal.append({ path, entry: directory.isRemoved(removing, path) ? null : before });
      }
      if (writing !== undefined) {
        const isDone = directory.settle(writing, path);
        journal.append({ path, entry: isDone ? { base: writing.digest, size: before.size, stamp: '' } : before });
      }
    }
    if (journal.isOfEarlierBoot) this.#giveBackEmptied();
    directory.staging.discardAll();
    return [...new Set(Array.from(journal.operations.values(), ({ path }) => path))];
  }

  /** A power cut empties files that were written a moment before. Whoever emptied one meanwhile takes no word with it. */
  #giveBackEmptied(): void {
    const { directory, journal } = this.#options;
    for (const [path, { base, size }] of [...journal.entries]) {
      if (base !== null && size > 0 && directory.isEmptyFile(path)) this.#remove(path, EMPTY);
    }
  }

  /** Whether a file with this stamp is as it was when it was last read (after a restart: in step), and in step. */
  isInStep(path: string, stamp: string): boolean {
    const known = this.#slots.get(path)?.stamp ?? this.#options.journal.entries.get(path)?.stamp;
    return stamp === known && !this.isBehind(path);
  }

  /** Something happened there: if the file is gone, it went just now. */
  stirred(path: string): void {
    const slot = this.#slots.get(path);
    if (slot?.doubt?.digest === null) slot.doubt = undefined;
  }

  /** Whether path is not known to be in step. */
  isBehind(path: string): boolean {
    const base = this.#options.journal.entries.get(path)?.base ?? null;
    const slot = this.#slots.get(path);
    return (this.#options.remote.at(path) ?? null) !== base || (slot?.stamp !== undefined && slot.digest !== base);
  }

  /** What will lie at these paths began from nothing that is known, whatever will be answered. */
  forget(isForgotten: (path: string) => boolean): void {
    const { journal } = this.#options;
    const paths = [...journal.entries.keys()].filter(isForgotten);
    const begun = [...journal.operations.values()].filter(({ path }) => isForgotten(path));
    journal.rewrite([
      ...paths.map((path) => ({ path, entry: null })),
      ...begun.map((begin) => ({ begin: { ...begin, isAside: true } })),
    ]);
  }

  /** Refused texts may be handed in again: rights may have changed. */
  forgetRefusals(): void {
    for (const slot of this.#slots.values()) slot.refused = undefined;
  }

  /**
   * Brings one path in step.
   *
   * @param isWhole whether a text that was read a moment ago is surely no part of a save, however young it is
   * @throws AachatError if the server cannot answer now; all that was handed in is safe
   */
  async reconcile(path: string, isWhole = async () => false): Promise<void> {
    const { grammar, journal, again } = this.#options;
    const kind = grammar.classify(path);
    if (kind.kind === 'ours') return;
    if (kind.kind === 'problem') {
      const reason = this.#strangerProblem(path, kind.reason);
      if (reason === undefined) this.problems.delete(path);
      else this.problems.set(path, reason);
      return;
    }
    try {
      for (const operation of journal.operations.values()) {
        if (operation.path === path) await this.#deliver(operation);
      }
      for (let round = 0; round < ROUNDS; round += 1) {
        if (await this.#step(path, isWhole)) return;
      }
      again(path, GONE_MS);
    } catch (thrown) {
      const reason = localProblem(thrown);
      if (reason === undefined) throw thrown;
      this.problems.set(path, reason);
    }
  }

  /** What is wrong with something that the grammar refuses for `reason`; undefined: nothing, or it is gone. */
  #strangerProblem(path: string, reason: string): string | undefined {
    const { directory } = this.#options;
    // A folder above documents is nothing by itself.
    if (path.split('/').length <= FOLDERS && directory.isFolder(path)) return directory.folderProblem(path);
    const seen = directory.look(path);
    if (seen.kind === 'absent') return undefined;
    return seen.kind === 'problem' ? seen.reason : reason;
  }

  /** @returns whether nothing more is to be done now */
  async #step(path: string, isWhole: () => Promise<boolean>): Promise<boolean> {
    const { directory, journal, remote, again } = this.#options;
    const slot = this.#slotOf(path);
    const seen = directory.look(path);
    if (seen.kind === 'unstable') {
      again(path, QUIET_MS);
      return true;
    }
    const disk = seen.kind === 'file' ? seen.digest : seen.kind === 'absent' ? null : undefined;
    slot.digest = disk;
    slot.stamp = seen.kind === 'file' ? lasting(seen.stamp) : '';
    if (seen.kind === 'problem') {
      this.problems.set(path, seen.reason);
      return true;
    }
    const base = journal.entries.get(path)?.base ?? null;
    const waitMs = await this.#doubt(path, slot, seen, isWhole);
    if (waitMs > 0) {
      again(path, waitMs);
      return true;
    }
    const step = plan({ base, disk, remote: remote.at(path), refused: slot.refused?.digest });
    if (step.do === 'wait') {
      this.problems.set(path, slot.refused?.reason ?? '');
      return true;
    }
    this.problems.delete(path);
    switch (step.do) {
      case 'nothing':
        if (disk === null) this.#slots.delete(path);
        else journal.note(path, slot.stamp);
        return true;
      case 'adopt':
        journal.append({ path, entry: entryOf(seen) });
        return false;
      case 'submit':
        return this.#submit(path, base, seen);
      case 'write':
        if (step.keep && seen.kind === 'file') this.#options.keep(path, seen.bytes);
        await this.#write(path, step.digest, disk ?? null);
        // A deletion that was refused is undone: the next one is another one.
        if (disk === null) slot.refused = undefined;
        return false;
      case 'remove':
        if (step.keep && seen.kind === 'file') this.#options.keep(path, seen.bytes);
        if (seen.kind === 'file') this.#remove(path, seen.digest);
        return false;
    }
  }

  #slotOf(path: string): Slot {
    const slot = this.#slots.get(path) ?? {};
    this.#slots.set(path, slot);
    return slot;
  }

  /** @returns how long to wait before this may be believed; 0: it may */
  async #doubt(path: string, slot: Slot, seen: Seen, isWhole: () => Promise<boolean>): Promise<number> {
    const { journal, remote } = this.#options;
    const entry = journal.entries.get(path);
    const digest = seen.kind === 'file' ? seen.digest : null;
    const isNews = digest !== (entry?.base ?? null) && digest !== (remote.at(path) ?? null);
    const isShrunk = seen.kind === 'file' && (seen.bytes.length === 0 || seen.bytes.length < (entry?.size ?? 0) / 2);
    const now = performance.now();
    const begun = slot.doubt?.begun ?? now;
    // Whoever writes right now may not have been heard of yet.
    const isWritten = isNews && seen.kind === 'file' && isYoung(seen.stamp, QUIET_MS) && !(await isWhole());
    const isRestless = isWritten && now - begun < RESTLESS_MS;
    const needed = !isNews ? 0 : digest === null ? GONE_MS : isShrunk ? SHRUNK_MS : isRestless ? QUIET_MS : 0;
    if (needed === 0) {
      slot.doubt = undefined;
      return 0;
    }
    if (slot.doubt?.digest !== digest) slot.doubt = { digest, since: now, begun };
    return Math.ceil(Math.max(0, slot.doubt.since + needed - now));
  }

  async #submit(path: string, base: Digest, seen: Seen): Promise<boolean> {
    const { grammar, journal, mayDelete } = this.#options;
    if (seen.kind !== 'file' && !mayDelete(path, this.#slotOf(path).doubt?.since ?? 0)) return true;
    if (grammar.classify(path).kind === 'conflict' && base === null) {
      this.problems.set(path, 'Names with `.conflict-<n>-` belong to aachat, and there is no such conflict.');
      return true;
    }
    const text = seen.kind === 'file' ? seen.bytes.toString() : null;
    const operation = { opId: newId(), path, base, text, isAside: false };
    journal.append({ begin: operation });
    await journal.sync();
    await this.#deliver(operation, true);
    return false;
  }

  /** Hands it in. Once it is answered, what was handed in is a base that the server knows. */
  async #deliver({ opId, path, base, text }: Operation, isFirst = false): Promise<void> {
    const { grammar, journal, keep, onAccepted, replica } = this.#options;
    const bytes = text === null ? null : Buffer.from(text);
    const kind = grammar.classify(path);
    // It may be forgotten meanwhile.
    const isAside = () => journal.operations.get(opId)?.isAside === true;
    try {
      if (kind.kind === 'conflict') {
        await replica.settle({ path: kind.of, number: kind.number, opId, bytes });
        const conflict = { path: kind.of, number: kind.number, who: kind.who, digest: '' };
        this.hear({ conflict, isSettled: true });
      } else {
        const accepted = await replica.push({ path, opId, baseDigest: base, bytes });
        this.hear({ document: accepted.document });
        // The answer to what was handed in before is that of then: the conflict may be settled by now.
        if (accepted.conflict !== undefined && isFirst) this.hear({ conflict: accepted.conflict, isSettled: false });
        onAccepted(accepted);
      }
    } catch (thrown) {
      if (!isAachatError(thrown, 'FORBIDDEN', 'VALIDATION_ERROR', 'NOT_FOUND')) throw thrown;
      if (isAside() && bytes !== null) keep(path, bytes);
      else this.#slotOf(path).refused = { digest: bytes && digestOf(bytes), reason: thrown.message };
      journal.append({ end: opId });
      return;
    }
    const entry = bytes && { base: digestOf(bytes), size: bytes.length, stamp: this.#slotOf(path).stamp ?? '' };
    journal.append(isAside() ? { end: opId } : { end: opId, path, entry });
  }

  /** Takes in what changed on the server. */
  hear(change: RemoteChange): void {
    const { remind, remote } = this.#options;
    const path = remote.hear(change);
    if (path === undefined) return;
    remind(path);
    if (remote.at(path) !== null) return;
    // What was refused because of a name that differs in case only may go in now.
    for (const [other, slot] of this.#slots) {
      if (slot.refused === undefined || dirname(other) !== dirname(path)) continue;
      slot.refused = undefined;
      remind(other);
    }
  }

  async #write(path: string, digest: string, expected: Digest): Promise<void> {
    const { directory, grammar, journal, replica } = this.#options;
    const kind = grammar.classify(path);
    const bytes = await replica.read(kind.kind === 'conflict' ? kind.of : path, digest);
    if (digestOf(bytes) !== digest) throw new Error(`The server sent another text than asked for, for ${path}.`);
    const staged = directory.stage(path, bytes);
    const { name } = staged;
    let before: Entry | undefined;
    try {
      if (expected !== null) await directory.staging.secure(name);
      // Not before: while the disk is waited for, the folder may be lost and given back.
      before = journal.entries.get(path);
      journal.append({
        path,
        entry: { ...(before ?? NOTHING), writing: { ...staged, digest } },
        ...(expected === null ? {} : { aside: { name, path, digest: expected } }),
      });
    } catch (thrown) {
      directory.staging.discard(name);
      throw thrown;
    }
    let isDone: boolean;
    try {
      isDone = directory.swap(path, name, expected);
    } catch (thrown) {
      this.#unwind(path, name, before);
      throw thrown;
    }
    if (!isDone) {
      this.#unwind(path, name, before);
      return;
    }
    // Whether somebody has written there since is for the next look to say.
    journal.append({ path, entry: { base: digest, size: bytes.length, stamp: '' } });
  }

  /**
   * First the journal: a staged file that is gone counts as one that took its place. What lies aside is not forgotten:
   * there may be a save that came in between.
   */
  #unwind(path: string, name: string, entry: Entry | undefined): void {
    const { directory, journal } = this.#options;
    journal.append({ path, entry: entry ?? null });
    directory.staging.discard(name);
  }

  #remove(path: string, expected: string): void {
    const { directory, journal, remote } = this.#options;
    const name = randomUUID();
    const before = journal.entries.get(path) ?? NOTHING;
    journal.append({ path, entry: { ...before, removing: name }, aside: { name, path, digest: expected } });
    let isDone = false;
    try {
      isDone = directory.remove(path, name, expected);
    } finally {
      journal.append({ path, entry: isDone ? null : before });
    }
    if (isDone && remote.at(path) === undefined) directory.prune(path);
  }
}

const EMPTY = digestOf(Buffer.alloc(0));
const NOTHING: Entry = { base: null, size: 0, stamp: '' };
const entryOf = (seen: Seen): Entry | null =>
  seen.kind === 'file' ? { base: seen.digest, size: seen.bytes.length, stamp: lasting(seen.stamp) } : null;

/** Whether nothing can be handed in now, whatever it is. */
export const isOutage = (thrown: unknown): boolean =>
  ['SERVER_UNREACHABLE', 'TIMEOUT', 'UNAUTHORIZED', 'RATE_LIMITED', 'PROTOCOL_MISMATCH', 'CANCELLED'].includes(
    toAachatError(thrown).code,
  );
