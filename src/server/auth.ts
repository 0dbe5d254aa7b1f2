/** Login by one-time code, refresh with rotation, logout, and the codes themselves. */
import { AachatError } from '#base/errors.ts';
import { newId } from '#base/id.ts';
import { isoTime } from '#base/time.ts';
import type { Tokens as TokenPair } from '#contract/entities.ts';
import type { UserId } from '#contract/ids.ts';
import type { ROUTES } from '#contract/routes.ts';
import { agentOf } from './agents.ts';
import type { TokenRow, UserRow } from './database/schema.ts';
import type { Tx, View } from './database/store.ts';
import { party, type Reading, type Writing } from './request.ts';
import { createPersonalTeam } from './teams.ts';
import { ACCESS_TOKEN_MS, digestOf, newSecret, type Tokens, unauthorized } from './tokens.ts';

const CODE_MS = 60 * 60_000;
/** A login that nobody used for this long is over. */
const REFRESH_MS = 90 * 24 * 60 * 60_000;
/** Several processes may refresh with the same token at once; the losers get a token of their own. */
const PARENT_GRACE_MS = 15_000;

const after = (now: string, ms: number): string => isoTime(Date.parse(now) + ms);

/** Makes a code for one login and remembers its digest. */
export async function createLoginCode(
  { q, now }: View,
  kind: 'bootstrap' | 'invite',
  login: string | null,
): Promise<{ code: string; expiresAt: string }> {
  const code = newSecret();
  // The file of a bootstrap code is read by whoever starts the server, so that one does not go stale by itself.
  const expiresAt = after(now, kind === 'bootstrap' ? REFRESH_MS : CODE_MS);
  await q
    .insertInto('login_codes')
    .values({ hash: digestOf(code), kind, login, expires_at: expiresAt, used_at: null })
    .execute();
  return { code, expiresAt };
}

/** Whether nobody has logged in yet. */
export async function isFresh({ q }: View): Promise<boolean> {
  return (await q.selectFrom('users').select('id').limit(1).executeTakeFirst()) === undefined;
}

/** @param loopback whether the bootstrap code may be used at all */
export const login =
  (tokens: Tokens, loopback: boolean): Writing<typeof ROUTES.login> =>
  async (tx, { body, ask }) => {
    ask({ kind: 'own' });
    const { q, now } = tx;
    const code = await q
      .updateTable('login_codes')
      .set({ used_at: now })
      .where('hash', '=', digestOf(body.code))
      .where('used_at', 'is', null)
      .where('expires_at', '>', now)
      .returning(['kind', 'login'])
      .executeTakeFirst();
    const refused = code?.kind === 'bootstrap' && !(loopback && (await isFresh(tx)));
    if (code === undefined || refused) {
      throw new AachatError('UNAUTHORIZED', 'This login code is unknown, used, or too old.', {
        hint: 'Ask whoever runs the server for a new one: `aachat server invite`.',
      });
    }
    if (code.login !== null && body.login !== undefined && body.login !== code.login) {
      throw new AachatError('VALIDATION_ERROR', `This code is for "${code.login}".`, {
        hint: 'Log in without naming another login.',
      });
    }
    const user = await userForCode(tx, code.login, body.login);
    return { user: userOf(user), tokens: await issue(tx, tokens, user.id, newId(), null) };
  };

async function userForCode(tx: Tx, reserved: string | null, chosen: string | undefined): Promise<UserRow> {
  const name = reserved ?? chosen;
  if (name === undefined) {
    throw new AachatError('VALIDATION_ERROR', 'This code makes a new person, who needs a login.', {
      hint: 'Choose one with `--login <name>`.',
    });
  }
  const existing = await tx.q.selectFrom('users').selectAll().where('login', '=', name).executeTakeFirst();
  if (existing !== undefined && reserved === null) {
    throw new AachatError('CONFLICT', `The login "${name}" is taken.`, {
      hint: 'Choose another with `--login <name>`.',
    });
  }
  if (existing !== undefined) return existing;
  const user: UserRow = { id: newId<UserId>(), login: name, created_at: tx.now };
  await tx.q.insertInto('users').values(user).execute();
  await createPersonalTeam(tx, user);
  return user;
}

const userOf = (row: UserRow) => ({ id: row.id, login: row.login, createdAt: row.created_at });

/** Hears that a login has ended. */
export type LoginEnded = (familyId: string) => void;

