/** Who reads what, listings of any length, and no server at all. */
import { describe, expect, test } from 'vitest';
import { digestOf, folder, lines, type Open, overlapped, plan, push, read, settle, textOf } from './fixture.ts';

/** Does `work` on every item, some at a time. */
async function each<T>(items: Iterable<T>, work: (item: T) => Promise<unknown>): Promise<void> {
  const left = items[Symbol.iterator]();
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      for (let next = left.next(); !next.done; next = left.next()) await work(next.value);
    }),
  );
}

export function rightSuite(engine: string, open: Open): void {
  describe(`${engine}: reading and rights`, () => {
    test('only texts of the document are read', async () => {
      await using it = await open();
      const alice = it.replica('alice');
      const path = `${folder}/other.md`;
      await push(alice, null, 'one\n');
      await push(alice, null, 'secret\n', { path });
      for (const replica of [alice, it.replica('alice')]) {
        await expect(read(replica, digestOf('secret\n'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
        await expect(read(replica, digestOf('one\n'), `${folder}/never.md`)).rejects.toMatchObject({
          code: 'NOT_FOUND',
        });
        expect(await read(replica, digestOf('secret\n'), path)).toBe('secret\n');
      }
    });

    test('whoever may only read is refused for good, and sees everything', async () => {
      await using both = await overlapped(open);
      const { it, alice, lost } = both;
      const cy = it.replica('cy');
      const head = lines('a', 'theirs', 'c', 'd');
      for (const refused of [
        () => push(cy, head, 'mine\n'),
        () => push(cy, head, head),
        () => push(cy, head, null),
        () => push(cy, null, 'new\n', { path: `${folder}/new.md` }),
        () => settle(cy, 1, 'mine\n'),
        () => settle(cy, 1, null),
      ]) {
        await expect(refused()).rejects.toMatchObject({ code: 'FORBIDDEN' });
      }
      expect(await cy.list()).toEqual({ documents: [lost.document], conflicts: [lost.conflict] });
      expect(await textOf(cy)).toBe(head);
      expect(await alice.list()).toEqual(await cy.list());
    });

    test('whoever may not read finds nothing, as in a project that never was', async () => {
      await using both = await overlapped(open);
      const { it, lost } = both;
      const head = lines('a', 'theirs', 'c', 'd');
      const dan = it.replica('dan');
      expect(await dan.list()).toEqual({ documents: [], conflicts: [] });
      for (const [replica, path] of [
        [dan, plan],
        [dan, `${folder}/new.md`],
        [it.replica('alice'), 'acme/never/notes/plan.md'],
        [it.replica('alice'), 'never/launch/notes/plan.md'],
      ] as const) {
        for (const refused of [
          () => push(replica, null, 'mine\n', { path }),
          () => push(replica, head, null, { path }),
          () => replica.read(path, lost.document.digest ?? ''),
          () => settle(replica, 1, null, { path }),
        ]) {
          await expect(refused()).rejects.toMatchObject({ code: 'NOT_FOUND' });
        }
      }
    });

    test('a listing is whole, however long it is', async () => {
      await using it = await open();
      const [alice, bob] = [it.replica('alice'), it.replica('bob')];
      const paths = Array.from({ length: 2_050 }, (_, n) => `${folder}/n${n}.md`);
      await each(paths, (path) => push(alice, null, path, { path }));
      await each(paths.slice(0, 20), (path) => push(alice, path, null, { path }));
      await each(paths.slice(20, 1_045), (path) => push(bob, null, 'strange\n', { path }));
      const { documents, conflicts } = await it.replica('cy').list();
      expect(documents).toHaveLength(paths.length);
      expect(new Set(documents.map(({ path }) => path))).toEqual(new Set(paths));
      expect(documents.filter(({ digest }) => digest === null)).toHaveLength(20);
      expect(conflicts).toHaveLength(1_025);
      expect(new Set(conflicts.map(({ path }) => path))).toEqual(new Set(paths.slice(20, 1_045)));
    });

    test('without a server there is no answer, and that is not final', async () => {
      await using it = await open();
      const alice = it.replica('alice');
      await push(alice, null, 'one\n');
      await it.shutDown();
      for (const asked of [() => alice.list(), () => push(alice, 'one\n', 'two\n'), () => settle(alice, 1, null)]) {
        await expect(asked()).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' });
      }
    });
  });
}
