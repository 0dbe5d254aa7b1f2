/** `aachat project …`: read and write in projects. */
import { AachatError } from '#base/errors.ts';
import { newId } from '#base/id.ts';
import type { CommandContext } from '#cli/context.ts';
import { loopLines } from '#cli/loop-view.ts';
import { messageText, resolve, resolveMessageId, showMessages, teamSlug } from '#cli/messages.ts';
import { plain, table } from '#cli/output.ts';
import { type Page, pageText } from '#cli/paging.ts';
import type { HttpClient } from '#client/http.ts';
import type { Member, Party, ProjectRole, ProjectStatus, Team } from '#contract/entities.ts';
import { ProjectSlug, shortId } from '#contract/ids.ts';
import { ROUTES } from '#contract/routes.ts';

interface Named {
  readonly name: string;
  readonly team?: string | undefined;
}

/** `aachat project list` */
export async function list(
  context: CommandContext,
  args: Page & { readonly team?: string; readonly status: ProjectStatus | 'all' },
): Promise<void> {
  const { status } = args;
  const team = args.team === undefined ? {} : { team: teamSlug(args.team) };
  const { http } = await context.connect();
  const { projects, hasMore } = await http.call(
    ROUTES.listProjects,
    { query: { ...team, status, limit: args.limit, offset: args.offset } },
    context.signal,
  );
  // None, or no such team?
  const asksTeam = args.team !== undefined && !context.inSession;
  if (projects.length === 0 && asksTeam) await findTeam(context, http, args.team);
  const rows = projects.map(({ name, team: slug, kind, status: state, description }) => [
    name,
    slug,
    kind === 'project' ? state : kind,
    plain(description).split('\n')[0] ?? '',
  ]);
  const empty =
    status === 'active' || status === 'all'
      ? 'No projects yet. Start one with `aachat project create <name>`.'
      : `No projects are ${status}.`;
  context.output.result({ projects, hasMore }, pageText(rows, args, hasMore, empty));
}

/** `aachat project create <name>` */
export async function create(
  context: CommandContext,
  args: { readonly name: string; readonly description: string; readonly team?: string },
): Promise<void> {
  const { name } = args;
  if (!ProjectSlug.safeParse(name).success) {
    throw new AachatError('USAGE', `"${name}" is no name for a project: small letters, digits and \`-\`.`, {
      hint: 'aachat project create launch',
    });
  }
  const { http } = await context.connect();
  const team = await findTeam(context, http, args.team ?? context.config.get('team')?.value);
  const body = { clientId: newId(), name, description: args.description };
  const { project } = await http.call(ROUTES.createProject, { params: { teamId: team.id }, body }, context.signal);
  context.output.result(
    { project },
    `Project ${project.name} in team ${project.team}.\nNext: aachat project assign ${project.name} --agent <agent>`,
  );
}

/** `aachat project read <project>` */
export async function read(
  context: CommandContext,
  args: Named & { readonly limit: number; readonly before?: number; readonly peek?: boolean },
): Promise<void> {
  const { http } = await context.connect();
  const project = await resolve(context, http, args.name, args.team);
  const query = { limit: args.limit, ...(args.before === undefined ? {} : { before: args.before }) };
  const params = { projectId: project.id };
  const { messages, hasMore, readSeq } = await http.call(ROUTES.listMessages, { params, query }, context.signal);
  const last = messages.at(-1)?.seq ?? 0;
  if (args.peek !== true && last > readSeq)
    await http.call(ROUTES.markRead, { params, body: { seq: last } }, context.signal);
  const lines = [
    ...(hasMore ? [`(older ones: --before ${messages[0]?.seq ?? 0})`] : []),
    showMessages(context, messages),
    ...loopLines(project).map((line) => `(${line})`),
  ];
  context.output.result(
    { project, messages, hasMore },
    messages.length === 0 ? `Nothing was said in ${project.name} yet.` : lines.join('\n'),
  );
}

