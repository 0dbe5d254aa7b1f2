/** Projects, messages, and reading across projects. */
import { describe, expect, test } from 'vitest';
import { ROUTES } from '#contract/routes.ts';
import { movableClock } from '../../support/clock.ts';
import { createAgent, createProject, createTeam, dmOf, joinProject, send } from '../../support/company.ts';
import { eventually } from '../../support/eventually.ts';
import { testSocket } from '../../support/server.ts';
import { company, eventsOf, type Open, subscribe } from './fixture.ts';

export function talkSuite(engine: string, open: Open): void {
  describe(`${engine}: projects`, () => {
    test('a name that two teams use is ambiguous until the team is named', async () => {
      await using it = await company(open);
      const other = await createTeam(it.alice, 'beta');
      const second = await createProject(it.alice, other, 'launch');
      const resolve = async (query: { name: string; team?: string }) =>
        (await it.alice.call(ROUTES.resolveProject, { query })).project.id;
      await expect(resolve({ name: 'launch' })).rejects.toMatchObject({
        code: 'AMBIGUOUS_PROJECT',
        message: expect.stringMatching(/acme\/launch.*beta\/launch|beta\/launch.*acme\/launch/),
        hint: expect.stringContaining('--team'),
      });
      expect(await resolve({ name: 'launch', team: 'beta' })).toBe(second.id);
      expect(await resolve({ name: 'beta/launch' })).toBe(second.id);
      expect(await resolve({ name: second.id })).toBe(second.id);
      expect(await resolve({ name: second.id.slice(-8) })).toBe(second.id);
      await expect(resolve({ name: 'nothing' })).rejects.toMatchObject({
        code: 'NOT_FOUND',
        hint: expect.stringContaining('aachat project list'),
      });
    });

    test('a dm is found by the full and by the bare name of its agent, and by nobody else', async () => {
      await using it = await company(open);
      const agent = await createAgent(it.alice, 'helper');
      const dm = await dmOf(it.alice, agent);
      expect((await it.alice.call(ROUTES.resolveProject, { query: { name: 'dm:helper' } })).project).toEqual(dm);
      await expect(it.bob.call(ROUTES.resolveProject, { query: { name: dm.name } })).rejects.toMatchObject({
        code: 'NOT_FOUND',
      });
    });

    test('the project that spoke last is listed first', async () => {
      const { clock, advance } = movableClock();
      await using it = await company(open, { clock });
      const second = await createProject(it.alice, it.team, 'second');
      advance(1000);
      await send(it.alice, it.project, 'hello');
      const { projects } = await it.alice.call(ROUTES.listProjects, { query: { team: 'acme', kind: 'project' } });
      expect(projects.map(({ id }) => id)).toEqual([it.project.id, second.id]);
    });

    test('messages page forward and backward', async () => {
      await using it = await company(open);
      const params = { projectId: it.project.id };
      for (let n = 1; n <= 5; n += 1) await send(it.alice, it.project, `m${n}`);
      const list = async (query: { after?: number; before?: number; limit: number }) =>
        it.alice.call(ROUTES.listMessages, { params, query });
      const newest = await list({ limit: 2 });
      expect(newest.messages.map(({ body }) => body)).toEqual(['m4', 'm5']);
      expect(newest.hasMore).toBe(true);
      const older = await list({ before: newest.messages[0]?.seq ?? 0, limit: 3 });
      expect(older.messages.map(({ body }) => body)).toEqual(['m1', 'm2', 'm3']);
      expect(older.hasMore).toBe(false);
      const newer = await list({ after: older.messages[1]?.seq ?? 0, limit: 2 });
      expect(newer.messages.map(({ body }) => body)).toEqual(['m3', 'm4']);
    });
  });

  describe(`${engine}: inbox, mentions, find`, () => {
    test('the inbox counts what others said and the reader has not read, mentions first', async () => {
      await using it = await company(open);
      await joinProject(it.alice, it.project, 'bob');
      const second = await createProject(it.alice, it.team, 'second');
      await joinProject(it.alice, second, 'bob');
      const first = await send(it.alice, it.project, 'one');
      await send(it.bob, it.project, 'mine');
      await send(it.alice, it.project, 'two');
      await send(it.alice, second, 'hi @bob');
      const inbox = async () =>
        (await it.bob.call(ROUTES.getInbox, {})).projects.map(({ project, unread, hasMention }) => [
          project.name,
          unread,
          hasMention,
        ]);
      expect(await inbox()).toEqual([
        ['second', 1, true],
        ['launch', 2, false],
      ]);
      await it.bob.call(ROUTES.markRead, { params: { projectId: it.project.id }, body: { seq: first.seq } });
      await it.bob.call(ROUTES.markRead, { params: { projectId: it.project.id }, body: { seq: 0 } });
      await it.bob.call(ROUTES.markRead, { params: { projectId: second.id }, body: { seq: 1_000_000 } });
      expect(await inbox()).toEqual([['launch', 1, false]]);
      await send(it.alice, second, 'later');
      expect(await inbox()).toContainEqual(['second', 1, false]);
    });

    test('who mentioned a person hears when it was read, once', async () => {
      await using it = await company(open);
      await joinProject(it.alice, it.project, 'bob');
      await using socket = await testSocket(it.server.url, it.alice.token);
      await subscribe(socket, it.alice.id);
      const message = await send(it.alice, it.project, 'hi @bob');
      const read = { params: { projectId: it.project.id }, body: { seq: message.seq } };
      await it.bob.call(ROUTES.markRead, read);
      await it.bob.call(ROUTES.markRead, read);
      const last = await send(it.alice, it.project, 'and @bob again');
      const states = () =>
        eventsOf(socket, it.alice.id).flatMap((event) =>
          event.type === 'signal.created' || event.type === 'signal.updated'
            ? [[event.type, event.data.signal.messageId, event.data.signal.state]]
            : [],
        );
      await eventually('the second mention shows', () => states().some(([, id]) => id === last.id));
      expect(states()).toEqual([
        ['signal.created', message.id, 'queued'],
        ['signal.updated', message.id, 'acted'],
        ['signal.created', last.id, 'queued'],
      ]);
    });

    test('mentions are listed newest first and page by message', async () => {
      await using it = await company(open);
      await joinProject(it.alice, it.project, 'bob');
      for (const body of ['@bob one', 'nothing', '@bob two', '@bob three']) await send(it.alice, it.project, body);
      const first = await it.bob.call(ROUTES.listMentions, { query: { limit: 2 } });
      expect(first.messages.map(({ body }) => body)).toEqual(['@bob three', '@bob two']);
      expect(first.hasMore).toBe(true);
      const before = first.messages[1]?.id;
      if (before === undefined) throw new Error('no second mention');
      const rest = await it.bob.call(ROUTES.listMentions, { query: { before } });
      expect(rest.messages.map(({ body }) => body)).toEqual(['@bob one']);
    });

    test.for([
      ['apples', ['Two apples and a Pear']],
      ['APPLES pear', ['Two apples and a Pear']],
      ['app', ['Two apples and a Pear', 'the app']],
      ['app ', ['the app']],
      ['apples plum', []],
      ['v1.2', ['release v1.2-rc']],
      ['東京', ['明日は東京タワーに行く']],
      ['京タワ', ['明日は東京タワーに行く']],
      ['大阪', []],
      ['café', ['Café au lait']],
      ["'; drop table messages; --", []],
    ] as const)('find %j finds the same on every engine', async ([q, expected]) => {
      await using it = await company(open);
      const bodies = ['Two apples and a Pear', 'the app', 'release v1.2-rc', '明日は東京タワーに行く', 'Café au lait'];
      for (const body of bodies) await send(it.alice, it.project, body);
      const { messages } = await it.alice.call(ROUTES.find, { query: { q } });
      expect(messages.map(({ body }) => body).sort()).toEqual([...expected].sort());
      const outside = await it.bob.call(ROUTES.find, { query: { q } });
      expect(outside.messages).toEqual([]);
    });
  });
}
