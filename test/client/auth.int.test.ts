/** Tokens in real files, between real processes; the server is one loopback socket. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { UnsecuredJWT } from 'jose';
import { describe, expect, test } from 'vitest';
import { createAuth } from '#client/auth.ts';
import { tempDir } from '../support/temp.ts';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const MINUTE = 60_000;
const USER = { id: '019a1b2c-3d4e-7f60-8a9b-0c1d2e3f4a5b', login: 'mia', createdAt: '2026-01-01T00:00:00.000Z' };

const jwt = (expiresAt: number, name = 'x') =>
  new UnsecuredJWT({ name }).setExpirationTime(Math.floor(expiresAt / 1000)).encode();

/** Gives out tokens as the platform does: a refresh token works once. */
async function tokenServer(now: () => number = Date.now) {
  let serial = 0;
  let valid: string | undefined;
  const calls: string[] = [];
  const issue = () => {
    serial += 1;
    valid = `refresh-${serial}`;
    const expiresAt = now() + 15 * MINUTE;
    return {
      accessToken: jwt(expiresAt, `${serial}`),
      refreshToken: valid,
      expiresAt: new Date(expiresAt).toISOString(),
    };
  };
  const server = createServer(async (request, response) => {
    const body = JSON.parse(String(await buffer(request))) as { refreshToken?: string };
    calls.push(request.url ?? '');
    const refused = request.url === '/v1/auth/refresh' && body.refreshToken !== valid;
    response.writeHead(refused ? 401 : 200, { 'content-type': 'application/json' });
    if (refused) response.end(JSON.stringify({ error: { code: 'UNAUTHORIZED', message: 'You are logged out.' } }));
    else if (request.url === '/v1/auth/login') response.end(JSON.stringify({ user: USER, tokens: issue() }));
    else if (request.url === '/v1/auth/refresh') response.end(JSON.stringify({ tokens: issue() }));
    else response.end('{}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    calls,
    revoke: () => {
      valid = undefined;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

describe('the login of a person', () => {
  test('its tokens are in two files that only the owner can read', async () => {
    await using dir = await tempDir();
    await using server = await tokenServer();
    const auth = createAuth({ baseUrl: server.url, dir: join(dir.path, 'tokens') });
    expect(await auth.isLoggedIn()).toBe(false);
    expect(await auth.login('code-1234', 'mia')).toEqual(USER);
    expect(await auth.isLoggedIn()).toBe(true);
    for (const name of ['user.jwt', 'refresh']) {
      expect((await stat(join(dir.path, 'tokens', name))).mode & 0o777).toBe(0o600);
    }
    expect((await stat(join(dir.path, 'tokens'))).mode & 0o777).toBe(0o700);
  });

  test('a token is used until shortly before it expires, then refreshed', async () => {
    await using dir = await tempDir();
    let now = NOW;
    await using server = await tokenServer(() => now);
    const auth = createAuth({ baseUrl: server.url, dir: dir.path, clock: () => now });
    await auth.login('code-1234');
    const first = await auth.accessToken();
    now = NOW + 13 * MINUTE;
    expect(await auth.accessToken()).toBe(first);
    now = NOW + 14 * MINUTE + 1000;
    const second = await auth.accessToken();
    expect(second).not.toBe(first);
    expect(server.calls).toEqual(['/v1/auth/login', '/v1/auth/refresh']);
    expect((await readFile(join(dir.path, 'user.jwt'), 'utf8')).trim()).toBe(second);
  });

  test('a damaged access token is refreshed', async () => {
    await using dir = await tempDir();
    await using server = await tokenServer();
    await createAuth({ baseUrl: server.url, dir: dir.path }).login('code-1234');
    await writeFile(join(dir.path, 'user.jwt'), 'not a token');
    await createAuth({ baseUrl: server.url, dir: dir.path }).accessToken();
    expect(server.calls).toEqual(['/v1/auth/login', '/v1/auth/refresh']);
  });

  test('an ended login says how to get a new one, and is forgotten', async () => {
    await using dir = await tempDir();
    await using server = await tokenServer();
    const auth = createAuth({ baseUrl: server.url, dir: dir.path });
    await auth.login('code-1234');
    server.revoke();
    const ended = { code: 'UNAUTHORIZED', exitStatus: 3, hint: 'Run `aachat auth login`.' };
    await expect(auth.accessToken('renew')).rejects.toMatchObject(ended);
    expect(await auth.isLoggedIn()).toBe(false);
    await expect(auth.accessToken()).rejects.toMatchObject(ended);
  });

  test('an unreachable server leaves the login as it is', async () => {
    await using dir = await tempDir();
    const server = await tokenServer();
    const auth = createAuth({ baseUrl: server.url, dir: dir.path });
    await auth.login('code-1234');
    await server[Symbol.asyncDispose]();
    await expect(auth.accessToken('renew')).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' });
    expect(await auth.isLoggedIn()).toBe(true);
    expect(await auth.logout()).toBe(false);
    expect(await auth.isLoggedIn()).toBe(false);
  });

  test('a refresh that is on its way does not bring the login back after a logout', async () => {
    await using dir = await tempDir();
    await using server = await tokenServer();
    const asked = Promise.withResolvers<void>();
    const over = Promise.withResolvers<void>();
    const slow: typeof fetch = async (url, init) => {
      const response = await fetch(url, init);
      if (String(url).endsWith('/refresh')) {
        asked.resolve();
        await over.promise;
      }
      return response;
    };
    const auth = createAuth({ baseUrl: server.url, dir: dir.path, fetch: slow });
    await auth.login('code-1234');
    const refreshed = auth.accessToken('renew');
    await asked.promise;
    const left = createAuth({ baseUrl: server.url, dir: dir.path }).logout();
    await Promise.race([left, sleep(300)]);
    over.resolve();
    await Promise.all([refreshed, left]);
    expect(await auth.isLoggedIn()).toBe(false);
  });

  test('a refusal leaves a newer login alone', async () => {
    await using dir = await tempDir();
    await using server = await tokenServer();
    const other = createAuth({ baseUrl: server.url, dir: dir.path });
    await other.login('code-1234');
    // Its lock was taken over while it stood still.
    const late: typeof fetch = async (url, init) => {
      const response = await fetch(url, init);
      await writeFile(join(dir.path, 'refresh'), 'refresh-3\n');
      await writeFile(join(dir.path, 'user.jwt'), jwt(Date.now() + 15 * MINUTE, '3'));
      return response;
    };
    server.revoke();
    const auth = createAuth({ baseUrl: server.url, dir: dir.path, fetch: late });
    expect(await auth.accessToken('renew')).toBe((await readFile(join(dir.path, 'user.jwt'), 'utf8')).trim());
    expect(await auth.isLoggedIn()).toBe(true);
  });

  test('logout tells the server and removes both tokens', async () => {
    await using dir = await tempDir();
    await using server = await tokenServer();
    const auth = createAuth({ baseUrl: server.url, dir: dir.path });
    await auth.login('code-1234');
    expect(await auth.logout()).toBe(true);
    expect(server.calls).toContain('/v1/auth/logout');
    expect(await auth.isLoggedIn()).toBe(false);
    await expect(auth.accessToken()).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
  });

  test('another server never sees these tokens', async () => {
    await using dir = await tempDir();
    await using server = await tokenServer();
    await using other = await tokenServer();
    await createAuth({ baseUrl: server.url, dir: dir.path }).login('code-1234');
    const there = createAuth({ baseUrl: other.url, dir: dir.path });
    expect(await there.isLoggedIn()).toBe(false);
    await expect(there.accessToken()).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
    await there.logout();
    expect(other.calls).toEqual([]);
  });

  test('a server whose address changes keeps its login under a name', async () => {
    await using dir = await tempDir();
    await using server = await tokenServer();
    await createAuth({ baseUrl: new URL('http://127.0.0.1:1'), dir: dir.path, realm: 'embedded' }).logout();
    await createAuth({ baseUrl: server.url, dir: dir.path, realm: 'embedded' }).login('code-1234');
    const moved = createAuth({ baseUrl: new URL('http://127.0.0.1:1'), dir: dir.path, realm: 'embedded' });
    expect(await moved.isLoggedIn()).toBe(true);
  });

  test('AACHAT_TOKEN wins and is never written', async () => {
    await using dir = await tempDir();
    const auth = createAuth({ baseUrl: new URL('http://127.0.0.1:1'), dir: dir.path, fixedToken: 'given' });
    expect(await auth.accessToken()).toBe('given');
    await expect(auth.accessToken('renew')).rejects.toMatchObject({ message: expect.stringContaining('AACHAT_TOKEN') });
    await expect(stat(join(dir.path, 'user.jwt'))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

test('twenty processes that need a new token at once refresh it once', async () => {
  await using dir = await tempDir();
  await using server = await tokenServer();
  await createAuth({ baseUrl: server.url, dir: dir.path }).login('code-1234');
  await writeFile(join(dir.path, 'user.jwt'), jwt(Date.now() - MINUTE));
  const entry = join(import.meta.dirname, '..', 'support', 'auth-entry.ts');
  const children = Array.from({ length: 20 }, () =>
    spawn(process.execPath, [entry, server.url.href, dir.path], { stdio: ['pipe', 'pipe', 'inherit'] }),
  );
  await Promise.all(children.map(({ stdout }) => once(stdout, 'readable')));
  const tokens = await Promise.all(
    children.map(({ stdin, stdout }) => {
      stdin.end('go\n');
      return text(stdout);
    }),
  ).then((said) => said.map((one) => one.replace('ready\n', '')));
  expect(new Set(tokens)).toEqual(new Set([(await readFile(join(dir.path, 'user.jwt'), 'utf8')).trim()]));
  expect(server.calls.filter((path) => path === '/v1/auth/refresh')).toHaveLength(1);
}, 300_000);
