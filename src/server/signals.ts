/** Signals: typed rows that wake one recipient. Who gets one for a message is decided here, purely. */
import { newId } from '#base/id.ts';
import type { Party, Signal, SignalKind, SignalState } from '#contract/entities.ts';
import type { AgentId, ProjectId, SessionId, SignalId, UserId } from '#contract/ids.ts';
import { reportOfChild } from './child-report.ts';
import type { SignalRow } from './database/schema.ts';
import type { Tx, View } from './database/store.ts';

export const signalOf = (row: SignalRow): Signal => ({
  id: row.id,
  kind: row.kind,
  state: row.state,
  sender: partyOf(row.sender_kind, row.sender_id, row.sender_name),
  recipient: partyOf(row.recipient_kind, row.recipient_id, row.recipient_name),
  sessionId: row.session_id,
  projectId: row.project_id,
  messageId: row.message_id,
  turnId: row.turn_id,
  hop: row.hop,
  text: row.text,
  fromSessionId: row.from_session_id,
  createdAt: row.created_at,
});

export function partyOf(kind: 'user' | 'agent', id: string, name: string): Party {
  return kind === 'user' ? { kind, id: id as UserId, name } : { kind, id: id as AgentId, name };
}

/** Who is woken by a message, why, and whether the loop guard holds it back. */
export interface Wake {
  readonly party: Party;
  readonly kind: 'mention' | 'dm';
  readonly suppressed: boolean;
}

/**
 * One wake per recipient: the union of the mentioned and, in a dm, the other side of it.
 *
 * @param hop of the message; at `hopLimit` an agent no longer wakes agents
 * @param dmSides the owner and the agent of a dm; empty elsewhere
 */
export function wakesOf(message: {
  readonly author: Party;
  readonly mentions: readonly Party[];
  readonly dmSides: readonly Party[];
  readonly hop: number;
  readonly hopLimit: number;
}): readonly Wake[] {
  const { author, mentions, dmSides, hop, hopLimit } = message;
  const dm = dmSides.filter(({ id }) => id !== author.id);
  const all = [
    ...dm.map((party) => ({ party, kind: 'dm' as const })),
    ...mentions
      .filter(({ id }) => !dm.some((side) => side.id === id))
      .map((party) => ({ party, kind: 'mention' as const })),
  ];
  const exhausted = author.kind === 'agent' && hop >= hopLimit;
  return all.map((wake) => ({ ...wake, suppressed: exhausted && wake.party.kind === 'agent' }));
}

export interface NewSignal {
  readonly kind: SignalKind;
  readonly state?: SignalState;
  readonly sender: Party;
  readonly recipient: Party;
  readonly sessionId: SessionId | null;
  readonly projectId: ProjectId | null;
  readonly messageId?: SignalRow['message_id'];
  readonly hop: number;
  readonly text?: string;
  readonly fromSessionId?: SessionId;
}

export async function createSignal(tx: Tx, signal: NewSignal): Promise<Signal> {
  const row: SignalRow = {
    id: newId<SignalId>(),
    kind: signal.kind,
    state: signal.state ?? 'queued',
    sender_kind: signal.sender.kind,
    sender_id: signal.sender.id,
    sender_name: signal.sender.name,
    recipient_kind: signal.recipient.kind,
    recipient_id: signal.recipient.id,
    recipient_name: signal.recipient.name,
    session_id: signal.sessionId,
    project_id: signal.projectId,
    message_id: signal.messageId ?? null,
    turn_id: null,
    hop: signal.hop,
    text: signal.text ?? null,
    from_session_id: signal.fromSessionId ?? null,
    created_at: tx.now,
  };
  await tx.q.insertInto('signals').values(row).execute();
  await emitSignals(tx, 'signal.created', [row]);
  return signalOf(row);
}

/** What waits for a session, of these kinds, will not be taken any more. */
export async function expireQueued(tx: Tx, sessionId: SessionId, kinds: readonly SignalKind[]): Promise<void> {
  const waiting = await tx.q
    .selectFrom('signals')
    .selectAll()
    .where('session_id', '=', sessionId)
    .where('state', '=', 'queued')
    .where('kind', 'in', kinds)
    .execute();
  await moveSignals(tx, waiting, { state: 'expired' });
}

/** Changes state and tells recipient and sender; where a child has done what it was started for, also its parent. */
export async function moveSignals(
  tx: Tx,
  rows: readonly SignalRow[],
  change: Partial<Pick<SignalRow, 'state' | 'turn_id'>>,
): Promise<readonly SignalRow[]> {
  if (rows.length === 0) return [];
  const moved = await tx.q
    .updateTable('signals')
    .set(change)
    .where(
      'id',
      'in',
      rows.map(({ id }) => id),
    )
    .returningAll()
    .execute();
  await emitSignals(tx, 'signal.updated', moved);
  for (const row of moved) {
    const report = await reportOfChild(tx, row);
    if (report !== undefined) await createSignal(tx, report);
  }
  return moved;
}

/** A signal shows in the stream of its recipient (of an agent: its owner's), and of a person who sent it. */
async function emitSignals(
  tx: Tx,
  type: 'signal.created' | 'signal.updated',
  rows: readonly SignalRow[],
): Promise<void> {
  const owners = await ownersOf(
    tx,
    rows.flatMap((row) => (row.recipient_kind === 'agent' ? [row.recipient_id as AgentId] : [])),
  );
  for (const row of rows) {
    const streams = new Set<UserId>();
    const recipient = row.recipient_kind === 'agent' ? owners.get(row.recipient_id as AgentId) : row.recipient_id;
    if (recipient !== undefined) streams.add(recipient as UserId);
    if (row.sender_kind === 'user') streams.add(row.sender_id as UserId);
    for (const stream of streams) tx.emit({ stream, type, entityId: row.id, data: { signal: signalOf(row) } });
  }
}

async function ownersOf({ q }: View, agents: readonly AgentId[]): Promise<ReadonlyMap<AgentId, UserId>> {
  if (agents.length === 0) return new Map();
  const rows = await q.selectFrom('agents').select(['id', 'owner_id']).where('id', 'in', agents).execute();
  return new Map(rows.map(({ id, owner_id }) => [id, owner_id]));
}

/** The session that a message is for: the oldest live one of the agent that covers the project, if there is one. */
export async function wakeableSession({ q }: View, agentId: AgentId, projectId: ProjectId): Promise<SessionId | null> {
  const session = await q
    .selectFrom('sessions')
    .innerJoin('coverage', 'coverage.session_id', 'sessions.id')
    .select('sessions.id')
    .where('sessions.agent_id', '=', agentId)
    .where('sessions.state', '!=', 'stopped')
    .where('coverage.project_id', '=', projectId)
    .orderBy('sessions.created_at')
    .orderBy('sessions.id')
    .executeTakeFirst();
  return session?.id ?? null;
}
