/** Budgets: how much an agent may use, and what becomes of what is said to it meanwhile. */
import { describe, expect, test } from 'vitest';
import { newId } from '#base/id.ts';
import { DEFAULT_BUDGET } from '#contract/default-budget.ts';
import type { Counters } from '#contract/entities.ts';
import type { TurnId } from '#contract/ids.ts';
import { ROUTES } from '#contract/routes.ts';
import { movableClock } from '../../support/clock.ts';
import {
  endTurn,
  joinProject,
  type LiveSession,
  liveSession,
  openRun,
  send,
  startTurn,
  waiting,
} from '../../support/company.ts';
import { eventually } from '../../support/eventually.ts';
import { testSocket } from '../../support/server.ts';
import { crew, eventsOf, type Open, subscribe } from './fixture.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const FREE: Counters = { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0, costMicros: 0 };
const EXCEEDED = { code: 'BUDGET_EXCEEDED' };

/** A crew whose agent runs, by a clock that can be moved. */
async function busyCrew(open: Open) {
  const time = movableClock();
  const it = await crew(open, { clock: time.clock });
  const live = await liveSession(it.server, it.alice, it.agent, it.team, it.machine);
  const params = { agentId: it.agent.id };
  /** Alice logs in anew: her token does not last that long. */
  const advance = async (ms: number) => {
    time.advance(ms);
    Object.assign(it.alice, await it.server.login('alice'));
  };
  const asked = async (session = live.session) => {
    await send(it.alice, it.project, '@helper go on');
    return await waiting(it.alice, session);
  };
  return {
    ...it,
    live,
    run: live.run,
    session: live.session,
    advance,
    asked,
    setBudget: (body: object) => it.alice.call(ROUTES.setBudget, { params, body: body as never }),
    budget: () => it.alice.call(ROUTES.getBudget, { params }),
    /** A whole turn, from a mention to its end. */
    async turn(counters = FREE, { run, session }: Pick<LiveSession, 'run' | 'session'> = live) {
      const turn = await startTurn(it.alice, run, it.project, await asked(session));
      return await endTurn(it.alice, run, turn.id, counters);
    },
  };
}

