/** Documents at the command line, against the real server. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { purge } from '#cli/commands/doc.ts';
import { pastTime } from '#cli/commands/doc-restore.ts';
import { testContext } from '../support/command.ts';
import { createProject, createTeam, joinProject, joinTeam, push } from '../support/company.ts';
import { person } from '../support/person.ts';
import { testServer } from '../support/server.ts';

const PLAN = 'acme/launch/notes/plan.md';

type Person = Awaited<ReturnType<typeof person>>;

/** Mia owns the project with noa in it. */
async function launch() {
  const server = await testServer();
  const [owner, other] = [await server.login('mia'), await server.login('noa')];
  const team = await createTeam(owner, 'acme');
  await joinTeam(owner, team, 'noa');
  const project = await createProject(owner, team, 'launch');
  await joinProject(owner, project, 'noa');
  const [mia, noa] = [await person(server, 'mia'), await person(server, 'noa')];
  return {
    mia,
    noa,
    write: (name: string, saw: Parameters<typeof push>[3], text: string | null, via?: string) =>
      push(owner, project, name, saw, text, via === undefined ? {} : { via }),
    writeAsNoa: (name: string, saw: Parameters<typeof push>[3], text: string) => push(other, project, name, saw, text),
    async [Symbol.asyncDispose]() {
      await Promise.all([mia[Symbol.asyncDispose](), noa[Symbol.asyncDispose]()]);
      await server[Symbol.asyncDispose]();
    },
  };
}

const shown = async (who: Person, ...words: string[]): Promise<string> =>
  (await who.command(['doc', ...words], { isTerminal: true })).stdout;

