/** What a mirror may rely on (`sync/replica.ts`), whatever answers: the server in memory and the real ones pass it. */
import { createHttpClient } from '#client/http.ts';
import { createDocumentReplica } from '#runtime/document-replica.ts';
import { createTextStore } from '#runtime/text-store.ts';
import type { Replica } from '#sync/replica.ts';
import { company, type Open as OpenServer } from '../server/suite/fixture.ts';
import { joinProject, joinTeam } from '../support/company.ts';
import { editSuite } from './suite/edits.ts';
import type { Open, Replicas } from './suite/fixture.ts';
import { rightSuite } from './suite/rights.ts';
import { textSuite } from './suite/texts.ts';

export function replicaSuite(engine: string, open: Open): void {
  editSuite(engine, open);
  textSuite(engine, open);
  rightSuite(engine, open);
}

/** The replica of whoever has the token. */
export const replicaOf = (url: string, token: string | undefined, team?: string): Replica =>
  createDocumentReplica({
    http: createHttpClient({ baseUrl: new URL(url), token: async () => token }),
    team,
    texts: createTextStore(0),
  });

/** Over a real server. */
export async function serverReplicas(open: OpenServer): Promise<Replicas> {
  const { server, alice, bob, team, project } = await company(open);
  const people = { alice, bob, cy: await server.login('cy'), dan: await server.login('dan') };
  for (const name of ['cy', 'dan']) await joinTeam(alice, team, name);
  await joinProject(alice, project, 'bob', 'collaborator');
  await joinProject(alice, project, 'cy', 'viewer');
  return {
    replica: (who) => replicaOf(server.url, people[who].token),
    shutDown: async () => void (await server.server[Symbol.asyncDispose]()),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
