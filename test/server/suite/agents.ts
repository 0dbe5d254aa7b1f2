/** Agents: taken out of service, and back. */
import { describe, expect, test } from 'vitest';
import { ROUTES } from '#contract/routes.ts';
import { movableClock } from '../../support/clock.ts';
import {
  createAgent,
  dmOf,
  joinProject,
  liveSession,
  openRun,
  planSession,
  send,
  waiting,
} from '../../support/company.ts';
import { eventually } from '../../support/eventually.ts';
import type { Caller } from '../../support/server.ts';
import { testSocket } from '../../support/server.ts';
import { crew, eventsOf, type Open, subscribe } from './fixture.ts';

const remove = (who: Caller, agent: { readonly id: string }) =>
  who.call(ROUTES.removeAgent, { params: { agentId: agent.id as never } });

export function agentSuite(engine: string, open: Open): void {
  describe(`${engine}: agents`, () => {
    test('one out of service leaves its projects, and what it said stays', async () => {
      await using it = await crew(open);
      await joinProject(it.alice, it.project, 'bob');
      const { agent: helper, run } = await liveSession(it.server, it.alice, it.agent, it.team, it.machine);
      await send(helper, it.project, 'I was here');
      await it.alice.call(ROUTES.endRun, { params: { runId: run.id }, body: { reason: 'stopped' } });
      await using socket = await testSocket(it.server.url, it.bob.token);
      await subscribe(socket, it.project.id);
      await using own = await testSocket(it.server.url, it.alice.token);
      await subscribe(own, it.alice.id);
      await remove(it.alice, it.agent);

      await eventually('bob hears of it', () =>
        eventsOf(socket, it.project.id).some((event) => event.type === 'member.removed'),
      );
      const dm = await dmOf(it.alice, it.agent);
      await eventually('alice hears of every project', () => {
        const changed = eventsOf(own, it.alice.id).flatMap((event) =>
          event.type === 'membership.changed' ? [event.data.projectId] : [],
        );
        return changed.includes(it.project.id) && changed.includes(dm.id);
      });
      const params = { projectId: it.project.id };
      const { messages } = await it.bob.call(ROUTES.listMessages, { params });
      expect(messages).toMatchObject([{ body: 'I was here', author: { name: 'helper.alice' } }]);
      const { members } = await it.bob.call(ROUTES.listMembers, { params });
      expect(members.map(({ party }) => party.name).sort()).toEqual(['alice', 'bob']);
      for (const scope of ['mine', 'visible'] as const) {
        expect(await it.alice.call(ROUTES.listAgents, { query: { scope } })).toEqual({ agents: [] });
      }
      expect((await send(it.bob, it.project, '@helper hello')).mentions).toEqual([]);
    });

    test('one out of service takes no work: it joins nothing, starts nothing, and nobody waits for it', async () => {
      await using it = await crew(open);
      const session = await planSession(it.alice, it.agent, it.team);
      await send(it.alice, it.project, '@helper soon');
      const dm = await dmOf(it.alice, it.agent);
      await remove(it.alice, it.agent);
      const gone = { code: 'NOT_FOUND' };
      await expect(remove(it.alice, it.agent)).rejects.toMatchObject(gone);
      await expect(joinProject(it.alice, it.project, 'helper')).rejects.toMatchObject(gone);
      await expect(planSession(it.alice, it.agent, it.team)).rejects.toMatchObject(gone);
      await expect(openRun(it.alice, session, it.machine)).rejects.toMatchObject(gone);
      expect(await waiting(it.alice, session)).toEqual([]);
      await expect(send(it.alice, dm, 'are you there?')).rejects.toMatchObject({
        code: 'CONFLICT',
        message: expect.stringContaining('helper.alice was taken out of service'),
      });
      const { projects } = await it.alice.call(ROUTES.listProjects, {});
      expect(projects.map(({ name }) => name)).not.toContain(dm.name);
    });

    test('one at work is not taken out of service, and its sessions are named', async () => {
      await using it = await crew(open);
      const { session, run } = await liveSession(it.server, it.alice, it.agent, it.team, it.machine);
      await expect(remove(it.alice, it.agent)).rejects.toMatchObject({
        code: 'CONFLICT',
        message: expect.stringContaining(`${session.id.slice(-8)} in acme`),
        hint: expect.stringContaining('aachat session stop'),
      });
      await it.alice.call(ROUTES.endRun, { params: { runId: run.id }, body: { reason: 'stopped' } });
      await remove(it.alice, it.agent);
    });

    test('a run that was given up as lost does not bring it back', async () => {
      const { clock, advance } = movableClock();
      await using it = await crew(open, { clock });
      const { run, agent: helper } = await liveSession(it.server, it.alice, it.agent, it.team, it.machine);
      advance(3 * 60_000);
      await remove(it.alice, it.agent);
      const beat = { params: { machineId: it.machine }, body: { runs: [run.id] } };
      expect(await it.alice.call(ROUTES.heartbeat, beat)).toEqual({ stale: [run.id] });
      await expect(send(helper, it.project, 'late')).rejects.toMatchObject({ code: 'STALE_RUN' });
    });

    test('made again under its name it is the same one, in no project, with its dm and its past', async () => {
      await using it = await crew(open);
      const dm = await dmOf(it.alice, it.agent);
      await send(it.alice, dm, 'before');
      await remove(it.alice, it.agent);
      const body = { clientId: crypto.randomUUID(), base: 'helper', repo: 'https://git.example.org/a/helper' };
      const { agent } = await it.alice.call(ROUTES.createAgent, { body });
      expect(agent).toEqual({ ...it.agent, repo: body.repo });
      await send(it.alice, dm, 'after');
      const session = await planSession(it.alice, agent, it.team);
      await openRun(it.alice, session, it.machine);
      expect((await waiting(it.alice, session)).map(({ kind }) => kind)).toEqual(['dm']);
      const { agents } = await it.alice.call(ROUTES.listAgents, {});
      expect(agents).toMatchObject([{ name: 'helper.alice', teams: [] }]);
      await expect(createAgent(it.alice, 'helper')).rejects.toMatchObject({ code: 'CONFLICT' });
    });
  });
}
