/** Sessions that share a login, with real processes. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readIfExists } from '#base/fs.ts';
import { createLog } from '#base/log.ts';
import type { Agent } from '#contract/entities.ts';
import { answers, tell } from '../support/dm.ts';
import { eventually } from '../support/eventually.ts';
import { type UpScene, upScene } from '../support/up.ts';

async function answered(scene: UpScene, agents: readonly Agent[]): Promise<boolean> {
  const all = await Promise.all(agents.map((agent) => answers(scene, agent)));
  return all.every(({ length }) => length > 0);
}

async function limitedScene(stack: AsyncDisposableStack, pausesOnLimit: boolean) {
  const scene = stack.use(await upScene('ada', 'bob', 'cy'));
  const now = Date.now();
  const until = now + 500;
  let clock = () => now;
  const up = await scene.start({ pausesOnLimit, clock: () => clock() });
  await up.ready;
  const file = join(scene.home.root, 'limit');
  await writeFile(file, String(until));
  const script = `SCRIPT:${JSON.stringify([{ limit: file }, { text: 'done' }])}`;
  const tries = async () => ((await readIfExists(`${file}.tries`)) ?? '').split('\n').filter((line) => line !== '');
  const [ada, bob, cy] = scene.agents;
  if (ada === undefined || bob === undefined || cy === undefined) throw new Error('An agent is missing.');
  await tell(scene, ada, script);
  await eventually('the limit is reached', async () => (await tries()).length > 0);
  const limited = () => up.sessions().filter(({ activity }) => activity === 'limited').length;
  await eventually('it is known', () => limited() === (pausesOnLimit ? 3 : 1));
  await tell(scene, bob, script);
  await tell(scene, cy, script);
  const end = async () => {
    await rm(file);
    clock = () => Date.now() + 500;
  };
  return { scene, up, until, tries, end };
}

test('a usage limit pauses all sessions of the login, and each message is answered once when it is over', async () => {
  await using stack = new AsyncDisposableStack();
  const { scene, up, until, tries, end } = await limitedScene(stack, true);
  expect(up.sessions().map(({ activity }) => activity)).toEqual(['limited', 'limited', 'limited']);
  expect(up.sessions().map(({ limitedUntil }) => Date.parse(limitedUntil ?? ''))).toEqual([until, until, until]);
  await end();
  await eventually('all are answered', () => answered(scene, scene.agents));
  for (const agent of scene.agents) expect(await answers(scene, agent)).toEqual(['done']);
  expect(await tries()).toEqual(['refused', 'answered', 'answered', 'answered']);
  await eventually('none is limited any more', () => up.sessions().every(({ activity }) => activity === 'input_ready'));
  expect(up.sessions().map(({ problem }) => problem)).toEqual([null, null, null]);
});

test('an up that comes while a limit is on tries it once, whoever was refused before', async () => {
  await using scene = await upScene('ada', 'bob', 'cy');
  const up = await scene.start();
  await up.ready;
  const file = join(scene.home.root, 'limit');
  await writeFile(file, String(Date.now() + 3_600_000));
  const tries = async () => ((await readIfExists(`${file}.tries`)) ?? '').split('\n').filter((line) => line !== '');
  const go = join(scene.home.root, 'go');
  const steps = [{ bash: `until test -e '${go}'; do sleep 0.05; done` }, { limit: file }, { text: 'done' }];
  for (const agent of scene.agents) await tell(scene, agent, `SCRIPT:${JSON.stringify(steps)}`);
  // All of them work when it is reached.
  await eventually('all work', () => up.sessions().every(({ activity }) => activity === 'working'));
  await writeFile(go, '');
  await eventually('each has tried', async () => (await tries()).length === 3);
  await eventually('all are limited', () => up.sessions().every(({ limitedUntil }) => limitedUntil !== null));
  await up.stop(false);
  const again = await scene.start();
  await again.ready;
  await eventually('all are limited', () => again.sessions().every(({ limitedUntil }) => limitedUntil !== null));
  expect(await tries()).toHaveLength(4);
  await rm(file);
  await again.stop(false);
  await scene.start();
  await eventually('all are answered', () => answered(scene, scene.agents));
  for (const agent of scene.agents) expect(await answers(scene, agent)).toEqual(['done']);
});

test('where that is switched off, only the session that reached the limit waits', async () => {
  await using stack = new AsyncDisposableStack();
  const { scene, up, tries, end } = await limitedScene(stack, false);
  await eventually('each has tried', () => up.sessions().every(({ limitedUntil }) => limitedUntil !== null));
  await end();
  await eventually('all are answered', () => answered(scene, scene.agents));
  expect((await tries()).filter((outcome) => outcome === 'refused')).toHaveLength(3);
});

test('no login is said once in the log, and when one session gets in, the others go on', async () => {
  await using scene = await upScene('ada', 'bob', 'cy');
  const lines: string[] = [];
  const up = await scene.start({ log: createLog({ write: (line) => lines.push(line), secrets: () => [] }) });
  await up.ready;
  const file = join(scene.home.root, 'login');
  const script = `SCRIPT:${JSON.stringify([{ login: file }, { text: 'done' }])}`;
  for (const agent of scene.agents) await tell(scene, agent, script);
  await eventually('all lack it', () => up.sessions().every(({ phase }) => phase === 'failed'));
  const said = () => lines.filter((line) => line.includes('not logged in') && !line.includes('"level":"debug"'));
  expect(said()).toHaveLength(1);
  await writeFile(file, '');
  const [ada] = scene.agents;
  if (ada === undefined) throw new Error('There is no agent.');
  await tell(scene, ada, 'hello');
  await eventually('all are answered', () => answered(scene, scene.agents));
  expect(up.sessions().map(({ problem }) => problem)).toEqual([null, null, null]);
});

test('processes that may renew one login start one after the other', async () => {
  await using scene = await upScene('ada', 'bob', 'cy', 'dan');
  const file = join(scene.home.root, 'starts');
  const agent = join(import.meta.dirname, '../support/odd-agent.ts');
  const up = await scene.start({ program: `${process.execPath} ${agent} renewing ${file}` });
  await up.ready;
  expect(up.sessions().map(({ phase }) => phase)).toEqual(Array(4).fill('running'));
  expect(await readFile(file, 'utf8')).toBe('in\nout\n'.repeat(4));
});
