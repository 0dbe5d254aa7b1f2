/** Turns: what wakes them, what they read, and when agents stop answering each other. */
import { describe, expect, test } from 'vitest';
import { newId } from '#base/id.ts';
import type { TurnId } from '#contract/ids.ts';
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
import { caller, clientId, testSocket } from '../../support/server.ts';
import { crew, eventsOf, type Open, subscribe } from './fixture.ts';

export function turnSuite(engine: string, open: Open): void {
  describe(`${engine}: turns`, () => {
    test('a mention wakes a live session, and the turn carries what was said since', async () => {
      await using it = await crew(open);
      await joinProject(it.alice, it.project, 'bob');
      for (let n = 1; n <= 12; n += 1) await send(it.alice, it.project, `before ${n}`);
      const { session, run, agent } = await liveSession(it.server, it.alice, it.agent, it.team, it.machine);
      const asked = await send(it.bob, it.project, '@helper please look');
      await send(it.alice, it.project, 'and quickly');
      const signals = await waiting(it.alice, session);
      expect(signals).toMatchObject([
        { kind: 'mention', messageId: asked.id, sessionId: session.id, sender: { name: 'bob' }, hop: 0 },
      ]);
      const turn = await startTurn(it.alice, run, it.project, signals);
      expect(turn).toMatchObject({ hop: 1, state: 'open', signals: signals.map(({ id }) => id) });
      expect(await waiting(it.alice, session)).toEqual([]);
      const read = await it.alice.call(ROUTES.getTurnMessages, { params: { turnId: turn.id } });
      expect(read.messages.map(({ body }) => body)).toEqual(['@helper please look', 'and quickly']);
      expect(read.context.map(({ body }) => body)).toEqual(Array.from({ length: 10 }, (_, n) => `before ${n + 3}`));
      expect(read.omitted).toBe(0);

      const answer = await send(agent, it.project, 'done');
      expect(answer).toMatchObject({ author: { name: 'helper.alice' }, hop: 1, turnId: turn.id });
      expect(await endTurn(it.alice, run, turn.id)).toMatchObject({ state: 'ended' });
      const later = await send(it.alice, it.project, '@helper.alice again');
      const next = await startTurn(it.alice, run, it.project, await waiting(it.alice, session));
      const second = await it.alice.call(ROUTES.getTurnMessages, { params: { turnId: next.id } });
      expect(second.context).toEqual([]);
      expect(second.messages.map(({ id }) => id)).toEqual([later.id]);
      expect(await it.alice.call(ROUTES.getTurnMessages, { params: { turnId: next.id } })).toEqual(second);
    });

    test('what was said to the agent since its session looked is answered by the same turn, and by no other', async () => {
      await using it = await crew(open);
      const { session, run } = await liveSession(it.server, it.alice, it.agent, it.team, it.machine);
      await send(it.alice, it.project, '@helper one');
      const seen = await waiting(it.alice, session);
      await send(it.alice, it.project, '@helper two');
      const turn = await startTurn(it.alice, run, it.project, seen);
      const { messages } = await it.alice.call(ROUTES.getTurnMessages, { params: { turnId: turn.id } });
      expect(messages.map(({ body }) => body)).toEqual(['@helper one', '@helper two']);
      expect(turn.signals).toHaveLength(2);
      expect(await waiting(it.alice, session)).toEqual([]);
    });

    test('the newest fifty unread messages are shown, and always the one that woke the turn', async () => {
      await using it = await crew(open);
      const { session, run } = await liveSession(it.server, it.alice, it.agent, it.team, it.machine);
      const asked = await send(it.alice, it.project, '@helper first');
      for (let n = 1; n <= 60; n += 1) await send(it.alice, it.project, `more ${n}`);
      const turn = await startTurn(it.alice, run, it.project, await waiting(it.alice, session));
      const read = await it.alice.call(ROUTES.getTurnMessages, { params: { turnId: turn.id } });
      expect(read.messages).toHaveLength(51);
      expect(read.messages[0]?.id).toBe(asked.id);
      expect(read.omitted).toBe(10);
    });

    test('a mention waits for a session that comes up later, and never starts one', async () => {
      await using it = await crew(open);
      await send(it.alice, it.project, '@helper are you there?');
      expect((await it.alice.call(ROUTES.listSessions, {})).sessions).toEqual([]);
      const { session } = await liveSession(it.server, it.alice, it.agent, it.team, it.machine);
      expect(await waiting(it.alice, session)).toMatchObject([{ kind: 'mention', sessionId: null }]);
    });

    test('a turn that a crash interrupted is taken up by the next run with what it had', async () => {
      await using it = await crew(open);
      const { session, run } = await liveSession(it.server, it.alice, it.agent, it.team, it.machine);
      await send(it.alice, it.project, '@helper go');
      const turn = await startTurn(it.alice, run, it.project, await waiting(it.alice, session));
      expect(await startTurn(it.alice, run, it.project, [], turn.id)).toEqual(turn);
      const next = await openRun(it.alice, session, it.machine, turn.id);
      const again = await startTurn(it.alice, next, it.project, [], turn.id);
      expect(again).toMatchObject({ id: turn.id, runId: next.id, state: 'open', hop: 1, signals: turn.signals });
      const ended = await endTurn(it.alice, next, turn.id);
      expect(await endTurn(it.alice, next, turn.id)).toEqual(ended);
    });

    test('a turn that nobody can go on with waits again for whoever comes, unless it was answered', async () => {
      await using it = await crew(open);
      const { session, run } = await liveSession(it.server, it.alice, it.agent, it.team, it.machine);
      await send(it.alice, it.project, '@helper go');
      const stranded = await startTurn(it.alice, run, it.project, await waiting(it.alice, session));
      const other = await openRun(it.alice, session, it.machine);
      const again = await waiting(it.alice, session);
      expect(again.map(({ id }) => id)).toEqual(stranded.signals);
      // The one that had it comes back: it is over.
      expect(await startTurn(it.alice, other, it.project, [], stranded.id)).toMatchObject({
        state: 'failed',
        signals: [],
      });
      const turn = await startTurn(it.alice, other, it.project, again);
      const { token } = await it.alice.call(ROUTES.mintSessionToken, { params: { runId: other.id } });
      const body = { clientId: turn.id, body: 'done' };
      await caller(it.server.url, token).call(ROUTES.sendMessage, { params: { projectId: it.project.id }, body });
      await openRun(it.alice, session, it.machine);
      expect(await waiting(it.alice, session)).toEqual([]);
      const { turns } = await it.alice.call(ROUTES.getSession, { params: { sessionId: session.id } });
      expect(turns.map(({ state }) => state)).toEqual(['failed', 'ended']);
    });

    test('of turns that began in the same moment the last is the one where a prompt belongs', async () => {
      await using it = await crew(open);
      const second = await createProject(it.alice, it.team, 'second');
      await joinProject(it.alice, second, 'helper');
      const { session, run } = await liveSession(it.server, it.alice, it.agent, it.team, it.machine);
      for (const project of [it.project, second, it.project]) {
        await endTurn(it.alice, run, (await startTurn(it.alice, run, project, [])).id);
        const { signal } = await it.alice.call(ROUTES.signalSession, {
          params: { sessionId: session.id },
          body: { clientId: clientId(), kind: 'prompt', text: 'go on' },
        });
        expect(signal.projectId).toBe(project.id);
      }
    });

    test('what is said after turns that began in the same moment is as far from a person as the last of them', async () => {
      await using it = await crew(open);
      const other = await createAgent(it.alice, 'echo');
      await joinProject(it.alice, it.project, 'echo');
      const echo = await liveSession(it.server, it.alice, other, it.team, it.machine);
      const { session, run, agent } = await liveSession(it.server, it.alice, it.agent, it.team, it.machine);
      for (const [who, hop] of [
        [it.alice, 1],
        [echo.agent, 2],
        [it.alice, 1],
      ] as const) {
        await send(who, it.project, '@helper go on');
        const turn = await startTurn(it.alice, run, it.project, await waiting(it.alice, session));
        await endTurn(it.alice, run, turn.id);
        expect(await send(agent, it.project, 'done')).toMatchObject({ turnId: null, hop });
      }
    });

    test('of two sessions that report the same signal one gets it', async () => {
      await using it = await crew(open);
      const first = await liveSession(it.server, it.alice, it.agent, it.team, it.machine);
      const second = await liveSession(it.server, it.alice, it.agent, it.team, it.machine, {
        projects: [it.project.id],
      });
      await send(it.alice, it.project, '@helper go');
      const signals = await waiting(it.alice, first.session);
      const turns = await Promise.all(
        [first, second].map(({ run }) => startTurn(it.alice, run, it.project, signals, newId<TurnId>())),
      );
      expect(turns.flatMap((turn) => turn.signals)).toEqual(signals.map(({ id }) => id));
    });

    test('agents that answer each other stop at the limit, people are told once, and a person resets it', async () => {
      await using it = await crew(open);
      const project = await createProject(it.alice, it.team, 'loop', { hopLimit: 2 });
      const other = await createAgent(it.alice, 'echo');
      await joinProject(it.alice, project, 'helper');
      await joinProject(it.alice, project, 'echo');
      const sides = [
        { ...(await liveSession(it.server, it.alice, it.agent, it.team, it.machine)), calls: '@echo your turn' },
        { ...(await liveSession(it.server, it.alice, other, it.team, it.machine)), calls: '@helper your turn' },
      ];
      await using socket = await testSocket(it.server.url, it.alice.token);
      await subscribe(socket, project.id);
      const rally = async (): Promise<number> => {
        for (let hits = 0; ; hits += 1) {
          const side = sides[hits % 2];
          if (side === undefined) throw new Error('no side');
          const signals = await waiting(it.alice, side.session);
          if (signals.length === 0) return hits;
          const turn = await startTurn(it.alice, side.run, project, signals);
          await send(side.agent, project, side.calls);
          await endTurn(it.alice, side.run, turn.id);
        }
      };
      await send(it.alice, project, '@helper begin');
      expect(await rally()).toBe(2);
      const stopped = async () =>
        (await it.alice.call(ROUTES.resolveProject, { query: { name: 'loop' } })).project.loopStoppedAt;
      expect(await stopped()).not.toBeNull();
      await eventually('people are told', () =>
        eventsOf(socket, project.id).some(({ type }) => type === 'loop.stopped'),
      );
      await send(it.alice, project, '@helper once more');
      expect(await stopped()).toBeNull();
      expect(await rally()).toBe(2);
    });

    test('in a dm every message of the owner is a signal for the agent, and an answer one for the owner', async () => {
      await using it = await crew(open);
      const { session, run, agent } = await liveSession(it.server, it.alice, it.agent, it.team, it.machine);
      const dm = await dmOf(it.alice, it.agent);
      await using socket = await testSocket(it.server.url, it.alice.token);
      await subscribe(socket, it.alice.id);
      await send(it.alice, dm, 'a word, @helper');
      const signals = await waiting(it.alice, session);
      expect(signals).toMatchObject([{ kind: 'dm', sessionId: session.id }]);
      await startTurn(it.alice, run, dm, signals);
      await send(agent, dm, 'yes?');
      await eventually('the owner is signalled', () =>
        eventsOf(socket, it.alice.id).some(
          (event) =>
            event.type === 'signal.created' &&
            event.data.signal.kind === 'dm' &&
            event.data.signal.recipient.name === 'alice',
        ),
      );
    });

    test('the first prompt of a session goes to its first project, and its token may answer there', async () => {
      await using it = await crew(open);
      const dm = await dmOf(it.alice, it.agent);
      const planned = await planSession(it.alice, it.agent, it.team, { text: 'say hello' });
      const signals = await waiting(it.alice, planned);
      expect(signals).toMatchObject([{ kind: 'session_start', text: 'say hello', projectId: dm.id, hop: 0 }]);
      const run = await openRun(it.alice, planned, it.machine);
      expect(await startTurn(it.alice, run, dm, signals)).toMatchObject({ hop: 1 });
    });
  });
}
