/** A mirror in a process of its own, over a server in memory of this one: it can be killed, stopped and starved. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { toAachatError } from '#base/errors.ts';
import type { RemoteChange } from '#sync/replica.ts';
import type { MirrorStatus } from '#sync/status.ts';
import { eventually } from './eventually.ts';
import type { MemoryServer } from './memory-replica.ts';
import type { Ask, Said } from './mirror-child.ts';

export interface MirrorProcess extends AsyncDisposable {
  readonly child: ChildProcess;
  /** Of now, once the process has found the time to say it. */
  status(): Promise<MirrorStatus>;
  flush(): Promise<MirrorStatus>;
  /** As long as its steady clock stands still, nothing grows old enough to be believed. */
  clock(does: 'stand still' | 'go on'): void;
  /** Waits until it says that it is in sync. */
  inSync(): Promise<void>;
}

/** @param wrap a command that runs the one given to it as arguments */
export function startMirrorProcess(
  server: MemoryServer,
  root: string,
  kept: string,
  wrap: readonly string[] = [],
): MirrorProcess {
  const program = join(import.meta.dirname, 'mirror-child.ts');
  const [command = '', ...args] = [...wrap, process.execPath, ...process.execArgv, program, root, kept];
  const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], serialization: 'advanced' });
  const exited = once(child, 'exit');
  const replica = server.replica('child');
  const say = (said: Said) => child.connected && child.send(said, () => {});
  let heard = Promise.withResolvers<MirrorStatus>();
  const answer = async ({ id, method, args: given }: Ask) => {
    try {
      const call = replica[method] as (...all: readonly unknown[]) => Promise<unknown>;
      say({ id, value: await call(...given) });
    } catch (thrown) {
      const { code, message } = toAachatError(thrown);
      say({ id, code, message });
    }
  };
  child.on('message', (asked: Ask | { readonly status: MirrorStatus }) => {
    if ('status' in asked) heard.resolve(asked.status);
    else void answer(asked);
  });
  const unsubscribe = server.subscribe((change: RemoteChange) => say({ change }));
  const ask = async (what: 'status' | 'flush') => {
    heard = Promise.withResolvers();
    say(what);
    return heard.promise;
  };
  const status = () => ask('status');
  return {
    child,
    status,
    flush: () => ask('flush'),
    clock: (does) => void say(does),
    inSync: async () => void (await eventually('it is in sync', async () => (await status()).state === 'in sync')),
    async [Symbol.asyncDispose]() {
      unsubscribe();
      child.kill('SIGKILL');
      await exited;
    },
  };
}
