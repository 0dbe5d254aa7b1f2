import { expect, test } from 'vitest';
import { newId } from '#base/id.ts';
import { ROUTES } from '#contract/routes.ts';
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
