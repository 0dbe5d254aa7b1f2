/** How a request of an agent looks to its owner, who is told when it changes, and when it is over with its run. */
import type { PermissionId, RunId } from '#contract/ids.ts';
import type { Permission } from '#contract/permissions.ts';
import type { PermissionRow } from './database/schema.ts';
import type { Tx, View } from './database/store.ts';

/** What waited in these runs waits no more. */
export async function cancelPermissions(tx: Tx, runs: readonly RunId[]): Promise<void> {
  if (runs.length === 0) return;
  const cancelled = await tx.q
    .updateTable('permissions')
    .set({ state: 'cancelled', settled_at: tx.now, answer: null, answered_by: null, answered_at: null })
    .where('run_id', 'in', runs)
    .where('state', '=', 'open')
    .returning('id')
    .execute();
  for (const { id } of cancelled) await emitPermission(tx, id, 'permission.answered');
}

export const permissionRow = ({ q }: View, id: PermissionId): Promise<PermissionRow | undefined> =>
  q.selectFrom('permissions').selectAll().where('id', '=', id).executeTakeFirst();

export const permissionsWithNames = ({ q }: View) =>
  q
    .selectFrom('permissions')
    .innerJoin('runs', 'runs.id', 'permissions.run_id')
    .innerJoin('sessions', 'sessions.id', 'permissions.session_id')
    .innerJoin('agents', 'agents.id', 'sessions.agent_id')
    .selectAll('permissions')
    .select(['agents.name as agent', 'agents.owner_id', 'runs.machine']);

type Named = Awaited<ReturnType<ReturnType<typeof permissionsWithNames>['executeTakeFirstOrThrow']>>;

export const wholePermission = async (view: View, id: PermissionId): Promise<Permission> =>
  (await permissionAndOwner(view, id)).permission;

async function permissionAndOwner(view: View, id: PermissionId) {
  const row = await permissionsWithNames(view).where('permissions.id', '=', id).executeTakeFirstOrThrow();
  return { permission: permissionOf(view.now, row), owner: row.owner_id };
}

/** Only the owner hears of it. */
export async function emitPermission(
  tx: Tx,
  id: PermissionId,
  type: 'permission.asked' | 'permission.answered',
): Promise<Permission> {
  const { permission, owner } = await permissionAndOwner(tx, id);
  tx.emit({ stream: owner, type, entityId: id, data: { permission } });
  return permission;
}

export function permissionOf(now: string, row: Named): Permission {
  const { answer, answered_by: by, answered_at: at } = row;
  return {
    id: row.id,
    sessionId: row.session_id,
    agent: row.agent,
    runId: row.run_id,
    machine: row.machine,
    turnId: row.turn_id,
    toolKind: row.tool_kind,
    optionKinds: JSON.parse(row.option_kinds) as Permission['optionKinds'],
    digest: row.digest,
    askedAt: row.asked_at,
    expiresAt: row.expires_at,
    state: row.state === 'open' && answer === null && row.expires_at <= now ? 'expired' : row.state,
    answer: answer === null || by === null || at === null ? null : { outcome: answer, by, at },
  };
}
