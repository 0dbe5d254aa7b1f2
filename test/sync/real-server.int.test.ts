/** Mirrors over the real server and the real event socket, also when that server is killed. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { silentLog } from '#base/log.ts';
import { openEventSocket } from '#client/socket.ts';
import type { DocumentVersion } from '#contract/documents.ts';
import type { StreamEvent } from '#contract/frames.ts';
import { ROUTES } from '#contract/routes.ts';
import { ServerFile } from '#contract/server-file.ts';
import { remoteConflict, remoteDocument } from '#runtime/document-replica.ts';
import type { RemoteChange } from '#sync/replica.ts';
import { createProject, createTeam, joinProject, joinTeam } from '../support/company.ts';
import { eventually } from '../support/eventually.ts';
import { inStep, type MirrorServer, type OpenMirror, openMirror } from '../support/mirror.ts';
import { freePort } from '../support/port.ts';
import { type Caller, caller } from '../support/server.ts';
import { tempDir } from '../support/temp.ts';
import { replicaOf } from './replica-suite.ts';

const folder = 'acme/launch/notes';
const note = `${folder}/plan.md`;
const text = 'one\ntwo\nthree\nfour\nfive\n';

const program = join(import.meta.dirname, '../support/server-process.ts');

/** A server in a process of its own. */
async function spawnServer(dataDir: string, port: number) {
  const child = spawn(process.execPath, [program, dataDir, '', String(port)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const [line] = await Promise.race([once(child.stdout, 'data') as Promise<[Buffer]>, exited]);
  return {
    url: String(line).trim(),
    /** It has no time to end anything. */
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

async function login(url: string, dataDir: string, name: string): Promise<Caller> {
  const anonymous = caller(url, undefined);
  const { fresh } = await anonymous.call(ROUTES.getInfo, {});
  const read = async (file: string) => (await readFile(join(dataDir, file), 'utf8')).trim();
  const invited = async () => {
    const { operatorToken } = ServerFile.parse(JSON.parse(await read('server.json')));
    return (await caller(url, operatorToken).call(ROUTES.createInvite, { body: { login: name } })).code;
  };
  const code = fresh ? await read('bootstrap') : await invited();
  const { tokens } = await anonymous.call(ROUTES.login, { body: { code, login: name } });
  return caller(url, tokens.accessToken);
}

function changeIn({ type, data }: StreamEvent): RemoteChange | undefined {
  if (type === 'document.changed') return { document: remoteDocument(data.document) };
  if (type !== 'document.conflict') return undefined;
  return { conflict: remoteConflict(data.conflict), isSettled: data.conflict.settledAt !== null };
}

/** Two people with a mirror each, in one project of a server that can be killed and started again. */
async function pair() {
  const dir = await tempDir();
  const dataDir = join(dir.path, 'server');
  const port = await freePort();
  let server = await spawnServer(dataDir, port);
  const { url } = server;
  const mia = await login(url, dataDir, 'mia');
  const bo = await login(url, dataDir, 'bo');
  const team = await createTeam(mia, 'acme');
  await joinTeam(mia, team, 'bo');
  const project = await createProject(mia, team, 'launch');
  await joinProject(mia, project, 'bo', 'collaborator');

  const replica = replicaOf(url, mia.token);
  const platformFor = ({ token = '' }: Caller): MirrorServer => ({
    replica: () => replicaOf(url, token),
    subscribe(listener, _, onGap) {
      const socket = openEventSocket({
        url: new URL(url),
        token: async () => token,
        onEvent: (_stream, event) => {
          const change = changeIn(event);
          if (change !== undefined) listener(change);
        },
        onBegin: onGap,
        onReset: onGap,
        onDenied: onGap,
        onState: (connected) => connected && onGap(),
        log: silentLog,
      });
      socket.subscribe(project.id, null);
      return () => socket[Symbol.asyncDispose]();
    },
    async all() {
      const living = (await replica.list()).documents.flatMap(({ path, digest }) => (digest ? [{ path, digest }] : []));
      const texts = living.map(async ({ path, digest }) => String(Buffer.from(await replica.read(path, digest))));
      return new Map((await Promise.all(texts)).map((one, index) => [living[index]?.path ?? '', one]));
    },
  });
  const platform = platformFor(mia);
  const [one, other] = [await openMirror(platform), await openMirror(platformFor(bo))];
  await one.write(note, text);
  await inStep(platform, one, other);
  return {
    platform,
    replica,
    one,
    other,
    kill: () => server.kill(),
    async start() {
      server = await spawnServer(dataDir, port);
      expect(server.url).toBe(url);
    },
    /** Oldest first. */
    async versions(path: string): Promise<readonly DocumentVersion[]> {
      const { document } = await mia.call(ROUTES.resolveDocument, { query: { name: path } });
      const input = { params: { documentId: document.id }, query: { limit: 1_000 } };
      return (await mia.call(ROUTES.listVersions, input)).versions.toReversed();
    },
    async [Symbol.asyncDispose]() {
      for (const mirror of [one, other]) await mirror[Symbol.asyncDispose]();
      await server.kill();
      await dir[Symbol.asyncDispose]();
    },
  };
}

test('S1, S5: an edit in one mirror arrives in the other, as one version, and does not echo', async () => {
  await using both = await pair();
  const { platform, one, other } = both;
  await one.write(note, text.replace('two', 'two of mia'));
  await eventually('it arrives', async () => (await other.read(note))?.includes('two of mia'));
  await inStep(platform, one, other);
  await other.write(note, text.replace('two', 'two of mia and bo'));
  await eventually('and back', async () => (await one.read(note))?.includes('mia and bo'));
  await other.write(`${folder}/new.md`, '\uFEFFmade\r\n');
  await eventually('a new one', async () => (await one.read(`${folder}/new.md`)) === '\uFEFFmade\r\n');
  await rm(join(one.root, `${folder}/new.md`));
  await eventually('it is gone', async () => (await other.read(`${folder}/new.md`)) === undefined);
  await inStep(platform, one, other);
  expect((await both.versions(note)).map(({ kind, author }) => `${kind} ${author.name}`)).toEqual([
    'edited mia',
    'edited mia',
    'edited bo',
  ]);
  expect((await both.versions(`${folder}/new.md`)).map(({ kind }) => kind)).toEqual(['edited', 'deleted']);
});

/** Bo edits the line that mia edits, and had not seen hers. */
async function overlap({ one, other, platform }: Awaited<ReturnType<typeof pair>>): Promise<string> {
  await other.restart(async () => {
    await other.write(note, text.replace('two', 'two of bo'));
    await one.write(note, text.replace('two', 'two of mia'));
    await one.mirror.flush(60_000);
  });
  await inStep(platform, one, other);
  return `${folder}/plan.conflict-1-bo.md`;
}

test('S12: an overlap is a file beside the document in both mirrors; deleting it settles it in both', async () => {
  await using both = await pair();
  const { platform, replica, one, other } = both;
  const conflict = await overlap(both);
  for (const mirror of [one, other]) {
    await eventually('it is shown', async () => (await mirror.read(conflict)) === text.replace('two', 'two of bo'));
    expect(await mirror.read(note)).toBe(text.replace('two', 'two of mia'));
    expect(mirror.mirror.status().conflicts).toEqual([conflict]);
  }
  await rm(join(one.root, conflict));
  await eventually('it is gone', async () => (await other.read(conflict)) === undefined);
  await inStep(platform, one, other);
  expect((await replica.list()).conflicts).toEqual([]);
  expect(other.mirror.status().conflicts).toEqual([]);
  expect(await other.read(note)).toBe(text.replace('two', 'two of mia'));
});

test('S12: saving over it takes it in, in both', async () => {
  await using both = await pair();
  const { platform, replica, one, other } = both;
  const conflict = await overlap(both);
  await eventually('it is shown', () => one.read(conflict));
  await one.write(conflict, text.replace('two', 'two of both'));
  await eventually('it is taken in', async () => (await other.read(note)) === text.replace('two', 'two of both'));
  await eventually('it is gone', async () => (await other.read(conflict)) === undefined);
  await inStep(platform, one, other);
  expect((await replica.list()).conflicts).toEqual([]);
});

test('S4, S7: what was saved while the server was killed is handed in once it is back, each thing once', async () => {
  await using both = await pair();
  const { platform, replica, one, other } = both;
  const [made, gone] = [`${folder}/made.md`, `${folder}/gone.md`];
  await one.write(gone, 'soon gone\n');
  await inStep(platform, one, other);
  await both.kill();
  await one.write(note, text.replace('one', 'one of mia').replace('three', 'three of mia'));
  await other.write(note, text.replace('five', 'five of bo').replace('three', 'three of bo'));
  await one.write(made, 'made by mia\n');
  await rm(join(other.root, gone));
  for (const { mirror } of [one, other]) {
    await eventually('it notices', () => mirror.status().state === 'offline');
    await eventually('it says what waits', () => mirror.status().pending.length > 0);
  }
  await both.start();
  await inStep(platform, one, other);
  const [conflict, ...more] = (await replica.list()).conflicts;
  if (conflict === undefined) throw new Error('no conflict');
  expect(more).toEqual([]);
  const [first, second] = conflict.who === 'bo' ? ['mia', 'bo'] : ['bo', 'mia'];
  const merged = text.replace('one', 'one of mia').replace('five', 'five of bo').replace('three', `three of ${first}`);
  expect(await one.read(note)).toBe(merged);
  const kept = String(Buffer.from(await replica.read(note, conflict.digest)));
  expect(kept).toContain(`three of ${second}`);
  const kinds = async (path: string) => (await both.versions(path)).map(({ kind }) => kind);
  expect(await kinds(note)).toEqual(['edited', 'edited', 'overlap']);
  expect(await kinds(made)).toEqual(['edited']);
  expect(await kinds(gone)).toEqual(['edited', 'deleted']);
  expect([await other.read(made), await one.read(gone)]).toEqual(['made by mia\n', undefined]);
});

test('S4, S7: however often the server is killed while both save, every word is there and nothing happens twice', async () => {
  await using both = await pair();
  const { platform, replica, one, other } = both;
  const words: string[] = [];
  const save = async (mirror: OpenMirror, who: string) => {
    const word = `${who}${words.length}`;
    words.push(word);
    await mirror.write(note, `${(await mirror.read(note)) ?? ''}${word}\n`);
  };
  for (let round = 0; round < 4; round += 1) {
    for (let count = 0; count < 6 + round; count += 1) {
      await Promise.all([save(one, 'mia'), save(other, 'bo')]);
      await sleep(60);
    }
    await both.kill();
    await Promise.all([save(one, 'mia'), save(other, 'bo')]);
    await both.start();
    await eventually('both are back', () => [one, other].every(({ mirror }) => mirror.status().state !== 'offline'));
  }
  for (const { mirror } of [one, other]) await mirror.flush(60_000);
  await inStep(platform, one, other);

  const versions = await both.versions(note);
  const submitted = versions.map(({ submittedDigest }) => submittedDigest ?? '');
  // Every save has a word of its own, so two versions of one text are one save that was taken twice.
  expect(submitted).toHaveLength(new Set(submitted).size);
  expect(versions.length).toBeLessThanOrEqual(words.length + 1);
  const texts = await Promise.all(submitted.map(async (digest) => Buffer.from(await replica.read(note, digest))));
  const known = new Set(texts.join('\n').split('\n'));
  expect(words.filter((word) => !known.has(word))).toEqual([]);
  for (const { mirror } of [one, other]) expect(mirror.status()).toMatchObject({ problems: [], kept: [] });
});
