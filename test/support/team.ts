/** A scratch home with agents in a project, ready for `up`. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LiveSession, PendingPermission } from '#contract/control.ts';
import type { Message, Session } from '#contract/entities.ts';
import { type RunningCommand, type ScratchHome, scratchHome } from './aachat.ts';
import { eventually } from './eventually.ts';

export interface Team extends AsyncDisposable {
  readonly home: ScratchHome;
  /** Messages of the project, oldest first. */
  messages(project?: string): Promise<readonly Message[]>;
  send(text: string, project?: string): Promise<Message>;
  /** Waits for a message of `author` that matches. */
  heard(author: string, pattern: RegExp, project?: string): Promise<Message>;
  /** Starts `up` and waits until it is ready. */
  up(...flags: string[]): Promise<RunningCommand>;
}

/** The built-in agent, which also does what a script in a message says. */
export const WITH_HANDS = `${process.execPath} ${fileURLToPath(new URL('./scripted-entry.ts', import.meta.url))}`;

/** Text of a message that makes the scripted agent take these steps. */
export const steps = (...list: readonly object[]): string => `SCRIPT:${JSON.stringify(list)}`;

/** @param env over the scratch environment; `AACHAT_AGENT` chooses the agent program */
export async function team(
  agents: readonly string[],
  env: Readonly<Record<string, string>> = { AACHAT_AGENT: WITH_HANDS },
): Promise<Team> {
  const home = await scratchHome(env);
  await home.quick('project', 'create', 'launch');
  for (const agent of agents) {
    await home.quick('agent', 'create', agent);
    await home.quick('project', 'assign', 'launch', '--agent', agent);
  }
  const messages = async (project = 'launch') =>
    (await home.quick<{ messages: readonly Message[] }>('project', 'read', project, '--peek', '--limit', '200'))
      .messages;
  return {
    home,
    messages,
    async send(text, project = 'launch') {
      return (await home.quick<{ message: Message }>('project', 'send', project, text)).message;
    },
    heard: (author, pattern, project) =>
      eventually(`${author} says ${pattern}`, async () =>
        (await messages(project)).find((message) => message.author.name === author && pattern.test(message.body)),
      ),
    async up(...flags) {
      const running = home.start('up', ...flags);
      await running.until(/Ready \(Ctrl\+C stops everything\)|"ready":true/);
      return running;
    },
    [Symbol.asyncDispose]: () => home[Symbol.asyncDispose](),
  };
}

/** The only session of a team with one agent. */
export async function sessionOf({ home }: Team): Promise<Session> {
  const { sessions } = await home.quick<{ sessions: readonly Session[] }>('session', 'list');
  const [session] = sessions;
  if (session === undefined) throw new Error('no session');
  return session;
}

/** @param session of ada; absent: the only one */
export const workspaceOf = async (t: Team, session?: Session): Promise<string> =>
  join(t.home.path, '.run', 'workspaces', `ada.mia--${(session ?? (await sessionOf(t))).id.slice(-8)}`);

/** Waits until an agent asks before it acts. */
export const permission = ({ home }: Team): Promise<PendingPermission> =>
  eventually('an agent asks', async () => {
    const { permissions } = await home.quick<{ permissions: readonly PendingPermission[] }>('permission', 'list');
    return permissions[0];
  });

/** Waits until a session has stopped, as `up` says it: the server knows a moment sooner. */
export const isStopped = ({ home }: Team, id: string): Promise<unknown> =>
  eventually('it has stopped', async () => {
    const { up } = await home.quick<{ up: { sessions: readonly LiveSession[] } }>('status');
    return up.sessions.some(({ sessionId, phase }) => sessionId.endsWith(id) && phase === 'stopped');
  });

/** What the running `up` says of the only session. */
export async function liveSession({ home }: Team): Promise<LiveSession> {
  const { up } = await home.quick<{ up: { sessions: readonly LiveSession[] } }>('status');
  const [session] = up.sessions;
  if (session === undefined) throw new Error('no session');
  return session;
}
