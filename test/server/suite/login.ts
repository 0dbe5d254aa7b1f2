/** Who somebody is, and commands that may be repeated. */
import { describe, expect, test } from 'vitest';
import { CLOSE } from '#contract/frames.ts';
import { ROUTES } from '#contract/routes.ts';
import { movableClock } from '../../support/clock.ts';
import { joinProject, send } from '../../support/company.ts';
import { eventually } from '../../support/eventually.ts';
import { clientId, testSocket } from '../../support/server.ts';
import { company, eventsOf, type Open, subscribe } from './fixture.ts';

export function loginSuite(engine: string, open: Open): void {
  describe(`${engine}: login`, () => {
    test('a code works once, and the bootstrap code only for the first person', async () => {
      await using server = await open({ clock: movableClock().clock });
      await server.login('alice');
      const { code } = await server.operator.call(ROUTES.createInvite, { body: {} });
      await expect(server.anonymous.call(ROUTES.login, { body: { code } })).rejects.toMatchObject({
        code: 'VALIDATION_ERROR',
      });
      await expect(server.anonymous.call(ROUTES.login, { body: { code, login: 'alice' } })).rejects.toMatchObject({
        code: 'CONFLICT',
      });
      await server.anonymous.call(ROUTES.login, { body: { code, login: 'bob' } });
      await expect(server.anonymous.call(ROUTES.login, { body: { code, login: 'eve' } })).rejects.toMatchObject({
        code: 'UNAUTHORIZED',
      });
    });

    test('an invite for a person who is here already logs in as them', async () => {
      await using server = await open({ clock: movableClock().clock });
      const alice = await server.login('alice');
      const again = await server.login('alice');
      expect(again.id).toBe(alice.id);
    });

    test('twenty refreshes with one token at once all get a token that works', async () => {
      await using server = await open({ clock: movableClock().clock });
      const { refreshToken } = await server.login('alice');
      const pairs = await Promise.all(
        Array.from({ length: 20 }, () => server.anonymous.call(ROUTES.refresh, { body: { refreshToken } })),
      );
      expect(new Set(pairs.map(({ tokens }) => tokens.refreshToken)).size).toBe(20);
      const last = pairs.at(-1)?.tokens.refreshToken ?? '';
      await server.anonymous.call(ROUTES.refresh, { body: { refreshToken: last } });
    });

    test('a refresh token that comes back later ends the login it belongs to, and no other', async () => {
      const { clock, advance } = movableClock();
      await using server = await open({ clock });
      const stolen = await server.login('alice');
      const other = await server.login('alice');
      const { tokens } = await server.anonymous.call(ROUTES.refresh, { body: { refreshToken: stolen.refreshToken } });
      advance(16_000);
      for (const refreshToken of [stolen.refreshToken, tokens.refreshToken]) {
        await expect(server.anonymous.call(ROUTES.refresh, { body: { refreshToken } })).rejects.toMatchObject({
          code: 'UNAUTHORIZED',
        });
      }
      await expect(stolen.call(ROUTES.getMe, {})).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
      await other.call(ROUTES.getMe, {});
    });

    test('logout ends the access token at once', async () => {
      await using server = await open({ clock: movableClock().clock });
      const alice = await server.login('alice');
      await server.anonymous.call(ROUTES.logout, { body: { refreshToken: alice.refreshToken } });
      await expect(alice.call(ROUTES.getMe, {})).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
    });
  });

  describe(`${engine}: the sockets of a login that ended`, () => {
    test('logout closes them before anything else is delivered, and leaves the other login alone', async () => {
      await using it = await company(open);
      const other = await it.server.login('alice');
      await using ended = await testSocket(it.server.url, it.alice.token);
      await using kept = await testSocket(it.server.url, other.token);
      for (const socket of [ended, kept]) await subscribe(socket, it.project.id);
      await it.server.anonymous.call(ROUTES.logout, { body: { refreshToken: it.alice.refreshToken } });
      await send(other, it.project, 'not for who left');
      expect(await ended.closed).toMatchObject({ code: CLOSE.unauthorized });
      await eventually('the other login hears it', () => eventsOf(kept, it.project.id).length > 0);
      expect(eventsOf(ended, it.project.id)).toEqual([]);
    });

    test('so does a refresh token that comes back', async () => {
      const { clock, advance } = movableClock();
      await using server = await open({ clock });
      const stolen = await server.login('alice');
      await using socket = await testSocket(server.url, stolen.token);
      await server.anonymous.call(ROUTES.refresh, { body: { refreshToken: stolen.refreshToken } });
      advance(16_000);
      await server.anonymous.fetch(ROUTES.refresh, { body: { refreshToken: stolen.refreshToken } });
      expect(await socket.closed).toMatchObject({ code: CLOSE.unauthorized, reason: 'this login was ended' });
    });

    test('a socket belongs to the login that it was last renewed with', async () => {
      await using it = await company(open);
      const newer = await it.server.login('alice');
      await using socket = await testSocket(it.server.url, it.alice.token);
      socket.send({ type: 'auth_refresh', token: newer.token });
      await subscribe(socket, it.project.id);
      await it.server.anonymous.call(ROUTES.logout, { body: { refreshToken: it.alice.refreshToken } });
      await send(newer, it.project, 'still here');
      await eventually('it goes on', () => eventsOf(socket, it.project.id).length > 0);
      await it.server.anonymous.call(ROUTES.logout, { body: { refreshToken: newer.refreshToken } });
      expect(await socket.closed).toMatchObject({ code: CLOSE.unauthorized });
    });
  });

  describe(`${engine}: commands`, () => {
    test('the same command again gets the first answer, and happens once', async () => {
      await using it = await company(open);
      const input = { params: { projectId: it.project.id }, body: { clientId: clientId(), body: 'once' } };
      const answers = await Promise.all(Array.from({ length: 10 }, () => it.alice.call(ROUTES.sendMessage, input)));
      expect(new Set(answers.map(({ message }) => JSON.stringify(message))).size).toBe(1);
      const { messages } = await it.alice.call(ROUTES.listMessages, { params: { projectId: it.project.id } });
      expect(messages).toHaveLength(1);
    });

    test('the same client id with other content is a conflict; another author may use it', async () => {
      await using it = await company(open);
      await joinProject(it.alice, it.project, 'bob');
      const params = { projectId: it.project.id };
      const id = clientId();
      await it.alice.call(ROUTES.sendMessage, { params, body: { clientId: id, body: 'one' } });
      await expect(
        it.alice.call(ROUTES.sendMessage, { params, body: { clientId: id, body: 'two' } }),
      ).rejects.toMatchObject({ code: 'CONFLICT' });
      await it.bob.call(ROUTES.sendMessage, { params, body: { clientId: id, body: 'two' } });
    });
  });
}
