/** Conversations from elsewhere become sessions that can be shown, searched and resumed. */
import { appendFile, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Session } from '#contract/entities.ts';
import { eventually } from '../support/eventually.ts';
import { testServer } from '../support/server.ts';
import { isStopped, steps, team } from '../support/team.ts';

const line = (type: 'user' | 'assistant', content: unknown, at: string) =>
  JSON.stringify({
    ...{ parentUuid: null, isSidechain: false, type, uuid: crypto.randomUUID(), timestamp: at, cwd: '/home/mia/app' },
    ...{ sessionId: '0f0e0d0c-0b0a-4908-8706-050403020100', message: { role: type, content } },
  });

test('a transcript becomes a session, once, and goes on', async () => {
  await using t = await team(['ada']);
  const file = join(t.home.path, '..', 'talk.jsonl');
  const lines = [
    JSON.stringify({ type: 'summary', summary: 'The \u202ezebrafinch\n of 2026' }),
    line('user', 'Where is the zebrafinch?', '2026-03-01T10:00:00.000Z'),
    'torn {',
    line('assistant', [{ type: 'text', text: 'In its cage.' }], '2026-03-01T10:00:05.000Z'),
  ];
  await writeFile(file, `${lines.join('\n')}\n`);
  const up = await t.up();
  const take = () => t.home.run('session', 'import', file, '--agent', 'ada', '--project', 'launch');
  const first = await take();
  expect([first.status, first.stdout]).toEqual([
    0,
    expect.stringMatching(
      /is now session [0-9a-f]{8} of ada\.mia, "The zebrafinch of 2026": 1 turn\. 1 of its 4 lines/,
    ),
  ]);
  expect((await take()).stdout).toContain('already');
  const { session } = await t.home.json<{ session: Session }>('session', 'show', 'The zebra');
  expect(session).toMatchObject({ state: 'stopped', parked: true, projects: [{ name: 'launch' }], run: null });
  expect((await t.home.run('session', 'show', 'The zebra', '--text')).stdout).toMatch(
    /^imported +from .*talk\.jsonl\n(.*\n)+turn /m,
  );
  expect((await t.home.run('session', 'search', 'zebrafinch', '--text')).stdout).toContain('2026-03-01');
  expect((await t.home.run('session', 'log', 'The zebra', '--text')).stdout).toMatch(
    /imported from(.*\n)+.*In its cage/,
  );
  const kept = join(t.home.path, '..', 'person', '.claude', 'projects');
  expect(await readdir(kept)).toEqual([expect.stringContaining(session.id.slice(-8))]);

  await appendFile(file, `${line('user', 'And now?', '2026-03-02T10:00:00.000Z')}\n`);
  const grown = await take();
  expect([grown.status, grown.stderr]).toEqual([
    5,
    expect.stringContaining(`aachat session remove ${session.id.slice(-8)}`),
  ]);
  expect((await t.home.json<{ sessions: readonly Session[] }>('session', 'list')).sessions).toHaveLength(2);

  await t.home.json('down', '--yes');
  await up.ended;
  await t.up();
  await t.home.json('session', 'send', session.id, steps({ text: 'It goes on.' }));
  await t.home.json('session', 'resume', session.id);
  await t.heard('ada.mia', /^It goes on\.$/);
  // This agent is not the one that the conversation was held with: it is told that it remembers nothing.
  const log = join(t.home.path, '.run', 'sessions', session.id, 'events.jsonl');
  const text = await eventually('it is over', async () => {
    const now = await readFile(log, 'utf8');
    return now.includes('"opened":"renewed"') && now.includes('"turn.posted"') && now;
  });
  const prompt = text.split('\n').find((entry) => entry.includes('turn.prompted') && entry.includes('It goes on.'));
  expect(prompt).toContain('held outside of aachat, in \\"/home/mia/app\\"');
  expect(prompt).toContain('does not know the conversation');
  await t.home.json('session', 'stop', session.id);
  await isStopped(t, session.id);
  await t.home.json('session', 'remove', session.id, '--yes');
  expect(await readdir(kept)).toEqual([]);
  expect((await take()).stdout).toContain('2 turns');
});

/** Passes requests on, but for those that make a session: those it shows first. */
async function between(url: string) {
  const on: { session: (pass: () => Promise<unknown>) => Promise<void> } = {
    session: async (pass) => void (await pass()),
  };
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { method = 'GET', headers } = request;
    const pass = async () => {
      const answer = await fetch(new URL(request.url ?? '/', url), {
        method,
        headers: { authorization: headers.authorization ?? '', 'content-type': 'application/json' },
        ...(chunks.length === 0 ? {} : { body: Buffer.concat(chunks) }),
      });
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text());
    };
    await (method === 'POST' && request.url === '/v1/sessions' ? on.session(pass) : pass());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    on,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

test.for(['before', 'after'] as const)(
  'an import killed right %s the server hears of it is mended by the next',
  async (when) => {
    await using server = await testServer();
    await using proxy = await between(server.url);
    const mia = await server.login('mia');
    await using t = await team(['ada'], { AACHAT_SERVER: proxy.url, AACHAT_TOKEN: mia.token ?? '' });
    const file = join(t.home.path, '..', 'talk.jsonl');
    const lines = [
      line('user', 'Where?', '2026-03-01T10:00:00.000Z'),
      line('assistant', 'There.', '2026-03-01T10:00:05.000Z'),
    ];
    await writeFile(file, lines.join('\n'));
    const args = ['session', 'import', file, '--agent', 'ada', '--name', 'talk'];
    const first = t.home.start(...args);
    proxy.on.session = async (pass) => {
      if (when === 'after') await pass();
      first.child.kill('SIGKILL');
    };
    await first.ended;
    proxy.on.session = async (pass) => void (await pass());
    expect((await t.home.run(...args)).stdout).toContain(when === 'after' ? 'already' : 'is now session');
    const { sessions } = await t.home.json<{ sessions: readonly Session[] }>('session', 'list');
    expect(sessions).toMatchObject([{ name: 'talk', parked: true }]);
    const [id = ''] = sessions.map((session) => session.id);
    expect(await readdir(join(t.home.path, '.run', 'sessions'))).toEqual([id]);
    expect(await readdir(join(t.home.path, '.run', 'sessions', id))).not.toContain('conversation.jsonl');
    const projects = join(t.home.path, '..', 'person', '.claude', 'projects');
    const copies = await readdir(projects, { recursive: true });
    expect(copies.filter((name) => name.endsWith('.jsonl'))).toEqual([expect.stringContaining(id.slice(-8))]);
    expect((await t.home.run(...args)).stdout).toContain('already');
    expect((await t.home.run('session', 'show', 'talk', '--text')).stdout).toMatch(/^imported +from .*talk\.jsonl$/m);
  },
);
