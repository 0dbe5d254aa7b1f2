import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { AachatError } from '#base/errors.ts';
import { createLog } from '#base/log.ts';
import { serverAddress } from '#client/address.ts';
import { createHttpClient, type HttpClient } from '#client/http.ts';
import { type PermissionTitle, TITLE_LIMIT } from '#contract/frames.ts';
import { ROUTES } from '#contract/routes.ts';
import { createPermissionDesk, type PermissionDesk } from '#runtime/permission-desk.ts';
import { createPermissionRelay, type PermissionRelay } from '#runtime/permission-relay.ts';
import { addMachine, createAgent, createTeam, liveSession } from '../support/company.ts';
import { eventually } from '../support/eventually.ts';
import { clientId, type TestSocket, testServer, testSocket } from '../support/server.ts';

const TITLE = 'rm -rf /home/canary-of-the-title';
const REQUEST = {
  title: TITLE,
  command: TITLE,
  toolKind: 'made up: canary-of-the-kind',
  paths: ['/home/canary-of-the-path'],
  digest: 'a'.repeat(64),
  options: [
    { id: 'canary-of-the-id', kind: 'allow_once', name: 'canary-of-the-name' },
    { id: 'no', kind: 'reject_once', name: 'No' },
    { id: 'odd', kind: 'canary-of-the-option', name: 'Odd' },
  ],
};

/** A desk, its relay and a real server; no socket: every event of the server is lost, titles are kept in `said`. */
async function scene({ sharesTitles = false } = {}) {
  const stack = new AsyncDisposableStack();
  const logged: string[] = [];
  const log = createLog({ level: 'debug', write: (line) => void logged.push(line) });
  // It stands still: what the server takes in a second is all that it takes.
  const now = Date.now();
  const server = stack.use(await testServer({ log, clock: () => now }));
  const owner = await server.login('mia');
  const agent = await createAgent(owner, 'ada');
  const machine = await addMachine(owner, 'laptop');
  const said: PermissionTitle[] = [];
  const {
    session,
    run,
    agent: inside,
  } = await liveSession(server, owner, agent, await createTeam(owner, 'acme'), machine);
  const direct = createHttpClient({ baseUrl: serverAddress(server.url), token: async () => owner.token });
  let isAway = false;
  let replies: Promise<void> = Promise.resolve();
  const http: HttpClient = {
    async call(route, input, signal) {
      if (isAway) throw new AachatError('SERVER_UNREACHABLE', 'The server is away.');
      const reply = await direct.call(route, input, signal);
      await replies;
      return reply;
    },
  };
  let relay: PermissionRelay | undefined;
  const desk: PermissionDesk = createPermissionDesk({
    lifetimeMs: 600_000,
    onChange: (change) => relay?.changed(change),
  });
  relay = createPermissionRelay({
    http,
    log,
    answer: desk.answer,
    runOf: () => run.id,
    sharesTitles: () => sharesTitles,
    say: (title) => void said.push(title),
  });
  const turn = new AbortController();
  const ask = (title = TITLE) =>
    desk.ask({ sessionId: session.id, agent: agent.name, turnId: null }, { ...REQUEST, title }, turn.signal);
  const atServer = async () => (await owner.call(ROUTES.getPermissions, {})).permissions;
  const told = (what: string, state: string) =>
    eventually(what, async () => (await atServer()).find((permission) => permission.state === state));
  const away = (now: boolean) => {
    isAway = now;
  };
  /** What the server replies does not come before the result is called. */
  const holdReplies = () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    replies = promise;
    return resolve;
  };
  const dispose = () => stack.disposeAsync();
  return {
    server,
    owner,
    inside,
    logged,
    said,
    desk,
    relay,
    turn,
    ask,
    atServer,
    told,
    away,
    holdReplies,
    [Symbol.asyncDispose]: dispose,
  };
}

test('an answer that nobody told the machine of is taken when it asks again', async () => {
  await using it = await scene();
  const { id, answered } = it.ask();
  await it.told('the server knows', 'open');
  const body = { clientId: clientId(), allow: true, digest: REQUEST.digest, by: 'aachat permission on desk' };
  await it.owner.call(ROUTES.decidePermission, { params: { permissionId: id }, body });
  expect(it.desk.pending()).toHaveLength(1);
  it.relay.refresh();
  expect((await answered).settled).toMatchObject({ outcome: 'allowed', by: 'aachat permission on desk' });
  expect(await it.told('it is settled', 'allowed')).toMatchObject({ answer: { by: 'aachat permission on desk' } });
});

test('what was asked and answered while the server was away is told later; what counts is what the agent was told', async () => {
  await using it = await scene();
  const { id, answered } = it.ask();
  await it.told('the server knows', 'open');
  it.away(true);
  const body = { clientId: clientId(), allow: true, digest: REQUEST.digest, by: 'desk' };
  await it.owner.call(ROUTES.decidePermission, { params: { permissionId: id }, body });
  it.desk.answer(id, { allow: false, digest: REQUEST.digest, by: 'laptop' });
  expect((await answered).settled).toMatchObject({ outcome: 'denied', by: 'laptop' });
  const second = it.ask();
  it.away(false);
  it.relay.refresh();
  expect(await it.told('it is settled', 'denied')).toMatchObject({ id, answer: { outcome: 'denied', by: 'laptop' } });
  expect(await it.told('the second is known', 'open')).toMatchObject({ id: second.id });
  it.turn.abort();
  expect(await it.told('it is over with its turn', 'cancelled')).toMatchObject({ id: second.id });
});

