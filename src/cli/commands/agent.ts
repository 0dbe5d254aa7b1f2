/** `aachat agent …`: makes and looks after agents. */
import { join } from 'node:path';
import { AachatError } from '#base/errors.ts';
import { newId } from '#base/id.ts';
import { nearest } from '#base/nearest.ts';
import { forgetAgent, ownPolicyOf, policyOf, setPolicy, setTrusted, setTrustedProgram } from '#cli/agent-settings.ts';
import { confirm } from '#cli/ask.ts';
import { budgetTable, exhaustion } from '#cli/budget-view.ts';
import { type CommandContext, whoAmI } from '#cli/context.ts';
import { plain, table } from '#cli/output.ts';
import { type Page, pageOf, pageText } from '#cli/paging.ts';
import type { HttpClient } from '#client/http.ts';
import type { Budget } from '#contract/budget.ts';
import type { LiveSession } from '#contract/control.ts';
import type { Agent, Team } from '#contract/entities.ts';
import { shortId } from '#contract/ids.ts';
import { ROUTES } from '#contract/routes.ts';
import { createAgent, type Origin, refuseRuntime } from '#runtime/agent-create.ts';
import { runtimeYaml, trustCommand } from '#runtime/agent-program.ts';
import { removeAgent } from '#runtime/agent-remove.ts';
import { baseOf, findSource } from '#runtime/agent-source.ts';
import type { Policy } from '#runtime/policy.ts';
import { saveRepo } from '#runtime/save.ts';
import { agentFolder, agentRemote } from '#runtime/workspace.ts';
import { openTurnsNote } from './down.ts';

/** `aachat agent create <name>` */
export async function create(
  context: CommandContext,
  args: { readonly name: string; readonly description: string; readonly repo?: string; readonly runtime?: string },
): Promise<void> {
  const { name, description, repo } = args;
  const runtime = args.runtime === undefined ? undefined : runtimeYaml(args.runtime);
  if (repo !== undefined) {
    if (runtime !== undefined) refuseRuntime(repo);
    await make(context, name, { kind: 'repo', address: repo });
    return;
  }
  const origin: Origin = { kind: 'template', description: plain(description), runtime: runtime?.text };
  await make(context, name, origin, runtime?.declared);
}

/** `aachat agent clone <source> [--name <base>] [-d <text>]` */
export async function clone(
  context: CommandContext,
  args: { readonly source: string; readonly name?: string; readonly description?: string },
): Promise<void> {
  const source = await findSource(args.source, context.cwd);
  const name = args.name ?? baseOf(source);
  if (name === '') {
    throw new AachatError('USAGE', `No name can be made of ${source}.`, { hint: 'Give one with --name.' });
  }
  const description = args.description === undefined ? undefined : plain(args.description);
  await make(context, name, { kind: 'copy', source, description });
}

/** @param declared the program that its owner has to agree to */
async function make(context: CommandContext, name: string, origin: Origin, declared?: string): Promise<void> {
  const { home, skillsDir, signal, output } = context;
  const connection = await context.connect();
  const owner = (await whoAmI(connection, signal)).login;
  // A full name of one's own is as good as its first part.
  const base = name.endsWith(`.${owner}`) ? name.slice(0, -owner.length - 1) : name;
  const made = await createAgent(
    { home, http: connection.http, owner, skillsDir, signal },
    { base, origin, clientId: newId() },
  );
  for (const warning of made.warnings) output.note(plain(warning));
  const copied = origin.kind === 'copy' ? `Its repo, a copy of ${plain(origin.source)}: ${made.repo}\n` : '';
  const agreed = declared === undefined ? '' : `${trustCommand(base, declared)}, then `;
  output.result(
    made,
    `Agent ${made.agent.name}: ${made.dir}\n${copied}Next: ${agreed}aachat project assign <project> --agent ${base}, then aachat up`,
  );
}

type Placed = Agent & { readonly teams: readonly Team[] };

