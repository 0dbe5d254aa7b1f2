/** Texts and names: what is a document, byte for byte, and what is refused. */
import { describe, expect, test } from 'vitest';
import {
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

const MIB = 1024 * 1024;

export function textSuite(engine: string, open: Open): void {
  describe(`${engine}: texts and names`, () => {
    test.for(
      Object.entries({
        nothing: '',
        'no last newline': 'a\nb',
        'newlines only': '\n\n',
        'Windows line ends': 'a\r\nb\r\n',
        'all line ends': 'a\rb\nc\r\nd\u2028e\u2029f\u0085',
        'a byte order mark': '\uFEFFa\n',
        'a byte order mark only': '\uFEFF',
        'control characters': '\u0001\u001b[1m\u007f\t\v\f',
        'other scripts': 'é e\u0301 漢字 𝄞 👩‍👩‍👧\n',
        'no characters': '\uFFFE\uFFFF\u{10FFFF}\uFFFD',
        'what JSON escapes': '"\\/\\u0000</script>{{x}}\n',
      }),
    )('%s is kept byte for byte', async ([, text]) => {
      await using it = await open();
      const [alice, bob] = [it.replica('alice'), it.replica('bob')];
      const bytes = Buffer.from(text);
      const { document } = await push(alice, null, bytes);
      expect(document.digest).toBe(digestOf(bytes));
      const got = await bob.read(plan, digestOf(bytes));
      expect(Buffer.from(got).equals(bytes)).toBe(true);
      // Also when it comes out of a merge.
      await push(alice, text, `${text}\nx\n`);
      await push(bob, `${text}\nx\n`, text);
      expect(await textOf(alice)).toBe(text);
    });

    test('1 MiB is a document, one byte more is not', async () => {
      await using it = await open();
      const alice = it.replica('alice');
      for (const [index, largest] of ['x'.repeat(MIB), 'é'.repeat(MIB / 2), '\u001b'.repeat(MIB)].entries()) {
        const path = `${folder}/large${index}.md`;
        await push(alice, null, largest, { path });
        expect(await textOf(alice, path)).toBe(largest);
        await expect(push(alice, largest, `${largest}x`, { path })).rejects.toMatchObject({ code: 'VALIDATION_ERROR' });
        await expect(push(alice, largest, largest.repeat(9), { path })).rejects.toMatchObject({
          code: 'VALIDATION_ERROR',
        });
        expect((await listing(alice)).documents[index]).toEqual({ path, version: 1, digest: digestOf(largest) });
      }
    });

    test('a merge that would become too large is kept aside instead', async () => {
      await using it = await open();
      const [alice, bob] = [it.replica('alice'), it.replica('bob')];
      const half = lines(...Array.from({ length: 9_000 }, (_, n) => `line ${n} ${'x'.repeat(50)}`));
      const more = 'y'.repeat(300_000);
      await push(alice, null, half);
      const before = await push(alice, half, `${more}\n${half}`);
      const lost = await push(bob, half, `${half}${more}\n`);
      expect(lost).toMatchObject({ outcome: 'overlap', document: { digest: before.document.digest } });
      expect(await textOf(bob)).toBe(`${more}\n${half}`);
      expect(await read(alice, lost.conflict?.digest ?? '')).toBe(`${half}${more}\n`);
      await expect(settle(bob, 1, `${half}${more}\n`)).rejects.toMatchObject({ code: 'VALIDATION_ERROR' });
      expect((await alice.list()).conflicts).toEqual([lost.conflict]);
      await settle(bob, 1, half.replace('line 0', 'line zero'));
      expect(await textOf(bob)).toBe(`${more}\n${half.replace('line 0', 'line zero')}`);
    });

    test('what is no text is refused, and nothing of it stays', async () => {
      await using it = await open();
      const alice = it.replica('alice');
      const { document } = await push(alice, null, 'one\n');
      for (const bytes of [
        Buffer.from('a\0b'),
        Buffer.from([0x61, 0xff]),
        Buffer.from([0xed, 0xa0, 0x80]),
        Buffer.from('é').subarray(0, 1),
      ]) {
        await expect(push(alice, 'one\n', bytes)).rejects.toMatchObject({ code: 'VALIDATION_ERROR' });
        await expect(alice.read(plan, digestOf(bytes))).rejects.toMatchObject({ code: 'NOT_FOUND' });
      }
      expect(await alice.list()).toEqual({ documents: [document], conflicts: [] });
    });

    test.for([
      'acme/launch/notes/_errors.md',
      'acme/launch/notes/plan.conflict-1-bob.md',
      'acme/launch/notes/con.md',
      'acme/launch/notes/plan.txt',
      'acme/launch/notes/.plan.md',
      'acme/launch/notes/a:b.md',
      `acme/launch/notes/${'x'.repeat(65)}.md`,
      'acme/launch/No Kind/plan.md',
      'acme/launch/plan.md',
      'acme/launch/notes/deep/plan.md',
      'acme/launch/notes/../plan.md',
      '../../evil.md',
      '/tmp/evil.md',
    ])('%s is the name of no document', async (path) => {
      await using it = await open();
      const alice = it.replica('alice');
      await expect(push(alice, null, 'text\n', { path })).rejects.toMatchObject({ code: 'VALIDATION_ERROR' });
      expect((await alice.list()).documents).toEqual([]);
    });

    test('names of every script are documents of their own', async () => {
      await using it = await open();
      const names = ['plan', 'Ünï cödé', '計画', 'план', 'a.b.md', 'a-b_c d', 'stra\u00dfe', '1'];
      for (const name of names) await push(it.replica('alice'), null, name, { path: `${folder}/${name}.md` });
      const bob = it.replica('bob');
      for (const name of names) expect(await textOf(bob, `${folder}/${name}.md`)).toBe(name);
    });

    test('of names that differ in case only, one is alive', async () => {
      await using it = await open();
      const alice = it.replica('alice');
      const [upper, other] = [{ path: `${folder}/PLAN.md` }, { path: 'acme/launch/tasks/PLAN.md' }];
      await push(alice, null, 'one\n');
      await expect(push(alice, null, 'two\n', upper)).rejects.toMatchObject({ code: 'VALIDATION_ERROR' });
      expect(await push(alice, null, 'two\n', other)).toMatchObject({ outcome: 'accepted' });
      await push(alice, 'one\n', null);
      expect(await push(alice, null, 'two\n', upper)).toMatchObject({ outcome: 'accepted' });
      await expect(push(alice, 'one\n', 'three\n')).rejects.toMatchObject({ code: 'VALIDATION_ERROR' });
      // No edit, so there is nothing to refuse.
      expect(await push(alice, 'one\n', 'one\n')).toMatchObject({ outcome: 'unchanged', document: { path: plan } });
      expect((await listing(alice)).documents.map(({ path, digest }) => [path, digest !== null])).toEqual([
        [upper.path, true],
        [plan, false],
        [other.path, true],
      ]);
      const both = await Promise.allSettled(
        ['Straße', 'STRASSE'].map((name) => push(alice, null, name, { path: `${folder}/${name}.md` })),
      );
      expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    });

    test('a deleted document is not taken for the living one that differs in case only', async () => {
      await using both = await overlapped(open);
      const { it, alice, lost } = both;
      const upper = { path: `${folder}/PLAN.md` };
      await push(alice, lines('a', 'theirs', 'c', 'd'), null);
      await push(alice, null, 'one\n', upper);
      const kept = await push(alice, null, 'kept aside\n', upper);
      expect(await read(it.replica('bob'), digestOf(mine))).toBe(mine);
      await expect(settle(it.replica('bob'), 1, mine)).rejects.toMatchObject({ code: 'VALIDATION_ERROR' });
      expect((await listing(alice)).conflicts).toEqual([kept.conflict, lost.conflict]);
      await settle(it.replica('bob'), 1, null);
      expect((await listing(alice)).conflicts).toEqual([kept.conflict]);
    });
  });
}
