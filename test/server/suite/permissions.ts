/** Requests of agents: seen and answered from the owner's other machines, once, and told in no more words than needed. */
import { describe, expect, test } from 'vitest';
import { newId } from '#base/id.ts';
import type { PermissionId } from '#contract/ids.ts';
import type { Permission } from '#contract/permissions.ts';
import { ROUTES } from '#contract/routes.ts';
import { movableClock } from '../../support/clock.ts';
import { liveSession } from '../../support/company.ts';
import { eventually } from '../../support/eventually.ts';
import { clientId, testSocket } from '../../support/server.ts';
import { crew, eventsOf, type Open, subscribe } from './fixture.ts';

const MINUTE = 60_000;
const DIGEST = 'a'.repeat(64);

export function permissionSuite(engine: string, open: Open): void {
  /** A session with a run that asks. */
  async function scene(options?: Parameters<Open>[0]) {
    const it = await crew(open, options);
    const { session, run } = await liveSession(it.server, it.alice, it.agent, it.team, it.machine);
    const now = options?.clock ?? Date.now;
    const report = async (permissionId = newId<PermissionId>(), lifetimeMs = 15 * MINUTE): Promise<Permission> => {
      const body = {
        turnId: null,
        toolKind: 'execute' as const,
        optionKinds: ['allow_once' as const, 'reject_once' as const],
        digest: DIGEST,
        askedAt: new Date(now()).toISOString(),
        expiresAt: new Date(now() + lifetimeMs).toISOString(),
      };
      const params = { runId: run.id, permissionId };
      return (await it.alice.call(ROUTES.reportPermission, { params, body })).permission;
    };
    const settle = async (
      { id }: Permission,
      outcome: Exclude<Permission['state'], 'open'>,
      by: string | null = null,
    ) => {
      const params = { runId: run.id, permissionId: id };
      return (await it.alice.call(ROUTES.settlePermission, { params, body: { outcome, by } })).permission;
    };
    const answer = async ({ id }: Permission, allow: boolean, by = 'a test', digest = DIGEST) => {
      const body = { clientId: clientId(), allow, digest, by };
      return (await it.alice.call(ROUTES.decidePermission, { params: { permissionId: id }, body })).permission;
    };
    const list = async () => (await it.alice.call(ROUTES.getPermissions, {})).permissions;
    return { ...it, session, run, report, settle, answer, list };
  }

  describe(`${engine}: permissions`, () => {
    test('one that waits is seen by its owner, answered once, and settled by the machine where it waits', async () => {
      await using it = await scene();
      const asked = await it.report();
      expect(await it.list()).toEqual([asked]);
      expect(asked).toMatchObject({ agent: 'helper.alice', machine: 'laptop', state: 'open', answer: null });
      const answered = await it.answer(asked, true, 'aachat permission on desk');
      expect(answered).toMatchObject({
        state: 'open',
        answer: { outcome: 'allowed', by: 'aachat permission on desk' },
      });
      await expect(it.answer(asked, false)).rejects.toMatchObject({
        code: 'CONFLICT',
        message: expect.stringContaining('allowed already, by aachat permission on desk'),
      });
      // A launcher that missed the event reads it when it reports again.
      expect((await it.report(asked.id)).answer).toEqual(answered.answer);
      const settled = await it.settle(asked, 'allowed', 'aachat permission on desk');
      expect(settled.state).toBe('allowed');
      expect(await it.settle(asked, 'denied', 'x')).toEqual(settled);
      expect(await it.list()).toEqual([settled]);
    });

    test('of many answers at the same time one wins, and all others are told which', async () => {
      await using it = await scene();
      const asked = await it.report();
      const answers = Array.from({ length: 8 }, (_, i) => it.answer(asked, i % 2 === 0, `machine ${i}`));
      const results = await Promise.allSettled(answers);
      const won = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
      expect(won).toHaveLength(1);
      for (const result of results) {
        if (result.status === 'rejected') expect(result.reason.message).toContain(`by ${won[0]?.answer?.by}.`);
      }
    });

    test('an answer of the machine itself counts, also over one that was given here', async () => {
      await using it = await scene();
      const asked = await it.report();
      await it.answer(asked, true, 'desk');
      expect(await it.settle(asked, 'denied', 'aachat up on laptop')).toMatchObject({
        state: 'denied',
        answer: { outcome: 'denied', by: 'aachat up on laptop' },
      });
      await expect(it.answer(asked, true)).rejects.toThrow(/denied already, by aachat up on laptop/);
    });

    test('an answer to another request, or too late, does not count', async () => {
      const { clock, advance } = movableClock();
      await using it = await scene({ clock });
      const asked = await it.report(newId<PermissionId>(), MINUTE);
      await expect(it.answer(asked, true, 'x', 'b'.repeat(64))).rejects.toThrow(/another request/);
      advance(MINUTE + 1_000);
      expect(await it.list()).toMatchObject([{ state: 'expired' }]);
      await expect(it.answer(asked, true)).rejects.toThrow(/expired/);
    });

    test('it is over with a run of a machine that fell silent, and open again when that is back', async () => {
      const { clock, advance } = movableClock();
      await using it = await scene({ clock });
      const asked = await it.report();
      advance(3 * MINUTE);
      await eventually('the run is lost', async () => (await it.list())[0]?.state === 'cancelled');
      expect(await it.report(asked.id)).toMatchObject({ id: asked.id, state: 'open', expiresAt: asked.expiresAt });
      expect(await it.answer(asked, true)).toMatchObject({ answer: { outcome: 'allowed' } });
    });

    test('it is over with its run', async () => {
      await using it = await scene();
      const asked = await it.report();
      await it.alice.call(ROUTES.endRun, { params: { runId: it.run.id }, body: { reason: 'failed' } });
      expect(await it.list()).toMatchObject([{ id: asked.id, state: 'cancelled', answer: null }]);
      await expect(it.answer(asked, true)).rejects.toThrow(/turn ended before/);
    });

    test('the owner hears of it, and nobody else', async () => {
      await using it = await scene();
      await using mine = await testSocket(it.server.url, it.alice.token);
      await using project = await testSocket(it.server.url, it.alice.token);
      await subscribe(mine, it.alice.id);
      await subscribe(project, it.project.id);
      const asked = await it.report();
      await it.answer(asked, false);
      await it.settle(asked, 'denied', 'a test');
      const told = await eventually('the owner hears', () => {
        const events = eventsOf(mine, it.alice.id).filter(({ type }) => type.startsWith('permission.'));
        return events.length === 3 && events;
      });
      expect(told.map(({ type }) => type)).toEqual(['permission.asked', 'permission.answered', 'permission.answered']);
      expect(eventsOf(project, it.project.id).filter(({ type }) => type.startsWith('permission.'))).toEqual([]);
    });

    test('words of an agent program have no place in it', async () => {
      await using it = await scene();
      const params = { runId: it.run.id, permissionId: newId<PermissionId>() };
      const body = {
        turnId: null,
        toolKind: 'execute',
        optionKinds: [],
        digest: DIGEST,
        askedAt: new Date().toISOString(),
        expiresAt: new Date().toISOString(),
      };
      for (const wrong of [{ toolKind: 'rm -rf /' }, { digest: 'rm -rf /' }, { optionKinds: ['rm -rf /'] }]) {
        const reply = await it.alice.fetch(ROUTES.reportPermission, { params, body: { ...body, ...wrong } });
        expect(reply.status).toBe(400);
      }
    });
  });
}