/** The refusal of a token that was used before is returned: ending its login must be committed. */
export const refresh =
  (tokens: Tokens, onEnd: LoginEnded): Writing<typeof ROUTES.refresh> =>
  async (tx, { body, ask }) => {
    ask({ kind: 'own' });
    const { q, now } = tx;
    const hash = digestOf(body.refreshToken);
    const won = await q
      .updateTable('tokens')
      .set({ used_at: now })
      .where('hash', '=', hash)
      .where('used_at', 'is', null)
      .where('revoked_at', 'is', null)
      .where('expires_at', '>', now)
      .returningAll()
      .executeTakeFirst();
    if (won !== undefined) return { tokens: await issue(tx, tokens, won.user_id, won.family_id, hash) };
    const row = await q.selectFrom('tokens').selectAll().where('hash', '=', hash).executeTakeFirst();
    if (row === undefined || row.revoked_at !== null || row.used_at === null) throw unauthorized('You are logged out.');
    if (await isRecentParent(tx, row)) {
      return { tokens: await issue(tx, tokens, row.user_id, row.family_id, hash) };
    }
    await revokeFamily(tx, row.family_id, onEnd);
    return unauthorized('A refresh token came back after it was used, so this login was ended.');
  };

async function isRecentParent({ q, now }: View, { hash, used_at }: TokenRow): Promise<boolean> {
  if (used_at === null || now > after(used_at, PARENT_GRACE_MS)) return false;
  const usedChild = await q
    .selectFrom('tokens')
    .select('hash')
    .where('parent_hash', '=', hash)
    .where('used_at', 'is not', null)
    .executeTakeFirst();
  return usedChild === undefined;
}

/** Ends the login that the token descends from. An unknown token is fine: then there is nothing to end. */
export const logout =
  (onEnd: LoginEnded): Writing<typeof ROUTES.logout> =>
  async (tx, { body, ask }) => {
    ask({ kind: 'own' });
    const row = await tx.q
      .selectFrom('tokens')
      .select('family_id')
      .where('hash', '=', digestOf(body.refreshToken))
      .executeTakeFirst();
    if (row !== undefined) await revokeFamily(tx, row.family_id, onEnd);
    return {};
  };

async function revokeFamily(tx: Tx, familyId: string, onEnd: LoginEnded): Promise<void> {
  tx.afterCommit(() => onEnd(familyId));
  await tx.q
    .updateTable('tokens')
    .set({ revoked_at: tx.now })
    .where('family_id', '=', familyId)
    .where('revoked_at', 'is', null)
    .execute();
}

/** A token of an ended login may be shown this long; twice its life, because the clocks of servers differ. */
const RECENT_MS = 2 * ACCESS_TOKEN_MS;

/** The logins that ended so recently that an access token of theirs may not have expired. */
export async function endedLogins({ q, now }: View): Promise<ReadonlySet<string>> {
  const rows = await q
    .selectFrom('tokens')
    .select('family_id')
    .distinct()
    .where('revoked_at', '>', after(now, -RECENT_MS))
    .execute();
  return new Set(rows.map(({ family_id }) => family_id));
}

async function issue(
  { q, now }: View,
  tokens: Tokens,
  userId: UserId,
  familyId: string,
  parent: string | null,
): Promise<TokenPair> {
  const refreshToken = newSecret();
  await q
    .insertInto('tokens')
    .values({
      hash: digestOf(refreshToken),
      family_id: familyId,
      parent_hash: parent,
      user_id: userId,
      created_at: now,
      expires_at: after(now, REFRESH_MS),
      used_at: null,
      revoked_at: null,
    })
    .execute();
  const { token, expiresAt } = await tokens.signUser(userId, familyId);
  return { accessToken: token, refreshToken, expiresAt };
}

export const createInvite: Writing<typeof ROUTES.createInvite> = async (tx, { body, ask }) => {
  ask({ kind: 'own' });
  return createLoginCode(tx, 'invite', body.login ?? null);
};

export const getMe: Reading<typeof ROUTES.getMe> = async ({ q }, { actor, ask }) => {
  ask({ kind: 'own' });
  const me = party(actor);
  if (me.kind === 'user') {
    const user = await q.selectFrom('users').selectAll().where('id', '=', me.id).executeTakeFirstOrThrow();
    return { kind: 'user', user: userOf(user) };
  }
  const agent = await q.selectFrom('agents').selectAll().where('id', '=', me.id).executeTakeFirstOrThrow();
  const { sessionId, runId, coverage } = me;
  return { kind: 'session', agent: agentOf(agent), sessionId, runId, coverage: [...coverage] };
};
