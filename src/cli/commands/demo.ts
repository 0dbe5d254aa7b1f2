/**
 * `aachat demo`: the whole loop in a scratch folder. A platform, a team, a project, two agents, a question, and one
 * agent asking the other; then everything is taken down again.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AachatError } from '#base/errors.ts';
import { newId } from '#base/id.ts';
import { silentLog } from '#base/log.ts';
import { sleep } from '#base/time.ts';
import { type CommandContext, createContext, whoAmI } from '#cli/context.ts';
import { sessionLine } from '#cli/live-view.ts';
import { showMessages } from '#cli/messages.ts';
import type { Connection } from '#cli/platform.ts';
import { openEventSocket } from '#client/socket.ts';
import type { Message, Project } from '#contract/entities.ts';
import { ROUTES } from '#contract/routes.ts';
import { createAgent } from '#runtime/agent-create.ts';
import type { Up } from '#runtime/supervisor.ts';
import { openUp } from './up.ts';

export interface DemoArgs {
  readonly claude: boolean;
  readonly keep: boolean;
}

/** The loop is over when the first agent has summed up; with a model behind it that takes longer. */
const ANSWER_MS = { scripted: 30_000, claude: 180_000 };

export async function demo(context: CommandContext, args: DemoArgs): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'aachat-demo-'));
  try {
    // Whatever this shell is set up for, the demo has a platform of its own.
    const { AACHAT_SERVER: _server, AACHAT_TOKEN: _token, DATABASE_URL: _database, ...env } = context.env;
    const scratch = await createContext(
      { ...context, env: { ...env, AACHAT_HOME: root, AACHAT_LOGIN: env['AACHAT_LOGIN'] ?? 'you' } },
      { json: context.output.isJson },
    );
    const messages = await play(scratch, args);
    context.output.result({ messages }, goodbye(context, args, root));
  } finally {
    if (!args.keep) await rm(root, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function play(context: CommandContext, args: DemoArgs): Promise<readonly Message[]> {
  const { output, home, skillsDir, signal } = context;
  const { bold } = output.paint;
  const say = (title: string) => output.note(bold(title));

  say('1. The platform: one command starts it, on this machine, for this machine.');
  const connection = await context.connect();
  try {
    const { http } = connection;
    const owner = (await whoAmI(connection, signal)).login;
    say('2. A team, a project, and two agents. Each agent is a git repo from a template.');
    const { team } = await http.call(ROUTES.createTeam, { body: { clientId: newId(), slug: 'acme' } });
    const draft = { clientId: newId(), name: 'launch', description: 'Our launch' };
    const { project } = await http.call(ROUTES.createProject, { params: { teamId: team.id }, body: draft });
    for (const [base, description] of [
      ['ada', 'Plans, and asks bob about what can be built.'],
      ['bob', 'Builds, and answers in one sentence.'],
    ] as const) {
      const made = await createAgent(
        { home, http, owner, skillsDir, signal },
        { base, description, repo: undefined, clientId: newId() },
      );
      const body = { clientId: newId(), name: made.agent.name };
      await http.call(ROUTES.addMember, { params: { projectId: project.id }, body });
      output.note(`   ${made.agent.name} in ${team.slug}/${project.name}: ${made.dir}`);
    }
    say('3. `aachat up`: one process per agent, each in a git worktree of its own.');
    const up = await openUp(
      context,
      connection,
      { agent: [], team: undefined, program: args.claude ? 'claude' : 'scripted' },
      () => {},
    );
    try {
      await up.ready;
      for (const session of up.sessions()) output.note(`   ${sessionLine(session)}`);
      refuseFailed(up);
      say('4. A question. A mention wakes an agent; its answer comes back as a message.');
      return await talk(context, connection, project, owner, args, () => answerAll(up));
    } finally {
      say('5. Ctrl+C: every process ends, every worktree that holds no work is gone.');
      await up.stop(false);
    }
  } finally {
    await connection.release();
  }
}

/** Sends the question and shows what is said until the first agent has summed up. */
async function talk(
  context: CommandContext,
  { http, url, token }: Connection,
  project: Project,
  owner: string,
  { claude }: DemoArgs,
  tick: () => void,
): Promise<readonly Message[]> {
  const { output, signal } = context;
  const seen: Message[] = [];
  await using socket = openEventSocket({
    url,
    token,
    onEvent: (_, event) => {
      if (event.type !== 'message.created') return;
      seen.push(event.data.message);
      output.note(indent(showMessages(context, [event.data.message])));
    },
    onReset: () => {},
    onDenied: () => {},
    onState: () => {},
    log: silentLog,
  });
  socket.subscribe(project.id, 0);
  const body = `@ada.${owner} ask bob: can we show something on Friday?`;
  await http.call(ROUTES.sendMessage, { params: { projectId: project.id }, body: { clientId: newId(), body } });
  const limit = Date.now() + (claude ? ANSWER_MS.claude : ANSWER_MS.scripted);
  const by = (base: string) => seen.filter(({ author }) => author.name === `${base}.${owner}`).length;
  while (by('bob') < 1 || by('ada') < 2) {
    tick();
    if (Date.now() > limit) {
      throw new AachatError('TIMEOUT', 'The agents did not answer in time.', {
        hint: 'Run `aachat doctor`; with --keep the folder stays for a look.',
      });
    }
    await sleep(50, signal);
  }
  return seen;
}

/** Nobody sits here to be asked: what the agents want to do in the scratch folder is allowed. */
function answerAll(up: Up): void {
  for (const { id } of up.permissions()) up.answer(id, true);
}

function refuseFailed(up: Up): void {
  const failed = up.sessions().find(({ phase }) => phase === 'failed');
  if (failed?.problem == null) return;
  throw new AachatError('AGENT_FAILED', `${failed.agent} did not come up: ${failed.problem.message}`, {
    hint: failed.problem.hint ?? undefined,
  });
}

function goodbye({ output }: CommandContext, { keep }: DemoArgs, root: string): string {
  const { bold } = output.paint;
  return [
    '',
    bold('That was all of it. For yourself:'),
    '  aachat agent create ada              an agent of your own, in ~/aachat/agents/',
    '  aachat project create launch         a place to talk',
    '  aachat project assign launch --agent ada',
    '  aachat up                            bring it up (with Claude Code, if it is installed)',
    '  aachat project send launch "@ada hello"',
    keep ? `The scratch folder stays: AACHAT_HOME=${root}` : 'The scratch folder is gone again.',
  ].join('\n');
}

const indent = (text: string): string => text.replace(/^/gm, '   ');
