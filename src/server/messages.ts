/** Messages: posting, reading, cursors. */
import type { CompiledQuery } from 'kysely';
import { AachatError } from '#base/errors.ts';
import { newId } from '#base/id.ts';
import { indexedWords } from '#base/words.ts';
import { type Message, Party } from '#contract/entities.ts';
import type { MessageId, ProjectId, SessionId, TurnId, UserId } from '#contract/ids.ts';
import type { ROUTES } from '#contract/routes.ts';
import type { Actor } from './authorize.ts';
import { judgePair } from './cooldowns.ts';
import type { MessageRow, ReaderId } from './database/schema.ts';
import type { Tx, View } from './database/store.ts';
import { type ProjectInTeam, projectFacts } from './facts.ts';
import { membersOf } from './members.ts';
import { findMentions } from './mentions.ts';
import { projectOf } from './projects.ts';
import { party, type Reading, type Writing } from './request.ts';
import { createSignal, moveSignals, partyOf, wakeableSession, wakesOf } from './signals.ts';

export const messageOf = (row: MessageRow): Message => ({
  id: row.id,
  projectId: row.project_id,
  seq: row.seq,
  author: partyOf(row.author_kind, row.author_id, row.author_name),
  via: row.via,
  body: row.body,
  mentions: Party.array().parse(JSON.parse(row.mentions)),
  replyTo: row.reply_to,
  turnId: row.turn_id,
  hop: row.hop,
  createdAt: row.created_at,
});

export const sendMessage: Writing<typeof ROUTES.sendMessage> = async (tx, { actor, params, body, ask }) => {
  const { project, resource } = await projectFacts(tx, actor, params.projectId);
  ask(resource);
  const author = authorOf(actor);
  const { hop, turnId } = actor.kind === 'session' ? await turnOf(tx, actor.sessionId) : { hop: 0, turnId: null };
  if (body.replyTo !== undefined) await checkReply(tx, project, body.replyTo);
  const members =
    project.kind === 'dm' || body.body.includes('@') ? (await membersOf(tx, project)).map((one) => one.party) : [];
  if (project.kind === 'dm' && !members.some(({ kind }) => kind === 'agent')) {
    throw new AachatError(
      'CONFLICT',
      `${project.name.replace('dm:', '')} was taken out of service: nobody reads here.`,
      {
        hint: 'Run `aachat agent create` with its name to bring it back.',
      },
    );
  }
  const message: Message = {
    id: newId<MessageId>(),
    projectId: project.id,
    seq: 0,
    author,
    // Only a person's tool needs naming: an agent speaks for itself.
    via: actor.kind === 'user' ? (body.via ?? null) : null,
    body: body.body,
    mentions: [...findMentions(body.body, members, author)],
    replyTo: body.replyTo ?? null,
    turnId,
    hop,
    createdAt: tx.now,
  };
  tx.emit({ stream: project.id, type: 'message.created', entityId: message.id, data: { message } }, (seq) => {
    message.seq = seq;
    return insertMessage(tx, message);
  });
  const held = await wake(tx, project, message, project.kind === 'dm' ? members : []);
  return { message, held };
};

function authorOf(actor: Actor): Party {
  const { id, name, kind } = party(actor);
  return partyOf(kind === 'user' ? 'user' : 'agent', id, name);
}

/** What a session says belongs to its open turn; between turns it is as far from a person as its last one was. */
export async function turnOf({ q }: View, sessionId: SessionId): Promise<{ hop: number; turnId: TurnId | null }> {
  const last = await q
    .selectFrom('turns')
    .select(['id', 'hop', 'state'])
    .where('session_id', '=', sessionId)
    .orderBy((eb) => eb.case().when('state', '=', 'open').then(0).else(1).end())
    .orderBy('started_at', 'desc')
    .orderBy('id', 'desc')
    .executeTakeFirst();
  return { hop: last?.hop ?? 1, turnId: last?.state === 'open' ? last.id : null };
}

async function checkReply({ q }: View, project: ProjectInTeam, id: MessageId): Promise<void> {
  const answered = await q
    .selectFrom('messages')
    .select('id')
    .where('id', '=', id)
    .where('project_id', '=', project.id)
    .executeTakeFirst();
  if (answered !== undefined) return;
  throw new AachatError('VALIDATION_ERROR', `The message to reply to is not in ${project.name}.`, {
    hint: `Run \`aachat project read ${project.name}\` to see its messages.`,
  });
}

function insertMessage({ q, engine }: Tx, message: Message): readonly CompiledQuery[] {
  const row: MessageRow = {
    id: message.id,
    project_id: message.projectId,
    seq: message.seq,
    author_kind: message.author.kind,
    author_id: message.author.id,
    author_name: message.author.name,
    via: message.via,
    body: message.body,
    mentions: JSON.stringify(message.mentions),
    reply_to: message.replyTo,
    turn_id: message.turnId,
    hop: message.hop,
    created_at: message.createdAt,
  };
  const inserted = engine.insertMessage(q, row, indexedWords(message.body));
  if (message.mentions.length === 0) return inserted;
  const mentions = q
    .insertInto('mentions')
    .values(message.mentions.map(({ id }) => ({ message_id: message.id, party_id: id, project_id: message.projectId })))
    .compile();
  return [...inserted, mentions];
}

