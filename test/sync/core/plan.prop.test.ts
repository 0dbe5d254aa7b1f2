/** Mirrors and a server in memory, driven by the planner alone, in any order. */

import { createHash, randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { type Digest, plan } from '#sync/core/plan.ts';
import { MemoryServer } from '../../support/memory-replica.ts';
import fc from '../../support/property.ts';

const paths = ['t/p/k/a.md', 't/p/k/b.md', 't/p/k/c.md'];
const digestOf = (text: string) => createHash('sha256').update(text).digest('hex');

/** A mirror as the planner sees it. */
class Model {
  readonly disk = new Map<string, string>();
  readonly base = new Map<string, string>();
  readonly #replica;

  constructor(server: MemoryServer, name: string) {
    this.#replica = server.replica(name);
  }

  /** @returns whether there was something to do */
  async step(path: string, opId: string): Promise<boolean> {
    const listed = (await this.#replica.list()).documents.find((one) => one.path === path);
    const text = this.disk.get(path);
    const base = this.base.get(path) ?? null;
    const disk: Digest = text === undefined ? null : digestOf(text);
    const next = plan({ base, disk, remote: listed?.digest, refused: undefined });
    switch (next.do) {
      case 'nothing':
      case 'wait':
        return false;
      case 'adopt':
        this.#setBase(path, disk);
        return true;
      case 'submit':
        await this.#replica.push({
          path,
          opId,
          baseDigest: base,
          bytes: text === undefined ? null : Buffer.from(text),
        });
        this.#setBase(path, disk);
        return true;
      case 'write':
        this.disk.set(path, Buffer.from(await this.#replica.read(path, next.digest)).toString());
        this.#setBase(path, next.digest);
        return true;
      case 'remove':
        this.disk.delete(path);
        this.#setBase(path, null);
        return true;
    }
  }

  #setBase(path: string, digest: Digest): void {
    if (digest === null) this.base.delete(path);
    else this.base.set(path, digest);
  }
}

// Every edit has a word of its own, so that what became of it can be seen. A few lines make overlaps common.
const edit = fc.record({
  mirror: fc.nat(2),
  path: fc.constantFrom(...paths),
  kind: fc.constantFrom('change', 'change', 'insert', 'remove line', 'delete', 'whole'),
  line: fc.nat(4),
});
const move = fc.oneof(
  { weight: 2, arbitrary: edit },
  { weight: 3, arbitrary: fc.record({ mirror: fc.nat(2), path: fc.constantFrom(...paths) }) },
);

test('S1, S4: whatever is edited and in whatever order it travels, mirrors end equal and no word is lost', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(move, { maxLength: 40 }), fc.infiniteStream(fc.nat(100)), async (moves, order) => {
      const server = new MemoryServer();
      const mirrors = ['mia', 'bo', 'cy'].map((name) => new Model(server, name));
      const start = mirrors[0] as Model;
      for (const path of paths) start.disk.set(path, 'one\ntwo\nthree\nfour\n');
      const words: (readonly [path: string, word: string])[] = [];
      const step = (mirror: Model, path: string) => mirror.step(path, randomUUID());
      for (const next of moves) {
        const mirror = mirrors[next.mirror] as Model;
        if (!('kind' in next)) await step(mirror, next.path);
        else {
          // A save that replaces one that nobody saw is the writer's own doing.
          if ((mirror.disk.get(next.path) ?? '').includes('word')) await step(mirror, next.path);
          const word = `word${words.length}`;
          const lines = (mirror.disk.get(next.path) ?? '').split('\n');
          if (next.kind === 'delete') mirror.disk.delete(next.path);
          else if (next.kind === 'remove line') {
            if (mirror.disk.has(next.path)) mirror.disk.set(next.path, lines.toSpliced(next.line, 1).join('\n'));
          } else {
            if (next.kind === 'whole') lines.splice(0, lines.length, word, '');
            else lines.splice(next.line, next.kind === 'change' ? 1 : 0, word);
            mirror.disk.set(next.path, lines.join('\n'));
            words.push([next.path, word]);
            // Whether it travels is decided later; it is never changed here before it did.
            await step(mirror, next.path);
          }
        }
      }
      const all = mirrors.flatMap((mirror) => paths.map((path) => ({ mirror, path })));
      let round = 0;
      for (let isMoving = true; isMoving; round += 1) {
        expect(round).toBeLessThan(200);
        isMoving = false;
        const shuffled = all
          .map((one) => ({ one, key: order.next().value }))
          .toSorted((a, b) => a.key - b.key)
          .map(({ one }) => one);
        for (const { mirror, path } of shuffled) isMoving = (await step(mirror, path)) || isMoving;
      }
      for (const mirror of mirrors)
        expect(new Map([...mirror.disk].toSorted())).toEqual(new Map([...server.all()].toSorted()));
      for (const [path, word] of words) {
        const known = [...server.history(path), ...server.openConflicts(path)];
        expect(
          known.some((text) => text.includes(word)),
          `${word} of ${path}`,
        ).toBe(true);
      }
    }),
    { numRuns: 300 },
  );
});
