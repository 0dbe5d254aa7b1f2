/** What becomes of what is handed in, deleted, and settled. */
import { describe, expect, test } from 'vitest';
import { newId } from '#base/id.ts';
import {
  base,
  digestOf,
  folder,
  lines,
  listing,
  mine,
  type Open,
  overlapped,
  plan,
  push,
  read,
  settle,
  textOf,
} from './fixture.ts';

export function editSuite(engine: string, open: Open): void {
  describe(`${engine}: handing in`, () => {
    test('a document is made, edited, deleted and made again; its version grows, and all of it is listed', async () => {
      await using it = await open();
      const [alice, bob] = [it.replica('alice'), it.replica('bob')];
      expect(await alice.list()).toEqual({ documents: [], conflicts: [] });
      const steps = [
        [null, 'one\n'],
        ['one\n', 'two\n'],
        ['two\n', null],
        [null, 'three\n'],
        ['three\n', null],
        ['three\n', null],
      ] as const;
      for (const [index, [from, to]] of steps.entries()) {
        const version = Math.min(index + 1, 5);
        const document = { path: plan, version, digest: to === null ? null : digestOf(to) };
        expect(await push(alice, from, to)).toEqual({ document, outcome: index === 5 ? 'unchanged' : 'accepted' });
        expect(await bob.list()).toEqual({ documents: [document], conflicts: [] });
      }
      for (const text of ['one\n', 'two\n', 'three\n']) expect(await read(bob, digestOf(text))).toBe(text);
    });

    test('a text that the document has, or that equals its own base, is no edit', async () => {
      await using it = await open();
      const [alice, bob] = [it.replica('alice'), it.replica('bob')];
      await push(alice, null, 'one\n');
      const { document } = await push(alice, 'one\n', 'two\n');
      for (const [from, to] of [
        [null, 'two\n'],
        ['one\n', 'two\n'],
        ['never\n', 'two\n'],
        ['one\n', 'one\n'],
        ['never\n', 'never\n'],
        ['two\n', 'two\n'],
      ] as const) {
        expect(await push(bob, from, to)).toEqual({ document, outcome: 'unchanged' });
      }
      expect(await listing(alice)).toEqual({ documents: [document], conflicts: [] });
    });

    test('what the server never had goes in, whatever it began from', async () => {
      await using it = await open();
      const alice = it.replica('alice');
      for (const [name, from] of [
        ['nothing', null],
        ['unknown', 'never\n'],
        ['itself', 'text\n'],
      ] as const) {
        const path = `${folder}/${name}.md`;
        const document = { path, version: 1, digest: digestOf('text\n') };
        expect(await push(alice, from, 'text\n', { path })).toEqual({ document, outcome: 'accepted' });
      }
    });

    test('edits of different places merge', async () => {
      await using it = await open();
      const [alice, bob] = [it.replica('alice'), it.replica('bob')];
      await push(alice, null, base);
      await push(alice, base, lines('a!', 'b', 'c'));
      const merged = lines('a!', 'b', 'c!');
      const document = { path: plan, version: 3, digest: digestOf(merged) };
      expect(await push(bob, base, lines('a', 'b', 'c!'))).toEqual({ document, outcome: 'merged' });
      expect(await textOf(alice)).toBe(merged);
      // What was handed in is a base from then on.
      expect(await push(bob, lines('a', 'b', 'c!'), lines('a', 'b', 'c!', 'd'))).toMatchObject({ outcome: 'merged' });
      expect(await textOf(alice)).toBe(lines('a!', 'b', 'c!', 'd'));
      expect(await read(alice, digestOf(lines('a', 'b', 'c!')))).toBe(lines('a', 'b', 'c!'));
    });

    test('at an overlap the document keeps its lines, the others go in, and the submission is kept aside', async () => {
      await using both = await overlapped(open);
      const { alice, bob, lost } = both;
      const conflict = { path: plan, number: 1, who: 'bob', digest: digestOf(mine) };
      const document = { path: plan, version: 3, digest: digestOf(lines('a', 'theirs', 'c', 'd')) };
      expect(lost).toEqual({ document, outcome: 'overlap', conflict });
      for (const who of ['alice', 'bob', 'cy'] as const) {
        const replica = both.it.replica(who);
        expect(await replica.list()).toEqual({ documents: [document], conflicts: [conflict] });
        expect(await read(replica, conflict.digest)).toBe(mine);
      }
      // Handed in anew by a mirror that forgot: still the same one.
      expect(await push(bob, base, mine)).toEqual(lost);
      const second = await push(alice, base, lines('a', 'mine too', 'c'));
      expect(second.conflict).toMatchObject({ number: 2, who: 'alice' });
      expect((await listing(bob)).conflicts).toEqual([conflict, second.conflict]);
    });

    test('a base that nobody knows, or none, is never guessed: the document stays whole', async () => {
      await using it = await open();
      const [alice, bob] = [it.replica('alice'), it.replica('bob')];
      await push(alice, null, base);
      const before = await push(alice, base, lines('a', 'b', 'c', 'd'));
      for (const [index, from] of [null, 'never\n'].entries()) {
        const text = `strange ${index}\n`;
        const conflict = { path: plan, number: index + 1, who: 'bob', digest: digestOf(text) };
        const document = { ...before.document, version: index + 3 };
        expect(await push(bob, from, text)).toEqual({ document, outcome: 'overlap', conflict });
        expect(await read(alice, conflict.digest)).toBe(text);
      }
      // An old text without its base is no edit: nothing of it can be lost.
      expect(await push(bob, null, base)).toMatchObject({ outcome: 'unchanged', document: { version: 4 } });
    });

    test('two at once on one base: both are in it or aside, and every version has its own number', async () => {
      await using it = await open();
      const [alice, bob] = [it.replica('alice'), it.replica('bob')];
      for (let round = 0; round < 5; round += 1) {
        const path = `${folder}/round${round}.md`;
        await push(alice, null, base, { path });
        const answers = await Promise.all([
          push(alice, base, lines('a!', 'alice', 'c'), { path }),
          push(bob, base, lines('a', 'bob', 'c!'), { path }),
        ]);
        expect(answers.map(({ document: { version } }) => version).toSorted()).toEqual([2, 3]);
        expect(answers.map(({ outcome }) => outcome).toSorted()).toEqual(['accepted', 'overlap']);
        const [first, second] = answers[0]?.outcome === 'accepted' ? ['alice', 'bob'] : ['bob', 'alice'];
        expect(await textOf(alice, path)).toBe(lines('a!', first, 'c!'));
        const [conflict] = (await alice.list()).conflicts.filter((one) => one.path === path);
        expect(conflict?.who).toBe(second);
        expect(await read(alice, conflict?.digest ?? '', path)).toContain(second);
      }
    });

    test('the same submission again, also at once, happens once and gets the answer of then', async () => {
      await using it = await open();
      const [alice, bob] = [it.replica('alice'), it.replica('bob')];
      const opId = newId();
      const answers = await Promise.all([1, 2, 3].map(() => push(alice, null, 'one\n', { opId })));
      await push(bob, 'one\n', 'two\n');
      answers.push(await push(alice, null, 'one\n', { opId }));
      for (const answer of answers) expect(answer).toEqual(answers[0]);
      expect(await listing(alice)).toMatchObject({ documents: [{ version: 2, digest: digestOf('two\n') }] });
      const gone = newId();
      const deleted = await push(alice, 'two\n', null, { opId: gone });
      await push(bob, null, 'three\n');
      expect(await push(alice, 'two\n', null, { opId: gone })).toEqual(deleted);
      expect(await textOf(alice)).toBe('three\n');
    });

    test('one id for two submissions is refused', async () => {
      await using it = await open();
      const alice = it.replica('alice');
      const opId = newId();
      await push(alice, null, 'one\n', { opId });
      await expect(push(alice, 'one\n', 'two\n', { opId })).rejects.toMatchObject({ code: 'CONFLICT' });
      await expect(push(alice, null, 'one\n', { opId: 'no id' })).rejects.toMatchObject({ code: 'VALIDATION_ERROR' });
      expect(await textOf(alice)).toBe('one\n');
      // Ids are each writer's own.
      expect(await push(it.replica('bob'), 'one\n', 'two\n', { opId })).toMatchObject({ outcome: 'accepted' });
    });
  });

  describe(`${engine}: deleting`, () => {
    test('a deletion that had not seen the last edit loses against it', async () => {
      await using it = await open();
      const [alice, bob] = [it.replica('alice'), it.replica('bob')];
      await push(alice, null, 'one\n');
      const { document } = await push(alice, 'one\n', 'two\n');
      for (const from of ['one\n', 'never\n', null]) {
        expect(await push(bob, from, null)).toEqual({ document, outcome: 'kept' });
      }
      expect(await push(bob, 'two\n', null)).toMatchObject({ outcome: 'accepted', document: { digest: null } });
    });

    test('an edit that had not seen the deletion brings the document back', async () => {
      await using it = await open();
      const [alice, bob] = [it.replica('alice'), it.replica('bob')];
      for (const [name, from, outcome] of [
        ['last', lines('a', 'b', 'c', 'd'), 'accepted'],
        ['old', base, 'merged'],
        ['none', null, 'accepted'],
        ['unknown', 'never\n', 'accepted'],
      ] as const) {
        const path = `${folder}/${name}.md`;
        await push(alice, null, base, { path });
        await push(alice, base, lines('a', 'b', 'c', 'd'), { path });
        await push(alice, lines('a', 'b', 'c', 'd'), null, { path });
        expect(await push(bob, from, lines('a!', 'b', 'c'), { path })).toMatchObject({ outcome });
        expect(await textOf(alice, path)).toBe(
          outcome === 'merged' ? lines('a!', 'b', 'c', 'd') : lines('a!', 'b', 'c'),
        );
      }
    });

    test('a text that was not edited does not bring it back', async () => {
      await using it = await open();
      const [alice, bob] = [it.replica('alice'), it.replica('bob')];
      await push(alice, null, 'one\n');
      await push(alice, 'one\n', 'two\n');
      await push(alice, 'two\n', null);
      for (const text of ['one\n', 'two\n']) {
        expect(await push(bob, text, text)).toMatchObject({
          outcome: 'unchanged',
          document: { version: 3, digest: null },
        });
      }
    });

    test('what never was cannot be deleted', async () => {
      await using it = await open();
      const alice = it.replica('alice');
      for (const from of [null, 'never\n']) {
        await expect(push(alice, from, null)).rejects.toMatchObject({ code: 'VALIDATION_ERROR' });
      }
      expect((await alice.list()).documents).toEqual([]);
    });

    test('a conflict outlives its document', async () => {
      await using both = await overlapped(open);
      const { alice, bob, lost } = both;
      await push(alice, lines('a', 'theirs', 'c', 'd'), null);
      expect((await alice.list()).conflicts).toEqual([lost.conflict]);
      expect(await read(alice, digestOf(mine))).toBe(mine);
      await settle(bob, 1, mine);
      expect(await textOf(alice)).toBe(mine);
      expect((await alice.list()).conflicts).toEqual([]);
    });
  });

  describe(`${engine}: settling`, () => {
    test('deleting what was kept aside leaves the document as it is', async () => {
      await using both = await overlapped(open);
      const { alice, bob, lost } = both;
      await settle(alice, 1, null);
      expect(await bob.list()).toEqual({ documents: [lost.document], conflicts: [] });
      expect(await read(bob, digestOf(mine))).toBe(mine);
      await settle(bob, 1, null);
      expect(await alice.list()).toEqual({ documents: [lost.document], conflicts: [] });
      // Numbers are not used again, and the text is history: without a base it is no edit.
      expect(await push(bob, null, mine)).toMatchObject({ outcome: 'unchanged' });
      expect((await push(bob, base, mine)).conflict).toMatchObject({ number: 2 });
    });

    test('saving over what was kept aside takes it in, and what others wrote elsewhere stays', async () => {
      await using both = await overlapped(open);
      const { alice, bob } = both;
      await push(alice, lines('a', 'theirs', 'c', 'd'), lines('a', 'theirs', 'c', 'd', 'later'));
      const taken = lines('a', 'of both', 'c', 'd');
      await settle(bob, 1, taken);
      expect(await textOf(alice)).toBe(lines('a', 'of both', 'c', 'd', 'later'));
      expect(await alice.list()).toMatchObject({ documents: [{ version: 5 }], conflicts: [] });
      expect(await read(alice, digestOf(taken))).toBe(taken);
    });

    test('what others save over it after it was settled goes in too', async () => {
      await using both = await overlapped(open);
      const { alice, bob } = both;
      await settle(alice, 1, null);
      await settle(bob, 1, lines('a', 'of bob', 'c', 'd'));
      expect(await textOf(alice)).toBe(lines('a', 'of bob', 'c', 'd'));
      expect((await alice.list()).conflicts).toEqual([]);
    });

    test('the same settlement again happens once', async () => {
      await using both = await overlapped(open);
      const { alice, bob } = both;
      const opId = newId();
      const taken = lines('a', 'of bob', 'c', 'd');
      await Promise.all([1, 2, 3].map(() => settle(bob, 1, taken, { opId })));
      await push(alice, taken, lines('a', 'newer', 'c', 'd'));
      await settle(bob, 1, taken, { opId });
      expect(await textOf(alice)).toBe(lines('a', 'newer', 'c', 'd'));
      expect(await alice.list()).toMatchObject({ documents: [{ version: 5 }] });
      await expect(settle(bob, 1, null, { opId })).rejects.toMatchObject({ code: 'CONFLICT' });
    });

    test('a conflict that never was cannot be settled', async () => {
      await using both = await overlapped(open);
      await expect(settle(both.alice, 2, null)).rejects.toMatchObject({ code: 'NOT_FOUND' });
      const path = `${folder}/other.md`;
      await expect(settle(both.alice, 1, null, { path })).rejects.toMatchObject({ code: 'NOT_FOUND' });
      await expect(settle(both.alice, 1, 'a\0b')).rejects.toMatchObject({ code: 'VALIDATION_ERROR' });
      expect((await both.alice.list()).conflicts).toHaveLength(1);
    });
  });
}
