/** Who somebody is: login by one-time code, refresh, logout, and what an operator may ask of the server. */
import { z } from 'zod';
import { Agent, Tokens, User } from '#contract/entities.ts';
import { Login, ProjectId, RunId, SessionId } from '#contract/ids.ts';
import { route } from '#contract/route.ts';

const At = z.iso.datetime();

/** Says who answers, without a token. */
export const getInfo = route({
  method: 'GET',
  path: '/v1/info',
  reply: z.object({
    product: z.literal('aachat'),
    version: z.string(),
    protocol: z.int(),
    /** Nobody has logged in yet: the bootstrap code works. */
    fresh: z.boolean(),
  }),
});

/** Exchanges a one-time code. The bootstrap code and open invites take a new login; others belong to one person. */
export const login = route({
  method: 'POST',
  path: '/v1/auth/login',
  body: z.object({
    code: z.string().min(8, 'That is no login code.').max(200, 'That is no login code.'),
    login: Login.optional(),
  }),
  reply: z.object({ user: User, tokens: Tokens }),
});

export const refresh = route({
  method: 'POST',
  path: '/v1/auth/refresh',
  body: z.object({ refreshToken: z.string().max(200) }),
  reply: z.object({ tokens: Tokens }),
});

/** Revokes every token that descends from the same login. */
export const logout = route({
  method: 'POST',
  path: '/v1/auth/logout',
  body: z.object({ refreshToken: z.string().max(200) }),
});

/** For whoever runs the server: a code for one login, valid for an hour. */
export const createInvite = route({
  method: 'POST',
  path: '/v1/auth/invites',
  /** `login` of an existing person: the code logs in as them. Absent or new: the code makes a new person. */
  body: z.object({ login: Login.optional() }),
  reply: z.object({ code: z.string(), expiresAt: At }),
});

export const getServerStatus = route({
  method: 'GET',
  path: '/v1/server/status',
  reply: z.object({
    version: z.string(),
    engine: z.enum(['sqlite', 'postgres']),
    startedAt: At,
    users: z.int(),
    sockets: z.int(),
  }),
});

export const getMe = route({
  method: 'GET',
  path: '/v1/me',
  reply: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('user'), user: User }),
    z.object({
      kind: z.literal('session'),
      agent: Agent,
      sessionId: SessionId,
      runId: RunId,
      coverage: z.array(ProjectId),
    }),
  ]),
});
