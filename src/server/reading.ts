/** Reading across projects: what is unread, who was mentioned, what was said about something. */
import { AachatError } from '#base/errors.ts';
import { wordQuery } from '#base/words.ts';
import type { MessageId, ProjectId } from '#contract/ids.ts';
import type { ROUTES } from '#contract/routes.ts';
import type { Actor } from './authorize.ts';
import type { MessageRow } from './database/schema.ts';
import type { View } from './database/store.ts';
import { readableProjects } from './facts.ts';
import { messageOf, readerOf } from './messages.ts';
import { projectOf } from './projects.ts';
import { hidden, party, type Reading } from './request.ts';

interface Unread {
  readonly project_id: ProjectId;
  readonly unread: number;
  readonly mentions: number;
}

/** Counts per project what the reader has not read and did not say. */
async function countUnread({ q }: View, actor: Actor, projects: readonly ProjectId[]): Promise<readonly Unread[]> {
  const rows = await unreadIn(q, actor, projects)
    .leftJoin('mentions', (join) =>
      join.onRef('mentions.message_id', '=', 'messages.id').on('mentions.party_id', '=', party(actor).id),
    )
    .select((eb) => [
      'messages.project_id',
      eb.fn.countAll<number>().as('unread'),
      eb.fn.count<number>('mentions.party_id').as('mentions'),
    ])
    .groupBy('messages.project_id')
    .execute();
  return rows.map((row) => ({ ...row, unread: Number(row.unread), mentions: Number(row.mentions) }));
}

/** A session that never read in a project has nothing unread there from before it began. */
const unreadIn = (q: View['q'], actor: Actor, projects: readonly ProjectId[]) =>
  q
    .selectFrom('messages')
    .leftJoin('cursors', (join) =>
      join.onRef('cursors.project_id', '=', 'messages.project_id').on('cursors.reader_id', '=', readerOf(actor)),
    )
    .where('messages.project_id', 'in', projects)
    .where('messages.author_id', '!=', party(actor).id)
    .where((eb) =>
      eb.or([
        eb('messages.seq', '>', eb.ref('cursors.seq')),
        eb.and([
          eb('cursors.seq', 'is', null),
          ...(actor.kind === 'session'
            ? [
                eb(
                  'messages.created_at',
                  '>=',
                  eb.selectFrom('sessions').select('sessions.created_at').where('sessions.id', '=', actor.sessionId),
                ),
              ]
            : []),
        ]),
      ]),
    );

export const getInbox: Reading<typeof ROUTES.getInbox> = async (view, { actor, query, ask }) => {
  ask({ kind: 'own' });
  // Who runs a team may read all of its projects, but waits for news only in those that they are in.
  const projects = new Map(
    (await readableProjects(view, actor)).filter(({ member }) => member).map((project) => [project.id, project]),
  );
  if (projects.size === 0) return { projects: [] };
  const counted = await countUnread(view, actor, [...projects.keys()]);
  const sorted = counted.toSorted(
    (a, b) => Number(b.mentions > 0) - Number(a.mentions > 0) || (a.project_id < b.project_id ? -1 : 1),
  );
  const shown = [];
  for (const { project_id, unread, mentions } of sorted) {
    const project = projects.get(project_id);
    if (project === undefined) continue;
    const rows: MessageRow[] = await unreadIn(view.q, actor, [project_id])
      .selectAll('messages')
      .orderBy('messages.seq')
      .limit(query.limit)
      .execute();
    shown.push({ project: projectOf(project), unread, hasMention: mentions > 0, messages: rows.map(messageOf) });
  }
  return { projects: shown };
};

/** Messages of some projects, newest first, beginning before one of them. */
async function messagesBefore({ q }: View, projects: readonly ProjectId[], before: MessageId | undefined) {
  const mark =
    before === undefined
      ? undefined
      : await q.selectFrom('messages').select(['created_at', 'id']).where('id', '=', before).executeTakeFirst();
  if (before !== undefined && mark === undefined) throw hidden('message');
  return q
    .selectFrom('messages')
    .selectAll('messages')
    .where('messages.project_id', 'in', projects)
    .$if(mark !== undefined, (qb) =>
      qb.where((eb) =>
        eb.or([
          eb('messages.created_at', '<', mark?.created_at ?? ''),
          eb.and([
            eb('messages.created_at', '=', mark?.created_at ?? ''),
            eb('messages.id', '<', (mark?.id ?? '') as MessageId),
          ]),
        ]),
      ),
    )
    .orderBy('messages.created_at', 'desc')
    .orderBy('messages.id', 'desc');
}

/** The readable projects, or the one of them that was asked for. */
async function readableIds(view: View, actor: Actor, only: ProjectId | undefined): Promise<readonly ProjectId[]> {
  const readable = (await readableProjects(view, actor)).map(({ id }) => id);
  if (only === undefined) return readable;
  if (!readable.includes(only)) throw hidden('project');
  return [only];
}

const page = (rows: readonly MessageRow[], limit: number) => ({
  messages: rows.slice(0, limit).map(messageOf),
  hasMore: rows.length > limit,
});

export const listMentions: Reading<typeof ROUTES.listMentions> = async (view, { actor, query, ask }) => {
  ask({ kind: 'own' });
  const projects = await readableIds(view, actor, query.project);
  if (projects.length === 0) return { messages: [], hasMore: false };
  const rows = await (await messagesBefore(view, projects, query.before))
    .where('messages.id', 'in', (eb) =>
      eb.selectFrom('mentions').select('mentions.message_id').where('mentions.party_id', '=', party(actor).id),
    )
    .limit(query.limit + 1)
    .execute();
  return page(rows, query.limit);
};

export const find: Reading<typeof ROUTES.find> = async (view, { actor, query, ask }) => {
  ask({ kind: 'own' });
  const sought = wordQuery(query.q);
  if (sought === undefined) {
    throw new AachatError('VALIDATION_ERROR', 'There is no word in that to look for.', {
      hint: 'Search for words; punctuation is not indexed.',
    });
  }
  const projects = await readableIds(view, actor, query.project);
  if (projects.length === 0) return { messages: [], hasMore: false };
  const { by } = query;
  const rows = await (await messagesBefore(view, projects, query.before))
    .where(view.engine.hasWords(sought.words, sought.prefix))
    .$if(by !== undefined, (qb) => qb.where('messages.author_name', '=', (by ?? '').replace(/^@/, '')))
    .limit(query.limit + 1)
    .execute();
  return page(rows, query.limit);
};
