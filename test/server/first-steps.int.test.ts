/** The thinnest whole path: a fresh server, the first person, a project, a message, its event. */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROUTES } from '#contract/routes.ts';
import { eventually } from '../support/eventually.ts';
import { clientId, testServer, testSocket } from '../support/server.ts';

test('the first person logs in with the bootstrap code, makes a project, and hears of a message', async () => {
  await using server = await testServer();
  expect(await server.anonymous.call(ROUTES.getInfo, {})).toMatchObject({ product: 'aachat', fresh: true });
  const alice = await server.login('alice');
  await expect(access(join(server.dataDir, 'bootstrap'))).rejects.toMatchObject({ code: 'ENOENT' });

  const { teams } = await alice.call(ROUTES.listTeams, {});
  expect(teams.map(({ slug, kind }) => [slug, kind])).toEqual([['~alice', 'personal']]);
  const { projects } = await alice.call(ROUTES.listProjects, {});
  expect(projects.map(({ name, kind }) => [name, kind])).toEqual([['stream', 'stream']]);

  const { team } = await alice.call(ROUTES.createTeam, { body: { clientId: clientId(), slug: 'acme' } });
  const { project } = await alice.call(ROUTES.createProject, {
    params: { teamId: team.id },
    body: { clientId: clientId(), name: 'launch' },
  });
  await using socket = await testSocket(server.url, alice.token);
  socket.send({ type: 'subscribe', streams: [{ stream: project.id, after: null }] });
  await eventually('the subscription is live', () => socket.frames.some(({ type }) => type === 'live'));

  const { message } = await alice.call(ROUTES.sendMessage, {
    params: { projectId: project.id },
    body: { clientId: clientId(), body: 'hello' },
  });
  const batch = await eventually('the event arrives', () => socket.frames.find(({ type }) => type === 'batch'));
  expect(batch).toMatchObject({ stream: project.id, to: message.seq, events: [{ data: { message } }] });
  const { messages } = await alice.call(ROUTES.listMessages, { params: { projectId: project.id } });
  expect(messages).toEqual([message]);
});
