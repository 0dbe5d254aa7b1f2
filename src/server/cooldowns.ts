/** Cooldowns: two agents that say nothing new to each other stop waking each other with it. */
import { isoTime } from '#base/time.ts';
import { type Message, PairCooldown, type Party } from '#contract/entities.ts';
import type { ProjectId } from '#contract/ids.ts';
import type { PartyId, ProjectRow } from './database/schema.ts';
import type { Tx } from './database/store.ts';
import { COOLED_LIMIT, IDLE_LIMIT, type IdleRun, idleRun } from './small-talk.ts';

const COOLDOWN_MS = 10 * 60_000;
/** So far back in a project it is looked for what two agents said to each other. */
const LOOK_BACK = 40;

/** The cooldowns that a project is in or was in. */
export const cooldownsOf = ({ cooldowns }: Pick<ProjectRow, 'cooldowns'>): PairCooldown[] =>
  cooldowns === null ? [] : PairCooldown.array().parse(JSON.parse(cooldowns));

/** What becomes of a mention of one agent by another. */
export interface PairVerdict {
  readonly suppressed: boolean;
  /** Set if it is this message that began it: people are told once. */
  readonly begun: PairCooldown | null;
  /** Of the project, as they are now. */
  readonly cooldowns: ProjectRow['cooldowns'];
}

/** Whether a message of an agent may wake another one, judged by what the two said since a person last spoke. */
export async function judgePair(tx: Tx, project: ProjectRow, message: Message, other: Party): Promise<PairVerdict> {
  const { author } = message;
  const run = idleRun([...(await betweenThem(tx, project.id, author.id, other.id)), message.body]);
  const free = { suppressed: false, begun: null, cooldowns: project.cooldowns };
  if (run.length < COOLED_LIMIT) return free;
  await tx.engine.lock(tx.q, 'projects', [project.id]);
  const running = await runningCooldowns(tx, project.id);
  const isTheirs = ({ agents }: PairCooldown) => agents.includes(author.name) && agents.includes(other.name);
  if (running.some(isTheirs)) return { ...free, suppressed: true };
  if (run.length < IDLE_LIMIT) return free;
  const begun = cooldown(tx, author, other, run);
  const cooldowns = JSON.stringify([...running, begun]);
  await tx.q.updateTable('projects').set({ cooldowns }).where('id', '=', project.id).execute();
  return { suppressed: true, begun, cooldowns };
}

function cooldown({ now }: Tx, author: Party, other: Party, { because }: IdleRun): PairCooldown {
  const [first, second] = [author.name, other.name].sort();
  return PairCooldown.parse({ agents: [first, second], because, until: isoTime(Date.parse(now) + COOLDOWN_MS) });
}

async function runningCooldowns({ q, now }: Tx, id: ProjectId): Promise<readonly PairCooldown[]> {
  const row = await q.selectFrom('projects').select('cooldowns').where('id', '=', id).executeTakeFirstOrThrow();
  return cooldownsOf(row).filter(({ until }) => until > now);
}

/** Bodies, oldest first, without those that the two said to others. */
async function betweenThem({ q }: Tx, project: ProjectId, one: PartyId, other: PartyId): Promise<readonly string[]> {
  const rows = await q
    .selectFrom('messages')
    .select(['author_kind', 'author_id', 'body', 'mentions'])
    .where('project_id', '=', project)
    .orderBy('seq', 'desc')
    .limit(LOOK_BACK)
    .execute();
  const person = rows.findIndex(({ author_kind }) => author_kind === 'user');
  const isTo = (id: PartyId, mentions: string) => (JSON.parse(mentions) as readonly Party[]).some((to) => to.id === id);
  return (person === -1 ? rows : rows.slice(0, person))
    .filter(({ author_id, mentions }) => {
      if (author_id === one) return isTo(other, mentions);
      return author_id === other && isTo(one, mentions);
    })
    .map(({ body }) => body)
    .reverse();
}
