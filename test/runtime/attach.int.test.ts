import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { identityOf, ownIdentity, type ProcessIdentity } from '#base/process.ts';
import { attachSession, type SessionEvent } from '#contract/attachment.ts';
import { CONTROL_ROUTES } from '#contract/control.ts';
import { type ControlClient, openControlClient } from '#runtime/control.ts';
import type { Up } from '#runtime/supervisor.ts';
import { dmOf, send } from '../support/company.ts';
import { eventually } from '../support/eventually.ts';
import { type UpScene, upScene } from '../support/up.ts';

const steps = (...script: readonly object[]): string => `SCRIPT:${JSON.stringify(script)}`;

const only = (up: Up) => {
  const [session] = up.sessions();
  if (session === undefined) throw new Error('There is no session.');
  return session;
};

async function tell({ owner, agents }: UpScene, text: string): Promise<void> {
  const [agent] = agents;
  if (agent === undefined) throw new Error('There is no agent.');
  await send(owner, await dmOf(owner, agent), text);
}

/** Attaches and gathers what is seen. */
function attach(
  client: ControlClient,
  up: Up,
  { interactive = false, holder = ownIdentity() }: { interactive?: boolean; holder?: ProcessIdentity } = {},
) {
  const events: SessionEvent[] = [];
  const detach = new AbortController();
  const input = { params: { sessionId: only(up).sessionId }, body: { interactive, holder } };
  const over = (async () => {
    for await (const event of client.stream(attachSession, input, detach.signal)) events.push(event);
  })();
  over.catch(() => {});
  const seen = <T extends SessionEvent['type']>(type: T) =>
    events.filter((event): event is Extract<SessionEvent, { type: T }> => event.type === type);
  const shows = (what: string, holds: () => boolean) => eventually(what, () => holds());
  return { events, seen, shows, over, detach: () => detach.abort() };
}

const attachments = async (client: ControlClient) => (await client.call(CONTROL_ROUTES.getStatus, {})).attachments;

test('who attaches sees the turn, the question in it, the answer and the end', async () => {
  await using scene = await upScene('ada');
  const up = await scene.start();
  await up.ready;
  await using client = await openControlClient(scene.home.controlSocket);
  const first = attach(client, up);
  await first.shows('it is attached', () => first.seen('state').length > 0);
  await tell(scene, steps({ thought: 'hm' }, { bash: 'echo tool' }, { ask: 'rm -rf build' }, { text: 'the end' }));
  await first.shows('ada asks', () => first.seen('asked').length > 0);
  // One who comes in the middle sees how it began, and what waits.
  const second = attach(client, up);
  await second.shows('ada asks', () => second.seen('asked').length > 0);
  expect(second.seen('prompt')).toHaveLength(1);
  expect(second.seen('tool').map(({ title }) => title)).toContain('echo tool');
  const [asked] = first.seen('asked');
  const { id = '', digest = '' } = asked?.permission ?? {};
  const body = { allow: true, digest, by: 'a test' };
  await client.call(CONTROL_ROUTES.answerPermission, { params: { permissionId: id }, body });
  await first.shows('the turn ends', () => first.seen('turn').length > 0);
  expect(first.seen('settled')).toMatchObject([{ permission: { id, outcome: 'allowed' } }]);
  expect(first.seen('turn')).toMatchObject([{ state: 'ended', stopReason: 'end_turn' }]);
  const text = (isThought: boolean) =>
    first
      .seen('text')
      .filter((event) => event.isThought === isThought)
      .map((event) => event.text)
      .join('');
  expect([text(true), text(false)]).toEqual(['hm', expect.stringContaining('the end')]);
  await first.shows('it rests', () => first.seen('state').at(-1)?.session.activity === 'input_ready');
  for (const one of [first, second]) one.detach();
  await eventually('nobody is attached', async () => (await attachments(client)).length === 0);
  const third = attach(client, up);
  await third.shows('it is attached', () => third.seen('state').length > 0);
  await up.stop(true);
  await third.over;
  expect(third.seen('state').at(-1)?.session.phase).toBe('stopped');
});

