/** Many sessions and few processes, with real ones. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { newId } from '#base/id.ts';
import { processStart } from '#base/process.ts';
import { type SessionId, shortId } from '#contract/ids.ts';
import { ROUTES } from '#contract/routes.ts';
import type { Up } from '#runtime/supervisor.ts';
import { answers, tell } from '../support/dm.ts';
import { eventually } from '../support/eventually.ts';
import { upScene } from '../support/up.ts';

/** Many processes take as long as the machine makes them: only the limit of the test itself is one. */
const PATIENCE_MS = 400_000;
const living = (up: Up) => up.sessions().filter(({ pid }) => pid !== null && processStart(pid) !== undefined);
const activities = (up: Up) => up.sessions().map(({ activity }) => activity);

test('twelve agents with three processes answer everybody once, and never more of them live', async () => {
  await using scene = await upScene(...Array.from({ length: 12 }, (_, index) => `a${index}`));
  const up = await scene.start({ limits: { maxSessions: 3 } });
  await up.ready;
  expect(up.sessions().map(({ phase }) => phase)).toEqual(Array(12).fill('running'));
  expect(living(up)).toHaveLength(3);
  expect(up.report().filter(({ activity, opened }) => activity === 'hibernated' && opened === null)).toHaveLength(9);

  let most = 3;
  const watching = setInterval(() => {
    most = Math.max(most, living(up).length);
  }, 20);
  try {
    await Promise.all(scene.agents.map((agent) => tell(scene, agent, `hello ${agent.name}`)));
    await eventually(
      'all have answered',
      async () =>
        (await Promise.all(scene.agents.map((agent) => answers(scene, agent)))).every(({ length }) => length > 0),
      PATIENCE_MS,
    );
  } finally {
    clearInterval(watching);
  }
  expect(most).toBe(3);
  for (const agent of scene.agents) {
    expect(await answers(scene, agent)).toEqual([expect.stringContaining(`hello ${agent.name}`)]);
  }
});

test('a process with nothing to do ends, and the next message brings its conversation back', async () => {
  await using scene = await upScene('ada');
  const [ada] = scene.agents;
  if (ada === undefined) throw new Error('There is no agent.');
  const up = await scene.start({ limits: { hibernateMs: 300 } });
  await up.ready;
  await tell(scene, ada, 'first');
  await eventually('it has answered', async () => (await answers(scene, ada)).length === 1);
  await eventually('its process has ended', () => activities(up)[0] === 'hibernated' && living(up).length === 0);
  const { http } = scene;
  const heard = async () => (await http.call(ROUTES.listSessions, { query: { agentId: ada.id } })).sessions[0];
  await eventually('the server knows', async () => (await heard())?.activity === 'hibernated');
  expect(await heard()).toMatchObject({ state: 'running', run: { endedAt: null } });

  await tell(scene, ada, 'second');
  await eventually('it has answered again', async () => (await answers(scene, ada)).length === 2);
  expect(up.report()).toMatchObject([{ opened: 'resumed', problem: null }]);
});

test('while all places work, others wait for one and say so; stopping waits for nobody', async () => {
  await using scene = await upScene('ada', 'bob');
  const [ada, bob] = scene.agents;
  if (ada === undefined || bob === undefined) throw new Error('There is no agent.');
  const up = await scene.start({ limits: { maxSessions: 1 } });
  await up.ready;
  const awake = up.sessions().find(({ activity }) => activity === 'input_ready');
  const [first, second] = awake?.agent === ada.name ? [ada, bob] : [bob, ada];
  await tell(scene, first, 'SCRIPT:[{"hang":true}]');
  await eventually('it works', () => activities(up).includes('working'));
  await tell(scene, second, 'hello');
  await eventually('the other one waits', () => up.sessions().some(({ step }) => step === 'waits for a free place'));
  expect(activities(up).sort()).toEqual(['hibernated', 'working']);
  await up.stop(true);
  expect(living(up)).toEqual([]);
  expect(up.report().map(({ phase }) => phase)).toEqual(['stopped', 'stopped']);

  const again = await scene.start({ limits: { maxSessions: 2 } });
  await again.ready;
  await eventually('what waited is answered', async () => (await answers(scene, second)).length === 1);
});

test('twenty sessions begun at once have folders and short ids of their own, and each does what it was told', async () => {
  await using scene = await upScene('ada');
  const [ada] = scene.agents;
  if (ada === undefined) throw new Error('There is no agent.');
  const up = await scene.start({ limits: { maxSessions: 3 } });
  await up.ready;
  const { http } = scene;
  const { team, sessionId: main } = up.sessions()[0] ?? {};
  const { teams } = await http.call(ROUTES.listTeams, {});
  const teamId = teams.find(({ slug }) => slug === team)?.id;
  if (teamId === undefined) throw new Error('There is no team.');
  const bodies = Array.from({ length: 20 }, (_, index) => ({
    clientId: newId(),
    agentId: ada.id,
    teamId,
    projects: [],
    text: `task ${index}`,
  }));
  await Promise.all(bodies.map((body) => http.call(ROUTES.createSession, { body })));
  const running = () => up.sessions().filter(({ phase }) => phase === 'running').length;
  await eventually('all are there', () => running() === 21, PATIENCE_MS);
  const sessions = up.sessions();
  expect(new Set(sessions.map(({ sessionId }) => shortId(sessionId))).size).toBe(21);
  expect(new Set(sessions.map(({ workspace }) => workspace)).size).toBe(21);
  const heads = await Promise.all(sessions.map(({ workspace }) => readFile(join(workspace, '.git'), 'utf8')));
  expect(new Set(heads).size).toBe(21);
  const began = sessions.filter(({ sessionId }) => sessionId !== main);
  const hasWorkedOnce = async ({ sessionId }: { sessionId: SessionId }) => {
    const { turns } = await http.call(ROUTES.getSession, { params: { sessionId } });
    return turns.length === 1 && turns[0]?.state === 'ended';
  };
  const haveWorkedOnce = async () => (await Promise.all(began.map(hasWorkedOnce))).every(Boolean);
  await eventually('each has worked once', haveWorkedOnce, PATIENCE_MS);
  await eventually('all are at rest', () =>
    up.sessions().every(({ activity }) => activity === 'input_ready' || activity === 'hibernated'),
  );
  expect(living(up).length).toBeLessThanOrEqual(3);
  expect(up.sessions().map(({ problem }) => problem)).toEqual(Array(21).fill(null));
});

test('what the server shows of a session is put right when it is not so', async () => {
  await using scene = await upScene('ada');
  const up = await scene.start();
  await up.ready;
  const [ada] = scene.agents;
  if (ada === undefined) throw new Error('There is no agent.');
  const { http } = scene;
  const shown = async () => (await http.call(ROUTES.listSessions, { query: { agentId: ada.id } })).sessions[0];
  const runId = (await shown())?.run?.id;
  if (runId === undefined) throw new Error('It has no run.');
  await http.call(ROUTES.setActivity, { params: { runId }, body: { activity: 'working' } });
  await eventually('it is right again', async () => (await shown())?.activity === 'input_ready');
});