/** `aachat agent list [--all]` */
export async function list(context: CommandContext, args: Page & { readonly all: boolean }): Promise<void> {
  const { http } = await context.connect();
  const scope = args.all ? 'visible' : 'mine';
  const found = await http.call(ROUTES.listAgents, { query: { scope } }, context.signal);
  const { items: agents, hasMore } = pageOf(found.agents, args);
  const rows = agents.map(({ name, teams }) => [name, teams.map(({ slug }) => slug).join(', ') || 'in no project yet']);
  const empty = 'No agents yet. Make one: aachat agent create <name>';
  context.output.result({ agents, hasMore }, pageText(rows, args, hasMore, empty));
}

/** `aachat agent show <agent>` */
export async function show(context: CommandContext, args: { readonly agent: string }): Promise<void> {
  const { home, config, signal, output } = context;
  const { http } = await context.connect();
  const agent = await findAgent(context, http, args.agent);
  const { sessions } = await http.call(ROUTES.listSessions, { query: { agentId: agent.id, limit: 20 } }, signal);
  const budget = await http.call(ROUTES.getBudget, { params: { agentId: agent.id } }, signal);
  const waits = exhaustion(budget);
  const policy = policyOf(config, agent.name);
  const repo = agentRemote(home, agent);
  const facts = [
    ['name', agent.name],
    ['repo', repo],
    ['folder', join(home.agents, agent.name)],
    ['policy', policy],
    ...(waits === undefined ? [] : [['budget', waits]]),
    ['teams', agent.teams.map(({ slug }) => slug).join(', ') || '-'],
    ...sessions.map(({ id, state, activity, team }) => [
      'session',
      `${shortId(id)}  ${activity?.replaceAll('_', ' ') ?? state}  ${team}`,
    ]),
  ];
  output.result({ agent, sessions, policy, budget }, table(facts));
}

/** `aachat agent remove <agent> [--yes]` */
export async function remove(
  context: CommandContext,
  args: { readonly agent: string; readonly yes: boolean },
): Promise<void> {
  const { home, config, signal, output } = context;
  const { http } = await context.connect();
  const agent = await findAgent(context, http, args.agent);
  const teams = agent.teams.length === 0 ? '' : ` of ${agent.teams.map(({ slug }) => slug).join(', ')}`;
  await confirm(context, {
    why: `${agent.name} goes out of service, and out of all projects${teams}. What it said stays.`,
    question: 'Is that what you want?',
    yes: args.yes,
  });
  const removed = await removeAgent({ home, http, signal }, agent);
  await forgetAgent(config, agent.name);
  const text = [`${agent.name} is out of service. What it said stays.`, ...removed.kept].join('\n');
  output.result({ agent, ...removed }, text);
}

/** `aachat agent save [agent] [-m <text>]`: in a session without a name, the agent itself. */
export async function save(
  context: CommandContext,
  args: { readonly agent: string | undefined; readonly message: string },
): Promise<void> {
  const { home, signal, output } = context;
  const { name, dir } = await savedPlace(context, args.agent);
  const author = { name, email: 'noreply@aachat' };
  const saved = await saveRepo(dir, { cacheDir: home.cache, message: args.message, author, signal });
  const files = saved.files.length === 1 ? saved.files[0] : `${saved.files.length} files`;
  const text = saved.committed
    ? `Saved ${files} as ${saved.commit}.`
    : saved.pushed
      ? `Published ${saved.commit}.`
      : 'There is nothing to save.';
  output.result(saved, plain(text));
}

/** Whose repo, and where. What a session is comes from its token: its environment is in the agent's hands. */
async function savedPlace(
  context: CommandContext,
  wanted: string | undefined,
): Promise<{ readonly name: string; readonly dir: string }> {
  const { home, signal, inSession } = context;
  const { http } = await context.connect();
  if (!inSession) {
    if (wanted === undefined)
      throw new AachatError('USAGE', 'Which agent?', { hint: 'aachat agent save <agent> -m "<what changed>"' });
    const { name } = await findAgent(context, http, wanted);
    return { name, dir: join(home.agents, name) };
  }
  const me = await http.call(ROUTES.getMe, {}, signal);
  const name = me.kind === 'session' ? me.agent.name : '';
  if (me.kind !== 'session' || (wanted !== undefined && !isCalled(name, wanted))) {
    throw new AachatError('FORBIDDEN', 'A session saves its own agent only.', {
      hint: 'aachat agent save -m "<what changed>"',
    });
  }
  return { name, dir: join(home.workspace(name, me.sessionId), agentFolder(name)) };
}