test('one steers a workspace at a time, whoever looks on; one whose process is gone holds nobody up', async () => {
  await using scene = await upScene('ada');
  const up = await scene.start();
  await up.ready;
  await using client = await openControlClient(scene.home.controlSocket);
  const child = spawn('sleep', ['600'], { stdio: 'ignore' });
  await once(child, 'spawn');
  const holder = identityOf(child.pid ?? 0);
  if (holder === undefined) throw new Error('The child has no identity.');
  const first = attach(client, up, { interactive: true, holder });
  await first.shows('it is attached', () => first.seen('attached').length > 0);
  await expect(attach(client, up, { interactive: true }).over).rejects.toMatchObject({
    code: 'CONFLICT',
    message: expect.stringMatching(new RegExp(`pid ${child.pid}, since 2`)),
  });
  const watcher = attach(client, up);
  await watcher.shows('it is attached', () => watcher.seen('attached').length > 0);
  expect((await attachments(client)).map(({ interactive, pid }) => [interactive, pid])).toEqual([
    [true, child.pid],
    [false, process.pid],
  ]);
  child.kill('SIGKILL');
  await once(child, 'exit');
  const second = attach(client, up, { interactive: true });
  await second.shows('it took over', () => second.seen('attached').length > 0);
  await first.over;
  const [{ attachmentId = '' } = {}] = first.seen('attached');
  await expect(client.call(CONTROL_ROUTES.beatAttachment, { params: { attachmentId } })).rejects.toMatchObject({
    code: 'NOT_FOUND',
  });
});

test('one who reads nothing holds nothing up, and is told what was left out', async () => {
  await using scene = await upScene('ada');
  const up = await scene.start();
  await up.ready;
  const body = JSON.stringify({ interactive: false, holder: ownIdentity() });
  const socket = connect(scene.home.controlSocket);
  socket.write(
    `POST /v1/sessions/${only(up).sessionId}/attach HTTP/1.1\r\nhost: up\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
  await once(socket, 'readable');
  await using client = await openControlClient(scene.home.controlSocket);
  const other = attach(client, up);
  await other.shows('it is attached', () => other.seen('state').length > 0);
  // Far more than its queue and the buffers of the system hold together.
  await tell(scene, steps(...Array.from({ length: 200 }, () => ({ bash: 'head -c 20000 /dev/zero | tr "\\0" x' }))));
  await other.shows('the turn is over', () => other.seen('turn').length > 0);
  const all = other.seen('text').reduce((sum, { text }) => sum + text.length, 0);
  expect(all).toBe(4_000_000);
  let heard = '';
  socket.on('data', (chunk) => {
    heard += chunk.toString('utf8');
  });
  await eventually('it is told', () => /"type":"dropped","at":"[^"]+","count":\d+/.test(heard));
  expect(heard.length).toBeLessThan(all / 2);
  await eventually('what holds now follows', () => heard.lastIndexOf('"type":"state"') > heard.indexOf('"dropped"'));
  socket.destroy();
});

test('a session that somebody steers keeps its process, until nobody does', async () => {
  await using scene = await upScene('ada', 'bob');
  // Nobody sleeps before somebody steers.
  const limits = { maxSessions: 4, hibernateMs: 0 };
  const up = await scene.start({ limits });
  await up.ready;
  await using client = await openControlClient(scene.home.controlSocket);
  const steering = attach(client, up, { interactive: true });
  await steering.shows('it is attached', () => steering.seen('attached').length > 0);
  const steered = only(up).sessionId;
  limits.hibernateMs = 2_000;
  // It is looked at again when somebody detaches.
  const watcher = attach(client, up);
  await watcher.shows('it is attached', () => watcher.seen('attached').length > 0);
  watcher.detach();
  const activity = (isSteered: boolean) =>
    up.sessions().find(({ sessionId }) => (sessionId === steered) === isSteered)?.activity;
  const idle = await eventually('the other one sleeps', () => activity(false) === 'hibernated' && Date.now());
  // Whatever is due comes to its turn within as long again.
  await eventually('time passes', () => Date.now() - idle > 4_000);
  expect(activity(true)).toBe('input_ready');
  steering.detach();
  await eventually('nobody steers, and it sleeps too', () => activity(true) === 'hibernated');
});
