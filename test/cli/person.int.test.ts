/** A person at the command line, against the real server: what is said, read, found and refused. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ROUTES } from '#contract/routes.ts';
import { movableClock } from '../support/clock.ts';
import { run } from '../support/command.ts';
import { addMachine, createAgent, createTeam, joinTeam, liveSession } from '../support/company.ts';
import { person } from '../support/person.ts';
import { caller, testServer } from '../support/server.ts';

const line = (text: string) => [new TextEncoder().encode(text)];

describe('a person', () => {
  test('is told in plain words that a code or a value is none', async () => {
    await using server = await testServer();
    await using mia = await person(server, 'mia');
    const login = await mia.command(['auth', 'login', '--server', server.url, '--code', '1234']);
    expect([login.status, login.stderr]).toEqual([2, expect.stringContaining('That is no login code.')]);
    const empty = await mia.command(['config', 'set', 'agent', ' ']);
    expect([empty.status, empty.stderr]).toEqual([2, expect.stringContaining('aachat config unset agent')]);
    expect((await mia.command(['config', 'list', '--text'])).stdout).toMatch(/^agent +- +default/m);
  });

  test('starts a project, speaks, reads, and finds it again', async () => {
    await using server = await testServer();
    await using mia = await person(server, 'mia');
    expect(await mia.data('project', 'create', 'launch')).toMatchObject({ project: { name: 'launch', team: '~mia' } });
    const sent = await mia.command(['project', 'send', 'launch', '-', '--via', 'claude-code'], {
      stdin: line('the release date\nis open\n'),
    });
    expect(sent.stdout).toMatch(/^Sent \w{8} to launch\.\n$/);
    const { messages } = await mia.data('project', 'read', 'launch');
    expect(messages).toMatchObject([
      { body: 'the release date\nis open', via: 'claude-code', author: { name: 'mia' } },
    ]);
    const reply = await mia.data('project', 'send', 'launch', 'tomorrow', '--reply-to', messages[0]?.id ?? '');
    expect(reply).toMatchObject({ message: { replyTo: messages[0]?.id } });
    expect(await mia.data('find', 'release', 'date')).toMatchObject({ messages: [{ via: 'claude-code' }] });
    expect(await mia.data('find', 'nowhere')).toMatchObject({ messages: [] });
    const text = await mia.command(['project', 'read', '~mia/launch', '--limit', '1'], { isTerminal: true });
    expect(text.stdout).toMatch(/older ones: --before \d+/);
    expect(text.stdout).toContain('  tomorrow');
    expect((await mia.command(['project', 'list'], { isTerminal: true })).stdout).toMatch(/^launch +~mia +active/m);
    const found = await mia.command(['find', 'tomorrow'], { isTerminal: true });
    expect(found.stdout).toMatch(/^mia .* · in ~mia\/launch · /);
    for (const words of [
      ['project', 'list'],
      ['doc', 'list'],
      ['project', 'read', 'launch'],
    ]) {
      // What a shell makes of an unquoted ~mia.
      const { status, stderr } = await mia.command([...words, '--team', '/home/mia'], { isTerminal: true });
      expect([words, status, stderr]).toEqual([words, 2, expect.stringContaining("--team '~mia'")]);
    }
    const nowhere = await mia.command(['project', 'list', '--team', 'acme'], { isTerminal: true });
    expect([nowhere.status, nowhere.stderr]).toEqual([4, expect.stringMatching(/no team called acme.*\n.*~mia/)]);
  });

  test('has an inbox that reading empties and looking does not', async () => {
    await using server = await testServer();
    const owner = await server.login('mia');
    await using mia = await person(server, 'mia');
    await using noa = await person(server, 'noa');
    const team = await createTeam(owner, 'acme');
    await joinTeam(owner, team, 'noa');
    await mia.data('project', 'create', 'launch', '--team', 'acme');
    await mia.data('project', 'assign', 'launch', 'noa', '--role', 'collaborator');
    await mia.data('project', 'send', 'launch', '@noa', 'look');
    await mia.data('project', 'send', 'launch', 'and', 'more');

    const unread = { projects: [{ unread: 2, hasMention: true, project: { name: 'launch' } }] };
    expect(await noa.data('inbox')).toMatchObject(unread);
    expect(await noa.data('inbox')).toMatchObject(unread);
    expect(await noa.data('mentions')).toMatchObject({ messages: [{ body: '@noa look' }] });
    expect((await noa.command(['inbox'], { isTerminal: true })).stdout).toContain(
      'acme/launch  2 unread, mentions you',
    );
    await noa.data('project', 'read', 'launch', '--peek');
    expect(await noa.data('inbox')).toMatchObject(unread);
    await noa.data('project', 'read', 'launch');
    expect(await noa.data('inbox')).toEqual({ projects: [] });
    const members = await noa.command(['project', 'members', 'launch'], { isTerminal: true });
    expect(members.stdout).toMatch(/^mia +admin$/m);
    expect(members.stdout).toMatch(/^noa +collaborator$/m);
    await mia.data('project', 'unassign', 'launch', 'noa');
    expect((await noa.command(['project', 'read', 'launch'])).status).toBe(4);
  });

  test('decides by --team between projects of one name', async () => {
    await using server = await testServer();
    const owner = await server.login('mia');
    await using mia = await person(server, 'mia');
    await createTeam(owner, 'acme');
    await mia.data('project', 'create', 'launch');
    await mia.data('project', 'create', 'launch', '--team', 'acme');
    const both = await mia.command(['project', 'send', 'launch', 'hello'], { isTerminal: true });
    expect(both.status).toBe(2);
    expect(both.stderr).toMatch(/--team/);
    expect(await mia.data('project', 'send', 'launch', 'hello', '--team', 'acme')).toHaveProperty('message');
    expect(await mia.data('project', 'send', 'acme/launch', 'hello')).toHaveProperty('message');
    await mia.data('config', 'set', 'team', 'acme');
    expect(await mia.data('project', 'send', 'launch', 'hello')).toHaveProperty('message');
  });

  test('logs in with a code once, and out for good', async () => {
    await using server = await testServer();
    await using mia = await person(server, 'mia');
    expect(await mia.data('auth', 'status')).toMatchObject({
      server: server.url,
      me: { user: { login: 'mia' } },
      origin: 'file',
    });
    const again = await mia.command(['auth', 'login', '--server', server.url, '--code', 'used-or-never-made'], {
      isTerminal: true,
    });
    expect(again.status).toBe(3);
    expect(again.stderr).toContain('aachat server invite');
    const refresh = await readFile(join(mia.home, '.run', 'tokens', 'refresh'), 'utf8');
    expect(await mia.data('auth', 'logout')).toEqual({ loggedOut: true, revoked: true });
    const after = await server.anonymous.fetch(ROUTES.refresh, { body: { refreshToken: refresh.trim() } });
    expect(after.status).toBe(401);
    const read = await mia.command(['inbox'], { isTerminal: true });
    expect([read.status, read.stderr]).toEqual([3, expect.stringContaining('aachat auth login')]);
  });
});

describe('an agent in its session', () => {
  test('acts as itself, with the token that the file has now, within its coverage', async () => {
    await using server = await testServer({ clock: movableClock().clock });
    const owner = await server.login('mia');
    await using mia = await person(server, 'mia');
    await mia.data('project', 'create', 'launch');
    await mia.data('project', 'create', 'secret');
    const ada = await createAgent(owner, 'ada');
    await mia.data('project', 'assign', 'launch', '--agent', 'ada');
    const { teams } = await owner.call(ROUTES.listTeams, {});
    const [team] = teams;
    if (team === undefined) throw new Error('A person has a team.');
    const { agent, session } = await liveSession(server, owner, ada, team, await addMachine(owner, 'desk'));
    await mia.data('project', 'send', 'launch', '@ada', 'hello');

    const file = join(mia.home, 'token');
    const env = { AACHAT_HOME: mia.home, AA_TOKEN_FILE: file, AA_SERVER: server.url, AA_SESSION_ID: session.id };
    const chat = (...argv: string[]) => run(argv, { name: 'chat', env });
    await writeFile(file, 'an older one');
    expect((await chat('send', 'launch', 'early')).status).toBe(3);
    await writeFile(file, `${agent.token}\n`);
    expect(JSON.parse((await chat('unread', '--peek')).stdout)).toMatchObject({
      data: {
        you: 'ada.mia',
        projects: [
          { project: '#launch', has_mention: true, new: [{ role: 'user', name: 'mia', content: '@ada hello' }] },
        ],
      },
    });
    expect((await run(['project', 'send', 'launch', 'done'], { env })).status).toBe(0);
    expect(JSON.parse((await chat('read', 'launch', '--last', '1')).stdout)).toMatchObject({
      data: { project: 'launch', messages: [{ body: 'done', author: { name: 'ada.mia' } }] },
    });
    expect((await run(['project', 'read', 'secret'], { env })).status).toBe(4);
    expect((await run(['session', 'stop', session.id], { env })).status).toBe(3);

    const members = await mia.command(['project', 'members', 'launch'], { isTerminal: true });
    expect(members.stdout).toMatch(/^ada\.mia +agent +input ready sid=\w{8}$/m);
    const shown = await mia.command(['session', 'show', session.id.slice(-8)], { isTerminal: true });
    expect(shown.stdout).toMatch(/^run +1 on desk since/m);
    expect((await mia.command(['session', 'stop', session.id.slice(-8)], { isTerminal: true })).stdout).toMatch(
      /^Asked to stop: session \w{8} of ada\.mia\.\n$/,
    );
  });
});

test('a project is put away and comes back, by its name', async () => {
  await using server = await testServer();
  await using mia = await person(server, 'mia');
  await mia.data('project', 'create', 'launch');
  await mia.data('project', 'send', 'launch', 'one');
  const listed = async (...flags: string[]) => (await mia.command(['project', 'list', ...flags])).stdout;
  expect((await mia.command(['project', 'archive', 'launch'])).stdout).toContain('project archive launch --undo');
  expect([await listed(), await listed('--status', 'archived')]).toEqual([
    expect.not.stringContaining('launch'),
    expect.stringContaining('launch'),
  ]);
  expect(await mia.data('project', 'read', 'launch')).toMatchObject({ messages: [{ body: 'one' }] });
  expect(await mia.data('project', 'archive', 'launch', '--undo')).toMatchObject({ project: { status: 'active' } });
  expect(await listed()).toContain('launch');
  expect(await mia.command(['project', 'archive', 'stream'])).toMatchObject({ status: 3 });
});

test('a name with a mistake in it is answered with the one that was meant', async () => {
  await using server = await testServer();
  await createAgent(await server.login('mia'), 'ada');
  await using mia = await person(server, 'mia');
  await mia.data('project', 'create', 'launch');
  for (const [words, meant] of [
    [['project', 'read', 'lanuch'], /no project "lanuch"\.\nDid you mean launch\? .*project list/],
    [['project', 'read', '~mia/lauch'], /Did you mean ~mia\/launch\?/],
    [['project', 'read', 'elsewhere'], /no project "elsewhere"\.\nRun/],
    [['agent', 'show', 'adda'], /Did you mean ada\?/],
  ] as const) {
    expect(await mia.command(words, { isTerminal: true })).toMatchObject({
      status: 4,
      stderr: expect.stringMatching(meant),
    });
  }
});

test('a script gets a token that the server takes, and nothing beside it', async () => {
  await using server = await testServer();
  await using mia = await person(server, 'mia');
  const { stdout } = await mia.command(['auth', 'token']);
  expect(await caller(server.url, stdout.trim()).call(ROUTES.getMe, {})).toMatchObject({ user: { login: 'mia' } });
  expect(stdout).toBe(`${stdout.trim()}\n`);
});
