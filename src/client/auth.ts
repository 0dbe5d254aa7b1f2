/**
 * Tokens of the person who is logged in on this machine: a short access token and a refresh token that works once.
 *
 * Twenty commands may start at the same moment: one of them refreshes behind a file lock, the others read what it got.
 * A home keeps the tokens of one server, and they are never shown to another one.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeJwt } from 'jose';
import { AachatError, isAachatError } from '#base/errors.ts';
import { readIfExists, writePrivate } from '#base/fs.ts';
import { withFileLock } from '#base/pid-file.ts';
import type { Clock } from '#base/time.ts';
import type { Tokens, User } from '#contract/entities.ts';
import { ROUTES } from '#contract/routes.ts';
import { createHttpClient } from './http.ts';

export interface Auth {
  /**
   * A valid access token, refreshed if needed.
   *
   * @param how `renew`: the server refused the last one
   * @throws AachatError `UNAUTHORIZED` when nobody is logged in, or the login was revoked
   */
  accessToken(how?: 'renew'): Promise<string>;
  isLoggedIn(): Promise<boolean>;
  /** Exchanges a one-time code. */
  login(code: string, login?: string): Promise<User>;
  /** Revokes the login at the server and forgets it. @returns whether the server heard of it */
  logout(): Promise<boolean>;
}

export interface AuthOptions {
  readonly baseUrl: URL;
  /** Folder of the token files. */
  readonly dir: string;
  /** Name of the server that the tokens are for, where its address may change; by default its origin. */
  readonly realm?: string | undefined;
  /** Value of `AACHAT_TOKEN`: used as it is, never written. */
  readonly fixedToken?: string | undefined;
  readonly fetch?: typeof globalThis.fetch;
  readonly clock?: Clock;
}

/** Refresh while the token is still good for this long, so that none expires on the way. */
const MARGIN_MS = 60_000;

export function createAuth(options: AuthOptions): Auth {
  const { baseUrl, dir, realm = baseUrl.origin, fixedToken, fetch, clock = Date.now } = options;
  const accessPath = join(dir, 'user.jwt');
  const refreshPath = join(dir, 'refresh');
  const realmPath = join(dir, 'server');
  const http = createHttpClient({ baseUrl, token: async () => undefined, ...(fetch === undefined ? {} : { fetch }) });
  let cached: string | undefined;

  const text = async (path: string) => (await readIfExists(path))?.trim() || undefined;
  const read = async (path: string) => ((await text(realmPath)) === realm ? await text(path) : undefined);
  const isGood = (token: string | undefined): token is string =>
    token !== undefined && expiryOf(token) - MARGIN_MS > clock();

  async function save({ accessToken, refreshToken }: Tokens): Promise<void> {
    if ((await text(realmPath)) !== realm) {
      await forget();
      await writePrivate(realmPath, `${realm}\n`);
    }
    // The refresh token first: with the old one lost and the new one not yet written, the login would be gone.
    await writePrivate(refreshPath, `${refreshToken}\n`);
    await writePrivate(accessPath, `${accessToken}\n`);
    cached = accessToken;
  }

  async function forget(): Promise<void> {
    cached = undefined;
    await Promise.all([rm(accessPath, { force: true }), rm(refreshPath, { force: true })]);
  }

  function refresh(refused: string | undefined): Promise<string> {
    return withFileLock(refreshPath, async () => {
      const other = await read(accessPath);
      if (isGood(other) && other !== refused) {
        cached = other;
        return other;
      }
      const refreshToken = await read(refreshPath);
      if (refreshToken === undefined) throw notLoggedIn(baseUrl);
      try {
        const { tokens } = await http.call(ROUTES.refresh, { body: { refreshToken } });
        await save(tokens);
        return tokens.accessToken;
      } catch (thrown) {
        if (!isAachatError(thrown, 'UNAUTHORIZED')) throw thrown;
        // Whoever took the lock over from a process that stood still may find that it has gone on.
        const newer = await read(accessPath);
        if ((await read(refreshPath)) !== refreshToken && isGood(newer)) {
          cached = newer;
          return newer;
        }
        // It will never work again; without it the next login starts from nothing.
        await forget();
        throw new AachatError('UNAUTHORIZED', `The login at ${baseUrl.origin} has ended.`, {
          hint: 'Run `aachat auth login`.',
          cause: thrown,
        });
      }
    });
  }

  return {
    async accessToken(how) {
      if (fixedToken !== undefined) {
        if (how !== 'renew') return fixedToken;
        throw new AachatError('UNAUTHORIZED', `${baseUrl.origin} does not take the token in AACHAT_TOKEN.`, {
          hint: 'Set it to a valid one, or unset it and run `aachat auth login`.',
        });
      }
      if (how === 'renew') return await refresh(cached ?? (await read(accessPath)));
      if (!isGood(cached)) cached = await read(accessPath);
      return isGood(cached) ? cached : await refresh(undefined);
    },
    isLoggedIn: async () => fixedToken !== undefined || (await read(refreshPath)) !== undefined,
    async login(code, login) {
      const body = login === undefined ? { code } : { code, login };
      const { user, tokens } = await http.call(ROUTES.login, { body });
      await withFileLock(refreshPath, () => save(tokens));
      return user;
    },
    // Behind the lock: a refresh on its way would write new tokens after the old ones were removed.
    logout: () =>
      withFileLock(refreshPath, async () => {
        const refreshToken = await read(refreshPath);
        let heard = false;
        try {
          if (refreshToken !== undefined) await http.call(ROUTES.logout, { body: { refreshToken } });
          heard = refreshToken !== undefined;
        } catch (thrown) {
          if (!isAachatError(thrown, 'SERVER_UNREACHABLE', 'TIMEOUT', 'UNAUTHORIZED')) throw thrown;
        }
        await forget();
        return heard;
      }),
  };
}

const notLoggedIn = (baseUrl: URL) =>
  new AachatError('UNAUTHORIZED', `You are not logged in at ${baseUrl.origin}.`, { hint: 'Run `aachat auth login`.' });

/** @returns epoch milliseconds; 0 for something that is no token */
function expiryOf(token: string): number {
  try {
    return (decodeJwt(token).exp ?? 0) * 1000;
  } catch {
    return 0;
  }
}
