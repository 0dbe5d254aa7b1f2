/** A disk with a mirror on it, and programs of people. The mirror may end between any two calls to the disk. */
import { basename, dirname } from 'node:path/posix';
import { silentLog } from '#base/log.ts';
import { GRAMMAR } from '#runtime/document-replica.ts';
import type { Disk } from '#sync/disk.ts';
import { Mirror } from '#sync/engine.ts';
import { cycle, soon } from './clock.ts';
import { MemoryDisk } from './memory-disk.ts';
import type { Asker, Network } from './network.ts';

export const ROOT = '/home/docs';
export const KEPT = '/home/kept';
export const OUTSIDE = '/elsewhere';
const OURS = `${ROOT}/.aachat`;

/** Before which call of the mirror something happens: the nth of that name, or of any. */
export interface Moment {
  readonly call?:
    | 'linkSync'
    | 'renameSync'
    | 'writeSync'
    | 'openSync'
    | 'unlinkSync'
    | 'exchange'
    | 'sync'
    | 'lstatSync';
  readonly nth: number;
}

interface Ambush {
  readonly call: Moment['call'];
  left: number;
  /** Puts another file in the place of one. */
  readonly replaces: boolean;
  readonly run: () => void;
}

export type Hints = 'prompt' | 'late' | 'twice' | 'missing';

const CHANGING: ReadonlySet<string> = new Set<keyof Disk>([
  'mkdirSync',
  'rmdirSync',
  'linkSync',
  'renameSync',
  'exchange',
  'unlinkSync',
  'copyFileSync',
  'writeSync',
  'ftruncateSync',
  'fchmodSync',
  'futimesSync',
]);
const BY_PATH: ReadonlySet<string> = new Set([...CHANGING, 'readdirSync', 'openSync']);

class Ended extends Error {
  override readonly message = 'This process has ended.';
}

interface Life extends Asker {
  mirror?: Mirror;
  stopNews?: () => void;
  onHint?: (path: string, isNamed: boolean) => void;
}

export class Place {
  readonly name: string;
  /** What the programs of people use. */
  readonly disk = new MemoryDisk();
  hints: Hints = 'prompt';
  /** To the server, for its news; undefined: there is none. */
  connection: number | undefined = 0;
  /** While a folder may not be used. */
  isLocked: boolean = false;
  /** While a folder is a link that leads out. */
  isLinked: boolean = false;
  /** Calls of mirrors that changed something. */
  changes = 0;
  /** Those of them that changed more than what a mirror needs for itself. */
  visibleChanges = 0;
  readonly wrong: string[] = [];
  readonly #network: Network;
  readonly #lateMs: () => number;
  #ambushes: Ambush[] = [];
  #life: Life = { isDead: true };

  constructor(name: string, network: Network, lateMs: readonly number[], canExchange: boolean) {
    this.name = name;
    this.disk.canExchange = canExchange;
    this.#network = network;
    this.#lateMs = cycle(lateMs, 0);
    this.disk.mkdirSync(OUTSIDE, { recursive: true });
    this.disk.mkdirSync(ROOT, { recursive: true });
    this.disk.onChange = (path, isNamed) => this.#hint(path, isNamed);
  }

  /** undefined while it is dead. */
  get mirror(): Mirror | undefined {
    return this.#life.isDead ? undefined : this.#life.mirror;
  }

  /** Starts a mirror; one that cannot be opened is tried again, as the launcher does. */
  start(): void {
    if (!this.#life.isDead) return;
    const life: Life = { isDead: false };
    this.#life = life;
    const again = () => {
      this.#end(life);
      setTimeout(() => this.start(), 1_000);
    };
    try {
      const mirror = new Mirror({
        root: ROOT,
        kept: KEPT,
        replica: this.#network.replica(this.name, life),
        grammar: GRAMMAR,
        log: silentLog,
        disk: this.#diskOf(life),
        watch: async (_root, { onHint }) => {
          life.onHint = onHint;
          return { [Symbol.asyncDispose]: async () => void delete life.onHint };
        },
      });
      life.mirror = mirror;
      life.stopNews = this.#network.subscribe(
        life,
        () => this.connection,
        (change) => mirror.changed(change),
      );
      mirror.start().catch(() => {
        if (!life.isDead) again();
      });
    } catch {
      if (!life.isDead) again();
    }
  }

