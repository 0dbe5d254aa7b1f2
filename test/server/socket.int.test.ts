/** The event socket, where a connection and the database end at odd moments. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { AachatError } from '#base/errors.ts';
import { newId } from '#base/id.ts';
import { silentLog } from '#base/log.ts';
import { sleep } from '#base/time.ts';
import { CLOSE, EVENT_SOCKET_PATH } from '#contract/frames.ts';
import type { UserId } from '#contract/ids.ts';
import { PROTOCOL_VERSION } from '#contract/version.ts';
import type { Store } from '#server/database/store.ts';
import { createEventSocket } from '#server/socket.ts';
import { newSigningKey, openTokens, type Tokens } from '#server/tokens.ts';
import { eventually } from '../support/eventually.ts';
import { testSocket } from '../support/server.ts';
import { testStore } from '../support/store.ts';

/** A socket with one person, whose token is checked by `verify`. */
async function stage(how: { readonly verify?: Tokens['verify'] | undefined; readonly read?: Store['read'] }) {
  const own = await testStore();
  const { hub, store } = own;
  const tokens = await openTokens(await newSigningKey(), 'operator', Date.now);
  const user = { id: newId<UserId>(), login: 'mia' };
  const at = { created_at: new Date().toISOString() };
  await store.transact(async ({ q }) => {
    await q
      .insertInto('users')
      .values({ ...user, ...at })
      .execute();
    const row = { hash: 'x', family_id: 'family', parent_hash: null, user_id: user.id, expires_at: '3000', ...at };
    await q
      .insertInto('tokens')
      .values({ ...row, used_at: null, revoked_at: null })
      .execute();
  });
  const { token } = await tokens.signUser(user.id, 'family');
  const counts: number[] = [];
  const socket = createEventSocket({
    store: { ...store, ...(how.read && { read: how.read }) },
    hub,
    tokens: { ...tokens, ...(how.verify && { verify: how.verify }) },
    loopback: true,
    clock: Date.now,
    log: silentLog,
    onCount: (open) => void counts.push(open),
  });
  const http = createServer();
  http.on('upgrade', socket.upgrade);
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    user,
    token,
    tokens,
    hub,
    counts,
    async [Symbol.asyncDispose]() {
      await socket.close();
      http.close();
      await own[Symbol.asyncDispose]();
    },
  };
}

test('whoever leaves while the token is checked leaves nothing behind', async () => {
  const asked = Promise.withResolvers<void>();
  const left = Promise.withResolvers<void>();
  let isFirst = true;
  await using it = await stage({
    async verify(token) {
      if (isFirst) {
        isFirst = false;
        asked.resolve();
        await left.promise;
      }
      return it.tokens.verify(token);
    },
  });
  const hasty = new WebSocket(`${it.url.replace('http', 'ws')}${EVENT_SOCKET_PATH}`);
  await once(hasty, 'open');
  hasty.send(JSON.stringify({ type: 'auth', token: it.token, protocol: PROTOCOL_VERSION }));
  hasty.send(JSON.stringify({ type: 'subscribe', streams: [{ stream: it.user.id, after: null }] }));
  await asked.promise;
  hasty.terminate();
  await eventually('it is gone', () => it.counts.at(-1) === 0);
  left.resolve();
  {
    await using calm = await testSocket(it.url, it.token);
    calm.send({ type: 'subscribe', streams: [{ stream: it.user.id, after: null }] });
    await eventually('it is live', () => calm.frames.some(({ type }) => type === 'live'));
  }
  await eventually('both are gone', () => it.counts.at(-1) === 0);
  expect(it.hub.listened().size).toBe(0);
});

test('a database that is away does not make a token invalid', async () => {
  await using it = await stage({
    read: () => Promise.reject(new AachatError('SERVER_UNREACHABLE', 'The database is away.')),
  });
  await using socket = await testSocket(it.url, it.token);
  expect((await socket.closed).code).toBe(CLOSE.overloaded);
});

describe('who they are was said in time', () => {
  test('though the process was held up before it heard of it', async () => {
    await using it = await stage({});
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const ws = new WebSocket(`${it.url.replace('http', 'ws')}${EVENT_SOCKET_PATH}`);
    const frames: string[] = [];
    ws.on('message', (data) => frames.push(String(data)));
    const closed = once(ws, 'close');
    await once(ws, 'open');
    // Where timers run, as after a hold: what was sent is there, and nobody has read it.
    await sleep(1);
    ws.send(JSON.stringify({ type: 'auth', token: it.token, protocol: PROTOCOL_VERSION }));
    vi.advanceTimersByTime(60_000);
    await Promise.race([closed, eventually('it is in', () => frames.some((frame) => frame.includes('ready')))]);
    expect(ws.readyState).toBe(WebSocket.OPEN);
    ws.terminate();
    await closed;
  });

  test('though it took long to check it', async () => {
    const asked = Promise.withResolvers<void>();
    const checked = Promise.withResolvers<void>();
    await using it = await stage({
      async verify(token) {
        asked.resolve();
        await checked.promise;
        return it.tokens.verify(token);
      },
    });
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const opening = testSocket(it.url, it.token);
    await asked.promise;
    vi.advanceTimersByTime(60_000);
    checked.resolve();
    await using socket = await opening;
    expect(socket.frames.map(({ type }) => type)).toEqual(['hello', 'ready']);
  });
});