export function budgetSuite(engine: string, open: Open): void {
  describe(`${engine}: budgets`, () => {
    test('an agent has a budget from the start; its owner changes single limits, or takes one away by name', async () => {
      await using it = await busyCrew(open);
      expect(await it.budget()).toEqual({
        budget: DEFAULT_BUDGET,
        used: { turnsPerHour: 0, tokensPerDay: 0, costMicrosPerDay: 0 },
        exhausted: null,
      });
      await it.setBudget({ turnsPerHour: 5 });
      const { budget } = await it.setBudget({ costMicrosPerDay: 'unlimited' });
      expect(budget).toEqual({ ...DEFAULT_BUDGET, turnsPerHour: 5, costMicrosPerDay: 'unlimited' });
      for (const wrong of [0, -1, 1.5, null, 'Unlimited']) {
        await expect(it.setBudget({ turnsPerHour: wrong })).rejects.toMatchObject({ code: 'VALIDATION_ERROR' });
      }
    });

    test('only the owner sees or sets it: nobody else in the project, and not the agent', async () => {
      await using it = await busyCrew(open);
      await joinProject(it.alice, it.project, 'bob', 'admin');
      const params = { agentId: it.agent.id };
      for (const [who, code] of [
        [it.bob, 'NOT_FOUND'],
        [it.live.agent, 'FORBIDDEN'],
      ] as const) {
        await expect(who.call(ROUTES.setBudget, { params, body: { turnsPerHour: 1 } })).rejects.toMatchObject({ code });
        await expect(who.call(ROUTES.getBudget, { params })).rejects.toMatchObject({ code });
      }
      expect((await it.budget()).budget).toEqual(DEFAULT_BUDGET);
    });

    test('past its turns an hour what is said waits, and the next turn takes all of it when the hour has rolled on', async () => {
      await using it = await busyCrew(open);
      await it.setBudget({ turnsPerHour: 2 });
      const first = await it.turn();
      await it.advance(20 * MINUTE_MS);
      await it.turn();
      const signals = await it.asked();
      const retryAt = new Date(Date.parse(first.startedAt) + HOUR_MS).toISOString();
      await expect(startTurn(it.alice, it.run, it.project, signals)).rejects.toMatchObject({
        ...EXCEEDED,
        message: 'helper.alice has used up its budget: 2 of 2 turns in the last hour.',
        hint: expect.stringContaining('aachat agent budget helper.alice --turns-per-hour'),
        details: { retryAt },
      });
      expect(await it.budget()).toMatchObject({
        used: { turnsPerHour: 2 },
        exhausted: { limit: 'turnsPerHour', retryAt },
      });
      expect(await it.asked()).toHaveLength(2);
      await it.advance(40 * MINUTE_MS);
      expect((await it.budget()).exhausted).toBeNull();
      const turn = await startTurn(it.alice, it.run, it.project, await waiting(it.alice, it.session));
      expect(turn.signals).toHaveLength(2);
      await expect(it.turn()).rejects.toMatchObject(EXCEEDED);
    });

    test.each([
      [
        'tokensPerDay',
        1000,
        { ...FREE, inputTokens: 300, outputTokens: 100, cacheReadTokens: 200, cacheWriteTokens: 0 },
      ],
      ['costMicrosPerDay', 2_000_000, { ...FREE, costMicros: 1_200_000 }],
    ] as const)('%s counts what the turns of a day cost', async (limit, most, counters) => {
      await using it = await busyCrew(open);
      await it.setBudget({ [limit]: most });
      await it.turn(counters);
      await it.advance(12 * HOUR_MS);
      await it.turn(counters);
      await expect(it.turn()).rejects.toMatchObject(EXCEEDED);
      await it.advance(12 * HOUR_MS);
      await it.turn(counters);
    });

    test('a turn begins with what is left, and the people of the project hear of the one that used it up', async () => {
      await using it = await busyCrew(open);
      await using socket = await testSocket(it.server.url, it.alice.token);
      await subscribe(socket, it.project.id);
      const told = () => eventsOf(socket, it.project.id).filter(({ type }) => type === 'budget.reached');
      await it.setBudget({ costMicrosPerDay: 1_000, tokensPerDay: 'unlimited' });
      const begin = async (turnId: TurnId) => {
        const signals = (await it.asked()).map(({ id }) => id);
        const body = { turnId, projectId: it.project.id, signals };
        return await it.alice.call(ROUTES.startTurn, { params: { runId: it.run.id }, body });
      };
      const end = (turnId: TurnId, state: 'cancelled' | 'failed', costMicros: number) =>
        it.alice.call(ROUTES.endTurn, {
          params: { turnId },
          body: {
            runId: it.run.id,
            state,
            stopReason: state === 'cancelled' ? 'budget_exceeded' : 'agent_error',
            counters: { ...FREE, costMicros },
          },
        });
      const [failed, cut] = [newId<TurnId>(), newId<TurnId>()];
      expect(await begin(failed)).toMatchObject({ left: { tokens: null, costMicros: 1_000 } });
      await end(failed, 'failed', 400);
      expect(await begin(cut)).toMatchObject({ left: { costMicros: 600 } });
      for (const _ of [1, 2]) await end(cut, 'cancelled', 700);
      await expect(begin(newId<TurnId>())).rejects.toMatchObject(EXCEEDED);
      await send(it.alice, it.project, 'the end');
      await eventually('all is heard', () =>
        eventsOf(socket, it.project.id).some(
          (event) => event.type === 'message.created' && event.data.message.body === 'the end',
        ),
      );
      expect(told()).toMatchObject([{ data: { agent: { name: 'helper.alice' }, cancelled: true } }]);
    });

    test('a turn that a crash interrupted is the same turn, and may go on whatever the budget', async () => {
      await using it = await busyCrew(open);
      await it.setBudget({ turnsPerHour: 1 });
      const turn = await startTurn(it.alice, it.run, it.project, await it.asked());
      const next = await openRun(it.alice, it.session, it.machine, turn.id);
      expect(await startTurn(it.alice, next, it.project, [], turn.id)).toMatchObject({ id: turn.id, state: 'open' });
      expect((await it.budget()).used.turnsPerHour).toBe(1);
    });

    test('all sessions of an agent share its budget, and of two that ask at once one gets the last turn', async () => {
      await using it = await busyCrew(open);
      await it.setBudget({ turnsPerHour: 1 });
      const second = await liveSession(it.server, it.alice, it.agent, it.team, it.machine, {
        projects: [it.project.id],
      });
      const prompt = ({ session }: LiveSession) => ({
        params: { sessionId: session.id },
        body: { clientId: newId(), kind: 'prompt', text: 'go' } as const,
      });
      for (const live of [it.live, second]) await it.alice.call(ROUTES.signalSession, prompt(live));
      const tries = await Promise.allSettled(
        [it.live, second].map(async ({ run, session }) =>
          startTurn(it.alice, run, it.project, await waiting(it.alice, session)),
        ),
      );
      expect(tries.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    });

    test('a turn for which nothing was left does not count', async () => {
      await using it = await busyCrew(open);
      await it.setBudget({ turnsPerHour: 1 });
      const empty = await startTurn(it.alice, it.run, it.project, [], newId<TurnId>());
      await endTurn(it.alice, it.run, empty.id);
      await it.turn();
      expect((await it.budget()).used.turnsPerHour).toBe(1);
    });

    test('the project is told once, the owner of each change, and a raised budget lets the next turn begin', async () => {
      await using it = await busyCrew(open);
      await using socket = await testSocket(it.server.url, it.alice.token);
      await subscribe(socket, it.project.id);
      await subscribe(socket, it.alice.id);
      await it.setBudget({ turnsPerHour: 1 });
      await it.turn();
      for (const _ of [1, 2]) await expect(it.turn()).rejects.toMatchObject(EXCEEDED);
      await it.setBudget({ turnsPerHour: 2 });
      await it.turn();
      const of = (stream: string, type: string) => eventsOf(socket, stream).filter((event) => event.type === type);
      await eventually('the owner hears both changes', () => of(it.alice.id, 'budget.changed').length === 2);
      await send(it.alice, it.project, 'the end');
      await eventually('all is heard', () => of(it.project.id, 'message.created').length === 5);
      expect(of(it.project.id, 'budget.reached')).toMatchObject([{ data: { agent: { name: 'helper.alice' } } }]);
      await expect(it.turn()).rejects.toMatchObject(EXCEEDED);
      await eventually('told again after a change', () => of(it.project.id, 'budget.reached').length === 2);
    });
  });
}
