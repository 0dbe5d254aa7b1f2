/** Sessions that are forked, with an agent program that loses what it copied. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { newId } from '#base/id.ts';
import { ROUTES } from '#contract/routes.ts';
import { readEventLog } from '#runtime/event-log.ts';
import type { LogLine } from '#runtime/log-events.ts';
import { answers, tell } from '../support/dm.ts';
import { eventually } from '../support/eventually.ts';
import { upScene } from '../support/up.ts';

const CANNOT = 'could not carry the conversation over';

test.for([
  ['is copied once more', [], ['forked', 'forked'], false],
  ['is told instead, when it cannot be copied again', ['once'], ['forked', 'renewed'], true],
] as const)('what was said before a fork, and was lost before it answered, %s', async ([, args, opened, isTold]) => {
  await using scene = await upScene('ada');
  const { http, home } = scene;
  const [ada] = scene.agents;
  if (ada === undefined) throw new Error('There is no agent.');
  const odd = ['forgetful', ...args.map((name) => join(home.root, name))];
  const up = await scene.start({ odd });
  await up.ready;
  const [source] = up.sessions();
  if (source === undefined) throw new Error('There is no session.');
  await tell(scene, ada, 'The word is HORIZON.');
  await eventually('it has answered', async () => (await answers(scene, ada)).length === 1);
  const params = { sessionId: source.sessionId };
  const { session } = await http.call(ROUTES.forkSession, { params, body: { clientId: newId() } });
  const lines = (): Promise<readonly LogLine[]> => readEventLog(home.session(session.id).log);
  const runs = (one: typeof up) =>
    one.sessions().find(({ sessionId }) => sessionId === session.id)?.activity === 'input_ready';
  await eventually('the fork runs', () => runs(up));
  await up.stop(false);
  const again = await scene.start({ odd });
  await eventually('it runs again', () => runs(again));
  const body = { clientId: newId(), kind: 'prompt', text: 'And now?' } as const;
  await http.call(ROUTES.signalSession, { params: { sessionId: session.id }, body });
  await eventually('it has answered', async () => (await answers(scene, ada)).length === 2);
  const log = await lines();
  expect(log.flatMap((line) => (line.type === 'agent.opened' ? [line.opened] : []))).toEqual(opened);
  const [prompt = ''] = log.flatMap((line) => (line.type === 'turn.prompted' ? [line.prompt] : []));
  expect(prompt).toContain('was forked from session');
  const tells = /you were told:\n(>.*\n)*> .*HORIZON/.test(prompt);
  expect([prompt.includes(CANNOT), tells]).toEqual([isTold, isTold]);
});
