/** The replica in memory, and the one over the real server on SQLite, behave alike. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createHttpClient } from '#client/http.ts';
import type { ProjectId } from '#contract/ids.ts';
import { createDocumentReplica } from '#runtime/document-replica.ts';
import { createTextStore } from '#runtime/text-store.ts';
import type { Replica } from '#sync/replica.ts';
import { company } from '../server/suite/fixture.ts';
import { createAgent, createProject, createTeam, push as pushDirectly } from '../support/company.ts';
import { MemoryServer } from '../support/memory-replica.ts';
import { freePort } from '../support/port.ts';
import { testServer } from '../support/server.ts';
import { tempDir } from '../support/temp.ts';
import { replicaOf, replicaSuite, serverReplicas } from './replica-suite.ts';
import { plan, push, type Replicas, textOf } from './suite/fixture.ts';

async function memoryReplicas(): Promise<Replicas> {
  const server = new MemoryServer();
  const inProject = (path: string) => path.startsWith('acme/launch/');
  return {
    replica: (who) =>
      server.replica(who, {
        mayRead: (path) => who !== 'dan' && inProject(path),
        mayWrite: () => who !== 'cy',
      }),
    shutDown: async () => {
      server.isReachable = false;
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

replicaSuite('memory', memoryReplicas);
replicaSuite('sqlite', () => serverReplicas(testServer));

const pathsOf = async (replica: Replica) => (await replica.list()).documents.map(({ path }) => path).toSorted();

test('every project that may be read is a folder: of a team, its stream, a dm, a personal team', async () => {
  await using it = await company(testServer);
  await createAgent(it.alice, 'helper');
  const paths = [
    'acme/launch/notes/plan.md',
    'acme/stream/notes/plan.md',
    '~alice/dm.helper.alice/notes/plan.md',
    '~alice/stream/notes/plan.md',
  ];
  const alice = replicaOf(it.server.url, it.alice.token);
  for (const path of paths) await push(alice, null, path, { path });
  expect(await pathsOf(alice)).toEqual(paths);
  const again = replicaOf(it.server.url, it.alice.token);
  for (const path of paths) expect(await textOf(again, path)).toBe(path);
});

test('only the name of a project is its folder, not its id', async () => {
  await using it = await company(testServer);
  const alice = replicaOf(it.server.url, it.alice.token);
  for (const folder of [it.project.id, it.project.id.slice(-8)]) {
    const path = `acme/${folder}/notes/plan.md`;
    await expect(push(alice, null, 'text\n', { path })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  }
  expect(await pathsOf(alice)).toEqual([]);
});

test('a replica of one team has nothing of others, and takes nothing for them', async () => {
  await using it = await company(testServer);
  await createProject(it.alice, await createTeam(it.alice, 'other'), 'launch');
  const path = 'other/launch/notes/plan.md';
  const [all, acme] = [undefined, 'acme'].map((team) => replicaOf(it.server.url, it.alice.token, team));
  if (all === undefined || acme === undefined) throw new Error('no replicas');
  for (const replica of [all, acme]) await push(replica, null, 'text\n', { path: plan });
  await push(all, null, 'one\n', { path });
  await push(all, null, 'two\n', { path });
  expect(await acme.list()).toMatchObject({ documents: [{ path: plan }], conflicts: [] });
  await expect(push(acme, 'one\n', 'three\n', { path })).rejects.toMatchObject({ code: 'VALIDATION_ERROR' });
  expect(await all.list()).toMatchObject({ documents: [{ path: plan }, { path, version: 2 }], conflicts: [{ path }] });
});

test('a document that somebody else made since the last listing is read', async () => {
  await using it = await company(testServer);
  const alice = replicaOf(it.server.url, it.alice.token);
  await alice.list();
  const { document } = await pushDirectly(it.alice, it.project, 'plan', null, 'text\n');
  expect(Buffer.from(await alice.read(plan, document.digest ?? '')).toString()).toBe('text\n');
});

test('a server that was set up anew at its old address is taken as it is now', async () => {
  await using dir = await tempDir();
  const port = await freePort();
  let token = '';
  let replica: Replica | undefined;
  const projects: ProjectId[] = [];
  for (const dataDir of [join(dir.path, 'first'), join(dir.path, 'second')]) {
    await using server = await testServer({ dataDir, port });
    const alice = await server.login('alice');
    token = alice.token ?? '';
    const project = await createProject(alice, await createTeam(alice, 'acme'), 'launch');
    projects.push(project.id);
    replica ??= createDocumentReplica({
      http: createHttpClient({ baseUrl: new URL(server.url), token: async () => token }),
      team: undefined,
      texts: createTextStore(0),
    });
    expect((await replica.list()).documents).toEqual([]);
    const { document } = await pushDirectly(alice, project, 'plan', null, 'one\n');
    expect(Buffer.from(await replica.read(plan, document.digest ?? '')).toString()).toBe('one\n');
    await push(replica, 'one\n', 'two\n');
    expect(await textOf(replica)).toBe('two\n');
  }
  expect(new Set(projects).size).toBe(2);
});
