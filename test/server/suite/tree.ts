/** Sessions that come from others: forks, children that report, and the family of each. */
import { describe, expect, test } from 'vitest';
import type { Session } from '#contract/entities.ts';
import { ROUTES } from '#contract/routes.ts';
import {
  createAgent,
  createProject,
  dmOf,
  endTurn,
  joinProject,
  liveSession,
  openRun,
  planSession,
  send,
  startTurn,
  waiting,
} from '../../support/company.ts';
import { eventually } from '../../support/eventually.ts';
import { type Caller, caller, clientId, testSocket } from '../../support/server.ts';
import { crew, eventsOf, type Open, subscribe } from './fixture.ts';

const fork = async (owner: Caller, { id }: Session, more: { name?: string; text?: string } = {}) =>
  (
    await owner.call(ROUTES.forkSession, {
      params: { sessionId: id },
      body: { clientId: clientId(), ...more },
    })
  ).session;

const spawn = async (who: Caller, { id }: Session, text: string, more: { agent?: string; name?: string } = {}) =>
  (
    await who.call(ROUTES.spawnSession, {
      params: { sessionId: id },
      body: { clientId: clientId(), text, ...more },
    })
  ).session;

const family = async (who: Caller, { id }: Session) =>
  (await who.call(ROUTES.getFamily, { params: { sessionId: id } })).relatives.map(({ level, how, session }) => [
    level,
    how,
    session.id,
  ]);