test('no word of the agent program leaves the machine, in no table and no event', async () => {
  await using it = await scene();
  const { id } = it.ask();
  await it.told('the server knows', 'open');
  it.relay.relayed({ type: 'permission_titles_wanted' });
  await eventually('it is said that it is not told', () => it.said.length > 0);
  it.desk.answer(id, { allow: true, digest: REQUEST.digest, by: 'laptop' });
  expect(await it.told('it is settled', 'allowed')).toMatchObject({
    toolKind: 'other',
    optionKinds: ['allow_once', 'reject_once'],
  });
  // That it is not told is: nobody has to wait for it.
  expect(it.said).toEqual([{ type: 'permission_title', permissionId: id, title: null }]);
  await expectNothingKept(it);
});

test('a title that another machine wants sooner than the server replies is not forgotten', async () => {
  await using it = await scene();
  const reply = it.holdReplies();
  const { id } = it.ask();
  await it.told('the server knows', 'open');
  it.relay.relayed({ type: 'permission_titles_wanted' });
  expect(it.said).toEqual([]);
  reply();
  await eventually('it is said that it is not told', () => it.said.length > 0);
  expect(it.said).toEqual([{ type: 'permission_title', permissionId: id, title: null }]);
});

test('titles that the owner shares are said once, and again to who wants them, while the request waits', async () => {
  await using it = await scene({ sharesTitles: true });
  const { id } = it.ask();
  const title = { type: 'permission_title', permissionId: id, title: TITLE };
  await eventually('it is said', () => it.said.length > 0);
  it.relay.refresh();
  const second = it.ask('x'.repeat(TITLE_LIMIT + 1));
  await eventually('so is the second', () => it.said.length > 1);
  expect(it.said).toEqual([title, { ...title, permissionId: second.id, title: 'x'.repeat(TITLE_LIMIT) }]);
  it.desk.answer(second.id, { allow: true, digest: REQUEST.digest, by: 'laptop' });
  await it.told('it is settled', 'allowed');
  it.relay.relayed({ type: 'permission_titles_wanted' });
  expect(it.said.slice(2)).toEqual([title]);
});

test('a title reaches sockets of its owner only, and nothing keeps it', async () => {
  await using it = await scene({ sharesTitles: true });
  const stranger = await it.server.login('bob');
  const open = (who: { readonly token: string | undefined }) => testSocket(it.server.url, who.token);
  await using launcher = await open(it.owner);
  await using other = await open(it.owner);
  await using strange = await open(stranger);
  await using inside = await open(it.inside);
  it.ask();
  const title = await eventually('it is said', () => it.said[0]);
  launcher.send(title);
  expect(await eventually('it comes', () => relayed(other)[0])).toEqual(title);
  const wanted = { type: 'permission_titles_wanted' };
  inside.send(wanted);
  strange.send(wanted);
  other.send(wanted);
  await eventually('it is wanted', () => relayed(launcher).length > 0);
  // What these said has come to all others before they are asked.
  for (const socket of [inside, strange, launcher, other]) await settle(socket);
  expect([relayed(launcher), relayed(other), relayed(strange), relayed(inside)]).toEqual([[wanted], [title], [], []]);
  await expectNothingKept(it);
});

test('titles that are too long, too many, or of no open request are dropped, and the socket stays', async () => {
  await using it = await scene({ sharesTitles: true });
  await using launcher = await testSocket(it.server.url, it.owner.token);
  await using other = await testSocket(it.server.url, it.owner.token);
  const { id } = it.ask();
  const title = await eventually('it is said', () => it.said[0]);
  launcher.send({ ...title, title: 'x'.repeat(TITLE_LIMIT + 1) });
  launcher.send({ ...title, permissionId: clientId() });
  launcher.send(title);
  await eventually('it comes', () => relayed(other).length > 0);
  expect(relayed(other)).toEqual([title]);
  for (let n = 0; n < 1_000; n += 1) launcher.send(title);
  await settle(launcher);
  await settle(other);
  expect(relayed(other).length).toBeLessThan(1_000);
  it.desk.answer(id, { allow: true, digest: REQUEST.digest, by: 'laptop' });
  await it.told('it is settled', 'allowed');
  const before = relayed(other).length;
  await using late = await testSocket(it.server.url, it.owner.token);
  late.send(title);
  await settle(late);
  await settle(other);
  expect(relayed(other)).toHaveLength(before);
});

const relayed = ({ frames }: TestSocket) => frames.filter(({ type }) => type.startsWith('permission_title'));

/** Frames of a socket are handled and come in order: all that was said before has come. */
async function settle(socket: TestSocket): Promise<void> {
  const denied = () => socket.frames.filter(({ type }) => type === 'denied').length;
  const before = denied();
  socket.send({ type: 'subscribe', streams: [{ stream: clientId(), after: null }] });
  await eventually('the socket answers', () => denied() > before);
}

async function expectNothingKept({ server, logged }: { server: { dataDir: string }; logged: readonly string[] }) {
  const names = (await readdir(server.dataDir)).filter((name) => name.includes('.db'));
  const bytes = Buffer.concat(await Promise.all(names.map((name) => readFile(join(server.dataDir, name)))));
  expect(bytes.includes(REQUEST.digest)).toBe(true);
  expect(bytes.includes('canary')).toBe(false);
  expect(logged.join('')).not.toContain('canary');
}
