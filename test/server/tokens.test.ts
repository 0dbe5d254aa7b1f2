/** Access tokens of the wrong kind, key, time or shape are refused. */
import { createHmac, generateKeyPairSync, randomBytes } from 'node:crypto';
import { importJWK, type JWK, type JWTHeaderParameters, type JWTPayload, SignJWT } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import { newId } from '#base/id.ts';
import type { AgentId, RunId, SessionId, UserId } from '#contract/ids.ts';
import { newSigningKey, openTokens, type Tokens } from '#server/tokens.ts';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const seconds = Math.floor(NOW / 1000);
const userId = newId<UserId>();

let signingKey = '';
let now = NOW;
let tokens: Tokens;
beforeAll(async () => {
  signingKey = await newSigningKey();
  tokens = await openTokens(signingKey, 'the operator', () => now);
});

const GOOD: JWTPayload = {
  iss: 'aachat',
  aud: 'aachat',
  sub: userId,
  jti: 'x',
  fam: 'f',
  iat: seconds,
  exp: seconds + 900,
};

async function forge(claims: JWTPayload, header: Partial<JWTHeaderParameters> = {}, key = signingKey): Promise<string> {
  const private_ = await importJWK(JSON.parse(key) as JWK, 'EdDSA');
  return new SignJWT(claims).setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt', ...header }).sign(private_);
}

const base64 = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('tokens', () => {
  test('what was signed is understood', async () => {
    const { token, expiresAt } = await tokens.signUser(userId, 'family');
    expect(await tokens.verify(token)).toEqual({
      kind: 'user',
      userId,
      familyId: 'family',
      expiresAt: Date.parse(expiresAt),
    });
    const session = await tokens.signSession(newId<AgentId>(), newId<SessionId>(), newId<RunId>());
    expect(await tokens.verify(session.token)).toMatchObject({ kind: 'session' });
    expect(await tokens.verify('the operator')).toEqual({ kind: 'operator' });
  });

  test('the forger below makes good tokens if nothing is wrong with them', async () => {
    expect(await tokens.verify(await forge(GOOD))).toMatchObject({ kind: 'user', userId });
  });

  const { exp: _exp, ...noExp } = GOOD;
  const { jti: _jti, ...noJti } = GOOD;
  const { aud: _aud, ...noAud } = GOOD;
  test.for([
    ['of another issuer', () => forge({ ...GOOD, iss: 'evil' })],
    ['for another audience', () => forge({ ...GOOD, aud: 'other' })],
    ['for two audiences', () => forge({ ...GOOD, aud: ['aachat', 'aachat-session'] })],
    ['without an audience', () => forge(noAud)],
    ['of a session that says it is a user', () => forge({ ...GOOD, aud: 'aachat-session' })],
    ['of another type', () => forge(GOOD, { typ: 'JWT' })],
    ['without an end', () => forge(noExp)],
    ['without an id', () => forge(noJti)],
    ['that ended', () => forge({ ...GOOD, iat: seconds - 2000, exp: seconds - 31 })],
    ['that is older than any we make', () => forge({ ...GOOD, iat: seconds - 1000, exp: seconds + 900 })],
    ['for a user that is no id', () => forge({ ...GOOD, sub: '../admin' })],
    ['of another key', async () => forge(GOOD, {}, await newSigningKey())],
    [
      'of another key with a key id that is a path',
      async () => forge(GOOD, { kid: '../../dev/null' }, await newSigningKey()),
    ],
    ['without a signature', async () => `${base64({ alg: 'none', typ: 'at+jwt' })}.${base64(GOOD)}.`],
    [
      'signed with the public key as a secret',
      async () => {
        const { x = '' } = JSON.parse(signingKey) as JWK;
        const text = `${base64({ alg: 'HS256', typ: 'at+jwt' })}.${base64(GOOD)}`;
        return `${text}.${createHmac('sha256', Buffer.from(x, 'base64url')).update(text).digest('base64url')}`;
      },
    ],
    [
      'that brings its own key',
      async () => {
        const { publicKey, privateKey } = generateKeyPairSync('ed25519');
        const jwk = publicKey.export({ format: 'jwk' });
        return new SignJWT(GOOD).setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt', jwk: jwk as JWK }).sign(privateKey);
      },
    ],
    ['that is noise', async () => randomBytes(40).toString('hex')],
  ] as const)('a token %s is refused', async ([, make]) => {
    await expect(tokens.verify(await make())).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
  });

  test('clocks may differ by half a minute', async () => {
    const { token } = await tokens.signUser(userId, 'family');
    now = NOW + 15 * 60_000 + 29_000;
    await tokens.verify(token);
    now = NOW + 15 * 60_000 + 31_000;
    await expect(tokens.verify(token)).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
    now = NOW;
  });
});
