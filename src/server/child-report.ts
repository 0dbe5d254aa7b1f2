/** What a child session tells its parent when it has done what it was started for. */
import type { Party } from '#contract/entities.ts';
import type { ProjectId, SessionId } from '#contract/ids.ts';
import type { SessionRow, SignalRow } from './database/schema.ts';
import type { View } from './database/store.ts';

/** A prompt that a child sends. */
export interface Report {
  readonly kind: 'prompt';
  readonly state: 'queued' | 'suppressed';
  readonly sender: Party;
  readonly recipient: Party;
  readonly sessionId: SessionId;
  readonly projectId: ProjectId;
  readonly hop: number;
  readonly text: string;
  readonly fromSessionId: SessionId;
}

/**
 * A `session_start` is over once, when its turn is or when nobody will take it any more: that is when a child reports.
 *
 * @param row a signal that has just changed
 * @returns the prompt for the parent; undefined where there is nothing to report, or nobody to report to
 */
export async function reportOfChild(view: View, row: SignalRow): Promise<Report | undefined> {
  if (row.kind !== 'session_start' || (row.state !== 'acted' && row.state !== 'expired')) return undefined;
  const parent = await parentOf(view, row.session_id);
  if (parent === undefined || row.session_id === null) return undefined;
  const turn = await turnOf(view, row);
  const hop = turn?.hop ?? row.hop;
  const project = await placeOf(view, parent, turn?.project_id ?? row.project_id);
  return {
    kind: 'prompt',
    state: hop >= project.hop_limit ? 'suppressed' : 'queued',
    sender: { kind: 'agent', id: row.recipient_id as SessionRow['agent_id'], name: row.recipient_name },
    recipient: { kind: 'agent', id: parent.agent_id, name: parent.agent },
    sessionId: parent.id,
    projectId: project.id,
    hop,
    text: turn === undefined ? 'It was given up before it began.' : (turn.answer ?? WORDLESS[turn.state]),
    fromSessionId: row.session_id,
  };
}

/** How a turn ended that left no words. */
const WORDLESS = {
  open: 'It ended without words.',
  ended: 'It is done, and had nothing to say.',
  failed: 'Its turn failed: nothing was posted.',
  cancelled: 'Its turn was cancelled by a person.',
  interrupted: 'Its turn was broken off.',
} as const;

async function parentOf({ q }: View, childId: SessionId | null) {
  if (childId === null) return undefined;
  return await q
    .selectFrom('sessions as child')
    .innerJoin('sessions as parent', 'parent.id', 'child.parent_id')
    .innerJoin('agents', 'agents.id', 'parent.agent_id')
    .select(['parent.id', 'parent.agent_id', 'agents.name as agent'])
    .where('child.id', '=', childId)
    .where('parent.removed_at', 'is', null)
    .executeTakeFirst();
}

async function turnOf({ q }: View, { turn_id, recipient_id }: SignalRow) {
  if (turn_id === null) return undefined;
  const turn = await q
    .selectFrom('turns')
    .select(['hop', 'state', 'project_id'])
    .where('id', '=', turn_id)
    .executeTakeFirst();
  if (turn === undefined) return undefined;
  const last = await q
    .selectFrom('messages')
    .select('body')
    .where('project_id', '=', turn.project_id)
    .where('turn_id', '=', turn_id)
    .where('author_id', '=', recipient_id)
    .orderBy('seq', 'desc')
    .executeTakeFirst();
  return { ...turn, answer: last?.body };
}

/** Where the child worked, if the parent may go on there; else the dm of the parent's agent. */
async function placeOf(
  { q }: View,
  parent: { readonly id: SessionId; readonly agent_id: SessionRow['agent_id'] },
  worked: ProjectId | null,
) {
  return await q
    .selectFrom('projects')
    .leftJoin('coverage', (join) =>
      join.onRef('coverage.project_id', '=', 'projects.id').on('coverage.session_id', '=', parent.id),
    )
    .select(['projects.id', 'projects.hop_limit'])
    .where((eb) =>
      eb.or([
        eb('projects.agent_id', '=', parent.agent_id),
        ...(worked === null
          ? []
          : [eb.and([eb('projects.id', '=', worked), eb('coverage.session_id', 'is not', null)])]),
      ]),
    )
    .orderBy((eb) => eb.case().when('projects.id', '=', worked).then(0).else(1).end())
    .executeTakeFirstOrThrow();
}