describe('doc', () => {
  test('lists, shows, compares and restores', async () => {
    await using it = await launch();
    expect(await shown(it.mia, 'list')).toContain('No documents yet');
    const { document } = await it.write('plan', null, 'one\ntwo\n', 'cursor');
    await it.write('other', null, 'x');
    const gone = await it.write('gone', null, 'x');
    await it.write('gone', gone.document, null);
    await it.write('plan', document, 'one\n\u001b[2Jthree\n');

    expect(await shown(it.noa, 'list')).toMatch(
      /^acme\/launch\/notes\/other\.md +v1 +mia .*\nacme\/launch\/notes\/plan/,
    );
    expect(await shown(it.noa, 'list', '--kind', 'tasks')).toContain('No documents yet');
    expect(await shown(it.noa, 'list', '--deleted', '-p', 'launch')).toMatch(
      /^acme\/launch\/notes\/gone\.md +v2 .*\n$/,
    );
    expect(await it.noa.data('doc', 'list')).toMatchObject({
      documents: [{ name: 'other' }, { path: PLAN, version: 2 }],
    });

    expect(await shown(it.noa, 'show', 'plan')).toBe('one\nthree\n');
    expect(await shown(it.noa, 'show', 'launch/notes/plan', '--at', 'v1')).toBe('one\ntwo\n');
    expect(await it.noa.data('doc', 'show', PLAN)).toMatchObject({ version: 2, text: 'one\n\u001b[2Jthree\n' });
    expect(await shown(it.noa, 'diff', 'plan')).toBe(
      `--- ${PLAN} v1\n+++ ${PLAN} v2\n@@ -1,2 +1,2 @@\n one\n-two\n+three\n`,
    );
    expect(await shown(it.noa, 'diff', 'plan', '2', '2')).toBe('v2 and v2 say the same.\n');
    expect(await shown(it.mia, 'restore', 'plan', 'v1')).toContain('says again what v1 said; this is v3');
    expect(await shown(it.mia, 'restore', 'gone', '1')).toContain('this is v3');
    expect(await shown(it.noa, 'history', 'plan')).toMatch(
      /^v3 .* restored\nv2 .* edited\nv1 .* mia via cursor +8 B +edited\n$/,
    );
  });

  test('restores a whole project as it was at a time, in new versions', async () => {
    await using it = await launch();
    const plan = await it.write('plan', null, 'one\n');
    const back = await it.write('back', null, 'gone since\n');
    const twin = await it.write('Twin', null, 'twin\n');
    await it.write('same', null, 'same\n');
    const never = await it.write('never', null, 'gone before\n');
    await it.write('never', never.document, null);
    await sleep(20);
    const at = new Date().toISOString();
    await sleep(20);
    await it.write('plan', plan.document, 'two\n');
    await it.write('back', back.document, null);
    await it.write('Twin', twin.document, null);
    await it.write('twin', null, 'made later\n');
    await it.write('late', null, 'made later\n');

    const words = ['restore', '--project', 'launch', '--at', at] as const;
    const asked = await it.mia.command(['doc', ...words]);
    expect(asked).toMatchObject({ status: 5, stderr: expect.stringContaining('1 to be changed back, 2 deleted') });
    expect(asked.stderr).toContain('2 to be deleted that were not there; 2 stay');
    expect(await it.mia.data('doc', ...words, '--yes')).toMatchObject({
      restored: 3,
      deleted: 2,
      unchanged: 2,
      left: [],
    });
    expect(await it.noa.data('doc', 'list')).toMatchObject({
      documents: [
        { name: 'Twin', version: 3 },
        { name: 'back', version: 3 },
        { name: 'plan', version: 3 },
        { name: 'same', version: 1 },
      ],
    });
    expect(await shown(it.noa, 'show', 'plan')).toBe('one\n');
    expect(await shown(it.noa, 'show', 'notes/late', '--at', '1')).toBe('made later\n');
    expect(await shown(it.mia, ...words)).toContain('0 restored, 0 deleted, 7 as they were');
  });

  test('leaves a document as it is whose text of that time was purged, and says so', async () => {
    await using it = await launch();
    const { document } = await it.write('plan', null, 'secret\n');
    await sleep(20);
    const at = new Date().toISOString();
    await sleep(20);
    await it.write('plan', document, 'clean\n');
    await it.mia.data('doc', 'purge', 'plan', '1', '--yes');
    const outcome = await it.mia.data('doc', 'restore', '-p', 'launch', '--at', at, '--yes');
    expect(outcome).toMatchObject({ restored: 0, left: [{ path: PLAN, reason: expect.stringContaining('purged') }] });
    expect(await shown(it.mia, 'show', 'plan')).toBe('clean\n');
  });

  test.for([
    ['30m', '2026-11-21T11:30:00.000Z'],
    ['2h ago', '2026-11-21T10:00:00.000Z'],
    ['3d', '2026-11-18T12:00:00.000Z'],
    ['2026-11-20T14:00Z', '2026-11-20T14:00:00.000Z'],
    ['2026-11-20 14:00', new Date(2026, 10, 20, 14).toISOString()],
    ['2026-11-20', new Date(2026, 10, 20).toISOString()],
    ['2026-11-22', undefined],
    ['2026-13-01', undefined],
    ['yesterday', undefined],
    ['7', undefined],
  ] as const)('the time %s is %s', ([text, at]) => {
    const read = () => pastTime(text, Date.parse('2026-11-21T12:00:00Z'));
    if (at === undefined) expect(read).toThrow('no time that has passed');
    else expect(read()).toBe(at);
  });

  test('shows both sides of a conflict, and settles it either way', async () => {
    await using it = await launch();
    const { document } = await it.write('plan', null, 'a\nb\nc\n');
    await it.write('plan', document, 'a\nb\nmia\n');
    await it.writeAsNoa('plan', document, 'a\nb\nnoa\n');
    await it.writeAsNoa('plan', null, 'from nothing\n');
    expect(await shown(it.mia, 'conflicts')).toMatch(/plan\.md +1 +noa .*\n.*plan\.md +2 +noa/);
    const both = await shown(it.mia, 'conflicts', 'plan');
    expect(both).toContain(
      'line 3\n  the document says (--take mine)\n    mia\n  noa wrote (--take theirs)\n    noa\n',
    );
    expect(both).toContain('- the document (--take mine), + noa (--take theirs)');
    expect(both).toContain('+from nothing');
    expect(both).toContain(`aachat doc conflicts ${PLAN} <number> --take mine | theirs | both`);
    expect(await it.mia.data('doc', 'conflicts', 'plan')).toMatchObject({
      conflicts: [
        { isYours: false, overlaps: [{ line: 3, document: 'mia\n', keptAside: 'noa\n' }], diff: null },
        { overlaps: [] },
      ],
    });
    const first = await shown(it.noa, 'conflicts', 'plan', '1');
    expect(first).toMatch(/says \(--take theirs\)\n.*\n.*noa wrote \(--take mine\)/);
    expect(first).not.toContain('from nothing');
    expect(await it.mia.command(['doc', 'conflicts', 'plan', '--take', 'mine'], { isTerminal: true })).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/Several are open: 1 of .* by noa, 2 of .*\n.*plan\.md 1 --take mine/),
    });
    expect(await shown(it.mia, 'conflicts', 'plan', '2', '--take', 'mine')).toContain('stays as it is');
    expect(await it.mia.data('doc', 'conflicts', '--take', 'theirs')).toMatchObject({
      document: { version: 5 },
      conflict: { number: 1, settledAt: expect.any(String) },
    });
    expect(await shown(it.mia, 'show', 'plan')).toBe('a\nb\nnoa\n');
    expect(await shown(it.mia, 'conflicts')).toContain('Nothing is kept aside');
    for (const which of [[], ['plan'], ['plan', '1']]) {
      expect(await it.mia.command(['doc', 'conflicts', ...which, '--take', 'both'])).toMatchObject({ status: 4 });
    }
  });

  test('takes what the reader wrote, what others wrote, or both, whoever asks', async () => {
    await using it = await launch();
    const { document } = await it.write('plan', null, 'a\nb\nc\n');
    await it.write('plan', document, 'a\nb\nmia\n');
    await it.writeAsNoa('plan', document, 'A\nb\nnoa\n');
    expect(await shown(it.noa, 'conflicts', 'plan', '--take', 'both')).toContain('it has both texts, as v4');
    expect(await shown(it.mia, 'show', 'plan')).toBe('A\nb\nmia\nnoa\n');
    const nothing = await it.writeAsNoa('plan', null, 'A\nof noa\nnoa\n');
    expect(nothing.conflict).toMatchObject({ number: 2 });
    await it.noa.data('doc', 'conflicts', '--take', 'both');
    expect(await shown(it.mia, 'show', 'plan')).toBe('A\nb\nmia\nof noa\nnoa\n');
    await it.writeAsNoa('plan', null, 'all of noa\n');
    expect(await shown(it.noa, 'conflicts', '--take', 'mine')).toContain('it has what noa wrote, as v8');
    expect(await shown(it.mia, 'show', 'plan')).toBe('all of noa\n');
    const aside = await it.writeAsNoa('plan', null, 'later\n');
    await it.write('plan', aside.document, null);
    expect(await shown(it.noa, 'conflicts', 'plan', '--take', 'theirs')).toContain('stays as it is');
    expect((await it.mia.command(['doc', 'show', 'plan'])).status).toBe(4);
  });

  test('a purge asks, needs --yes where nobody answers, and is for admins', async () => {
    await using it = await launch();
    const { document } = await it.write('plan', null, 'secret\n');
    await it.write('plan', document, 'clean\n');
    const refused = await it.mia.command(['doc', 'purge', 'plan', '1']);
    expect(refused).toMatchObject({ status: 5, stderr: expect.stringContaining('--yes') });
    expect(await it.noa.command(['doc', 'purge', 'plan', '1', '--yes'])).toMatchObject({ status: 3 });
    expect(await it.mia.command(['doc', 'purge', 'plan', '2', '--yes'])).toMatchObject({ status: 5 });
    await it.mia.data('doc', 'purge', 'plan', 'v1', '--yes');
    expect(await it.mia.command(['doc', 'show', 'plan', '--at', '1'])).toMatchObject({ status: 4 });
    expect(await shown(it.mia, 'history', 'plan')).toContain('edited (text purged)');
  });

  test.for([
    [['show', 'nothing'], 4, 'aachat doc list'],
    [['show', 'plan', '--at', '9'], 4, 'aachat doc history'],
    [['show', 'plan', '--at', 'x'], 2, 'no number'],
    [['restore', 'plan', '9'], 2, 'aachat doc history'],
    [['restore', 'plan'], 2, '--at'],
    [['restore', 'plan', '1', '--at', '2h'], 2, '--at'],
    [['restore', '-p', 'launch', '--at', 'soon'], 2, '30m'],
    [['conflicts', '--take', 'mine'], 4, 'Nothing is kept aside'],
    [['conflicts', 'plan', '1', '--take', 'both'], 4, 'no open conflict 1'],
    [['conflicts', 'plan', '1'], 4, 'no open conflict 1'],
    [['conflicts', 'plan', '--take', '1'], 2, 'mine, theirs, both'],
    [['purge', 'plan', '3-1', '--yes'], 2, 'no range'],
    [['list', '--kind', 'No'], 2, 'no kind'],
  ] as const)('%j says what is wrong', async ([words, status, hint]) => {
    await using it = await launch();
    await it.write('plan', null, 'one\n');
    const outcome = await it.mia.command(['doc', ...words], { isTerminal: true });
    expect(outcome).toMatchObject({ status, stdout: '', stderr: expect.stringContaining(hint) });
  });
});

