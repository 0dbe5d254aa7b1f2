/** Documents: nothing that anybody handed in is lost, and nobody reads what is not for them. */

import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { DOCUMENT_BYTES, type Document } from '#contract/documents.ts';
import type { Route } from '#contract/route.ts';
import { ROUTES } from '#contract/routes.ts';
import { movableClock } from '../../support/clock.ts';
import { createProject, joinProject, liveSession, push } from '../../support/company.ts';
import { eventually } from '../../support/eventually.ts';
import fc from '../../support/property.ts';
import { type Caller, clientId, testSocket } from '../../support/server.ts';
import { company, crew, eventsOf, type Open, subscribe } from './fixture.ts';

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');
const lines = (...all: readonly string[]): string => all.map((line) => `${line}\n`).join('');

const read = async (who: Caller, { id, digest }: Pick<Document, 'id' | 'digest'>): Promise<string | null> =>
  digest === null ? null : (await who.call(ROUTES.readDocument, { params: { documentId: id, digest } })).text;

const now = async (who: Caller, { id }: Pick<Document, 'id'>) =>
  await who.call(ROUTES.listVersions, { params: { documentId: id }, query: { limit: 1000 } });

const conflicts = async (who: Caller, { id }: Pick<Document, 'id'>) =>
  (await who.call(ROUTES.listConflicts, { query: { document: id } })).conflicts;

const settle = (who: Caller, { id }: Pick<Document, 'id'>, number: number, text: string | null) =>
  who.call(ROUTES.settleConflict, {
    params: { documentId: id, number },
    body: { clientId: clientId(), text },
  });

const purge = (who: Caller, { id }: Pick<Document, 'id'>, ...versions: number[]) =>
  who.call(ROUTES.purgeVersions, { params: { documentId: id }, body: { clientId: clientId(), versions } });

/** Every text that the server still has of a document. */
async function everything(who: Caller, document: Pick<Document, 'id'>): Promise<readonly string[]> {
  const { versions } = await now(who, document);
  const digests = new Set(versions.flatMap(({ digest, submittedDigest }) => [digest, submittedDigest]));
  const texts = await Promise.all([...digests].map((digest) => read(who, { id: document.id, digest })));
  return texts.flatMap((text) => text ?? []);
}

/** What a writer has before them. */
interface Seen {
  base: string | null;
  text: string | null;
}

