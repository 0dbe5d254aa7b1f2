/** Cooldowns: two agents that only thank each other, or repeat themselves, stop waking each other. */
import { describe, expect, test } from 'vitest';
import { ROUTES } from '#contract/routes.ts';
import { movableClock } from '../../support/clock.ts';
import { createAgent, createProject, joinProject, liveSession, send, waiting } from '../../support/company.ts';
import { eventually } from '../../support/eventually.ts';
import type { Caller } from '../../support/server.ts';
import { testSocket } from '../../support/server.ts';
import { crew, eventsOf, type Open, subscribe } from './fixture.ts';

/** Two agents of alice that run, in a project; their messages are not part of turns. */
async function pair(open: Open) {
  const time = movableClock();
  const it = await crew(open, { clock: time.clock });
  const project = await createProject(it.alice, it.team, 'polite', { hopLimit: 100 });
  const other = await createAgent(it.alice, 'echo');
  for (const name of ['helper', 'echo']) await joinProject(it.alice, project, name);
  const helper = await liveSession(it.server, it.alice, it.agent, it.team, it.machine);
  const echo = await liveSession(it.server, it.alice, other, it.team, it.machine);
  const to = async (who: Caller, session: typeof helper.session, body: string) => {
    const before = (await waiting(it.alice, session)).length;
    await send(who, project, body);
    return (await waiting(it.alice, session)).length > before;
  };
  return {
    ...it,
    project,
    advance: async (ms: number) => {
      time.advance(ms);
      Object.assign(it.alice, await it.server.login('alice'));
    },
    /** @returns whether the other one is woken */
    toEcho: (text: string) => to(helper.agent, echo.session, `@echo ${text}`),
    toHelper: (text: string) => to(echo.agent, helper.session, `@helper ${text}`),
    forHelper: () => waiting(it.alice, helper.session),
    cooldowns: async () =>
      (await it.alice.call(ROUTES.resolveProject, { query: { name: 'polite' } })).project.cooldowns,
  };
}

export function cooldownSuite(engine: string, open: Open): void {
  describe(`${engine}: cooldowns`, () => {
    test('the fourth thanks in a row wakes nobody, people are told once, and words that say something always do', async () => {
      await using it = await pair(open);
      await using socket = await testSocket(it.server.url, it.alice.token);
      await subscribe(socket, it.project.id);
      const told = () => eventsOf(socket, it.project.id).filter(({ type }) => type === 'pair.cooled');
      await send(it.alice, it.project, 'begin');
      expect(await it.toEcho('the build is green')).toBe(true);
      expect(await it.toHelper('thanks!')).toBe(true);
      expect(await it.toEcho("you're welcome 😊")).toBe(true);
      expect(await it.toHelper('👍')).toBe(true);
      expect(await it.toEcho('Vielen Dank!')).toBe(false);
      await eventually('people are told', () => told().length === 1);
      expect(told()).toMatchObject([
        { data: { cooldown: { agents: ['echo.alice', 'helper.alice'], because: 'acknowledgement' } } },
      ]);
      expect(await it.toHelper('ok')).toBe(false);
      expect(await it.toHelper('wait, the tests fail')).toBe(true);
      // What answers something new is no small talk, however short.
      expect(await it.toEcho('got it')).toBe(true);
      expect(await it.toHelper('thanks')).toBe(false);
      await send(it.alice, it.project, 'the end');
      await eventually('all is heard', () =>
        eventsOf(socket, it.project.id).some(
          (event) => event.type === 'message.created' && event.data.message.body === 'the end',
        ),
      );
      expect(told()).toHaveLength(1);
    });

    test('a message of a person ends it at once, and so does time', async () => {
      await using it = await pair(open);
      const thank = async () => [
        await it.toEcho('thanks'),
        await it.toHelper('thank you'),
        await it.toEcho('cheers'),
        await it.toHelper('ok'),
      ];
      expect(await thank()).toEqual([true, true, true, false]);
      expect(await it.cooldowns()).toHaveLength(1);
      await send(it.alice, it.project, 'go on');
      expect(await it.cooldowns()).toEqual([]);
      expect(await thank()).toEqual([true, true, true, false]);
      await it.advance(10 * 60_000);
      expect(await it.toEcho('the build is red')).toBe(true);
      expect(await it.toHelper('ok')).toBe(true);
      expect(await it.toEcho('ok')).toBe(true);
    });

    test('the same words over and over end too, and other pairs go on', async () => {
      await using it = await pair(open);
      const third = await createAgent(it.alice, 'third');
      await joinProject(it.alice, it.project, 'third');
      const { agent } = await liveSession(it.server, it.alice, third, it.team, it.machine);
      const ask = () => it.toEcho('is it done?');
      const answer = () => it.toHelper('not yet');
      expect([await ask(), await answer(), await ask(), await answer(), await ask(), await answer()]).toEqual([
        true,
        true,
        true,
        true,
        true,
        false,
      ]);
      expect(await it.cooldowns()).toMatchObject([{ because: 'repetition' }]);
      const before = (await it.forHelper()).length;
      for (const words of ['thanks', 'is it done?']) await send(agent, it.project, `@helper ${words}`);
      expect(await it.forHelper()).toHaveLength(before + 2);
      expect(await it.toHelper('it is done')).toBe(true);
    });
  });
}
