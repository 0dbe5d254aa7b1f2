/** Which paths to look at, when, and how many at a time; each path by one worker only. */

export interface QueueOptions {
  readonly concurrency: number;
  /** Looks at a path. Must not throw. */
  readonly work: (path: string) => Promise<void>;
  /** Called when the last path was looked at. */
  readonly onRest: () => void;
}

/** Hints that never end must not keep a path waiting for ever. */
const LONGEST_WAIT_MS = 2_000;

interface Waiting {
  readonly timer: NodeJS.Timeout;
  readonly since: number;
}

export class Queue {
  readonly #options: QueueOptions;
  readonly #waiting = new Map<string, Waiting>();
  readonly #ready = new Set<string>();
  readonly #busy = new Set<string>();
  /** Of every path that waits, is ready or busy: when it began to, in milliseconds since the epoch. */
  readonly #since = new Map<string, number>();
  #state: 'open' | 'paused' | 'closed' = 'paused';
  #resting: (() => void)[] = [];

  /** Paused until `resume`. */
  constructor(options: QueueOptions) {
    this.#options = options;
  }

  /** Looks at the path once `delayMs` passed without another such call for it. */
  hint(path: string, delayMs: number): void {
    if (this.#state === 'closed') return;
    const now = performance.now();
    const before = this.#waiting.get(path);
    clearTimeout(before?.timer);
    const since = before?.since ?? now;
    if (!this.#since.has(path)) this.#since.set(path, Date.now());
    const delay = Math.max(0, Math.min(delayMs, since + Math.max(LONGEST_WAIT_MS, delayMs) - now));
    if (delay === 0) this.#due(path);
    else {
      const timer = setTimeout(() => this.#due(path), delay);
      this.#waiting.set(path, { timer, since });
    }
  }

  /** The same, unless the path will be looked at anyway. */
  remind(path: string, delayMs: number): void {
    if (!this.isWaiting(path)) this.hint(path, delayMs);
  }

  /** Whether the path will be looked at anyway. */
  isWaiting(path: string): boolean {
    return this.#waiting.has(path) || this.#ready.has(path);
  }

  #due(path: string): void {
    this.#waiting.delete(path);
    this.#ready.add(path);
    this.#pump();
  }

  #pump(): void {
    if (this.#state !== 'open') return;
    for (const path of this.#ready) {
      if (this.#busy.size >= this.#options.concurrency) return;
      if (this.#busy.has(path)) continue;
      this.#ready.delete(path);
      this.#busy.add(path);
      void this.#options.work(path).finally(() => {
        this.#busy.delete(path);
        if (!this.isWaiting(path)) this.#since.delete(path);
        this.#pump();
        if (this.isAtRest()) this.#rest();
      });
    }
  }

  isAtRest(): boolean {
    return this.#since.size === 0;
  }

  /** Paths that wait or are being looked at → since when, in milliseconds since the epoch. */
  pending(): ReadonlyMap<string, number> {
    return this.#since;
  }

  /** Resolves when nothing waits and nobody works. */
  async atRest(): Promise<void> {
    if (this.isAtRest()) return;
    await new Promise<void>((resolve) => this.#resting.push(resolve));
  }

  #rest(): void {
    const resting = this.#resting;
    this.#resting = [];
    for (const resolve of resting) resolve();
    this.#options.onRest();
  }

  /** Looks at nothing, but remembers hints. */
  pause(): void {
    this.#state = 'paused';
  }

  resume(): void {
    this.#state = 'open';
    this.#pump();
  }

  /** Forgets what waits, and hints until `pause` or `resume`. Resolves when nobody works any more. */
  async close(): Promise<void> {
    this.#state = 'closed';
    for (const { timer } of this.#waiting.values()) clearTimeout(timer);
    this.#waiting.clear();
    this.#ready.clear();
    for (const path of this.#since.keys()) if (!this.#busy.has(path)) this.#since.delete(path);
    if (this.isAtRest()) this.#rest();
    await this.atRest();
  }
}
