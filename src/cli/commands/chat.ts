/** `chat read | unread`: the shapes that older agent repos expect. */
import type { CommandContext } from '#cli/context.ts';
import { markRead, resolve } from '#cli/messages.ts';
import type { Message } from '#contract/entities.ts';
import { ROUTES } from '#contract/routes.ts';

/** `chat read <project> [--last <count>] [--since-seq <seq>]` */
export async function read(
  context: CommandContext,
  args: { readonly name: string; readonly last: number; readonly sinceSeq?: number },
): Promise<void> {
  const { http } = await context.connect();
  const project = await resolve(context, http, args.name, undefined);
  const query = { limit: args.last, ...(args.sinceSeq === undefined ? {} : { after: args.sinceSeq }) };
  const { messages, hasMore } = await http.call(
    ROUTES.listMessages,
    { params: { projectId: project.id }, query },
    context.signal,
  );
  context.output.result({ project: project.name, messages, hasMore }, '');
}

/** `chat unread [<project>] [--peek]`: `role` is relative to the reader. */
export async function unread(
  context: CommandContext,
  args: { readonly name: string | undefined; readonly peek: boolean },
): Promise<void> {
  const { http } = await context.connect();
  const only = args.name === undefined ? undefined : (await resolve(context, http, args.name, undefined)).id;
  const me = await http.call(ROUTES.getMe, {}, context.signal);
  const you = me.kind === 'user' ? { id: me.user.id, name: me.user.login } : { id: me.agent.id, name: me.agent.name };
  const inbox = await http.call(ROUTES.getInbox, { query: { limit: 200 } }, context.signal);
  const projects = inbox.projects.filter(({ project }) => only === undefined || project.id === only);
  if (!args.peek) await markRead(context, http, projects);
  const shown = projects.map(({ project, hasMention, messages }) => ({
    project: `#${project.name}`,
    has_mention: hasMention,
    new: messages.map((message) => entry(message, you.id)),
  }));
  context.output.result({ you: you.name, projects: shown }, '');
}

const entry = ({ id, author, body }: Message, you: string) => ({
  id,
  role: author.id === you ? 'assistant' : 'user',
  name: author.name,
  content: body,
});
