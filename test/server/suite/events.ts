/** Events: numbered without a gap, delivered to whom they are for, and to nobody else. */
import { describe, expect, test } from 'vitest';
import { ROUTES } from '#contract/routes.ts';
import { createProject, joinProject, leaveProject, liveSession, send } from '../../support/company.ts';
import { eventually } from '../../support/eventually.ts';
import { testSocket } from '../../support/server.ts';
import { company, crew, eventsOf, type Open, subscribe } from './fixture.ts';

export function eventSuite(engine: string, open: Open): void {
  describe(`${engine}: events`, () => {
    test('eight writers at once: every number once, in order, and a reader over the socket misses nothing', async () => {
      await using it = await company(open);
      await using socket = await testSocket(it.server.url, it.alice.token);
      await subscribe(socket, it.project.id, 0);
      const each = 25;
      await Promise.all(
        Array.from({ length: 8 }, async (_, writer) => {
          for (let n = 0; n < each; n += 1) await send(it.alice, it.project, `${writer}:${n}`);
        }),
      );
      const said = () => eventsOf(socket, it.project.id).filter(({ type }) => type === 'message.created');
      await eventually('all messages arrive', () => said().length >= 8 * each);
      const seqs = said().map(({ seq }) => seq);
      expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
      expect(seqs).toHaveLength(8 * each);
      const read = await it.alice.call(ROUTES.listMessages, {
        params: { projectId: it.project.id },
        query: { after: 0, limit: 200 },
      });
      expect(read.messages.map(({ seq }) => seq)).toEqual(seqs);
    });

    test('a reader that comes back goes on after its cursor', async () => {
      await using it = await company(open);
      const first = await send(it.alice, it.project, 'one');
      const second = await send(it.alice, it.project, 'two');
      await using socket = await testSocket(it.server.url, it.alice.token);
      await subscribe(socket, it.project.id, first.seq);
      expect(eventsOf(socket, it.project.id)).toMatchObject([{ seq: second.seq, type: 'message.created' }]);
    });

    test('a cursor from another life is reset', async () => {
      await using it = await company(open);
      const last = await send(it.alice, it.project, 'one');
      await using socket = await testSocket(it.server.url, it.alice.token);
      await subscribe(socket, it.project.id, last.seq + 100);
      expect(socket.frames).toContainEqual({ type: 'reset', stream: it.project.id, seq: last.seq });
    });

    test('a stream that is not for the reader is denied, and one is lost with the membership', async () => {
      await using it = await company(open);
      await joinProject(it.alice, it.project, 'bob');
      await using socket = await testSocket(it.server.url, it.bob.token);
      socket.send({ type: 'subscribe', streams: [{ stream: it.alice.id, after: null }] });
      await eventually('the stream of another is denied', () =>
        socket.frames.some((frame) => frame.type === 'denied' && frame.stream === it.alice.id),
      );
      await subscribe(socket, it.project.id);
      await leaveProject(it.alice, it.project, 'bob');
      await send(it.alice, it.project, 'a secret');
      await eventually('the lost stream is denied', () =>
        socket.frames.some((frame) => frame.type === 'denied' && frame.stream === it.project.id),
      );
      expect(JSON.stringify(socket.frames)).not.toContain('a secret');
    });

    test('who leaves the team loses all of its streams', async () => {
      await using it = await company(open);
      const { projects } = await it.bob.call(ROUTES.listProjects, { query: { team: 'acme', kind: 'stream' } });
      const lounge = projects[0];
      if (lounge === undefined) throw new Error('no stream');
      await using socket = await testSocket(it.server.url, it.bob.token);
      await subscribe(socket, lounge.id);
      await it.alice.call(ROUTES.removeTeamMember, { params: { teamId: it.team.id, userId: it.bob.id as never } });
      await eventually('the stream is denied', () => socket.frames.some(({ type }) => type === 'denied'));
    });

    test('a session hears the projects that it covers, and only while it covers them', async () => {
      await using it = await crew(open);
      const second = await createProject(it.alice, it.team, 'second');
      const { agent } = await liveSession(it.server, it.alice, it.agent, it.team, it.machine);
      await using socket = await testSocket(it.server.url, agent.token);
      socket.send({ type: 'subscribe', streams: [{ stream: second.id, after: null }] });
      await eventually('the other project is denied', () => socket.frames.some(({ type }) => type === 'denied'));
      await subscribe(socket, it.project.id);
      await leaveProject(it.alice, it.project, 'helper');
      await send(it.alice, it.project, 'a secret');
      await eventually('the lost project is denied', () =>
        socket.frames.some((frame) => frame.type === 'denied' && frame.stream === it.project.id),
      );
      expect(JSON.stringify(socket.frames)).not.toContain('a secret');
    });

    test('a project learns of a session, but not where else it works', async () => {
      await using it = await crew(open);
      await joinProject(it.alice, it.project, 'bob');
      await using socket = await testSocket(it.server.url, it.bob.token);
      await subscribe(socket, it.project.id);
      await liveSession(it.server, it.alice, it.agent, it.team, it.machine);
      const updates = () =>
        eventsOf(socket, it.project.id).flatMap((event) =>
          event.type === 'session.updated' ? [event.data.session] : [],
        );
      await eventually('the session runs', () => updates().some(({ state }) => state === 'running'));
      for (const session of updates()) expect(session.projects.map(({ name }) => name)).toEqual(['launch']);
    });
  });
}
