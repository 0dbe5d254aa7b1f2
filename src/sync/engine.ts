/**
 * A mirror: a folder that holds shared documents, kept in step with the server by a `Replica`. What it promises is in
 * `SPEC.md`; what is decided for each path in `core/plan.ts`, and done in `reconciler.ts`.
 */
import { createCoalesced, within } from '#base/async.ts';
import { toAachatError } from '#base/errors.ts';
import type { Log } from '#base/log.ts';
import { type Backoff, backoffMs, isoTime } from '#base/time.ts';
import { Asides } from './asides.ts';
import { Directory } from './directory.ts';
import { type Disk, realDisk } from './disk.ts';
import { Guard } from './guard.ts';
import { Inspection } from './inspection.ts';
import { Journal } from './journal.ts';
import { keepText } from './kept.ts';
import { FOLDERS, isForeign } from './names.ts';
import { NamesHeard } from './names-heard.ts';
import { Queue } from './queue.ts';
import { isOutage, QUIET_MS, Reconciler } from './reconciler.ts';
import { type Grammar, Remote } from './remote.ts';
import type { Accepted, RemoteChange, Replica } from './replica.ts';
import { reports, writeReports } from './report.ts';
import { type MirrorStatus, type Pause, pendingOf } from './status.ts';
import { watchFolder } from './watcher.ts';

export interface MirrorOptions {
  /** Made if needed. What the mirror needs for itself lies in `.aachat/` there. */
  readonly root: string;
  /** Where texts go that cannot be shared and have to give way. */
  readonly kept: string;
  readonly replica: Replica;
  readonly grammar: Grammar;
  readonly log: Log;
  /** Called for each answer to something handed in, at least once: a crash may repeat the last ones. */
  readonly onAccepted?: (accepted: Accepted) => void;
  /** The status may be another one now. */
  readonly onChange?: () => void;
  /** The real one unless said otherwise; so is how it is watched. */
  readonly disk?: Disk;
  readonly watch?: typeof watchFolder;
}

const WALK_MS = 60_000;
/** Without a working watcher. */
const POLL_MS = 5_000;
const ASIDE_MS = 2_000;
const ASIDE_SOON_MS = 300;
const CONCURRENCY = 8;
const OUTAGE: Backoff = { baseMs: 1_000, capMs: 30_000 };

export class Mirror {
  readonly #options: MirrorOptions;
  readonly #disk: Disk;
  readonly #directory: Directory;
  readonly #journal: Journal;
  readonly #remote: Remote;
  readonly #queue: Queue;
  readonly #names: NamesHeard;
  readonly #reconciler: Reconciler;
  readonly #asides: Asides;
  readonly #guard: Guard;
  readonly #inspection: Inspection;
  readonly #kept: { readonly path: string; readonly file: string }[] = [];
  readonly #reported = new Set<string>();
  readonly #inspect = createCoalesced(async () => {
    if (!(await this.#inspection.run(() => this.#journal.entries.keys()))) return;
    this.#report();
    this.#options.onChange?.();
  });
  #watcher: AsyncDisposable | undefined;
  #walkMs = WALK_MS;
  #walkTimer: NodeJS.Timeout | undefined;
  #asideTimer: NodeJS.Timeout | undefined;
  #retryTimer: NodeJS.Timeout | undefined;
  #outages = 0;
  #outage: Pause | undefined = { reason: 'The server was not asked yet.', since: Date.now() };
  #isClosed: boolean = false;
  #stopped: Promise<void> | undefined;

