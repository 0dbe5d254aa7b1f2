/** A mirror in a process of its own that may be killed at any moment; its server answers over IPC. */
import { AachatError, type ErrorCode } from '#base/errors.ts';
import { silentLog } from '#base/log.ts';
import { Mirror } from '#sync/engine.ts';
import type { RemoteChange, Replica } from '#sync/replica.ts';
import { grammar } from './mirror.ts';

export interface Ask {
  readonly id: number;
  readonly method: keyof Replica;
  readonly args: readonly unknown[];
}
export type Answer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly code: ErrorCode; readonly message: string };
/** What the parent says: an answer, news, that it wants the status, now or after a flush, or what the clock does. */
export type Said = Answer | { readonly change: RemoteChange } | 'status' | 'flush' | 'stand still' | 'go on';

const waiting = new Map<number, PromiseWithResolvers<unknown>>();
let asked = 0;
function ask(method: keyof Replica, ...args: readonly unknown[]): Promise<never> {
  asked += 1;
  const answer = Promise.withResolvers<unknown>();
  waiting.set(asked, answer);
  process.send?.({ id: asked, method, args } satisfies Ask);
  return answer.promise as Promise<never>;
}

const [root = '', kept = ''] = process.argv.slice(2);
const replica: Replica = {
  list: () => ask('list'),
  read: (path, digest) => ask('read', path, digest),
  push: (submission) => ask('push', submission),
  settle: (settlement) => ask('settle', settlement),
};
const mirror = new Mirror({ root, kept, replica, grammar, log: silentLog });
process.on('message', (said: Said) => {
  if (said === 'status' || said === 'flush') {
    const status = said === 'flush' ? mirror.flush(10_000) : Promise.resolve(mirror.status());
    void status.then((now) => process.send?.({ status: now }));
    return;
  }
  if (said === 'stand still' || said === 'go on') {
    const now = performance.now();
    if (said === 'stand still') performance.now = () => now;
    else Reflect.deleteProperty(performance, 'now');
    return;
  }
  if ('change' in said) {
    mirror.changed(said.change);
    return;
  }
  const answer = waiting.get(said.id);
  if ('value' in said) answer?.resolve(said.value);
  else answer?.reject(new AachatError(said.code, said.message));
});
await mirror.start();
