/** One agent of a person with two machines: this one, with a real `up`, and a desk that only the server hears of. */
import { expect, test } from 'vitest';
import { newId } from '#base/id.ts';
import type { HttpClient } from '#client/http.ts';
import type { EndReason } from '#contract/entities.ts';
import type { MachineId, RunId, SessionId } from '#contract/ids.ts';
import { ROUTES } from '#contract/routes.ts';
import { readEventLog } from '#runtime/event-log.ts';
import { answers, tell } from '../support/dm.ts';
import { eventually } from '../support/eventually.ts';
import { type UpScene, upScene } from '../support/up.ts';

async function secondMachine({ http }: UpScene) {
  let taken = Promise.resolve();
  const machineId = newId<MachineId>();
  await http.call(ROUTES.putMachine, { params: { machineId }, body: { name: 'desk' } });
  return {
    /** The first machine's way to the server: what it says while this one takes a session comes after that. */
    first: {
      async call(route, input, signal) {
        await taken;
        return await http.call(route, input, signal);
      },
    } satisfies HttpClient as HttpClient,
    async take(sessionId: SessionId): Promise<RunId> {
      const taking = Promise.withResolvers<void>();
      taken = taking.promise;
      try {
        const { session } = await http.call(ROUTES.getSession, { params: { sessionId } });
        // As if nobody had heard of the other one for two minutes.
        if (session.run !== null && session.run.endedAt === null) await this.end(session.run.id, 'stopped');
        const body = { clientId: newId(), machineId, owes: null };
        return (await http.call(ROUTES.openRun, { params: { sessionId }, body })).run.id;
      } finally {
        taking.resolve();
      }
    },
    async end(runId: RunId, reason: EndReason) {
      await http.call(ROUTES.endRun, { params: { runId }, body: { reason } });
    },
  };
}

test('a session that another machine took over waits, says so, and goes on when that one is done with it', async () => {
  await using scene = await upScene('ada');
  const desk = await secondMachine(scene);
  const up = await scene.start({ http: desk.first });
  await up.ready;
  const [ada] = scene.agents;
  const now = () => up.sessions()[0] ?? expect.fail();
  const run = await desk.take(now().sessionId);
  await tell(scene, ada ?? expect.fail(), 'hello');
  await eventually('it waits', () => now().phase === 'failed');
  expect(now().problem).toMatchObject({
    message: 'ada.mia runs on desk already.',
    hint: expect.stringContaining('It goes on here when'),
  });
  await desk.end(run, 'stopped');
  await eventually('it goes on', () => now().phase === 'running');
  expect(now().problem).toBeNull();
  await eventually('it answers', async () => (await answers(scene, ada ?? expect.fail())).length === 1);
  await tell(scene, ada ?? expect.fail(), 'and again');
  await eventually('it answers again', async () => (await answers(scene, ada ?? expect.fail())).length === 2);
  const prompts = (await readEventLog(scene.home.session(now().sessionId).log)).flatMap((line) =>
    line.type === 'turn.prompted' ? [line.prompt] : [],
  );
  expect(
    prompts.map((prompt) => prompt.includes('This session ran on desk, another machine of your owner, until now')),
  ).toEqual([true, false]);
  expect(up.report()[0]?.warnings).toContainEqual(expect.stringContaining('ada.mia ran on desk until now'));
});

test('what is stopped on one machine does not come up on another one that waits for its place', async () => {
  await using scene = await upScene('ada');
  const first = await scene.start();
  await first.ready;
  const main = first.sessions()[0]?.sessionId ?? expect.fail();
  await first.stop(false);
  const { session: planned } = await scene.http.call(ROUTES.getSession, { params: { sessionId: main } });
  const { agentId, teamId } = planned;
  const body = { clientId: newId(), agentId, teamId, projects: [] };
  const { session: own } = await scene.http.call(ROUTES.createSession, { body });
  const desk = await secondMachine(scene);
  const runs = [await desk.take(main), await desk.take(own.id)];
  const up = await scene.start();
  await up.ready;
  expect(up.sessions().map(({ phase }) => phase)).toEqual(['failed', 'failed']);
  for (const run of runs) await desk.end(run, 'asked');
  await eventually('both are stopped', () => up.sessions().every(({ phase }) => phase === 'stopped'));
  expect(up.sessions().map(({ problem }) => problem)).toEqual([null, null]);
  await scene.http.call(ROUTES.signalSession, {
    params: { sessionId: own.id },
    body: { clientId: newId(), kind: 'resume' },
  });
  const resumed = () => up.sessions().find(({ sessionId }) => sessionId === own.id);
  await eventually('a resume brings it up here', () => resumed()?.phase === 'running');
});
