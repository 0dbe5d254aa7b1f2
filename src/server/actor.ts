/** From what a token says to who asks: whether the login still holds, whether the run is the newest of its session. */
import { AachatError } from '#base/errors.ts';
import type { Actor } from './authorize.ts';
import type { View } from './database/store.ts';
import { type Credential, unauthorized } from './tokens.ts';

/**
 * @throws AachatError `UNAUTHORIZED` after a logout, `STALE_RUN` for the token of a run that ended or was followed by
 *   a newer one
 */
export async function actorFor(view: View, credential: Credential): Promise<Actor> {
  if (credential.kind === 'user') return userActor(view, credential);
  if (credential.kind === 'session') return sessionActor(view, credential);
  return { kind: credential.kind };
}

async function userActor({ q }: View, credential: Credential & { kind: 'user' }): Promise<Actor> {
  const user = await q
    .selectFrom('users')
    .select(['id', 'login'])
    .where('id', '=', credential.userId)
    .where((eb) =>
      eb.exists(
        eb
          .selectFrom('tokens')
          .select('hash')
          .where('family_id', '=', credential.familyId)
          .where('revoked_at', 'is', null),
      ),
    )
    .executeTakeFirst();
  if (user === undefined) throw unauthorized('You are logged out.');
  return { kind: 'user', id: user.id, name: user.login };
}

async function sessionActor({ q }: View, credential: Credential & { kind: 'session' }): Promise<Actor> {
  const { agentId, sessionId, runId } = credential;
  const run = q
    .selectFrom('runs')
    .innerJoin('sessions', 'sessions.id', 'runs.session_id')
    .innerJoin('agents', 'agents.id', 'sessions.agent_id')
    .select(['runs.id', 'runs.ended_at', 'runs.reason', 'agents.name'])
    .where('sessions.id', '=', sessionId)
    .where('agents.id', '=', agentId)
    .orderBy('runs.epoch', 'desc')
    .executeTakeFirst();
  const covering = q.selectFrom('coverage').select('project_id').where('session_id', '=', sessionId).execute();
  // The first prompt of a session may stand in the agent's dm without the session covering it.
  const prompted = q
    .selectFrom('turns')
    .innerJoin('projects', 'projects.id', 'turns.project_id')
    .select('turns.project_id')
    .where('turns.session_id', '=', sessionId)
    .where('turns.state', '=', 'open')
    .where('projects.agent_id', '=', agentId)
    .execute();
  const [newest, covered, open] = await Promise.all([run, covering, prompted]);
  // A run that was only not heard of goes on when it is heard of again.
  if (newest?.id !== runId || (newest.ended_at !== null && newest.reason !== 'lost')) throw staleRun();
  const coverage = new Set([...covered, ...open].map(({ project_id }) => project_id));
  return { kind: 'session', id: agentId, name: newest.name, sessionId, runId, coverage };
}

export const staleRun = (): AachatError =>
  new AachatError('STALE_RUN', 'This run of the session is over: it ended, or a newer one took its place.', {
    hint: 'Run `aachat status` to see where the session runs now.',
  });
