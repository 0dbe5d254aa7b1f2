/** Which sessions come from which, as far as policies go on from one to the next. */
import { isAachatError } from '#base/errors.ts';
import type { HttpClient } from '#client/http.ts';
import type { SessionId } from '#contract/ids.ts';
import { ROUTES } from '#contract/routes.ts';
import { decidedFor, type FindOrigin, sessionPolicyOf } from './agent-settings.ts';
import type { Config } from './config.ts';

/** Origins as the server knows them, removed ones too. */
export const originsAt =
  (http: HttpClient): FindOrigin =>
  async (sessionId) => {
    try {
      return (await http.call(ROUTES.getSession, { params: { sessionId } })).session;
    } catch (thrown) {
      if (isAachatError(thrown, 'NOT_FOUND')) return undefined;
      throw thrown;
    }
  };

/** What was decided for a session is noted for those that come from it, before it is forgotten. */
export async function handDownPolicy(config: Config, http: HttpClient, id: SessionId): Promise<void> {
  const find = originsAt(http);
  const session = await find(id);
  if (session === undefined || (await decidedFor(config, session, find)) === undefined) return;
  for (let offset = 0, more = true; more; ) {
    const page = await http.call(ROUTES.listSessions, { query: { limit: 200, offset } });
    for (const one of page.sessions) {
      if (one.parentId === id || one.forkedFromId === id) await sessionPolicyOf(config, one, find);
    }
    offset += page.sessions.length;
    more = page.hasMore && page.sessions.length > 0;
  }
}
