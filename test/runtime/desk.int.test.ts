import { expect, test } from 'vitest';
import { ROUTES } from '#contract/routes.ts';
import { readEventLog } from '#runtime/event-log.ts';
import type { LogLine } from '#runtime/log-events.ts';
import type { Up } from '#runtime/supervisor.ts';
import { dmOf, send } from '../support/company.ts';
import { eventually } from '../support/eventually.ts';
import { type UpScene, upScene } from '../support/up.ts';

const steps = (...script: readonly object[]): string => `SCRIPT:${JSON.stringify(script)}`;

/** Says something to an agent, by its place among those of the scene. @returns reads what it answered */
async function tell({ owner, agents }: UpScene, index: number, text: string) {
  const agent = agents[index];
  if (agent === undefined) throw new Error('There is no such agent.');
  const dm = await dmOf(owner, agent);
  await send(owner, dm, text);
  return async (): Promise<readonly string[]> => {
    const { messages } = await owner.call(ROUTES.listMessages, { params: { projectId: dm.id }, query: {} });
    return messages.filter(({ author }) => author.kind === 'agent').map(({ body }) => body);
  };
}

async function permissionLines({ home }: UpScene, up: Up): Promise<readonly LogLine[]> {
  const logs = await Promise.all(up.sessions().map(({ sessionId }) => readEventLog(home.session(sessionId).log)));
  return logs.flat().filter(({ type }) => type.startsWith('permission.'));
}

test('a request that waits holds its own session only', async () => {
  await using scene = await upScene('ada', 'bob');
  const up = await scene.start();
  await up.ready;
  const ada = await tell(scene, 0, steps({ ask: 'rm -rf build' }));
  const [asked] = await eventually('ada asks', () => up.permissions().length > 0 && up.permissions());
  expect(up.sessions().find(({ agent }) => agent === 'ada.mia')).toMatchObject({ activity: 'awaiting_permission' });
  for (const text of ['one', 'two']) {
    const bob = await tell(scene, 1, steps({ text }));
    await eventually('bob answers', async () => (await bob()).includes(text));
  }
  expect(up.permissions()).toEqual([asked]);
  up.answer(asked?.id as never, { allow: true, digest: asked?.digest ?? '', by: 'aachat up' });
  await eventually('ada goes on', async () => (await ada()).includes('allowed'));
});

test('the log has what was asked, in which turn, and who answered', async () => {
  await using scene = await upScene('ada');
  const up = await scene.start();
  await up.ready;
  await tell(scene, 0, steps({ ask: 'rm -rf build' }, { ask: 'rm -rf dist' }));
  const digests: string[] = [];
  for (const allow of [true, false]) {
    const asked = await eventually('ada asks', () => up.permissions()[0]);
    digests.push(asked.digest);
    up.answer(asked.id, { allow, digest: asked.digest, by: 'a test' });
  }
  const lines = await eventually('both are in the log', async () => {
    const found = await permissionLines(scene, up);
    return found.length === 4 && found;
  });
  const turnId = expect.stringMatching(/^[0-9a-f-]{36}$/);
  const by = expect.stringMatching(/^a test on \S/);
  expect(digests[0]).not.toBe(digests[1]);
  expect(lines).toMatchObject([
    { type: 'permission.asked', turnId, title: 'rm -rf build', toolKind: 'execute', digest: digests[0] },
    { type: 'permission.answered', outcome: 'allowed', by },
    { type: 'permission.asked', turnId, title: 'rm -rf dist', digest: digests[1] },
    { type: 'permission.answered', outcome: 'denied', by },
  ]);
});

test('a request that nobody answers in the set time is a no, and the turn goes on', async () => {
  await using scene = await upScene('ada');
  const up = await scene.start({ permissionLifetimeMs: 200 });
  await up.ready;
  const ada = await tell(scene, 0, steps({ ask: 'rm -rf build' }));
  await eventually('ada goes on', async () => (await ada()).includes('refused'));
  expect(up.settledPermissions()).toMatchObject([{ outcome: 'expired', by: null }]);
});

test('a request outside of a turn is over with the process that asks', async () => {
  await using scene = await upScene('ada');
  const up = await scene.start({ odd: ['nosy'] });
  await up.ready;
  await tell(scene, 0, 'hello');
  const asked = await eventually('it asks', () => up.permissions().find(({ turnId }) => turnId === null));
  process.kill(up.sessions()[0]?.pid ?? expect.fail(), 'SIGKILL');
  await eventually('nobody is asked any more', () => up.permissions().length === 0);
  expect(up.settledPermissions().find(({ id }) => id === asked.id)).toMatchObject({ outcome: 'cancelled' });
});
