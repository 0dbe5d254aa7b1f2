/** `aachat watch` against a real server: what comes, in order, over restarts. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { newId } from '#base/id.ts';
import { runCommand } from '#cli/exit.ts';
import type { StreamEvent } from '#contract/frames.ts';
import { type PermissionId, shortId } from '#contract/ids.ts';
import { ROUTES } from '#contract/routes.ts';
import { commandFacts } from '../support/command.ts';
import {
  addMachine,
  createAgent,
  createProject,
  createTeam,
  joinProject,
  joinTeam,
  liveSession,
  push,
  send,
} from '../support/company.ts';
import { eventually } from '../support/eventually.ts';
import { person } from '../support/person.ts';
import { clientId, testServer, testSocket } from '../support/server.ts';

type Line = StreamEvent & { readonly project: string | null };

async function scene() {
  const server = await testServer();
  const owner = await server.login('mia');
  const mia = await person(server, 'mia');
  const acme = await createTeam(owner, 'acme');
  const launch = await createProject(owner, acme, 'launch');
  const place = join(mia.home, '.state', 'watch.json');
  return {
    server,
    owner,
    mia,
    acme,
    launch,
    place,
    /** Starts a watch, and waits until it has its place in every stream that it begins with. */
    async watch(flags: readonly string[] = [], { isTerminal = false } = {}) {
      const end = new AbortController();
      const before = await readFile(place, 'utf8').catch(() => '');
      const { facts, stdout, stderr } = commandFacts(['watch', ...flags], {
        env: mia.env,
        signal: end.signal,
        isTerminal,
      });
      const ended = runCommand(facts);
      const lines = (): readonly Line[] =>
        stdout()
          .split('\n')
          .filter(Boolean)
          .map((line) => JSON.parse(line) as Line);
      const bodies = () => lines().flatMap((line) => (line.type === 'message.created' ? [line.data.message.body] : []));
      const file = flags.includes('--cursor') ? undefined : place;
      if (before === '' && file !== undefined) {
        await eventually('it has its places', async () =>
          (await readFile(file, 'utf8').catch(() => '')).includes(launch.id),
        );
      }
      return {
        text: stdout,
        notes: stderr,
        lines,
        bodies,
        ended,
        heard: (body: string) => eventually(`it prints ${body}`, () => stdout().includes(body)),
        async stop() {
          end.abort();
          expect(await ended).toBe(0);
        },
      };
    },
    [Symbol.asyncDispose]: async () => {
      await mia[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

describe('watch', () => {
  test('begins with what comes, and after a restart goes on where it was, each message once', async () => {
    await using s = await scene();
    await send(s.owner, s.launch, 'before');
    const first = await s.watch();
    await send(s.owner, s.launch, 'one');
    await send(s.owner, s.launch, 'two');
    await first.heard('two');
    await first.stop();
    expect(first.bodies()).toEqual(['one', 'two']);
    expect(first.lines()[0]).toMatchObject({ project: 'acme/launch', stream: s.launch.id, type: 'message.created' });
    await send(s.owner, s.launch, 'while away');
    const second = await s.watch();
    await second.heard('while away');
    await send(s.owner, s.launch, 'three');
    await second.heard('three');
    await second.stop();
    expect(second.bodies()).toEqual(['while away', 'three']);
  });

  test('shows documents, sessions, members and signals to a person', async () => {
    await using s = await scene();
    await createAgent(s.owner, 'ada');
    const watching = await s.watch([], { isTerminal: true });
    await joinProject(s.owner, s.launch, 'ada');
    const { document } = await push(s.owner, s.launch, 'plan', null, 'a\n');
    await push(s.owner, s.launch, 'plan', document, null);
    await send(s.owner, s.launch, 'two\nlines \u001b[2J');
    await watching.heard('lines');
    await watching.stop();
    const text = watching.text();
    expect(text).toMatch(/acme\/launch {2}ada\.mia is in the project/);
    expect(text).toMatch(/acme\/launch\/notes\/plan\.md: version 1 by mia/);
    expect(text).toMatch(/acme\/launch\/notes\/plan\.md: deleted by mia/);
    expect(text).toMatch(/mia: two\n {7}lines\n/);
    expect(text).not.toContain('\u001b');
  });

  test('says what exactly an agent asks if that is shared, once for each request', async () => {
    await using s = await scene();
    const ada = await createAgent(s.owner, 'ada');
    const machine = await addMachine(s.owner, 'desk');
    const { run } = await liveSession(s.server, s.owner, ada, s.acme, machine);
    const titleOf = async (title: string) => {
      const permissionId = newId<PermissionId>();
      const at = (ms: number) => new Date(Date.now() + ms).toISOString();
      const body = { turnId: null, toolKind: 'execute' as const, optionKinds: [], digest: 'a'.repeat(64) };
      const params = { runId: run.id, permissionId };
      await s.owner.call(ROUTES.reportPermission, {
        params,
        body: { ...body, askedAt: at(0), expiresAt: at(600_000) },
      });
      return { type: 'permission_title', permissionId, title };
    };
    const first = await titleOf('rm\n-rf \u001b[2J/');
    const second = await titleOf('make');
    const watching = await s.watch([], { isTerminal: true });
    await send(s.owner, s.launch, 'hello');
    const inProject = await s.watch(['--project', 'launch', '--from', 'start', '--cursor', join(s.mia.dir, 'other')]);
    await inProject.heard('hello');
    await using launcher = await testSocket(s.server.url, s.owner.token);
    await eventually('it is heard', () => {
      launcher.send(first);
      return watching.text().includes('request');
    });
    launcher.send(first);
    await eventually('so is the other one', () => {
      launcher.send(second);
      return watching.text().includes('make');
    });
    await watching.stop();
    await inProject.stop();
    const said = watching.text().match(/request .*/g);
    expect(said).toEqual([
      `request ${shortId(first.permissionId)}: rm -rf /`,
      `request ${shortId(second.permissionId)}: make`,
    ]);
    expect(inProject.text()).not.toContain('make');
  });

  test('says to whoever reads a project when sessions are made, forked, started by others, and stopped', async () => {
    await using s = await scene();
    const ada = await createAgent(s.owner, 'ada');
    await joinProject(s.owner, s.launch, 'ada');
    const watching = await s.watch(['--project', 'launch'], { isTerminal: true });
    const machine = await addMachine(s.owner, 'desk');
    const { session, run } = await liveSession(s.server, s.owner, ada, s.acme, machine);
    const params = { sessionId: session.id };
    await s.owner.call(ROUTES.forkSession, { params, body: { clientId: clientId(), name: 'aside' } });
    await s.owner.call(ROUTES.spawnSession, { params, body: { clientId: clientId(), text: 'go' } });
    await s.owner.call(ROUTES.endRun, { params: { runId: run.id }, body: { reason: 'asked' } });
    await watching.heard('stopped');
    await watching.stop();
    const short = shortId(session.id);
    for (const news of [
      `new session ${short}`,
      'input ready',
      String.raw`new session \w{8} \(aside\), forked from ${short}`,
      String.raw`new session \w{8}, started by ${short}`,
      String.raw`stopped \(asked\)`,
    ]) {
      expect(watching.text()).toMatch(new RegExp(`acme/launch {2}ada\\.mia in acme: ${news}$`, 'm'));
    }
  });

  test('takes in a project that the person joins, at once or while nobody watched, from its beginning', async () => {
    await using s = await scene();
    const noa = await s.server.login('noa');
    await joinTeam(s.owner, s.acme, 'noa', 'admin');
    const first = await s.watch();
    const live = await createProject(noa, s.acme, 'live');
    await send(noa, live, 'said before mia came');
    await joinProject(noa, live, 'mia', 'collaborator');
    await first.heard('said before mia came');
    await first.stop();
    const later = await createProject(noa, s.acme, 'later');
    await joinProject(noa, later, 'mia', 'collaborator');
    await send(noa, later, 'said while away');
    const second = await s.watch();
    await second.heard('said while away');
    await second.stop();
    expect(second.bodies()).toEqual(['said while away']);
  });

  test('--from chooses the place, --project the streams, --cursor where it is kept', async () => {
    await using s = await scene();
    const other = await createProject(s.owner, s.acme, 'other');
    await send(s.owner, s.launch, 'one');
    const two = await send(s.owner, s.launch, 'two');
    await send(s.owner, other, 'elsewhere');
    await send(s.owner, s.launch, 'three');
    const own = join(s.mia.dir, 'place.json');
    const all = await s.watch(['--from', 'start', '--project', 'launch', '--cursor', own]);
    await all.heard('three');
    await all.stop();
    expect(all.bodies()).toEqual(['one', 'two', 'three']);
    expect(JSON.parse(await readFile(own, 'utf8'))).toHaveProperty(s.launch.id);
    await expect(readFile(s.place)).rejects.toThrow();
    const part = await s.watch(['--from', String(two.seq), '--project', 'launch', '--cursor', own]);
    await part.heard('three');
    await part.stop();
    expect(part.bodies()).toEqual(['three']);
    const numbers = await s.mia.command(['watch', '--from', '3']);
    expect([numbers.status, numbers.stdout]).toEqual([2, expect.stringContaining('--project')]);
    expect((await s.mia.command(['watch', '--from', 'yesterday'])).status).toBe(2);
    expect((await s.mia.command(['watch', '--project', 'nowhere'])).status).toBe(4);
  });

  test('a damaged place is said, not taken for none', async () => {
    await using s = await scene();
    await writeFile(s.place, '{"x":');
    const { status, stdout } = await s.mia.command(['watch']);
    expect([status, stdout]).toEqual([2, expect.stringContaining('watch.json')]);
  });
});
