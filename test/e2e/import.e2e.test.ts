/** Conversations from elsewhere become sessions that can be shown, searched and resumed. */
import { appendFile, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Session } from '#contract/entities.ts';
import { eventually } from '../support/eventually.ts';
import { steps, team } from '../support/team.ts';

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
  await eventually('it has stopped', async () => {
    const shown = await t.home.json<{ session: Session }>('session', 'show', session.id);
    return shown.session.state === 'stopped';
  });
  await t.home.json('session', 'remove', session.id, '--yes');
  expect(await readdir(kept)).toEqual([]);
  expect((await take()).stdout).toContain('2 turns');
});
