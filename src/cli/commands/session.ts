/** `aachat session …`: sessions as the server knows them. */

import { AachatError } from '#base/errors.ts';
import { newId } from '#base/id.ts';
import { readPidFile } from '#base/pid-file.ts';
import { setSessionPolicy } from '#cli/agent-settings.ts';
import type { CommandContext } from '#cli/context.ts';
import { messageText, resolve } from '#cli/messages.ts';
import { clockTime, plain } from '#cli/output.ts';
import { type Page, pageText } from '#cli/paging.ts';
import { pickSession } from '#cli/pick.ts';
import type { HttpClient } from '#client/http.ts';
import type { Run, Session, SessionState } from '#contract/entities.ts';
import { type ProjectId, SessionId, shortId, type TeamId } from '#contract/ids.ts';
import { ROUTES } from '#contract/routes.ts';
import { thisMachine } from '#runtime/machine.ts';
import type { Policy } from '#runtime/policy.ts';
import { UpFile } from '#runtime/up-file.ts';
import { findAgent, isCalled } from './agent.ts';
import { findTeam } from './project.ts';

/** `aachat session list` */
export async function list(
  context: CommandContext,
  args: Page & {
    readonly project?: string;
    readonly team?: string;
    readonly agent?: string;
    readonly state?: SessionState;
  },
): Promise<void> {
  const { http } = await context.connect();
  const state = args.state === undefined ? {} : { state: args.state };
  const project =
    args.project === undefined ? {} : { projectId: (await resolve(context, http, args.project, args.team)).id };
  const team = args.team === undefined ? {} : { teamId: (await findTeam(context, http, args.team)).id };
  const agent = args.agent === undefined ? {} : { agentId: (await findAgent(context, http, args.agent)).id };
  const query = { limit: args.limit, offset: args.offset, ...state, ...project, ...agent, ...team };
  const { sessions, hasMore } = await http.call(ROUTES.listSessions, { query }, context.signal);
  const empty = 'No sessions. `aachat up` starts those of your agents.';
  const here = await thisSide(context);
  const rows = sessions.map((session) => row(session, here));
  context.output.result({ sessions, hasMore }, pageText(rows, args, hasMore, empty));
}

const row = (session: Session, here: Side): readonly string[] => {
  const { id, agent, team, name, projects, updatedAt } = session;
  const where = here.isElsewhere(session) ? ` on ${plain(session.run.machine)}` : '';
  return [
    shortId(id),
    agent,
    team,
    here.isCut(session) ? CUT : `${sessionState(session)}${where}`,
    clockTime(updatedAt),
    name ?? projects.map((project) => project.name).join(', '),
  ];
};

const CUT = 'ended: aachat up does not run here';

type Ran = Session & { readonly run: Run };

/** What this machine knows of sessions that the server takes for running. */
export interface Side {
  /** It ran here, and its `up` is gone: the server learns that only after a while. */
  isCut(session: Session): boolean;
  isElsewhere(session: Session): session is Ran;
  /** Another machine had it last, whether it still runs there or not. */
  wasElsewhere(session: Session): boolean;
}

export async function thisSide({ home, inSession }: CommandContext): Promise<Side> {
  if (inSession) {
    const nowhere = (_session: Session): _session is Ran => false;
    return { isCut: nowhere, isElsewhere: nowhere, wasElsewhere: nowhere };
  }
  const { id } = await thisMachine(home.machine);
  const isUp = (await readPidFile(home.upFile, UpFile)) !== undefined;
  const wasHere = ({ run }: Session) => run?.machineId === id;
  const wasElsewhere = (session: Session): session is Ran => session.run !== null && session.run.machineId !== id;
  return {
    isCut: (session) => session.state !== 'stopped' && wasHere(session) && !isUp,
    isElsewhere: (session): session is Ran => session.state !== 'stopped' && wasElsewhere(session),
    wasElsewhere,
  };
}

/** What it does, or why it does nothing. */
export function sessionState({ state, activity, run }: Session): string {
  if (run?.reason === 'lost') return `lost: ${plain(run.machine)} silent since ${clockTime(run.heartbeatAt)}`;
  return activity?.replaceAll('_', ' ') ?? state;
}