  /** Opens the folder. Nothing happens before `start`; the caller must `stop` it. */
  constructor(options: MirrorOptions) {
    this.#options = options;
    const { root, replica, grammar, onAccepted = () => {}, disk = realDisk } = options;
    this.#disk = disk;
    this.#directory = new Directory(disk, root);
    this.#journal = new Journal(disk, this.#directory.journalFile);
    this.#remote = new Remote(grammar);
    this.#inspection = new Inspection(this.#directory, grammar);
    this.#queue = new Queue({
      concurrency: CONCURRENCY,
      work: (path) => this.#work(path),
      onRest: () => {
        this.#forgetOutages();
        this.#report();
        this.#options.onChange?.();
        this.#inspect();
      },
    });
    this.#names = new NamesHeard(this.#queue);
    const shared = { directory: this.#directory, journal: this.#journal };
    this.#asides = new Asides({
      ...shared,
      keep: (path, bytes) => this.#keep(path, bytes),
      onFailure: (path, error) => options.log.warn('mirror.aside_failed', { path, error }),
    });
    this.#guard = new Guard({ ...shared, onHalt: (reason) => this.#onHalt(reason) });
    this.#reconciler = new Reconciler({
      ...shared,
      remote: this.#remote,
      replica,
      grammar,
      keep: (path, bytes) => this.#keep(path, bytes),
      mayDelete: (path, sinceMs) => this.#guard.mayDelete(path, sinceMs),
      again: (path, delayMs) => this.#queue.hint(path, delayMs),
      remind: (path) => this.#queue.remind(path, 0),
      onAccepted,
    });
  }

  /** Resolves when the folder is watched and the server was asked once; without an answer it goes on asking. */
  async start(): Promise<void> {
    this.#asides.recover();
    for (const path of this.#reconciler.recover()) this.#queue.hint(path, 0);
    for (const path of this.#journal.entries.keys()) this.#inspection.touch(path);
    await this.#watch();
    await this.#walk();
    await this.refresh();
  }

  async #watch(): Promise<void> {
    await this.#watcher?.[Symbol.asyncDispose]();
    this.#walkMs = WALK_MS;
    const watcher = await (this.#options.watch ?? watchFolder)(this.#directory.root, {
      onHint: (path, isNamed) => this.#onHint(path, isNamed),
      onTrouble: (error) => {
        if (this.#walkMs === POLL_MS) return;
        this.#options.log.warn('mirror.watch_failed', { error });
        this.#walkMs = POLL_MS;
        this.#walkLater();
        this.#options.onChange?.();
      },
    });
    // It may have been stopped meanwhile.
    if (this.#isClosed) await watcher[Symbol.asyncDispose]();
    else this.#watcher = watcher;
  }

  /** Asks the server for everything, for example after a new connection. Refused texts are handed in once more. */
  async refresh(): Promise<void> {
    if (this.#isClosed) return;
    clearTimeout(this.#retryTimer);
    const asked = this.#remote.expectListing();
    try {
      this.#remote.list(await this.#options.replica.list(), asked);
    } catch (thrown) {
      this.#suspend(thrown);
      return;
    }
    this.#outage = undefined;
    this.#reconciler.forgetRefusals();
    const paths = new Set([
      ...this.#remote.paths(),
      ...this.#journal.entries.keys(),
      ...this.#reconciler.problems.keys(),
    ]);
    for (const path of paths) if (this.#reconciler.isBehind(path)) this.#queue.remind(path, 0);
    for (const { path } of this.#journal.operations.values()) this.#queue.remind(path, 0);
    // Not before all that is behind waits: until then the status would say `in sync`.
    this.#options.onChange?.();
    if (this.#guard.halted === undefined && !this.#isClosed) this.#queue.resume();
    this.#forgetOutages();
    this.#inspect();
  }

  /** A server that lists may still take nothing: an outage is over when everything that waited was done. */
  #forgetOutages(): void {
    if (this.#outage === undefined && this.#queue.isAtRest()) this.#outages = 0;
  }

  /** Takes in what changed on the server. Whoever may have missed something calls `refresh`. */
  changed(change: RemoteChange): void {
    if (!this.#isClosed) this.#reconciler.hear(change);
  }

  /**
   * Looks at everything and hands in what was saved until now.
   *
   * @returns the status when that is done, or when `limitMs` passed since the look
   */
  async flush(limitMs: number): Promise<MirrorStatus> {
    await this.#walk();
    const settled = async () => {
      while (!this.#isClosed && !this.#checkAsides()) {
        await new Promise((resolve) => setTimeout(resolve, ASIDE_SOON_MS));
      }
      if (this.#guard.halted === undefined) await this.#queue.atRest();
    };
    await within(limitMs, settled());
    return this.status();
  }

  status(): MirrorStatus {
    const { unsettled } = this.#asides;
    const isAtRest = this.#queue.isAtRest() && this.#journal.operations.size === 0 && unsettled.size === 0;
    const pause = this.#guard.halted ?? this.#outage;
    return {
      state: this.#guard.halted ? 'stopped' : this.#outage ? 'offline' : isAtRest ? 'in sync' : 'syncing',
      ...(pause === undefined ? {} : { reason: pause.reason, since: isoTime(pause.since) }),
      pending: pendingOf({
        isOffline: this.#outage !== undefined,
        operations: this.#journal.operations.values(),
        unsettled,
        queued: this.#queue.pending(),
      }),
      problems: [...this.#reconciler.problems].map(([path, text]) => ({ path, reason: text })),
      faults: [...this.#inspection.faults].map(([path, found]) => ({ path, reason: found.join(' ') })),
      conflicts: this.#remote.conflicts(),
      kept: [...this.#kept],
      replacesBy: this.#directory.staging.replacesBy,
      isWatched: this.#walkMs === WALK_MS,
    };
  }

  /**
   * Goes on after so much was gone at once that the mirror stopped.
   *
   * @param how `restore` brings the files back, `delete` deletes them everywhere
   */
  async resume(how: 'restore' | 'delete'): Promise<void> {
    if (this.#guard.halted === undefined) return;
    this.#guard.answer(how, (isForgotten) => this.#reconciler.forget(isForgotten));
    this.#queue.pause();
    await this.#watch();
    await this.#walk();
    await this.refresh();
  }

  /** Ends without another write. What was handed in and not answered is handed in again at the next start. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#isClosed = true;
    this.#inspection.close();
    for (const timer of [this.#walkTimer, this.#asideTimer, this.#retryTimer]) clearTimeout(timer);
    await this.#watcher?.[Symbol.asyncDispose]();
    await this.#queue.close();
    if (this.#directory.hasMarker()) this.#journal.compact();
    await this.#journal.close();
  }

  async #work(path: string): Promise<void> {
    try {
      if (this.#guard.halted !== undefined) return;
      await this.#reconciler.reconcile(path, () => this.#names.isWhole(path));
      this.#names.forget(path);
      this.#inspection.touch(path);
      if (!this.#reconciler.isBehind(path)) this.#guard.settled(path);
      this.#checkAsidesLater(ASIDE_MS);
    } catch (thrown) {
      if (isOutage(thrown)) {
        this.#queue.remind(path, 0);
        // Several paths meet the same outage.
        if (this.#outage === undefined) this.#suspend(thrown);
        return;
      }
      const { message } = toAachatError(thrown);
      this.#options.log.error('mirror.path_failed', { path, error: thrown });
      this.#reconciler.problems.set(path, message);
    }
    if (!this.#reconciler.problems.has(path) || this.#directory.hasMarker()) return;
    // Not the file is what is wrong.
    this.#reconciler.problems.delete(path);
    this.#guard.checkMarker();
  }

  /** The server is not there: everything waits until it answers a listing. */
  #suspend(thrown: unknown): void {
    if (this.#isClosed) return;
    this.#queue.pause();
    const { message } = toAachatError(thrown);
    if (this.#outage === undefined) this.#options.log.info('mirror.suspended', { error: thrown });
    this.#outage = { reason: message, since: this.#outage?.since ?? Date.now() };
    this.#outages += 1;
    this.#options.onChange?.();
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => void this.refresh(), backoffMs(this.#outages, OUTAGE));
  }

  #onHint(path: string, isNamed: boolean): void {
    const names = path.split('/');
    if (this.#isClosed || names.some(isForeign)) return;
    if (path === '') this.#guard.checkMarker();
    // Whatever lies deeper than a document is the folder's fault.
    else if (names.length > FOLDERS) this.#onFileHint(names.slice(0, FOLDERS + 1).join('/'), isNamed);
    else void this.#scan(path);
  }

  #onFileHint(path: string, isNamed: boolean): void {
    this.#reconciler.stirred(path);
    this.#names.hint(path, isNamed);
  }

  /** Looks at a folder, also at what should be in it; or at a path that should be one. */
  async #scan(folder: string): Promise<void> {
    const { files, odd } = await this.#directory.walk(folder, () => this.#isClosed);
    const known = Array.from(this.#journal.entries.keys()).filter((path) => path.startsWith(`${folder}/`));
    for (const path of new Set([folder, ...known, ...files.keys(), ...odd.keys()])) {
      const isOdd = odd.has(path) || this.#reconciler.problems.has(path);
      if (!this.#isClosed && (isOdd || !this.#directory.isFolder(path))) this.#queue.hint(path, QUIET_MS);
    }
  }

  /** Looks at everything: hints are only hints. */
  async #walk(): Promise<void> {
    if (this.#isClosed || this.#guard.halted !== undefined || !this.#guard.checkMarker()) return;
    const { files, odd } = await this.#directory.walk('', () => this.#isClosed);
    if (this.#isClosed) return;
    // What was handed in must not lie here for good: it may be purged at the server.
    if (this.#journal.hasPast) this.#journal.compact();
    for (const [path, stamp] of files) {
      // What the journal knows is a document; classifying all of them costs more than the rest of the walk.
      if (!this.#journal.entries.has(path) && this.#options.grammar.classify(path).kind === 'ours') {
        this.#reported.add(path);
      }
      if (!this.#reconciler.isInStep(path, stamp)) this.#queue.remind(path, QUIET_MS);
    }
    for (const path of this.#journal.entries.keys()) if (!files.has(path)) this.#queue.remind(path, 0);
    for (const path of [...odd.keys(), ...this.#reconciler.problems.keys()]) this.#queue.remind(path, 0);
    this.#checkAsides();
    this.#walkLater();
  }

  #walkLater(): void {
    clearTimeout(this.#walkTimer);
    this.#walkTimer = setTimeout(() => void this.#walk(), this.#walkMs);
  }

  #checkAsidesLater(delayMs: number): void {
    if (this.#asideTimer !== undefined || this.#journal.asides.size === 0 || this.#isClosed) return;
    this.#asideTimer = setTimeout(() => {
      this.#asideTimer = undefined;
      this.#checkAsides();
    }, delayMs);
  }

  /** @returns whether all of them are settled */
  #checkAsides(): boolean {
    if (this.#guard.halted !== undefined) return true;
    for (const path of this.#asides.check()) this.#queue.hint(path, 0);
    const isSettled = this.#asides.unsettled.size === 0;
    if (!isSettled) this.#checkAsidesLater(ASIDE_SOON_MS);
    return isSettled;
  }

  #onHalt(reason: string): void {
    void this.#queue.close();
    this.#options.log.warn('mirror.stopped', { reason });
    this.#options.onChange?.();
  }

  #keep(path: string, bytes: Uint8Array): void {
    const file = keepText(this.#disk, this.#options.kept, path, bytes);
    if (this.#kept.some((one) => one.file === file)) return;
    this.#kept.push({ path, file });
    this.#options.log.warn('mirror.text_kept', { path, file });
  }

  /** Writes what is wrong into each project's folder. */
  #report(): void {
    if (this.#isClosed || this.#guard.halted !== undefined) return;
    const wanted = reports(this.#reconciler.problems, this.#inspection.faults);
    try {
      const keep = (path: string, bytes: Uint8Array) => this.#keep(path, bytes);
      writeReports(wanted, { directory: this.#directory, written: this.#reported, keep });
    } catch (error) {
      this.#options.log.warn('mirror.report_failed', { error });
    }
  }
}