/** Makes the signals of a message and keeps the loop guard. @returns who is not woken because of that */
async function wake(tx: Tx, project: ProjectInTeam, message: Message, dmSides: readonly Party[]): Promise<Party[]> {
  const { author, mentions, hop } = message;
  const wakes = wakesOf({ author, mentions, dmSides, hop, hopLimit: project.hop_limit });
  const held: Party[] = [];
  for (const { party: recipient, kind, suppressed } of wakes) {
    const isPair = author.kind === 'agent' && recipient.kind === 'agent' && !suppressed;
    const cooled = isPair && (await coolPair(tx, project, message, recipient));
    const isHeld = suppressed || cooled;
    if (isHeld) held.push(recipient);
    const sessionId = recipient.kind === 'agent' ? await wakeableSession(tx, recipient.id, project.id) : null;
    await createSignal(tx, {
      kind,
      state: isHeld ? 'suppressed' : 'queued',
      sender: author,
      recipient,
      sessionId,
      projectId: project.id,
      messageId: message.id,
      hop,
    });
  }
  const stop = wakes.some(({ suppressed }) => suppressed);
  if (stop && (await stopLoop(tx, project.id))) {
    const stopped = projectOf({ ...project, loop_stopped_at: tx.now });
    tx.emit({ stream: project.id, type: 'loop.stopped', entityId: project.id, data: { project: stopped } });
  }
  if (author.kind === 'user' && (project.loop_stopped_at !== null || project.cooldowns !== null)) {
    const reset = { loop_stopped_at: null, cooldowns: null };
    await tx.q.updateTable('projects').set(reset).where('id', '=', project.id).execute();
  }
  return held;
}

/** @returns whether the message must not wake `other`; people are told when it is the first one */
async function coolPair(tx: Tx, project: ProjectInTeam, message: Message, other: Party): Promise<boolean> {
  const { suppressed, begun, cooldowns } = await judgePair(tx, project, message, other);
  if (begun !== null) {
    const cooled = projectOf({ ...project, cooldowns });
    tx.emit({
      stream: project.id,
      type: 'pair.cooled',
      entityId: project.id,
      data: { project: cooled, cooldown: begun },
    });
  }
  return suppressed;
}

/** @returns whether it was this message that stopped the loop: people are told once */
async function stopLoop({ q, now }: Tx, id: ProjectId): Promise<boolean> {
  const stopped = await q
    .updateTable('projects')
    .set({ loop_stopped_at: now })
    .where('id', '=', id)
    .where('loop_stopped_at', 'is', null)
    .returning('id')
    .executeTakeFirst();
  return stopped !== undefined;
}

export const listMessages: Reading<typeof ROUTES.listMessages> = async (view, { actor, params, query, ask }) => {
  const { resource } = await projectFacts(view, actor, params.projectId);
  ask(resource);
  const { after, before, limit } = query;
  const rows = await view.q
    .selectFrom('messages')
    .selectAll()
    .where('project_id', '=', params.projectId)
    .$if(after !== undefined, (qb) => qb.where('seq', '>', after ?? 0))
    .$if(before !== undefined, (qb) => qb.where('seq', '<', before ?? 0))
    .orderBy('seq', after === undefined ? 'desc' : 'asc')
    .limit(limit + 1)
    .execute();
  const page = rows.slice(0, limit);
  if (after === undefined) page.reverse();
  return {
    messages: page.map(messageOf),
    hasMore: rows.length > limit,
    readSeq: (await cursorOf(view, readerOf(actor), params.projectId)) ?? 0,
  };
};

/** A person reads for themselves, an agent per session. */
export function readerOf(actor: Actor): ReaderId {
  const reader = party(actor);
  return reader.kind === 'user' ? reader.id : reader.sessionId;
}

export async function cursorOf({ q }: View, reader: ReaderId, projectId: ProjectId): Promise<number | undefined> {
  const row = await q
    .selectFrom('cursors')
    .select('seq')
    .where('reader_id', '=', reader)
    .where('project_id', '=', projectId)
    .executeTakeFirst();
  return row?.seq;
}

/** Forward only. */
export async function moveCursor(tx: Tx, reader: ReaderId, projectId: ProjectId, seq: number): Promise<number> {
  const { seq: now } = await tx.q
    .insertInto('cursors')
    .values({ reader_id: reader, project_id: projectId, seq })
    .onConflict((on) =>
      on.columns(['reader_id', 'project_id']).doUpdateSet((eb) => ({
        seq: eb.case().when('cursors.seq', '>', seq).then(eb.ref('cursors.seq')).else(seq).end(),
      })),
    )
    .returning('seq')
    .executeTakeFirstOrThrow();
  return now;
}

export const markRead: Writing<typeof ROUTES.markRead> = async (tx, { actor, params, body, ask }) => {
  const { resource } = await projectFacts(tx, actor, params.projectId);
  ask(resource);
  const newest = await tx.q.selectFrom('streams').select('seq').where('id', '=', params.projectId).executeTakeFirst();
  // What has not been said yet cannot have been read.
  const seq = Math.min(body.seq, newest?.seq ?? 0);
  const read = await moveCursor(tx, readerOf(actor), params.projectId, seq);
  if (actor.kind === 'user') await closeReadSignals(tx, actor.id, params.projectId, read);
  return { seq: read };
};

/** A person has no turns: a signal to them is done when its message was read. */
async function closeReadSignals(tx: Tx, reader: UserId, projectId: ProjectId, seq: number): Promise<void> {
  const rows = await tx.q
    .selectFrom('signals')
    .innerJoin('messages', 'messages.id', 'signals.message_id')
    .selectAll('signals')
    .where('signals.recipient_id', '=', reader)
    .where('signals.state', '=', 'queued')
    .where('signals.project_id', '=', projectId)
    .where('messages.seq', '<=', seq)
    .execute();
  await moveSignals(tx, rows, { state: 'acted' });
}
