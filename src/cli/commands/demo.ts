/**
 * `aachat demo`: the whole loop in a scratch folder. A platform, a team, a project, two agents, a question, one agent
 * asking the other, and a document that one of them edits; then everything is taken down again.
 */
import { hash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { AachatError } from '#base/errors.ts';
import { ensureDir } from '#base/fs.ts';
import { newId } from '#base/id.ts';
import { silentLog } from '#base/log.ts';
import { sleep } from '#base/time.ts';
import { type CommandContext, createContext, whoAmI } from '#cli/context.ts';
import { sessionLine } from '#cli/live-view.ts';
import { showMessages } from '#cli/messages.ts';
import { indent } from '#cli/output.ts';
import type { Connection } from '#cli/platform.ts';
import { openEventSocket } from '#client/socket.ts';
import type { Document } from '#contract/documents.ts';
import type { Message, Project, Team } from '#contract/entities.ts';
import { formatDocumentPath } from '#contract/paths.ts';
import { ROUTES } from '#contract/routes.ts';
import { createAgent } from '#runtime/agent-create.ts';
import { managedClaude } from '#runtime/claude-program.ts';
import { connectRepo } from '#runtime/connect.ts';
import { authorEnvironment, git } from '#runtime/git.ts';
import type { Home } from '#runtime/home.ts';
import { openProjectRepo } from '#runtime/project-repo.ts';
import type { Up } from '#runtime/supervisor.ts';
import { openUp } from './up.ts';

export interface DemoArgs {
  readonly claude: boolean;
  readonly keep: boolean;
}

/** Until a step of the loop is taken for one that does not come. With a model behind it, or a slow machine, it takes long. */
const ANSWER_MS = 180_000;

export async function demo(context: CommandContext, args: DemoArgs): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'aachat-demo-'));
  try {
    // Whatever this shell is set up for, the demo has a platform of its own.
    const { AACHAT_SERVER: _server, AACHAT_TOKEN: _token, DATABASE_URL: _database, ...env } = context.env;
    const scratch = await createContext(
      { ...context, env: { ...env, AACHAT_HOME: join(root, 'aachat'), AACHAT_LOGIN: env['AACHAT_LOGIN'] ?? 'you' } },
      { json: context.output.isJson },
    );
    if (args.claude) await lendClaude(context.home, scratch.home);
    const messages = await play(scratch, args, join(root, 'code'));
    context.output.result({ messages }, goodbye(context, args, root));
  } finally {
    if (!args.keep) await rm(root, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** What was installed for this home serves in the scratch one, too. */
async function lendClaude(from: Home, to: Home): Promise<void> {
  const place = managedClaude(to.run);
  await ensureDir(dirname(place));
  await symlink(managedClaude(from.run), place);
}

async function play(context: CommandContext, args: DemoArgs, code: string): Promise<readonly Message[]> {
  const { output, home, skillsDir, signal } = context;
  const { bold } = output.paint;
  const say = (title: string) => output.note(bold(title));

  say('1. The platform: one command starts it, on this machine, for this machine.');
  const connection = await context.connect();
  try {
    const { http } = connection;
    const owner = (await whoAmI(connection, signal)).login;
    say('2. A team, a project, two agents, and a repository. Each agent is a git repo from a template.');
    const { team } = await http.call(ROUTES.createTeam, { body: { clientId: newId(), slug: 'acme' } });
    const draft = { clientId: newId(), name: 'launch', description: 'Our launch' };
    const { project } = await http.call(ROUTES.createProject, { params: { teamId: team.id }, body: draft });
    for (const [base, description] of [
      ['ada', 'Plans, and asks bob about what can be built.'],
      ['bob', 'Builds, and answers in one sentence.'],
    ] as const) {
      const made = await createAgent(
        { home, http, owner, skillsDir, signal },
        { base, origin: { kind: 'template', description, runtime: undefined }, clientId: newId() },
      );
      const body = { clientId: newId(), name: made.agent.name };
      await http.call(ROUTES.addMember, { params: { projectId: project.id }, body });
      output.note(`   ${made.agent.name} in ${team.slug}/${project.name}: ${made.dir}`);
    }
    await connectCode(context, connection, team, code);
    output.note(`   a repository of code that takes part (aachat init): ${code}`);
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
      refuseFailed(up, args);
      const tick = () => answerAll(up);
      const { socket, seen } = listen(context, connection, project);
      await using _socket = socket;
      const wait = { tick, signal, limitMs: ANSWER_MS };
      const by = (base: string) => seen.messages.filter(({ author }) => author.name === `${base}.${owner}`).length;
      say('4. A question. A mention wakes an agent; its answer comes back as a message.');
      await send(connection, project, `@ada.${owner} ask bob: can we show something on Friday?`);
      await until(wait, () => by('bob') >= 1 && by('ada') >= 2);
      say('5. A document. An agent edits a file in its folder; a moment later it is the same in every other place.');
      await send(connection, project, `@bob.${owner} note down: we show the smallest step on Friday`);
      await until(wait, () => by('bob') >= 2 && seen.document !== undefined);
      await showDocument(context, up, wait, () => seen.document);
      return seen.messages;
    } finally {
      say('6. Ctrl+C: every process ends, every worktree that holds no work is gone.');
      await up.stop(false);
    }
  } finally {
    await connection.release();
  }
}

/** A small repository in which a person works, connected as by `aachat init`. */
async function connectCode(context: CommandContext, { http }: Connection, team: Team, code: string): Promise<void> {
  const { home, skillsDir, signal } = context;
  await mkdir(code);
  await writeFile(join(code, 'README.md'), '# Launch\n');
  const env = authorEnvironment({ name: 'you', email: 'noreply@aachat' });
  for (const args of [
    ['init', '--quiet', '--initial-branch=main'],
    ['add', 'README.md'],
    ['commit', '--quiet', '--message=Begin'],
  ]) {
    await git(args, { cwd: code, env, signal });
  }
  const repo = await openProjectRepo(code);
  await connectRepo({ home, http, repo, team, server: null, agents: [], skillsDir });
}

const send = ({ http }: Connection, { id }: Project, body: string) =>
  http.call(ROUTES.sendMessage, { params: { projectId: id }, body: { clientId: newId(), body } });

/** Shows what is said in the project, as it comes. */
function listen(context: CommandContext, { url, token }: Connection, project: Project) {
  const seen: { readonly messages: Message[]; document: Document | undefined } = { messages: [], document: undefined };
  const socket = openEventSocket({
    url,
    token,
    onEvent: (_, event) => {
      if (event.type === 'document.changed') seen.document = event.data.document;
      if (event.type !== 'message.created') return;
      seen.messages.push(event.data.message);
      context.output.note(indent(showMessages(context, [event.data.message]), 3));
    },
    onReset: () => {},
    onDenied: () => {},
    onState: () => {},
    log: silentLog,
  });
  socket.subscribe(project.id, 0);
  return { socket, seen };
}

interface Waiting {
  readonly tick: () => void;
  readonly signal: AbortSignal;
  readonly limitMs: number;
}

async function until({ tick, signal, limitMs }: Waiting, isDone: () => boolean | Promise<boolean>): Promise<void> {
  const limit = Date.now() + limitMs;
  while (!(await isDone())) {
    tick();
    if (Date.now() > limit) {
      throw new AachatError('TIMEOUT', 'The agents did not answer in time.', {
        hint: 'Run `aachat doctor`; with --keep the folder stays for a look.',
      });
    }
    await sleep(50, signal);
  }
}

/** Every folder that has the document, once all of them have what the server has. */
async function showDocument(
  { output }: CommandContext,
  up: Up,
  wait: Waiting,
  last: () => Document | undefined,
): Promise<void> {
  const digestAt = async (file: string) => {
    const bytes = await readFile(file).catch(() => undefined);
    return bytes && hash('sha256', bytes);
  };
  const files = () => up.mirrors().map(({ root }) => join(root, placeOf(last())));
  await until(wait, async () => {
    const digests = await Promise.all(files().map(digestAt));
    return digests.every((digest) => digest === last()?.digest);
  });
  for (const file of files()) output.note(`   ${file}`);
  const [file] = files();
  if (file !== undefined) output.note(indent((await readFile(file, 'utf8')).trimEnd(), 3));
}

const placeOf = (document: Document | undefined): string =>
  document === undefined ? '' : formatDocumentPath(document);

/** Nobody sits here to be asked: what the agents want to do in the scratch folder is allowed. */
function answerAll(up: Up): void {
  for (const { id, digest } of up.permissions()) up.answer(id, { allow: true, digest, by: 'aachat demo' });
}

function refuseFailed(up: Up, { claude }: DemoArgs): void {
  const failed = up.sessions().find(({ phase }) => phase === 'failed');
  if (failed?.problem == null) return;
  throw new AachatError('AGENT_FAILED', `${failed.agent} did not come up: ${failed.problem.message}`, {
    hint: claude
      ? `${failed.problem.hint ?? ''} Or run \`aachat demo\` without --claude.`.trim()
      : (failed.problem.hint ?? undefined),
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
    '  aachat init                          in a repository: documents and skills for the tools there',
    keep ? `The scratch folder stays: AACHAT_HOME=${join(root, 'aachat')}` : 'The scratch folder is gone again.',
  ].join('\n');
}
