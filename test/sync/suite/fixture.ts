/** What every part of the suite starts from: people, their replicas, and the words to use them. */
import { createHash } from 'node:crypto';
import { newId } from '#base/id.ts';
import type { Accepted, Listing, Replica } from '#sync/replica.ts';

/** Alice and bob write in `acme/launch`, cy reads there; dan knows that it is there. */
export type Who = 'alice' | 'bob' | 'cy' | 'dan';

export interface Replicas extends AsyncDisposable {
  /** One that knows nothing yet. */
  replica(who: Who): Replica;
  /** Nobody gets an answer from now on. */
  shutDown(): Promise<void>;
}

/** Starts a server with nothing in it. */
export type Open = () => Promise<Replicas>;

export const folder = 'acme/launch/notes';
export const plan = `${folder}/plan.md`;
export const lines = (...all: readonly string[]): string => all.map((line) => `${line}\n`).join('');
export const digestOf = (text: string | Uint8Array): string => createHash('sha256').update(text).digest('hex');

/** Hands in `text` (null: a deletion) on top of `base`. */
export const push = (
  replica: Replica,
  base: string | null,
  text: string | Uint8Array | null,
  { path = plan, opId = newId() }: { path?: string; opId?: string } = {},
): Promise<Accepted> => {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  return replica.push({ path, opId, baseDigest: base === null ? null : digestOf(base), bytes });
};

export const settle = (replica: Replica, number: number, text: string | null, { path = plan, opId = newId() } = {}) =>
  replica.settle({ path, number, opId, bytes: text === null ? null : Buffer.from(text) });

export const read = async (replica: Replica, digest: string, path = plan): Promise<string> =>
  Buffer.from(await replica.read(path, digest)).toString();

/** What the document says now; null: deleted. */
export async function textOf(replica: Replica, path = plan): Promise<string | null | undefined> {
  const document = (await replica.list()).documents.find((one) => one.path === path);
  return document?.digest == null ? document?.digest : await read(replica, document.digest, path);
}

/** What a mirror must not rely on is the order. */
export const listing = async (replica: Replica): Promise<Listing> => {
  const { documents, conflicts } = await replica.list();
  const byPath = <T extends { path: string; number?: number }>(all: readonly T[]) =>
    all.toSorted((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : (a.number ?? 0) - (b.number ?? 0)));
  return { documents: byPath(documents), conflicts: byPath(conflicts) };
};

export const [base, mine, theirs] = [lines('a', 'b', 'c'), lines('a', 'mine', 'c', 'd'), lines('a', 'theirs', 'c')];

/** Bob's edit overlaps with one of alice: conflict 1 of the plan. */
export async function overlapped(open: Open) {
  const it = await open();
  const [alice, bob] = [it.replica('alice'), it.replica('bob')];
  await push(alice, null, base);
  await push(alice, base, theirs);
  const lost = await push(bob, base, mine);
  return { it, alice, bob, lost, [Symbol.asyncDispose]: () => it[Symbol.asyncDispose]() };
}
