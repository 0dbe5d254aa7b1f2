/** Sessions: what they cover, and which run may speak for them. */
import { describe, expect, test } from 'vitest';
import { newId } from '#base/id.ts';
import type { SessionId } from '#contract/ids.ts';
import { ROUTES } from '#contract/routes.ts';
import { movableClock } from '../../support/clock.ts';
import {
  addMachine,
  createProject,
  dmOf,
  joinProject,
  leaveProject,
  liveSession,
  openRun,
  planSession,
  send,
  startTurn,
  waiting,
} from '../../support/company.ts';
import { eventually } from '../../support/eventually.ts';
import { clientId, testSocket } from '../../support/server.ts';
import { crew, eventsOf, type Open, subscribe } from './fixture.ts';

const MINUTE = 60_000;

export function sessionSuite(engine: string, open: Open): void {
  describe(`${engine}: sessions`, () => {
    test('a session covers the projects of its team that the agent is in, and follows changes', async () => {
      await using it = await crew(open);
      const { session } = await liveSession(it.server, it.alice, it.agent, it.team, it.machine);
      const dm = await dmOf(it.alice, it.agent);
      const covered = async () =>
        (await it.alice.call(ROUTES.getSession, { params: { sessionId: session.id } })).session.projects
          .map(({ name }) => name)
          .sort();
      expect(session.state).toBe('running');
      expect(await covered()).toEqual([dm.name, 'launch']);
      const second = await createProject(it.alice, it.team, 'second');
      await joinProject(it.alice, second, 'helper');
      expect(await covered()).toEqual([dm.name, 'launch', 'second']);
      await leaveProject(it.alice, it.project, 'helper');
      expect(await covered()).toEqual([dm.name, 'second']);
    });

    test('its id may come from the caller, once', async () => {
      await using it = await crew(open);
      const sessionId = newId<SessionId>();
      const body = { sessionId, agentId: it.agent.id, teamId: it.team.id };
      const plan = () => it.alice.call(ROUTES.createSession, { body: { ...body, clientId: clientId() } });
      expect((await plan()).session.id).toBe(sessionId);
      await expect(plan()).rejects.toMatchObject({ code: 'CONFLICT' });
    });

    test('the dm is on exactly one live session: that of the personal team, else the oldest', async () => {
      await using it = await crew(open);
      const { teams } = await it.alice.call(ROUTES.listTeams, {});
      const personal = teams.find(({ kind }) => kind === 'personal');
      if (personal === undefined) throw new Error('no personal team');
      const first = await liveSession(it.server, it.alice, it.agent, it.team, it.machine);
      const holders = async () => {
        const { sessions } = await it.alice.call(ROUTES.listSessions, {});
        return sessions
          .filter(({ projects }) => projects.some(({ name }) => name.startsWith('dm:')))
          .map(({ id }) => id);
      };
      expect(await holders()).toEqual([first.session.id]);
      const second = await liveSession(it.server, it.alice, it.agent, personal, it.machine);
      expect(await holders()).toEqual([second.session.id]);
      await it.alice.call(ROUTES.endRun, { params: { runId: second.run.id }, body: { reason: 'stopped' } });
      expect(await holders()).toEqual([first.session.id]);
    });

    test('a newer run takes over; the older one and its token are told that they are stale', async () => {
      await using it = await crew(open);
      const old = await liveSession(it.server, it.alice, it.agent, it.team, it.machine);
      const run = await openRun(it.alice, old.session, it.machine);
      expect(run.epoch).toBe(2);
      const activity = { params: { runId: old.run.id }, body: { activity: 'working' } } as const;
      await expect(it.alice.call(ROUTES.setActivity, activity)).rejects.toMatchObject({ code: 'STALE_RUN' });
      await expect(send(old.agent, it.project, 'late')).rejects.toMatchObject({ code: 'STALE_RUN' });
      const beat = { params: { machineId: it.machine }, body: { runs: [old.run.id, run.id] } };
      expect(await it.alice.call(ROUTES.heartbeat, beat)).toEqual({ stale: [old.run.id] });
    });

    test('another machine is refused by name until the first was silent for two minutes', async () => {
      const { clock, advance } = movableClock();
      await using it = await crew(open, { clock });
      const first = await liveSession(it.server, it.alice, it.agent, it.team, it.machine);
      const desktop = await addMachine(it.alice, 'desktop');
      for (const session of [first.session, await planSession(it.alice, it.agent, it.team)]) {
        await expect(openRun(it.alice, session, desktop)).rejects.toMatchObject({
          code: 'CONFLICT',
          message: expect.stringContaining('laptop'),
        });
      }
      advance(2 * MINUTE + 1000);
      const { sessions } = await it.alice.call(ROUTES.listSessions, { query: { projectId: it.project.id } });
      expect(sessions.find(({ id }) => id === first.session.id)).toMatchObject({
        state: 'stopped',
        run: { reason: 'lost' },
      });
      const run = await openRun(it.alice, first.session, desktop);
      expect(run).toMatchObject({ epoch: 2, machine: 'desktop' });
    });

    test('that a machine fell silent is seen at once by who looks, and soon told to the project', async () => {
      const { clock, advance } = movableClock();
      await using it = await crew(open, { clock });
      const { session } = await liveSession(it.server, it.alice, it.agent, it.team, it.machine);
      const members = async () =>
        (await it.alice.call(ROUTES.listMembers, { params: { projectId: it.project.id } })).members;
      const shown = async () => (await members()).flatMap(({ sessions }) => sessions.map(({ id }) => id));
      expect(await shown()).toEqual([session.id]);
      await using socket = await testSocket(it.server.url, it.alice.token);
      await subscribe(socket, it.project.id);
      advance(2 * MINUTE + 1000);
      expect(await shown()).toEqual([]);
      await eventually('it is told', () =>
        eventsOf(socket, it.project.id).some(
          (event) =>
            event.type === 'session.updated' &&
            event.data.session.id === session.id &&
            event.data.session.state === 'stopped' &&
            event.data.session.run?.reason === 'lost',
        ),
      );
    });

    test('a machine that was only asleep goes on with its run', async () => {
      const { clock, advance } = movableClock();
      await using it = await crew(open, { clock });
      const { session, run } = await liveSession(it.server, it.alice, it.agent, it.team, it.machine);
      advance(5 * MINUTE);
      const beat = { params: { machineId: it.machine }, body: { runs: [run.id] } };
      expect(await it.alice.call(ROUTES.heartbeat, beat)).toEqual({ stale: [] });
      expect((await it.alice.call(ROUTES.getSession, { params: { sessionId: session.id } })).session).toMatchObject({
        state: 'running',
        run: { id: run.id, reason: null },
      });
    });

    test('one with projects of its own that was stopped by its owner stays parked until it is resumed', async () => {
      await using it = await crew(open);
      const shown = async (id: SessionId) =>
        (await it.alice.call(ROUTES.getSession, { params: { sessionId: id } })).session;
      const speak = async (id: SessionId, kind: 'resume' | 'stop') =>
        (
          await it.alice.call(ROUTES.signalSession, {
            params: { sessionId: id },
            body: { clientId: clientId(), kind },
          })
        ).signal.state;
      const main = await liveSession(it.server, it.alice, it.agent, it.team, it.machine);
      const own = await liveSession(it.server, it.alice, it.agent, it.team, it.machine, { projects: [it.project.id] });
      expect(await speak(own.session.id, 'resume')).toBe('expired');
      for (const { run } of [main, own]) {
        await it.alice.call(ROUTES.endRun, { params: { runId: run.id }, body: { reason: 'asked' } });
      }
      expect([(await shown(main.session.id)).parked, (await shown(own.session.id)).parked]).toEqual([false, true]);
      expect(await speak(own.session.id, 'stop')).toBe('expired');
      expect(await speak(own.session.id, 'resume')).toBe('queued');
      expect((await shown(own.session.id)).parked).toBe(false);
      const body = { clientId: clientId(), agentId: it.agent.id, teamId: it.team.id, projects: [], parked: true };
      const { session } = await it.alice.call(ROUTES.createSession, { body });
      expect(session.parked).toBe(true);
      await expect(openRun(it.alice, session, it.machine)).rejects.toMatchObject({ code: 'CONFLICT' });
      expect((await shown(session.id)).parked).toBe(true);
      await speak(session.id, 'resume');
      await openRun(it.alice, session, it.machine);
      expect((await shown(session.id)).parked).toBe(false);
    });

    test('one is looked for by the start or end of its id, and by the beginning of its name', async () => {
      await using it = await crew(open);
      const make = async (name: string) =>
        (
          await it.alice.call(ROUTES.createSession, {
            body: { clientId: clientId(), agentId: it.agent.id, teamId: it.team.id, projects: [], name },
          })
        ).session;
      const [plan, share] = [await make('Plan für Ü_1'), await make('100%')];
      const found = async (called: string) =>
        (await it.alice.call(ROUTES.listSessions, { query: { called } })).sessions.map(({ name }) => name);
      expect(await found('Plan für Ü_')).toEqual([plan.name]);
      expect(await found('plan')).toEqual([]);
      expect(await found('%')).toEqual([]);
      expect(await found('100%')).toEqual([share.name]);
      expect(await found(plan.id.slice(-8).toUpperCase())).toEqual([plan.name]);
      expect(await found(plan.id.slice(0, 13))).toContain(plan.name);
      for (const part of [
        plan.id,
        plan.id.replaceAll('-', ''),
        plan.id.slice(-12),
        plan.id.slice(-4),
        plan.id.slice(-17),
      ])
        expect(await found(part)).toEqual([plan.name]);
      const other = plan.id.at(-9) === '0' ? '1' : '0';
      expect(await found(`${other}${plan.id.slice(-8)}`)).toEqual([]);
    });

    test('one that was removed is in no list and starts no more; what it left undone is for another one', async () => {
      await using it = await crew(open);
      const first = await liveSession(it.server, it.alice, it.agent, it.team, it.machine);
      const params = { sessionId: first.session.id };
      await expect(it.alice.call(ROUTES.removeSession, { params })).rejects.toMatchObject({
        code: 'CONFLICT',
        hint: expect.stringContaining('session stop'),
      });
      const message = await send(it.alice, it.project, '@helper go');
      await startTurn(it.alice, first.run, it.project, await waiting(it.alice, first.session));
      await it.alice.call(ROUTES.endRun, { params: { runId: first.run.id }, body: { reason: 'stopped' } });
      const { signal: prompt } = await it.alice.call(ROUTES.signalSession, {
        params,
        body: { clientId: clientId(), kind: 'prompt', text: 'and this' },
      });
      const reader = await testSocket(it.server.url, it.alice.token);
      await subscribe(reader, it.alice.id, 0);
      await it.alice.call(ROUTES.removeSession, { params });
      expect((await it.alice.call(ROUTES.listSessions, {})).sessions).toEqual([]);
      for (const gone of [
        () => it.alice.call(ROUTES.getSession, { params }),
        () => it.alice.call(ROUTES.removeSession, { params }),
        () => openRun(it.alice, first.session, it.machine),
      ]) {
        await expect(gone()).rejects.toMatchObject({ code: 'NOT_FOUND' });
      }
      await eventually('the prompt expires', () =>
        eventsOf(reader, it.alice.id).some(
          (event) =>
            event.type === 'signal.updated' &&
            event.data.signal.id === prompt.id &&
            event.data.signal.state === 'expired',
        ),
      );
      await reader[Symbol.asyncDispose]();
      const second = await liveSession(it.server, it.alice, it.agent, it.team, it.machine);
      expect(await waiting(it.alice, second.session)).toMatchObject([{ kind: 'mention', messageId: message.id }]);
    });

    test('a project that is archived is served no more, until it is active again', async () => {
      await using it = await crew(open);
      const { session } = await liveSession(it.server, it.alice, it.agent, it.team, it.machine);
      const set = (status: 'archived' | 'active') =>
        it.alice.call(ROUTES.setProjectStatus, { params: { projectId: it.project.id }, body: { status } });
      const served = async () =>
        (await it.alice.call(ROUTES.getSession, { params: { sessionId: session.id } })).session.projects.some(
          ({ id }) => id === it.project.id,
        );
      const names = async () => (await it.alice.call(ROUTES.listProjects, {})).projects.map(({ name }) => name);
      const reader = await testSocket(it.server.url, it.alice.token);
      await subscribe(reader, it.alice.id);
      expect((await set('archived')).project).toMatchObject({ name: 'launch', status: 'archived' });
      expect([await served(), await names()]).toEqual([false, expect.not.arrayContaining(['launch'])]);
      const message = await send(it.alice, it.project, '@helper are you there?');
      expect(await waiting(it.alice, session)).toEqual([]);
      await set('active');
      expect([await served(), await names()]).toEqual([true, expect.arrayContaining(['launch'])]);
      expect(await waiting(it.alice, session)).toMatchObject([{ messageId: message.id }]);
      const heard = () => eventsOf(reader, it.alice.id).filter(({ type }) => type === 'membership.changed').length;
      await eventually('whoever brings the agent up is told twice', () => heard() === 2);
      await reader[Symbol.asyncDispose]();
    });

    test('a machine that was asleep is stale for good once another one took its place', async () => {
      const { clock, advance } = movableClock();
      await using it = await crew(open, { clock });
      const asleep = await liveSession(it.server, it.alice, it.agent, it.team, it.machine);
      const desktop = await addMachine(it.alice, 'desktop');
      const session = await planSession(it.alice, it.agent, it.team);
      advance(2 * MINUTE + 1000);
      await openRun(it.alice, session, desktop);
      const beat = { params: { machineId: it.machine }, body: { runs: [asleep.run.id] } };
      expect(await it.alice.call(ROUTES.heartbeat, beat)).toEqual({ stale: [asleep.run.id] });
      expect(await it.alice.call(ROUTES.heartbeat, beat)).toEqual({ stale: [asleep.run.id] });
      const activity = { params: { runId: asleep.run.id }, body: { activity: 'working' } } as const;
      await expect(it.alice.call(ROUTES.setActivity, activity)).rejects.toMatchObject({ code: 'STALE_RUN' });
      expect(await openRun(it.alice, session, desktop)).toMatchObject({ epoch: 2, machine: 'desktop' });
    });

    test('ending a run interrupts its turn and expires what nobody took; saying it again changes nothing', async () => {
      await using it = await crew(open);
      const { session, run } = await liveSession(it.server, it.alice, it.agent, it.team, it.machine);
      await send(it.alice, it.project, '@helper go');
      const turn = await startTurn(it.alice, run, it.project, await waiting(it.alice, session));
      const { signal } = await it.alice.call(ROUTES.signalSession, {
        params: { sessionId: session.id },
        body: { clientId: clientId(), kind: 'stop' },
      });
      const end = { params: { runId: run.id }, body: { reason: 'stopped' } } as const;
      const ended = await it.alice.call(ROUTES.endRun, end);
      expect(ended.session).toMatchObject({ state: 'stopped', run: { reason: 'stopped' } });
      expect(await it.alice.call(ROUTES.endRun, end)).toEqual(ended);
      const { turns, signals } = await it.alice.call(ROUTES.getSession, { params: { sessionId: session.id } });
      expect(turns).toMatchObject([{ id: turn.id, state: 'interrupted' }]);
      expect(signals.find(({ id }) => id === signal.id)).toMatchObject({ state: 'expired' });
    });
  });
}
