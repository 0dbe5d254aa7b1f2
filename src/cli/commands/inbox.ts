/** `aachat inbox`, `mentions`, `find`: messages across projects. */
import { AachatError } from '#base/errors.ts';
import type { CommandContext } from '#cli/context.ts';
import { loopLines } from '#cli/loop-view.ts';
import { markRead, resolve, showMessages } from '#cli/messages.ts';
import { listReadableProjects } from '#client/projects.ts';
import type { Message } from '#contract/entities.ts';
import { MessageId, shortId } from '#contract/ids.ts';
import { ROUTES } from '#contract/routes.ts';

/** `aachat inbox` */
export async function inbox(
  context: CommandContext,
  args: { readonly limit: number; readonly mark?: boolean },
): Promise<void> {
  const { http } = await context.connect();
  const { projects } = await http.call(ROUTES.getInbox, { query: { limit: args.limit } }, context.signal);
  if (args.mark === true) await markRead(context, http, projects);
  const { bold } = context.output.paint;
  const text = projects.map(({ project, unread, hasMention, messages }) => {
    const more =
      unread > messages.length
        ? `\n  … ${unread - messages.length} more: aachat project read ${project.team}/${project.name}`
        : '';
    return `${bold(`${project.team}/${project.name}`)}  ${unread} unread${hasMention ? ', mentions you' : ''}\n${showMessages(context, messages)}${more}${loopLines(
      project,
    )
      .map((line) => `\n  (${line})`)
      .join('')}`;
  });
  context.output.result({ projects }, projects.length === 0 ? 'Nothing is unread.' : text.join('\n\n'));
}

interface Search {
  readonly project?: string;
  readonly team?: string;
  readonly limit: number;
  readonly before?: string;
}

/** `aachat mentions` */
export async function mentions(context: CommandContext, args: Search): Promise<void> {
  const { http } = await context.connect();
  const query = await searchQuery(context, args);
  await show(context, args, await http.call(ROUTES.listMentions, { query }, context.signal), 'Nobody mentioned you.');
}

/** `aachat find <words...>` */
export async function find(
  context: CommandContext,
  args: Search & { readonly words: readonly string[]; readonly by?: string },
): Promise<void> {
  const q = args.words.join(' ').trim();
  if (q === '')
    throw new AachatError('USAGE', 'Find what?', { hint: 'aachat find <words>, such as: aachat find launch plan' });
  const { http } = await context.connect();
  const by = args.by === undefined ? {} : { by: args.by.replace(/^@/, '') };
  const query = { ...(await searchQuery(context, args)), ...by, q };
  const found = await http.call(ROUTES.find, { query }, context.signal);
  await show(context, args, found, 'No message has all of these words.');
}

async function searchQuery(context: CommandContext, args: Search) {
  const { http } = await context.connect();
  const project = args.project === undefined ? undefined : (await resolve(context, http, args.project, args.team)).id;
  return {
    limit: args.limit,
    ...(project === undefined ? {} : { project }),
    ...(args.before === undefined ? {} : { before: fullId(args.before) }),
  };
}

function fullId(text: string): MessageId {
  const parsed = MessageId.safeParse(text.toLowerCase());
  if (parsed.success) return parsed.data;
  throw new AachatError('USAGE', `--before takes the full id of a message; "${text}" is none.`, {
    hint: '`--json` shows full ids.',
  });
}

async function show(
  context: CommandContext,
  args: Search,
  found: { readonly messages: readonly Message[]; readonly hasMore: boolean },
  empty: string,
): Promise<void> {
  const { messages, hasMore } = found;
  const isClear = args.project !== undefined || context.output.isJson || messages.length === 0;
  const where = isClear ? undefined : await projectNames(context);
  const more = hasMore ? `\n(older ones: --before ${messages.at(-1)?.id ?? ''})` : '';
  context.output.result(found, messages.length === 0 ? empty : `${showMessages(context, messages, where)}${more}`);
}

async function projectNames(context: CommandContext): Promise<(message: Message) => string> {
  const { http } = await context.connect();
  const projects = await listReadableProjects(http, context.signal);
  const names = new Map(projects.map(({ id, team, name }) => [id, `${team}/${name}`]));
  return ({ projectId }) => names.get(projectId) ?? shortId(projectId);
}
