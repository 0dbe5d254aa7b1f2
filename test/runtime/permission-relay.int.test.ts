import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { AachatError } from '#base/errors.ts';
import { silentLog } from '#base/log.ts';
import { serverAddress } from '#client/address.ts';
import { createHttpClient, type HttpClient } from '#client/http.ts';
import { ROUTES } from '#contract/routes.ts';
import { createPermissionDesk, type PermissionDesk } from '#runtime/permission-desk.ts';
import { createPermissionRelay, type PermissionRelay } from '#runtime/permission-relay.ts';
import { addMachine, createAgent, createTeam, liveSession } from '../support/company.ts';
import { eventually } from '../support/eventually.ts';
import { clientId, testServer } from '../support/server.ts';

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

/** A desk, its relay and a real server; no socket: every event of the server is lost. */
async function scene() {
  const stack = new AsyncDisposableStack();
  const server = stack.use(await testServer());
  const owner = await server.login('mia');
  const agent = await createAgent(owner, 'ada');
  const machine = await addMachine(owner, 'laptop');
  const { session, run } = await liveSession(server, owner, agent, await createTeam(owner, 'acme'), machine);
  const direct = createHttpClient({ baseUrl: serverAddress(server.url), token: async () => owner.token });
  let isAway = false;
  const http: HttpClient = {
    async call(route, input, signal) {
      if (isAway) throw new AachatError('SERVER_UNREACHABLE', 'The server is away.');
      return await direct.call(route, input, signal);
    },
  };
  let relay: PermissionRelay | undefined;
  const desk: PermissionDesk = createPermissionDesk({
    lifetimeMs: 600_000,
    onChange: (change) => relay?.changed(change),
  });
  relay = createPermissionRelay({ http, log: silentLog, answer: desk.answer, runOf: () => run.id });
  const turn = new AbortController();
  const ask = () => desk.ask({ sessionId: session.id, agent: agent.name, turnId: null }, REQUEST, turn.signal);
  const atServer = async () => (await owner.call(ROUTES.getPermissions, {})).permissions;
  const told = (what: string, state: string) =>
    eventually(what, async () => (await atServer()).find((permission) => permission.state === state));
  const away = (now: boolean) => {
    isAway = now;
  };
  const dispose = () => stack.disposeAsync();
  return { server, owner, desk, relay, turn, ask, atServer, told, away, [Symbol.asyncDispose]: dispose };
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
  it.desk.answer(id, { allow: true, digest: REQUEST.digest, by: 'laptop' });
  expect(await it.told('it is settled', 'allowed')).toMatchObject({
    toolKind: 'other',
    optionKinds: ['allow_once', 'reject_once'],
  });
  const names = (await readdir(it.server.dataDir)).filter((name) => name.includes('.db'));
  const bytes = Buffer.concat(await Promise.all(names.map((name) => readFile(join(it.server.dataDir, name)))));
  expect(bytes.includes(REQUEST.digest)).toBe(true);
  expect(bytes.includes('canary')).toBe(false);
});