export function treeSuite(engine: string, open: Open): void {
  describe(`${engine}: the tree of sessions`, () => {
    test('a family is told ten levels up and ten levels down, through one that was removed', async () => {
      await using it = await crew(open);
      const line: Session[] = [await planSession(it.alice, it.agent, it.team)];
      for (let level = 1; level <= 20; level += 1) {
        const last = line.at(-1) as Session;
        line.push(await (level % 2 === 0 ? fork(it.alice, last) : spawn(it.alice, last, `level ${level}`)));
      }
      const aside = await fork(it.alice, line[10] as Session);
      const relatives = await family(it.alice, line[10] as Session);
      const expected = line.flatMap(({ id }, index) =>
        index === 10 ? [] : [[index - 10, index === 0 ? null : index % 2 === 0 ? 'forked' : 'spawned', id]],
      );
      expect(relatives).toEqual(expect.arrayContaining([...expected, [1, 'forked', aside.id]]));
      expect(relatives).toHaveLength(21);
      await it.alice.call(ROUTES.removeSession, { params: { sessionId: (line[5] as Session).id } });
      expect(await family(it.alice, line[10] as Session)).toHaveLength(20);
      expect((await family(it.alice, line[10] as Session))[0]).toEqual([-10, null, line[0]?.id]);
    });

    test('others see of a family what works where they read', async () => {
      await using it = await crew(open);
      const root = await planSession(it.alice, it.agent, it.team, { projects: [it.project.id] });
      await joinProject(it.alice, it.project, 'bob', 'viewer');
      const hidden = await createProject(it.alice, it.team, 'hidden');
      const shown = await fork(it.alice, root);
      const other = await planSession(it.alice, it.agent, it.team, { projects: [] });
      const below = await fork(it.alice, other);
      expect(await family(it.bob, root)).toEqual([[1, 'forked', shown.id]]);
      await expect(family(it.bob, other)).rejects.toMatchObject({ code: 'NOT_FOUND' });
      expect(await family(it.alice, other)).toEqual([[1, 'forked', below.id]]);
      expect(hidden.id).not.toBe(it.project.id);
    });

    test('a fork covers what its source covers, and messages go on waking the source', async () => {
      await using it = await crew(open);
      const source = await liveSession(it.server, it.alice, it.agent, it.team, it.machine);
      const reader = await testSocket(it.server.url, it.alice.token);
      await subscribe(reader, it.project.id);
      const forked = await fork(it.alice, source.session, { name: 'another way', text: 'try it' });
      expect(forked).toMatchObject({
        name: 'another way',
        coverageMode: 'explicit',
        forkedFromId: source.session.id,
        parentId: null,
        projects: [{ name: 'launch' }],
        run: null,
      });
      await eventually('who reads the project hears of it', () =>
        eventsOf(reader, it.project.id).some(
          (event) => event.type === 'session.updated' && event.data.session.id === forked.id,
        ),
      );
      await openRun(it.alice, forked, it.machine);
      await send(it.alice, it.project, '@helper hello');
      expect(await waiting(it.alice, source.session)).toMatchObject([{ kind: 'mention' }]);
      expect(await waiting(it.alice, forked)).toMatchObject([{ kind: 'session_start', text: 'try it' }]);
      await reader[Symbol.asyncDispose]();
    });

    test('a child reports to its parent once, and says which child it was', async () => {
      await using it = await crew(open);
      const parent = await liveSession(it.server, it.alice, it.agent, it.team, it.machine);
      await send(it.alice, it.project, '@helper go');
      const turn = await startTurn(it.alice, parent.run, it.project, await waiting(it.alice, parent.session));
      const child = await spawn(parent.agent, parent.session, 'look at the numbers', { name: 'numbers' });
      expect(child).toMatchObject({
        parentId: parent.session.id,
        agentId: it.agent.id,
        projects: [{ name: 'launch' }],
      });
      const run = await openRun(it.alice, child, it.machine);
      const [start] = await waiting(it.alice, child);
      expect(start).toMatchObject({
        kind: 'session_start',
        sender: { kind: 'agent' },
        fromSessionId: parent.session.id,
        hop: turn.hop,
      });
      const own = await startTurn(it.alice, run, it.project, start === undefined ? [] : [start]);
      const { token } = await it.alice.call(ROUTES.mintSessionToken, { params: { runId: run.id } });

      await send(caller(it.server.url, token), it.project, 'they are wrong');
      // The parent goes on meanwhile.
      await endTurn(it.alice, parent.run, turn.id);
      await endTurn(it.alice, run, own.id);
      await endTurn(it.alice, run, own.id);
      expect(await waiting(it.alice, parent.session)).toMatchObject([
        {
          kind: 'prompt',
          sender: { kind: 'agent', id: it.agent.id },
          sessionId: parent.session.id,
          projectId: it.project.id,
          fromSessionId: child.id,
          text: 'they are wrong',
          hop: own.hop,
        },
      ]);
      // Only the first turn reports.
      await it.alice.call(ROUTES.signalSession, {
        params: { sessionId: child.id },
        body: { clientId: clientId(), kind: 'prompt', text: 'and now?' },
      });
      const next = await startTurn(it.alice, run, it.project, await waiting(it.alice, child));
      await endTurn(it.alice, run, next.id);
      expect(await waiting(it.alice, parent.session)).toHaveLength(1);
    });

    test('a child that never began reports that, too', async () => {
      await using it = await crew(open);
      const parent = await liveSession(it.server, it.alice, it.agent, it.team, it.machine);
      const child = await spawn(it.alice, parent.session, 'look');
      await it.alice.call(ROUTES.removeSession, { params: { sessionId: child.id } });
      expect(await waiting(it.alice, parent.session)).toMatchObject([
        { kind: 'prompt', fromSessionId: child.id, text: expect.stringContaining('before it began') },
      ]);
    });

    test('a session starts only agents of its owner that work with it, few at a time, and not for ever', async () => {
      await using it = await crew(open);
      const near = await createAgent(it.alice, 'near');
      await joinProject(it.alice, it.project, 'near');
      await createAgent(it.alice, 'far');
      await createAgent(it.bob, 'strange');
      const parent = await liveSession(it.server, it.alice, it.agent, it.team, it.machine);
      await send(it.alice, it.project, '@helper go');
      await startTurn(it.alice, parent.run, it.project, await waiting(it.alice, parent.session));
      expect(await spawn(parent.agent, parent.session, 'go', { agent: 'near' })).toMatchObject({ agentId: near.id });
      for (const agent of ['far', 'strange', 'strange.bob', 'nobody']) {
        await expect(spawn(parent.agent, parent.session, 'go', { agent })).rejects.toMatchObject({ code: 'NOT_FOUND' });
      }
      await expect(spawn(it.alice, parent.session, 'go', { agent: 'far.alice' })).rejects.toMatchObject({
        code: 'CONFLICT',
        hint: expect.stringContaining('project assign'),
      });
      for (let count = 1; count < 8; count += 1) await spawn(parent.agent, parent.session, 'go');
      await expect(spawn(parent.agent, parent.session, 'go')).rejects.toMatchObject({ code: 'CONFLICT' });
    });

    test('the hop guard holds for children and for what they report', async () => {
      await using it = await crew(open);
      const narrow = await createProject(it.alice, it.team, 'narrow', { hopLimit: 1 });
      await joinProject(it.alice, narrow, 'helper');
      const parent = await liveSession(it.server, it.alice, it.agent, it.team, it.machine, { projects: [narrow.id] });
      const child = await spawn(it.alice, parent.session, 'look');
      const run = await openRun(it.alice, child, it.machine);
      const turn = await startTurn(it.alice, run, narrow, await waiting(it.alice, child));
      const { token } = await it.alice.call(ROUTES.mintSessionToken, { params: { runId: run.id } });

      await expect(spawn(caller(it.server.url, token), child, 'deeper')).rejects.toMatchObject({ code: 'CONFLICT' });
      await endTurn(it.alice, run, turn.id);
      expect(await waiting(it.alice, parent.session)).toEqual([]);
      const { signals } = await it.alice.call(ROUTES.getSession, { params: { sessionId: parent.session.id } });
      expect(signals).toMatchObject([{ kind: 'prompt', state: 'suppressed', fromSessionId: child.id }]);
      expect((await dmOf(it.alice, it.agent)).id).not.toBe(narrow.id);
    });
  });
}
