/**
 * Requests of agents that wait for a person, as their owner's other machines see them. The machine where the agent
 * waits is who decides: an answer given here is what it is asked to take, and how it came out is what it reports.
 */
import { AachatError } from '#base/errors.ts';
import { isoTime } from '#base/time.ts';
import type { PermissionId } from '#contract/ids.ts';
import { tooLate } from '#contract/permissions.ts';
import type { ROUTES } from '#contract/routes.ts';
import type { PermissionRow } from './database/schema.ts';
import type { View } from './database/store.ts';
import { sessionFacts } from './facts.ts';
import {
  emitPermission,
  permissionOf,
  permissionRow,
  permissionsWithNames,
  wholePermission,
} from './permission-view.ts';
import { type Call, hidden, person, type Reading, type Writing } from './request.ts';
import { reportingRun } from './runs.ts';

/** What is over is shown for this long, so that who comes too late is told who was first. */
const SHOWN_MS = 60 * 60_000;

export const reportPermission: Writing<typeof ROUTES.reportPermission> = async (tx, call) => {
  const { run, session } = await reportingRun(tx, call, call.params.runId);
  const { permissionId: id } = call.params;
  const known = await permissionRow(tx, id);
  if (known !== undefined && known.run_id !== run.id) throw hidden('request');
  const { turnId, toolKind, optionKinds, digest, askedAt, expiresAt } = call.body;
  if (known === undefined) {
    const row: PermissionRow = {
      id,
      session_id: session.id,
      run_id: run.id,
      turn_id: turnId,
      tool_kind: toolKind,
      option_kinds: JSON.stringify(optionKinds),
      digest,
      asked_at: askedAt,
      expires_at: expiresAt,
      state: 'open',
      answer: null,
      answered_by: null,
      answered_at: null,
      settled_at: null,
    };
    await tx.q.insertInto('permissions').values(row).execute();
    return { permission: await emitPermission(tx, id, 'permission.asked') };
  }
  // Its machine was taken for gone, and is back.
  if (known.state === 'cancelled') {
    await tx.q.updateTable('permissions').set({ state: 'open', settled_at: null }).where('id', '=', id).execute();
    return { permission: await emitPermission(tx, id, 'permission.asked') };
  }
  return { permission: await wholePermission(tx, id) };
};

export const settlePermission: Writing<typeof ROUTES.settlePermission> = async (tx, call) => {
  const { run } = await reportingRun(tx, call, call.params.runId);
  const { permissionId: id } = call.params;
  const { outcome, by } = call.body;
  const known = await permissionRow(tx, id);
  if (known?.run_id !== run.id) throw hidden('request');
  if (known.state !== 'open' && known.state !== 'cancelled') return { permission: await wholePermission(tx, id) };
  const answer =
    outcome === 'allowed' || outcome === 'denied'
      ? { answer: outcome, answered_by: by, answered_at: known.answered_at ?? tx.now }
      : { answer: null, answered_by: null, answered_at: null };
  await tx.q
    .updateTable('permissions')
    .set({ state: outcome, settled_at: tx.now, ...answer })
    .where('id', '=', id)
    .execute();
  return { permission: await emitPermission(tx, id, 'permission.answered') };
};

export const getPermissions: Reading<typeof ROUTES.getPermissions> = async (view, { actor, ask }) => {
  ask({ kind: 'own' });
  const shownSince = isoTime(Date.parse(view.now) - SHOWN_MS);
  const rows = await permissionsWithNames(view)
    .where('agents.owner_id', '=', person(actor).id)
    .where((eb) => eb.or([eb('permissions.settled_at', 'is', null), eb('permissions.settled_at', '>=', shownSince)]))
    .where('permissions.expires_at', '>=', shownSince)
    .orderBy('permissions.asked_at')
    .orderBy('permissions.id')
    .execute();
  return { permissions: rows.map((row) => permissionOf(view.now, row)) };
};

export const getPermission: Reading<typeof ROUTES.getPermission> = async (view, call) => {
  await ownOnly(view, call, call.params.permissionId);
  return { permission: await wholePermission(view, call.params.permissionId) };
};

export const decidePermission: Writing<typeof ROUTES.decidePermission> = async (tx, call) => {
  const { permissionId: id } = call.params;
  await ownOnly(tx, call, id);
  const { allow, digest, by } = call.body;
  const outcome = allow ? 'allowed' : 'denied';
  // One statement, so that of two at the same time only one finds it unanswered.
  const answered = await tx.q
    .updateTable('permissions')
    .set({ answer: outcome, answered_by: by, answered_at: tx.now })
    .where('id', '=', id)
    .where('digest', '=', digest)
    .where('state', '=', 'open')
    .where('answer', 'is', null)
    .where('expires_at', '>', tx.now)
    .returning('id')
    .execute();
  if (answered.length > 0) return { permission: await emitPermission(tx, id, 'permission.answered') };
  const permission = await wholePermission(tx, id);
  if (permission.digest !== digest) {
    throw new AachatError('CONFLICT', 'That answer is for another request than the one that waits.', {
      hint: 'Run `aachat permission list` to see what waits.',
    });
  }
  const { state, answer } = permission;
  throw tooLate(answer ?? { outcome: state === 'open' ? 'expired' : state, by: null });
};

async function ownOnly(
  view: View,
  { actor, ask }: Pick<Call<never>, 'actor' | 'ask'>,
  id: PermissionId,
): Promise<void> {
  const row = await permissionRow(view, id);
  if (row === undefined) throw hidden('request');
  ask((await sessionFacts(view, actor, row.session_id)).resource);
}
