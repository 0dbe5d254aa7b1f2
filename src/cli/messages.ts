/** Messages on the command line: where their text comes from, how they are named and shown. */

import { AachatError, isAachatError } from '#base/errors.ts';
import type { HttpClient } from '#client/http.ts';
import { MESSAGE_LIMIT, type Message, MessageBody, type Project } from '#contract/entities.ts';
import { type MessageId, type ProjectId, shortId, TeamSlug } from '#contract/ids.ts';
import { ROUTES } from '#contract/routes.ts';
import { readInput } from './ask.ts';
import type { CommandContext } from './context.ts';
import { clockTime, indent, plain } from './output.ts';
import { pickById } from './pick.ts';

/** Finds a project by what a person types; several teams may use a name, then `team` (or the setting) decides. */
export async function resolve(
  { config, signal, inSession }: CommandContext,
  http: HttpClient,
  name: string,
  team: string | undefined,
): Promise<Project> {
  const find = async (slug: string | undefined) => {
    const query = { name: name.replace(/^#/, ''), ...(slug === undefined ? {} : { team: teamSlug(slug) }) };
    return (await http.call(ROUTES.resolveProject, { query }, signal)).project;
  };
  if (team !== undefined || inSession) return await find(team);
  try {
    return await find(undefined);
  } catch (thrown) {
    const preferred = config.get('team')?.value;
    if (!isAachatError(thrown, 'AMBIGUOUS_PROJECT') || preferred === undefined) throw thrown;
    return await find(preferred);
  }
}

/** @throws AachatError `USAGE` if it cannot be the name of a team */
export function teamSlug(text: string): string {
  if (TeamSlug.safeParse(text).success) return text;
  throw new AachatError('USAGE', `"${text}" is no team name.`, {
    hint: "Quote names with a tilde: --team '~mia'. `aachat project list` shows teams.",
  });
}

/** Standard input larger than this is no message, whatever is in it. */
const STDIN_BYTES = MESSAGE_LIMIT * 8;

/**
 * The text of a message, from arguments or standard input.
 *
 * @throws AachatError `VALIDATION_ERROR` when it is empty, too long, or no text; `USAGE` when it comes from both
 */
export async function messageText(
  context: Pick<CommandContext, 'stdin' | 'signal'>,
  words: readonly string[],
  fromStdin: boolean,
): Promise<string> {
  const reads = fromStdin || (words.length === 1 && words[0] === '-');
  if (fromStdin && words.length > 0) {
    throw new AachatError('USAGE', 'Give the text as arguments or with --stdin, not both.');
  }
  const text = reads ? await readInput(context, STDIN_BYTES, tooLong) : words.join(' ');
  const parsed = MessageBody.safeParse(text.replace(/\s+$/, ''));
  if (parsed.success) return parsed.data;
  throw new AachatError('VALIDATION_ERROR', parsed.error.issues[0]?.message ?? 'That is no message.', {
    hint: text.trim() === '' ? 'Give it after the name, in quotes.' : 'Nothing was sent.',
  });
}

const tooLong = () =>
  new AachatError(
    'VALIDATION_ERROR',
    `Standard input is too long: a message has at most ${MESSAGE_LIMIT} characters.`,
    { hint: 'Nothing was sent. Put longer text into a document.' },
  );

/** How far back a short message id is looked for. */
const RECENT = 200;

export async function resolveMessageId(
  { signal }: CommandContext,
  http: HttpClient,
  projectId: ProjectId,
  text: string,
): Promise<MessageId> {
  const { messages } = await http.call(
    ROUTES.listMessages,
    { params: { projectId }, query: { limit: RECENT } },
    signal,
  );
  return pickById(text, messages, {
    many: 'messages',
    none: { message: `No recent message ${text} in this project.`, hint: 'Take an id from `aachat project read`.' },
    label: ({ author }) => author.name,
  }).id;
}

/** Marks as read what was shown of each project, and no more. */
export async function markRead(
  { signal }: CommandContext,
  http: HttpClient,
  shown: readonly { readonly project: Project; readonly messages: readonly Message[] }[],
): Promise<void> {
  for (const { project, messages } of shown) {
    const seq = messages.at(-1)?.seq;
    if (seq !== undefined) {
      await http.call(ROUTES.markRead, { params: { projectId: project.id }, body: { seq } }, signal);
    }
  }
}

/** Messages as people read them: who, when, and the text with a margin. */
export function showMessages(
  { output }: Pick<CommandContext, 'output'>,
  messages: readonly Message[],
  project?: (message: Message) => string,
): string {
  const { bold, dim, cyan } = output.paint;
  return messages
    .map((message) => {
      const { author, via, createdAt, id, replyTo } = message;
      const name = author.kind === 'agent' ? cyan(author.name) : bold(author.name);
      const facts = [
        clockTime(createdAt),
        ...(via === null ? [] : [`via ${via}`]),
        ...(project === undefined ? [] : [`in ${project(message)}`]),
        ...(replyTo === null ? [] : [`re ${shortId(replyTo)}`]),
        shortId(id),
      ];
      const body = plain(message.body).replace(/[ \t]+$/gm, '');
      return `${name} ${dim(facts.join(' · '))}\n${indent(body, 2)}`;
    })
    .join('\n');
}