describe('the question before a purge', () => {
  const document = {
    id: '019a1b2c-3d4e-7f60-8a9b-0c1d2e3f0001',
    projectId: '019a1b2c-3d4e-7f60-8a9b-0c1d2e3f0002',
    team: 'acme',
    project: 'launch',
    kind: 'notes',
    name: 'plan',
    version: 2,
    digest: null,
    size: 0,
    author: { kind: 'user', id: '019a1b2c-3d4e-7f60-8a9b-0c1d2e3f0003', name: 'mia' },
    via: null,
    createdAt: '2026-01-01T00:00:00.000Z',
    updatedAt: '2026-01-01T00:00:00.000Z',
  };
  const world = (answer: string) => {
    const made = testContext(
      {
        'GET /v1/documents/resolve': { document },
        [`POST /v1/documents/${document.id}/purge`]: { versions: [] },
      },
      { stdin: answer === '' ? [] : [new TextEncoder().encode(answer)] },
    );
    Object.assign(made.context.stdin, { isTTY: true });
    return made;
  };

  test('names what would go, and a yes removes it', async () => {
    const { context, requests, stderr } = world('y\n');
    await purge(context, { name: 'plan', versions: ['1', '3-4'] });
    expect(stderr()).toBe(`This removes the text of v1, v3, v4 of ${PLAN} for ever.\nRemove it? [y/N] `);
    expect(requests.at(-1)?.body).toMatchObject({ versions: [1, 3, 4] });
  });

  test.for(['\n', 'no\n', ''])('anything else removes nothing: %j', async (answer) => {
    const { context, asked } = world(answer);
    await expect(purge(context, { name: 'plan', versions: ['1'] })).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(asked()).toEqual(['GET /v1/documents/resolve']);
  });
});