/** `aachat session run <agent> <text...> [--project <project>…]` */
export async function run(
  context: CommandContext,
  args: {
    readonly agent: string;
    readonly text: readonly string[];
    readonly project: readonly string[];
    readonly team?: string;
    readonly name?: string;
    readonly policy?: Policy;
  },
): Promise<void> {
  const { signal, home, output, config } = context;
  const text = await messageText(context, args.text, false);
  const { http } = await context.connect();
  const agent = await findAgent(context, http, args.agent);
  const { teamId, projects } = await placeOf(context, http, agent, args);
  const body = {
    clientId: newId(),
    agentId: agent.id,
    teamId,
    text,
    projects,
    ...(args.name === undefined ? {} : { name: args.name }),
  };
  const sessionId = newId<SessionId>();
  // First: a running `up` starts it as soon as the server knows it.
  if (args.policy !== undefined) await setSessionPolicy(config, sessionId, args.policy);
  const { session } = await http.call(ROUTES.createSession, { body: { ...body, sessionId } }, signal);
  const { starts, when } = whenItStarts(await readPidFile(home.upFile, UpFile), session);
  output.result({ session, starts }, `Session ${shortId(session.id)} of ${session.agent}. ${when}`);
}

/** Where a session of its own works: in the projects that were named, of one team. */
export async function placeOf(
  context: CommandContext,
  http: HttpClient,
  agent: Awaited<ReturnType<typeof findAgent>>,
  args: { readonly project: readonly string[]; readonly team?: string },
): Promise<{ readonly teamId: TeamId; readonly team: string; readonly projects: ProjectId[] }> {
  const projects = await Promise.all(args.project.map((name) => resolve(context, http, name, args.team)));
  const teams = new Set(projects.map(({ teamId }) => teamId));
  if (teams.size > 1)
    throw new AachatError('USAGE', 'A session works in one team; these projects are of several.', {
      hint: 'Start one session for each team.',
    });
  const [first] = projects;
  if (first !== undefined) return { teamId: first.teamId, team: first.team, projects: projects.map(({ id }) => id) };
  const { id: teamId, slug: team } = agent.teams[0] ?? (await findTeam(context, http, undefined));
  return { teamId, team, projects: [] };
}

/** Whether the running `up` starts this session, and how to say so. */
export function whenItStarts(
  up: UpFile | undefined,
  { agent, team }: Pick<Session, 'agent' | 'team'>,
): { readonly starts: boolean; readonly when: string } {
  if (up === undefined) return { starts: false, when: 'It starts with the next `aachat up`.' };
  const isChosen = up.agents.length === 0 || up.agents.some((name) => isCalled(agent, name));
  if (isChosen && (up.team === null || up.team === team)) return { starts: true, when: 'It is starting.' };
  const only = [...up.agents.map((name) => `--agent ${name}`), ...(up.team === null ? [] : [`--team ${up.team}`])];
  return {
    starts: false,
    when: `It waits: \`aachat up\` runs with ${only.join(' ')}. Run \`aachat down\`, then \`aachat up\` without that.`,
  };
}

/** `aachat session send <session> <text...>` */
export async function send(
  context: CommandContext,
  args: { readonly session: string; readonly text: readonly string[] },
): Promise<void> {
  const text = await messageText(context, args.text, false);
  await speak(context, args.session, { kind: 'prompt', text }, 'Sent to');
}

/** `aachat session cancel <session>` */
export const cancel = (context: CommandContext, args: { readonly session: string }): Promise<void> =>
  speak(context, args.session, { kind: 'cancel' }, 'Asked to cancel:');

/** `aachat session stop <session>` */
export const stop = (context: CommandContext, args: { readonly session: string }): Promise<void> =>
  speak(context, args.session, { kind: 'stop' }, 'Asked to stop:');

async function speak(
  context: CommandContext,
  text: string,
  what: { readonly kind: 'prompt'; readonly text: string } | { readonly kind: 'cancel' | 'stop' },
  said: string,
): Promise<void> {
  const { http } = await context.connect();
  const session = await findSession(context, http, text);
  const rests = session.state === 'stopped' || (await thisSide(context)).isCut(session);
  if (rests && what.kind !== 'prompt') {
    throw new AachatError('CONFLICT', `Session ${shortId(session.id)} of ${session.agent} does not run.`, {
      hint: 'Run `aachat session list --state running`.',
    });
  }
  const body = { clientId: newId(), ...what };
  const { signal } = await http.call(ROUTES.signalSession, { params: { sessionId: session.id }, body }, context.signal);
  const later = rests ? ' It reads it when it runs again.' : '';
  context.output.result({ signal }, `${said} session ${shortId(session.id)} of ${session.agent}.${later}`);
}

/** Finds a session by its id in any form, or by its name. @throws AachatError `NOT_FOUND`, `AMBIGUOUS_NAME` */
export async function findSession(context: CommandContext, http: HttpClient, text: string): Promise<Session> {
  const full = SessionId.safeParse(text.toLowerCase());
  if (full.success)
    return (await http.call(ROUTES.getSession, { params: { sessionId: full.data } }, context.signal)).session;
  const query = { called: text, limit: 200 };
  const { sessions } = await http.call(ROUTES.listSessions, { query }, context.signal);
  return pickSession(text, sessions, {
    message: `No session ${text}.`,
    hint: 'Run `aachat session list` to see the ids and names.',
  });
}