  /** As by `kill -9`; a write that was about to happen happens by half. */
  kill(): void {
    this.#end(this.#life);
  }

  #end(life: Life): void {
    life.isDead = true;
    life.stopNews?.();
    delete life.onHint;
    // It touches nothing any more; this ends its timers.
    queueMicrotask(() => void life.mirror?.stop().catch(() => {}));
  }

  async stop(): Promise<void> {
    await this.#life.mirror?.stop();
    this.#end(this.#life);
  }

  /** Something happens before a call of the mirror; what never came to pass happens at `calm`. */
  before({ call, nth }: Moment, run: () => void, replaces = false): void {
    this.#ambushes.push({ call, left: nth, replaces, run });
  }

  calm(): void {
    const left = this.#ambushes;
    this.#ambushes = [];
    for (const { run } of left) run();
    this.hints = 'prompt';
  }

  #diskOf(life: Life): Disk {
    const disk: Disk = this.disk;
    return new Proxy(disk, {
      get: (target, name: keyof Disk) => {
        const call = target[name] as (...args: readonly unknown[]) => unknown;
        return (...args: readonly unknown[]) => {
          const wasDead = life.isDead;
          if (!wasDead) this.#meet(name, args);
          if (life.isDead) {
            if (name === 'writeSync' && !wasDead) this.#writeHalf(...(args as Parameters<Disk['writeSync']>));
            // The system closes what a dead process had open, and nobody waits for an answer any more.
            if (name === 'closeSync') return undefined;
            if (name === 'sync') return new Promise(() => {});
            throw new Ended();
          }
          this.#count(name, args);
          return call.apply(target, [...args]);
        };
      },
    });
  }

  #meet(name: keyof Disk, args: readonly unknown[]): void {
    const [from, to] = args;
    const isLastMoment = name === 'renameSync' && isBelow(`${OURS}/tmp`, String(from)) && !isBelow(OURS, String(to));
    for (const ambush of [...this.#ambushes]) {
      if (ambush.call !== undefined && ambush.call !== name) continue;
      ambush.left -= 1;
      // S19 leaves this open where names cannot be exchanged: another file that is put there in this moment.
      if (ambush.left > 0 || (isLastMoment && ambush.replaces)) continue;
      this.#ambushes = this.#ambushes.filter((other) => other !== ambush);
      ambush.run();
    }
  }

  #writeHalf(fd: number, bytes: Uint8Array, offset: number): void {
    this.disk.writeSync(fd, bytes.subarray(0, offset + Math.floor((bytes.length - offset) / 2)), offset);
  }

  #count(name: keyof Disk, args: readonly unknown[]): void {
    const paths = BY_PATH.has(name) ? args.filter((arg) => typeof arg === 'string') : [];
    for (const path of paths) {
      if (![ROOT, KEPT].some((folder) => path === folder || isBelow(folder, this.#realPath(path)))) {
        this.wrong.push(`${name} of ${path}, which is outside of the mirror`);
      }
    }
    // A folder that is there is not made.
    const isNothing = name === 'mkdirSync' && this.disk.lstatSync(String(args[0])) !== undefined;
    if (isNothing || !CHANGING.has(name)) return;
    this.changes += 1;
    const isOurs = paths.every((path) => path === KEPT || isBelow(OURS, path) || path === OURS);
    if (paths.length > 0 && !isOurs) this.visibleChanges += 1;
  }

  /** With the links above it followed. */
  #realPath(path: string): string {
    if (!this.isLinked) return path;
    try {
      return `${this.disk.realpathSync(dirname(path))}/${basename(path)}`;
    } catch {
      return path;
    }
  }

  #hint(path: string, isNamed: boolean): void {
    const { onHint } = this.#life;
    if (onHint === undefined || (path !== ROOT && !isBelow(ROOT, path)) || path === OURS || isBelow(OURS, path)) return;
    const life = this.#life;
    const tell = () => life.onHint?.(path.slice(ROOT.length + 1), isNamed);
    if (this.hints === 'missing') return;
    if (this.hints === 'late') setTimeout(tell, this.#lateMs());
    else soon(tell);
    if (this.hints === 'twice') setTimeout(tell, this.#lateMs());
  }
}

const isBelow = (folder: string, path: string): boolean => path.startsWith(`${folder}/`);