export function documentSuite(engine: string, open: Open): void {
  describe(`${engine}: documents`, () => {
    test('a document is made, edited, merged, deleted and brought back, and every step is history', async () => {
      await using it = await company(open);
      await joinProject(it.alice, it.project, 'bob');
      const base = lines('a', 'b', 'c');
      const made = await push(it.alice, it.project, 'plan', null, base, { via: 'cursor' });
      expect(made).toMatchObject({ outcome: 'accepted', document: { version: 1, digest: digestOf(base), size: 6 } });
      const edited = await push(it.alice, it.project, 'plan', made.document, lines('a!', 'b', 'c'));
      const merged = await push(it.bob, it.project, 'plan', made.document, lines('a', 'b', 'c!'));
      expect(merged.outcome).toBe('merged');
      expect(await read(it.bob, merged.document)).toBe(lines('a!', 'b', 'c!'));
      const kept = await push(it.alice, it.project, 'plan', edited.document, null);
      expect(kept).toMatchObject({ outcome: 'kept', document: { version: 3 } });
      const gone = await push(it.alice, it.project, 'plan', kept.document, null);
      expect(gone).toMatchObject({ outcome: 'accepted', document: { version: 4, digest: null, size: 0 } });
      const back = await push(it.bob, it.project, 'plan', edited.document, lines('a!', 'b', 'c', 'd'));
      expect(back.outcome).toBe('merged');
      expect(await read(it.bob, back.document)).toBe(lines('a!', 'b', 'c!', 'd'));
      const { versions } = await now(it.alice, made.document);
      expect(versions.map(({ number, kind, author, via }) => [number, kind, author.name, via])).toEqual([
        [5, 'merged', 'bob', null],
        [4, 'deleted', 'alice', null],
        [3, 'merged', 'bob', null],
        [2, 'edited', 'alice', null],
        [1, 'edited', 'alice', 'cursor'],
      ]);
    });

    test('the same operation twice, also at once, makes one version and gets one answer', async () => {
      await using it = await company(open);
      const id = clientId();
      const answers = await Promise.all(
        Array.from({ length: 8 }, () => push(it.alice, it.project, 'plan', null, 'text', { clientId: id })),
      );
      await push(it.alice, it.project, 'plan', answers[0]?.document ?? null, 'more');
      const late = await push(it.alice, it.project, 'plan', null, 'text', { clientId: id });
      expect(new Set([...answers, late].map((answer) => JSON.stringify(answer))).size).toBe(1);
      expect((await now(it.alice, late.document)).versions).toHaveLength(2);
    });

    test('eight writers of one document at once: every line is in it or kept aside', async () => {
      await using it = await company(open);
      const base = lines(...Array.from({ length: 8 }, (_, n) => `line${n}`));
      const { document } = await push(it.alice, it.project, 'plan', null, base);
      const answers = await Promise.all(
        Array.from({ length: 8 }, (_, n) => {
          // Two by two they change the same line.
          const mine = base.replace(`line${n - (n % 2)}`, `writer${n}`).concat(`end ${n}\n`);
          return push(it.alice, it.project, 'plan', document, mine);
        }),
      );
      expect(answers.map(({ document: { version } }) => version).sort()).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
      const head = await read(it.alice, (await now(it.alice, document)).document);
      const kept = await conflicts(it.alice, document);
      expect(kept.map(({ number }) => number)).toEqual([1, 2, 3, 4]);
      const aside = await Promise.all(kept.map(({ digest }) => read(it.alice, { id: document.id, digest })));
      for (let n = 0; n < 8; n += 1) {
        expect([head, ...aside].some((text) => text?.includes(`writer${n}\n`))).toBe(true);
        expect(head).toContain(`end ${n}\n`);
      }
    });

    test('eight writers make one document at once: the first is the document, the others are kept aside', async () => {
      await using it = await company(open);
      const texts = Array.from({ length: 8 }, (_, n) => `text ${n}\n`);
      const answers = await Promise.all(texts.map((text) => push(it.alice, it.project, 'plan', null, text)));
      expect(answers.map(({ outcome }) => outcome).sort()).toEqual(['accepted', ...Array(7).fill('overlap')]);
      const [document] = answers.map((answer) => answer.document);
      if (document === undefined) throw new Error('no document');
      expect(new Set(await everything(it.alice, document))).toEqual(new Set(texts));
      expect(await conflicts(it.alice, document)).toHaveLength(7);
    });

    test('an overlap is one conflict, which saving over it settles for everybody', async () => {
      await using it = await crew(open);
      const { agent } = await liveSession(it.server, it.alice, it.agent, it.team, it.machine);
      const { document } = await push(it.alice, it.project, 'plan', null, lines('a', 'b', 'c'));
      await push(it.alice, it.project, 'plan', document, lines('a', 'b', 'alice'));
      const mine = lines('agent!', 'b', 'agent');
      const lost = await push(agent, it.project, 'plan', document, mine, { via: 'cursor' });
      expect(lost).toMatchObject({
        outcome: 'overlap',
        document: { author: { name: 'helper.alice' }, via: null },
        conflict: { number: 1, author: { name: 'helper.alice' }, digest: digestOf(mine), settledAt: null },
      });
      expect(await read(agent, lost.document)).toBe(lines('agent!', 'b', 'alice'));
      const again = await push(agent, it.project, 'plan', document, mine);
      expect(again).toMatchObject({ outcome: 'overlap', document: { version: 3 }, conflict: { number: 1 } });
      await push(it.alice, it.project, 'plan', lost.document, lines('agent!', 'b+', 'b', 'alice'));

      const settled = await settle(it.alice, document, 1, lines('agent!', 'b', 'both'));
      expect(settled.conflict.settledAt).not.toBeNull();
      expect(await read(it.alice, settled.document)).toBe(lines('agent!', 'b+', 'b', 'both'));
      expect(await conflicts(it.alice, document)).toEqual([]);
      const late = await settle(agent, document, 1, null);
      expect(late.document.version).toBe(settled.document.version);
      await expect(settle(agent, document, 2, null)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    });

    test('an old version is restored as a new one, also of a deleted document', async () => {
      await using it = await company(open);
      const { document } = await push(it.alice, it.project, 'plan', null, 'one');
      await push(it.alice, it.project, 'plan', document, null);
      const restore = (version: number) =>
        it.alice.call(ROUTES.restoreDocument, {
          params: { documentId: document.id },
          body: { clientId: clientId(), version },
        });
      expect((await restore(1)).document).toMatchObject({ version: 3, digest: digestOf('one') });
      expect((await restore(1)).document.version).toBe(3);
      await expect(restore(2)).rejects.toMatchObject({ code: 'VALIDATION_ERROR' });
      await expect(restore(9)).rejects.toMatchObject({ code: 'VALIDATION_ERROR' });
    });

    test('every document of a project is told as it was at a time, page by page', async () => {
      const { clock, advance } = movableClock();
      await using it = await company(open, { clock });
      const plan = await push(it.alice, it.project, 'plan', null, 'one');
      const gone = await push(it.alice, it.project, 'gone', null, 'x');
      const deleted = await push(it.alice, it.project, 'gone', gone.document, null);
      advance(1);
      const edited = await push(it.alice, it.project, 'plan', plan.document, 'two');
      const past = async (at: string, page: { limit?: number; after?: Document['id'] } = {}) => {
        const call = { params: { projectId: it.project.id }, query: { at, ...page } };
        const { documents, hasMore } = await it.alice.call(ROUTES.listPast, call);
        return { hasMore, was: documents.map(({ document, version }) => [document.name, version]) };
      };
      const then = deleted.document.updatedAt;
      const first = { hasMore: true, was: [['plan', { number: 1, digest: digestOf('one') }]] };
      const last = { hasMore: false, was: [['gone', { number: 2, digest: null }]] };
      expect(await past(then, { limit: 1 })).toEqual(first);
      expect(await past(then, { limit: 1, after: plan.document.id })).toEqual(last);
      expect((await past(edited.document.updatedAt)).was[0]).toEqual(['plan', { number: 2, digest: digestOf('two') }]);
      expect((await past('2020-01-01T00:00:00Z')).was).toEqual([
        ['plan', null],
        ['gone', null],
      ]);
    });

    test('a purged text is gone from this document, and from no other', async () => {
      await using it = await company(open);
      const secret = 'token=hunter2\n';
      const { document } = await push(it.alice, it.project, 'plan', null, secret);
      const other = await push(it.alice, it.project, 'other', null, secret);
      await expect(purge(it.alice, document, 1)).rejects.toMatchObject({ code: 'CONFLICT' });
      const clean = await push(it.alice, it.project, 'plan', document, 'clean\n');
      await push(it.alice, it.project, 'plan', null, `${secret}more\n`);
      await expect(purge(it.alice, document, 1, 3)).rejects.toMatchObject({ code: 'CONFLICT' });
      await settle(it.alice, document, 1, null);
      const { versions } = await purge(it.alice, document, 1, 3);
      expect(versions.map(({ number, purgedAt }) => [number, purgedAt === null])).toEqual([
        [3, false],
        [1, false],
      ]);
      for (const text of [secret, `${secret}more\n`]) {
        await expect(read(it.alice, { id: document.id, digest: digestOf(text) })).rejects.toMatchObject({
          code: 'NOT_FOUND',
        });
      }
      expect(await read(it.alice, clean.document)).toBe('clean\n');
      expect(await read(it.alice, other.document)).toBe(secret);
      const unknown = await push(it.alice, it.project, 'plan', document, 'edit on a purged base\n');
      expect(unknown.outcome).toBe('overlap');
    });

    test('what is no text of a document, or no name, is refused in words', async () => {
      await using it = await company(open);
      const raw = (body: object) =>
        it.alice.fetch(ROUTES.pushDocument as Route, {
          params: { projectId: it.project.id },
          body: { clientId: clientId(), kind: 'notes', name: 'plan', baseDigest: null, text: '', ...body },
        });
      for (const [body, reason] of [
        [{ text: 'x'.repeat(DOCUMENT_BYTES + 1) }, 'at most 1024 KiB'],
        [{ text: 'é'.repeat(DOCUMENT_BYTES / 2 + 1) }, 'at most 1024 KiB'],
        [{ text: 'x'.repeat(7 * DOCUMENT_BYTES) }, 'at most 6148 KiB'],
        [{ text: 'a\0b' }, 'NUL'],
        [{ text: '\ud800' }, 'UTF-8'],
        [{ name: '_errors' }, 'belong to aachat'],
        [{ name: '../plan' }, 'letters, digits'],
        [{ kind: 'No Kind' }, 'kind'],
        [{ text: null }, 'to delete'],
      ] as const) {
        const response = await raw(body);
        expect([response.status, await response.text()]).toEqual([400, expect.stringContaining(reason)]);
      }
      const largest = '\u001b'.repeat(DOCUMENT_BYTES);
      expect((await raw({ text: largest })).status).toBe(200);
      const { document } = await it.alice.call(ROUTES.resolveDocument, { query: { name: 'plan' } });
      expect(document).toMatchObject({ size: DOCUMENT_BYTES, digest: digestOf(largest) });
    });

    test('bytes are kept: line ends, a byte order mark, no last newline', async () => {
      await using it = await company(open);
      const text = '\ufeffa\r\nb\rc\n\n\u2028 d\t';
      const { document } = await push(it.alice, it.project, 'plan', null, text);
      expect(await read(it.alice, document)).toBe(text);
      expect(document.digest).toBe(digestOf(text));
    });

    test('two living documents never differ in case only', async () => {
      await using it = await company(open);
      const { document } = await push(it.alice, it.project, 'Plan', null, 'one');
      await expect(push(it.alice, it.project, 'plan', null, 'two')).rejects.toMatchObject({ code: 'VALIDATION_ERROR' });
      await push(it.alice, it.project, 'Plan', document, null);
      await push(it.alice, it.project, 'plan', null, 'two');
      await expect(push(it.alice, it.project, 'Plan', document, 'three')).rejects.toMatchObject({
        code: 'VALIDATION_ERROR',
      });
      const both = await Promise.allSettled(['Ä', 'ä'].map((name) => push(it.alice, it.project, name, null, 'x')));
      expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    });

    test('a list is read page by page, with the deleted ones if asked', async () => {
      await using it = await company(open);
      const names = Array.from({ length: 7 }, (_, n) => `n${n}`);
      for (const name of names) await push(it.alice, it.project, name, null, name);
      await push(it.alice, it.project, 'n3', digestOf('n3'), null);
      const list = async (state: 'living' | 'all') => {
        const found: string[] = [];
        for (let after: Document['id'] | undefined; ; ) {
          const page = await it.alice.call(ROUTES.listDocuments, {
            query: { state, limit: 3, ...(after === undefined ? {} : { after }) },
          });
          found.push(...page.documents.map(({ name }) => name));
          after = page.documents.at(-1)?.id;
          if (!page.hasMore) return found;
        }
      };
      expect(await list('all')).toEqual(names);
      expect(await list('living')).toEqual(names.filter((name) => name !== 'n3'));
    });

    test('a name is resolved in any length, and never guessed', async () => {
      await using it = await company(open);
      const second = await createProject(it.alice, it.team, 'second');
      await push(it.alice, it.project, 'plan', null, 'x');
      await push(it.alice, second, 'Plan', null, 'y');
      const find = async (name: string, more = {}) => {
        const { document } = await it.alice.call(ROUTES.resolveDocument, { query: { name, ...more } });
        return `${document.team}/${document.project}/${document.kind}/${document.name}`;
      };
      await expect(find('plan')).rejects.toMatchObject({
        code: 'AMBIGUOUS_NAME',
        message: expect.stringContaining('acme/second/notes/Plan.md'),
      });
      expect(await find('plan', { project: second.id })).toBe('acme/second/notes/Plan');
      expect(await find('launch/notes/plan')).toBe('acme/launch/notes/plan');
      expect(await find('acme/launch/notes/plan.md')).toBe('acme/launch/notes/plan');
      await push(it.alice, it.project, 'plan', digestOf('x'), null);
      expect(await find('plan')).toBe('acme/second/notes/Plan');
      expect(await find('launch/notes/plan')).toBe('acme/launch/notes/plan');
      await push(it.alice, it.project, 'PLAN', null, 'z');
      await push(it.alice, it.project, 'PLAN', digestOf('z'), null);
      expect(await find('launch/notes/plan')).toBe('acme/launch/notes/plan');
      await expect(find('other')).rejects.toMatchObject({ code: 'NOT_FOUND' });
      await expect(find('more/acme/launch/notes/plan')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    });

    test('nobody reads documents of projects that are not theirs, by whatever way', async () => {
      await using it = await crew(open);
      const second = await createProject(it.alice, it.team, 'second');
      const secret = await push(it.alice, second, 'plan', null, 'secret');
      await push(it.alice, second, 'plan', null, 'kept aside');
      const { agent } = await liveSession(it.server, it.alice, it.agent, it.team, it.machine);
      const own = await push(agent, it.project, 'plan', null, 'mine');
      for (const who of [agent, it.bob]) {
        const { documents } = await who.call(ROUTES.listDocuments, { query: { state: 'all' } });
        expect(documents.map(({ project }) => project)).not.toContain('second');
        expect((await who.call(ROUTES.listConflicts, {})).conflicts).toEqual([]);
        await expect(read(who, secret.document)).rejects.toMatchObject({
          code: who === agent ? 'NOT_FOUND' : 'FORBIDDEN',
        });
        await expect(push(who, second, 'plan', secret.document, 'x')).rejects.toMatchObject({
          code: who === agent ? 'NOT_FOUND' : 'FORBIDDEN',
        });
      }
      await expect(read(agent, { id: own.document.id, digest: secret.document.digest })).rejects.toMatchObject({
        code: 'NOT_FOUND',
      });
    });

    test('a purge is for those who answer for the project', async () => {
      await using it = await crew(open);
      await joinProject(it.alice, it.project, 'bob');
      const { document } = await push(it.bob, it.project, 'plan', null, 'one');
      await push(it.bob, it.project, 'plan', document, 'two');
      await expect(purge(it.bob, document, 1)).rejects.toMatchObject({ code: 'FORBIDDEN' });
      const { project: dm } = await it.alice.call(ROUTES.resolveProject, { query: { name: 'dm:helper.alice' } });
      const own = await push(it.alice, dm, 'plan', null, 'one');
      await push(it.alice, dm, 'plan', own.document, 'two');
      await purge(it.alice, own.document, 1);
      const { projects } = await it.bob.call(ROUTES.listProjects, { query: { team: 'acme', kind: 'stream' } });
      const [stream] = projects;
      if (stream === undefined) throw new Error('no stream');
      const shared = await push(it.bob, stream, 'plan', null, 'one');
      await push(it.bob, stream, 'plan', shared.document, 'two');
      await expect(purge(it.bob, shared.document, 1)).rejects.toMatchObject({ code: 'FORBIDDEN' });
      await purge(it.alice, shared.document, 1);
    });

    test('the project hears of versions and conflicts, never of texts, and of a purge nothing', async () => {
      await using it = await company(open);
      await using socket = await testSocket(it.server.url, it.alice.token);
      await subscribe(socket, it.project.id);
      const first = await push(it.alice, it.project, 'plan', null, 'secret one\n');
      await push(it.alice, it.project, 'plan', first.document, 'secret two\n');
      await push(it.alice, it.project, 'plan', null, 'secret three\n');
      await settle(it.alice, first.document, 1, null);
      await purge(it.alice, first.document, 1);
      await push(it.alice, it.project, 'last', null, 'secret four\n');
      const heard = () =>
        eventsOf(socket, it.project.id).map((event) => {
          if (event.type === 'document.changed') return `${event.data.document.name} ${event.data.document.version}`;
          return event.type === 'document.conflict' ? `conflict ${event.data.conflict.settledAt !== null}` : event.type;
        });
      await eventually('the last document is heard of', () => heard().includes('last 1'));
      expect(heard()).toEqual(['plan 1', 'plan 2', 'plan 3', 'conflict false', 'conflict true', 'last 1']);
      expect(JSON.stringify(socket.frames)).not.toContain('secret');
    });

    test('whatever writers do in whatever order, every line is in the document, kept aside, or history', async () => {
      await using it = await company(open);
      const step = fc.record({
        writer: fc.nat(2),
        what: fc.constantFrom('insert', 'insert', 'insert', 'replace', 'delete', 'look'),
        at: fc.nat(4),
        /** Whether the writer sees the answer, or goes on with what it has. */
        sees: fc.boolean(),
      });
      let runs = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
          runs += 1;
          const name = `run${runs}`;
          let { document } = await push(it.alice, it.project, name, null, lines('a', 'b', 'c'));
          const seen: Seen = { base: document.digest, text: lines('a', 'b', 'c') };
          const writers = [{ ...seen }, { ...seen }, { ...seen }];
          const tokens: string[] = [];
          const insertsOnly = steps.every(({ what }) => what === 'insert' || what === 'look');
          for (const [index, { writer, what, at, sees }] of steps.entries()) {
            const mine = writers[writer];
            if (mine === undefined) throw new Error('no writer');
            if (what !== 'look' && (what !== 'delete' || mine.base !== null)) {
              const token = `token-${index}.`;
              const text = (mine.text ?? '').split(/(?<=\n)/);
              text.splice(at, what === 'replace' ? 1 : 0, `${token}\n`);
              const written = what === 'delete' ? null : text.join('');
              if (written !== null) tokens.push(token);
              ({ document } = await push(it.alice, it.project, name, mine.base, written));
              Object.assign(mine, { text: written, base: written === null ? null : digestOf(written) });
            }
            if (sees || what === 'look') {
              Object.assign(mine, { base: document.digest, text: await read(it.alice, document) });
            }
          }
          const kept = await everything(it.alice, document);
          for (const token of tokens) expect(kept.some((text) => text.includes(token))).toBe(true);
          const head = await read(it.alice, (await now(it.alice, document)).document);
          const unsettled = await conflicts(it.alice, document);
          const aside = await Promise.all(unsettled.map(({ digest }) => read(it.alice, { id: document.id, digest })));
          for (const token of insertsOnly ? tokens : []) {
            expect([head, ...aside].some((text) => text?.includes(token))).toBe(true);
          }
        }),
        { numRuns: 40 },
      );
    });
  });
}
