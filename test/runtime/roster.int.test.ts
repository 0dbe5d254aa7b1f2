import { expect, test } from 'vitest';
import { within } from '#base/async.ts';
import { newId } from '#base/id.ts';
import { createLog } from '#base/log.ts';
import type { HttpClient } from '#client/http.ts';
import { ROUTES } from '#contract/routes.ts';
import { eventually } from '../support/eventually.ts';
import { upScene } from '../support/up.ts';

test('an agent has one session of its own, however many others it has', async () => {
  await using scene = await upScene('ada');
  const { http, agents } = scene;
  const first = await scene.start();
  await first.ready;
  const own = first.sessions().map(({ sessionId }) => sessionId);
  await first.stop(false);
  const agentId = agents[0]?.id ?? expect.fail();
  const { sessions } = await http.call(ROUTES.listSessions, { query: { agentId } });
  const teamId = sessions[0]?.teamId ?? expect.fail();
  for (let count = 0; count < 201; count += 1) {
    const body = { clientId: newId(), agentId, teamId, projects: [], parked: true };
    await http.call(ROUTES.createSession, { body });
  }
  const second = await scene.start();
  await second.ready;
  expect(second.sessions().map(({ sessionId }) => sessionId)).toEqual(own);
});

test('of two budgets that come after each other the last one holds, however slow the answer about the first', async () => {
  await using scene = await upScene('ada');
  const params = { agentId: scene.agents[0]?.id ?? expect.fail() };
  const [asked, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let questions = 0;
  const http: HttpClient = {
    async call(route, input, signal) {
      const reply = await scene.http.call(route, input, signal);
      if ((route as unknown) !== ROUTES.getBudget) return reply;
      questions += 1;
      if (questions > 1) asked.resolve();
      else await release.promise;
      return reply;
    },
  };
  const lines: string[] = [];
  const up = await scene.start({ http, log: createLog({ write: (line) => lines.push(line) }) });
  await up.ready;
  const set = (tokensPerDay: number) => scene.http.call(ROUTES.setBudget, { params, body: { tokensPerDay } });
  await set(1_000);
  await eventually('it asks', () => questions === 1);
  await set(2_000);
  // Whoever asks again meanwhile has the newer answer first.
  await within(500, asked.promise);
  release.resolve();
  const heard = () => lines.flatMap((line) => /"tokens":(\d+)/.exec(line)?.[1] ?? []);
  await eventually('both are heard', () => heard().length === 2);
  expect(heard()).toEqual(['1000', '2000']);
});