/** `aachat project send <project> <text...>` */
export async function send(
  context: CommandContext,
  args: Named & {
    readonly text: readonly string[];
    readonly stdin?: boolean;
    readonly via?: string;
    readonly replyTo?: string;
  },
): Promise<void> {
  const body = await messageText(context, args.text, args.stdin === true);
  const { http } = await context.connect();
  const project = await resolve(context, http, args.name, args.team);
  const replyTo =
    args.replyTo === undefined ? {} : { replyTo: await resolveMessageId(context, http, project.id, args.replyTo) };
  const via = args.via === undefined ? {} : { via: args.via };
  const { message, held } = await http.call(
    ROUTES.sendMessage,
    { params: { projectId: project.id }, body: { clientId: newId(), body, ...via, ...replyTo } },
    context.signal,
  );
  const woken = message.mentions.map(({ name }) => `@${name}`).join(' ');
  const sent = `Sent ${shortId(message.id)} to ${project.name}${woken === '' ? '' : ` (mentions ${woken})`}.`;
  context.output.result({ message, held }, [sent, ...heldLine(held)].join('\n'));
}

const heldLine = (held: readonly Party[]): readonly string[] =>
  held.length === 0
    ? []
    : [
        `It does not wake ${held.map(({ name }) => name).join(', ')}: agents have talked among themselves for too long.`,
      ];

/** `aachat project members <project>` */
export async function members(context: CommandContext, args: Named): Promise<void> {
  const { http } = await context.connect();
  const project = await resolve(context, http, args.name, args.team);
  const { members: all } = await http.call(ROUTES.listMembers, { params: { projectId: project.id } }, context.signal);
  context.output.result({ project, members: all }, table(all.map(memberRow)));
}

const memberRow = ({ party, role, sessions }: Member): readonly string[] => {
  const live = sessions.map(
    ({ id, state, activity }) => `${activity?.replaceAll('_', ' ') ?? state} sid=${shortId(id)}`,
  );
  return [
    party.name,
    party.kind === 'user' ? (role ?? '') : 'agent',
    live.join(', ') || (party.kind === 'agent' ? 'not up' : ''),
  ];
};

type MemberArgs = Named & { readonly member: string | undefined };

/** `aachat project assign <project> <name>` */
export async function assign(
  context: CommandContext,
  args: MemberArgs & { readonly role?: ProjectRole },
): Promise<void> {
  const name = memberName(args, 'assign');
  const role = args.role === undefined ? {} : { role: args.role };
  const { http } = await context.connect();
  const project = await resolve(context, http, args.name, args.team);
  const body = { clientId: newId(), name, ...role };
  const { member } = await http.call(ROUTES.addMember, { params: { projectId: project.id }, body }, context.signal);
  context.output.result({ project, member }, `${member.party.name} is in ${project.name}.`);
}

/** `aachat project unassign <project> <name>` */
export async function unassign(context: CommandContext, args: MemberArgs): Promise<void> {
  const body = { clientId: newId(), name: memberName(args, 'unassign') };
  const { http } = await context.connect();
  const project = await resolve(context, http, args.name, args.team);
  const { member } = await http.call(ROUTES.removeMember, { params: { projectId: project.id }, body }, context.signal);
  context.output.result({ project, member }, `${member.party.name} is no longer in ${project.name}.`);
}

function memberName({ member }: MemberArgs, verb: 'assign' | 'unassign'): string {
  if (member !== undefined) return member.replace(/^@/, '');
  throw new AachatError('USAGE', 'Whom? Name an agent or a person.', {
    hint: `aachat project ${verb} launch --agent ada`,
  });
}

/** `aachat project archive <project> [--undo]` */
export async function archive(context: CommandContext, args: Named & { readonly undo: boolean }): Promise<void> {
  const { http } = await context.connect();
  const found = await resolve(context, http, args.name, args.team);
  const status = args.undo ? 'active' : 'archived';
  const { project } = await http.call(
    ROUTES.setProjectStatus,
    { params: { projectId: found.id }, body: { status } },
    context.signal,
  );
  const text = args.undo
    ? `${project.name} is active again.`
    : `${project.name} is archived: it leaves the list, and agents no longer answer in it. Messages and documents stay.\nTake it back: aachat project archive ${project.name} --undo`;
  context.output.result({ project }, text);
}

/** The team of a name; without one the personal team. */
export async function findTeam({ signal }: CommandContext, http: HttpClient, slug: string | undefined): Promise<Team> {
  const { teams } = await http.call(ROUTES.listTeams, {}, signal);
  const team = teams.find((one) => (slug === undefined ? one.kind === 'personal' : one.slug === slug));
  if (team !== undefined) return team;
  throw new AachatError(
    'NOT_FOUND',
    slug === undefined ? 'You have no personal team.' : `You are in no team called ${slug}.`,
    {
      hint: `Your teams: ${teams.map((candidate) => candidate.slug).join(', ')}.`,
    },
  );
}
