/** `session show`: what the server knows of a session, and what this machine remembers of it. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { newId } from '#base/id.ts';
import { type SessionId, shortId, type TurnId } from '#contract/ids.ts';
import { ROUTES } from '#contract/routes.ts';
import { openEventLog } from '#runtime/event-log.ts';
import { openHome } from '#runtime/home.ts';
import type { LogEvent } from '#runtime/log-events.ts';
import { RECOVERY } from '#runtime/recovery.ts';
import { movableClock } from '../support/clock.ts';
import { run } from '../support/command.ts';
import {
  addMachine,
  createAgent,
  createProject,
  createTeam,
  endTurn,
  joinProject,
  liveSession,
  send,
  startTurn,
  waiting,
} from '../support/company.ts';
import { person } from '../support/person.ts';
import { testServer } from '../support/server.ts';
import { started, turn, writeLog } from '../support/session-logs.ts';

const COUNTERS = { inputTokens: 1_200, outputTokens: 300, cacheReadTokens: 9_000, cacheWriteTokens: 0, costMicros: 0 };

async function scene() {
  const server = await testServer({ clock: movableClock().clock });
  const owner = await server.login('mia');
  const team = await createTeam(owner, 'acme');
  const project = await createProject(owner, team, 'launch');
  const ada = await createAgent(owner, 'ada');
  await joinProject(owner, project, 'ada');
  const live = await liveSession(server, owner, ada, team, await addMachine(owner, 'desk'));
  await send(owner, project, '@ada one');
  const served = await startTurn(owner, live.run, project, await waiting(owner, live.session));
  await endTurn(owner, live.run, served.id, COUNTERS);
  await send(owner, project, '@ada two');
  const mia = await person(server, 'mia');
  const show = async () => (await mia.command(['session', 'show', live.session.id], { isTerminal: true })).stdout;
  const home = openHome(mia.home);
  return {
    url: server.url,
    ...{ mia, owner, live, served, show, home },
    async [Symbol.asyncDispose]() {
      await mia[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

test('of a session that ran elsewhere: its turns, their tokens, and what was delivered', async () => {
  await using s = await scene();
  const text = await s.show();
  expect(text).toMatch(/^signals +1 acted, 1 queued$/m);
  expect(text).toMatch(/^turns +1$/m);
  expect(text).toMatch(/^tokens +1\.2k in, 300 out, 9k from cache$/m);
  expect(text).not.toMatch(/^cost/m);
  expect(text).toMatch(/^turn \w{8} .* ended +hop 1 +1\.2k in, 300 out, 9k from cache$/m);
  expect(text).toMatch(/^waits .* mention of mia$/m);
  expect(await s.mia.data('session', 'show', s.live.session.id)).toMatchObject({ local: null, family: [] });
});

test('of one that ran here also: where it comes from, what all its turns cost, where they left the repo', async () => {
  await using s = await scene();
  const [parent, child] = [newId<SessionId>(), newId<SessionId>()];
  const id = s.live.session.id;
  // The turn that the server knows, and one from before it shows any.
  const known = turn('one', 'done').map((event) => ({
    ...event,
    ...('turnId' in event ? { turnId: s.served.id } : {}),
  }));
  await writeLog(s.home, parent, [started({ name: 'the plan' })]);
  await writeLog(s.home, id, [
    started({ parentId: parent }),
    { type: 'agent.opened', pid: 1, program: 'claude', conversation: 'c1', opened: 'new' },
    ...turn('zero', 'done'),
    ...(known as LogEvent[]),
  ]);
  // Its process lives; that of the parent left no word of its end.
  await using log = await openEventLog(s.home.session(child).log, RECOVERY);
  await log.append(started({ forkedFromId: id }));
  const text = await s.show();
  expect(text).toMatch(/^program +claude, conversation c1$/m);
  expect(text).toMatch(/^turns +2$/m);
  expect(text).toMatch(/^tokens +20 in, 10 out, 200 from cache, 40 to cache$/m);
  expect(text).toMatch(/^cost +\$0\.0060$/m);
  expect(text).toMatch(new RegExp(`^came from +${shortId(parent)} +ada\\.mia +stopped +the plan$`, 'm'));
  expect(text).toMatch(new RegExp(`^forked from it +${shortId(child)} +ada\\.mia +running$`, 'm'));
  expect(text).toMatch(/^turn .* 1 tool +c0ffee0$/m);
  const data = await s.mia.data('session', 'show', id);
  expect(data).toMatchObject({
    totals: { turns: 2, costMicros: 6_000 },
    local: { program: 'claude', turns: [{ state: 'ended', tools: 1 }, { turnId: s.served.id as TurnId }] },
    family: [
      { id: parent, level: -1 },
      { id: child, level: 1 },
    ],
  });
});

test('relatives of other machines come from the server', async () => {
  await using s = await scene();
  const params = { sessionId: s.live.session.id };
  const { session } = await s.owner.call(ROUTES.forkSession, { params, body: { clientId: newId(), name: 'aside' } });
  expect(await s.show()).toMatch(
    new RegExp(`^forked from it +${shortId(session.id)} +ada\\.mia +stopped +aside$`, 'm'),
  );
  const data = await s.mia.data('session', 'show', session.id);
  expect(data).toMatchObject({ local: null, family: [{ id: s.live.session.id, level: -1, state: 'running' }] });
});

test('an agent in its session sees nothing of what its machine remembers', async () => {
  await using s = await scene();
  const { id } = s.live.session;
  await writeLog(s.home, id, [started({ parentId: newId<SessionId>() })]);
  const file = join(s.mia.dir, 'token');
  await writeFile(file, s.live.agent.token ?? '');
  const env = { AACHAT_HOME: s.mia.home, AA_TOKEN_FILE: file, AA_SERVER: s.url, AA_SESSION_ID: id };
  const { stdout } = await run(['session', 'show', id, '--json'], { env });
  expect(JSON.parse(stdout)).toMatchObject({ data: { session: { id }, local: null, family: [] } });
});