/** `aachat agent policy <agent> [policy]` */
export async function policy(
  context: CommandContext,
  args: { readonly agent: string; readonly policy: Policy | undefined },
): Promise<void> {
  const { config, home, output } = context;
  const { http } = await context.connect();
  const { name } = await findAgent(context, http, args.agent);
  if (args.policy === undefined) {
    const current = policyOf(config, name);
    output.result({ agent: name, policy: current }, `${name}: ${current}`);
    return;
  }
  await setPolicy(config, name, args.policy);
  const isMeant = ({ agent, sessionId }: LiveSession) => agent === name && ownPolicyOf(config, sessionId) === undefined;
  const next = await openTurnsNote(home, isMeant);
  output.result({ agent: name, policy: args.policy }, `${name}: ${args.policy}, from its next turn on.${next}`);
}

/** `aachat agent budget <agent> [--turns-per-hour <n>] [--tokens-per-day <n>] [--cost-per-day <usd>]` */
export async function budget(
  context: CommandContext,
  args: { readonly agent: string; readonly limits: Partial<Budget> },
): Promise<void> {
  const { output, signal } = context;
  const { http } = await context.connect();
  const { id: agentId, name } = await findAgent(context, http, args.agent);
  const params = { agentId };
  const state =
    Object.keys(args.limits).length === 0
      ? await http.call(ROUTES.getBudget, { params }, signal)
      : await http.call(ROUTES.setBudget, { params, body: args.limits }, signal);
  output.result({ agent: name, ...state }, budgetTable(state));
}

/** `aachat agent trust <agent> [--program <command line>] [--off]` */
export async function trust(
  context: CommandContext,
  args: { readonly agent: string; readonly trusted: boolean; readonly program?: string },
): Promise<void> {
  const { config, output } = context;
  const { http } = await context.connect();
  const { name } = await findAgent(context, http, args.agent);
  const { trusted, program } = args;
  if (program === undefined) await setTrusted(config, name, trusted);
  if (program !== undefined || !trusted) await setTrustedProgram(config, name, trusted ? program : undefined);
  const text = !trusted
    ? program === undefined
      ? 'is not trusted any more'
      : `may no longer be run by ${program}`
    : program === undefined
      ? 'may obey settings of the repos that it works in'
      : `may be run by ${program}`;
  output.result({ agent: name, trusted, program: program ?? null }, `${name} ${text}, from its next start on.`);
}

/** Whether a person who typed this means the agent of that full name, where only one owner's are meant. */
export const isCalled = (name: string, typed: string): boolean => name === typed || name.split('.')[0] === typed;

/** One of the caller's agents, by full or bare name. */
export async function findAgent(context: CommandContext, http: HttpClient, name: string): Promise<Placed> {
  const { agents } = await http.call(ROUTES.listAgents, { query: { scope: 'mine' } }, context.signal);
  const plainName = name.replace(/^@/, '');
  const found = agents.find((agent) => isCalled(agent.name, plainName));
  if (found !== undefined) return found;
  const known =
    agents.length === 0 ? 'There are none yet.' : `There are: ${agents.map((agent) => agent.name).join(', ')}.`;
  const similar = nearest(
    plainName,
    agents.flatMap((agent) => [agent.name.split('.')[0] ?? '', agent.name]),
  );
  const meant = similar === undefined ? '' : `Did you mean ${similar}? `;
  throw new AachatError('NOT_FOUND', `No agent of yours is called ${plainName}. ${known}`, {
    hint: `${meant}Make one with \`aachat agent create <name>\`.`,
  });
}
