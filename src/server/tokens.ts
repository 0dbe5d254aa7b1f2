/**
 * Access tokens: signed, 15 minutes, of two kinds that cannot stand in for each other. Refresh tokens, login codes and
 * the operator's token are opaque; the database knows their digests only.
 */
import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import { type CryptoKey, exportJWK, generateKeyPair, importJWK, type JWK, jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';
import { AachatError } from '#base/errors.ts';
import { newId } from '#base/id.ts';
import { type Clock, isoTime } from '#base/time.ts';
import { AgentId, RunId, SessionId, UserId } from '#contract/ids.ts';

export const ACCESS_TOKEN_MS = 15 * 60_000;

const ISSUER = 'aachat';
const USER_AUDIENCE = 'aachat';
const SESSION_AUDIENCE = 'aachat-session';

/** What a valid token says; whether it still holds is for the database to say (`actor.ts`). */
export type Credential =
  | { readonly kind: 'anonymous' }
  | { readonly kind: 'operator' }
  | { readonly kind: 'user'; readonly userId: UserId; readonly familyId: string; readonly expiresAt: number }
  | {
      readonly kind: 'session';
      readonly agentId: AgentId;
      readonly sessionId: SessionId;
      readonly runId: RunId;
      readonly expiresAt: number;
    };

export interface Tokens {
  /** @param familyId the login that the token descends from */
  signUser(userId: UserId, familyId: string): Promise<{ token: string; expiresAt: string }>;
  signSession(agentId: AgentId, sessionId: SessionId, runId: RunId): Promise<{ token: string; expiresAt: string }>;
  /** @throws AachatError `UNAUTHORIZED` for a token that is not ours, or no longer valid */
  verify(token: string): Promise<Credential>;
}

const UserClaims = z.object({ aud: z.literal(USER_AUDIENCE), sub: UserId, fam: z.string(), exp: z.number() });
const SessionClaims = z.object({
  aud: z.literal(SESSION_AUDIENCE),
  sub: AgentId,
  sid: SessionId,
  rid: RunId,
  exp: z.number(),
});
const Claims = z.discriminatedUnion('aud', [UserClaims, SessionClaims]);

/** A new key pair, as text to keep. */
export async function newSigningKey(): Promise<string> {
  const { privateKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true });
  return JSON.stringify(await exportJWK(privateKey));
}

/**
 * @param signingKey from `newSigningKey`
 * @param operatorToken of whoever runs this process
 */
export async function openTokens(signingKey: string, operatorToken: string, clock: Clock): Promise<Tokens> {
  const jwk = JSON.parse(signingKey) as JWK;
  const { d: _, ...publicJwk } = jwk;
  const privateKey = await key(jwk);
  const publicKey = await key(publicJwk);
  const operatorDigest = hash('sha256', operatorToken, 'buffer');

  const sign = async (audience: string, subject: string, claims: Record<string, string>) => {
    const now = Math.floor(clock() / 1000);
    const expires = now + ACCESS_TOKEN_MS / 1000;
    const token = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt' })
      .setIssuer(ISSUER)
      .setAudience(audience)
      .setSubject(subject)
      .setJti(newId())
      .setIssuedAt(now)
      .setExpirationTime(expires)
      .sign(privateKey);
    return { token, expiresAt: isoTime(expires * 1000) };
  };

  /** Valid tokens come again and again; what is remembered is only their signature, never their time. */
  const verified = new Map<string, Credential & { expiresAt: number }>();

  return {
    signUser: (userId, familyId) => sign(USER_AUDIENCE, userId, { fam: familyId }),
    signSession: (agentId, sessionId, runId) => sign(SESSION_AUDIENCE, agentId, { sid: sessionId, rid: runId }),
    async verify(token) {
      const known = verified.get(token);
      if (known !== undefined && clock() < known.expiresAt) return known;
      if (timingSafeEqual(hash('sha256', token, 'buffer'), operatorDigest)) return { kind: 'operator' };
      const checked = await jwtVerify(token, publicKey, {
        algorithms: ['EdDSA'],
        issuer: ISSUER,
        audience: [USER_AUDIENCE, SESSION_AUDIENCE],
        typ: 'at+jwt',
        requiredClaims: ['exp', 'iat', 'sub', 'jti'],
        clockTolerance: 30,
        maxTokenAge: ACCESS_TOKEN_MS / 1000,
        currentDate: new Date(clock()),
      }).catch(() => undefined);
      const claims = Claims.safeParse(checked?.payload);
      if (!claims.success) throw unauthorized('The access token is not valid, or no longer.');
      const credential = credentialOf(claims.data);
      if (verified.size >= KEPT_TOKENS) verified.clear();
      verified.set(token, credential);
      return credential;
    },
  };
}

/** Far more than are in use at once. */
const KEPT_TOKENS = 10_000;

function credentialOf(claims: z.infer<typeof Claims>): Credential & { expiresAt: number } {
  const expiresAt = claims.exp * 1000;
  if (claims.aud === USER_AUDIENCE) return { kind: 'user', userId: claims.sub, familyId: claims.fam, expiresAt };
  return { kind: 'session', agentId: claims.sub, sessionId: claims.sid, runId: claims.rid, expiresAt };
}

/** A key object, never bytes: bytes would also be accepted as the secret of another algorithm. */
async function key(jwk: JWK): Promise<CryptoKey> {
  const imported = await importJWK(jwk, 'EdDSA');
  if (imported instanceof Uint8Array) throw new Error('The signing key is not an Ed25519 key.');
  return imported;
}

export const unauthorized = (message: string): AachatError =>
  new AachatError('UNAUTHORIZED', message, { hint: 'Run `aachat auth login`.' });

/** 256 random bits, as text. */
export const newSecret = (): string => randomBytes(32).toString('base64url');

/** What the database keeps of a secret. Enough for random ones: there is nothing to guess. */
export const digestOf = (secret: string): string => hash('sha256', secret);
