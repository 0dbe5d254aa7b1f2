/** `aachat up`: brings the agents of this person up, and shows them until it is stopped. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { formatWithOptions } from 'node:util';
import { isAachatError } from '#base/errors.ts';
import { exists, readIfExists } from '#base/fs.ts';
import { createLog, fileWriter } from '#base/log.ts';
import { keepSmall } from '#base/memory.ts';
import { readPidFile } from '#base/pid-file.ts';
import { isTrusted, permissionMinutes, sessionPolicyOf, trustedProgramOf } from '#cli/agent-settings.ts';
import { startInBackground } from '#cli/background.ts';
import { offerClaude } from '#cli/claude-offer.ts';
import { type CommandContext, whoAmI } from '#cli/context.ts';
import { problemLines, sessionLine } from '#cli/live-view.ts';
import { budgetText, cooldownText, loopText } from '#cli/loop-view.ts';
import { plain } from '#cli/output.ts';
import { type Connection, findLocalServer, IDLE_FLAGS, startLocalServer } from '#cli/platform.ts';
import { originsAt } from '#cli/session-origins.ts';
import { openScreen, type Screen } from '#cli/up-screen.ts';
import { placeLimits } from '#cli/up-settings.ts';
import { serverAddress } from '#client/address.ts';
import { CONTROL_ROUTES, type LiveSession, type PendingPermission } from '#contract/control.ts';
import { isLeftToClaude, lacksClaude } from '#runtime/agent-program.ts';
import { openControlClient } from '#runtime/control.ts';
import type { Home } from '#runtime/home.ts';
import { LEASE_MARKER } from '#runtime/lease.ts';
import { thisMachine } from '#runtime/machine.ts';
import { startUp, type Up, type UpChange } from '#runtime/supervisor.ts';
import { UpFile } from '#runtime/up-file.ts';

export interface UpArgs {
  readonly agent: readonly string[];
  readonly team: string | undefined;
  readonly detach: boolean;
  /** A known word such as `claude`, or a command line; undefined: as configured. */
  readonly program: string | undefined;
  /** What is missing is installed without asking. */
  readonly yes: boolean;
}

/** `aachat up [--agent <name>…] [--team <team>] [--detach] [--json]` */
export async function up(context: CommandContext, args: UpArgs): Promise<void> {
  const { home, config, env, engine } = context;
  const programSetting = args.program ?? config.get('agent')?.value;
  const lacks = () => lacksClaude({ home, path: env['PATH'] ?? '', programSetting, engine });
  if ((await hasAgentsOfClaude(home, args.agent)) && (await lacks())) await offerClaude(context, args);
  if (args.detach) await detach(context, args);
  else await foreground(context, args);
}

/** Judged by the visible folders: an agent that has none yet says what it lacks when it comes up. */
async function hasAgentsOfClaude({ agents }: Home, only: readonly string[]): Promise<boolean> {
  const isMeant = (name: string) => only.length === 0 || only.some((one) => name === one || name.startsWith(`${one}.`));
  const names = (await exists(agents)) ? (await readdir(agents)).filter(isMeant) : [];
  const texts = await Promise.all(names.map((name) => readIfExists(join(agents, name, 'runtime.yaml'))));
  return texts.some(isLeftToClaude);
}

async function foreground(context: CommandContext, args: UpArgs): Promise<void> {
  const { output, onInterrupt } = context;
  const connection = await context.connect();
  let screen: Screen | undefined;
  let running: Up | undefined;
  let interrupts = 0;
  /** What there is to say before there is a screen. */
  const early: Parameters<Screen['say']>[] = [];
  const say: Screen['say'] = (...line) => {
    if (screen === undefined) early.push(line);
    else screen.say(...line);
  };
  // From here on, also while the start is under way.
  const forget = onInterrupt(() => {
    interrupts += 1;
    if (interrupts === 1) say('Stopping … (Ctrl+C again stops without waiting for turns)');
    void running?.stop(interrupts > 1);
  });
  try {
    running = await openUp(context, connection, args, (change) => {
      if (change.kind === 'loop-stopped') {
        const { project } = change;
        say(`In ${project.name} ${loopText(project)}.`, { project: project.name });
      } else if (change.kind === 'pair-cooled') {
        const { project, cooldown } = change;
        say(`In ${project.name} ${cooldownText(cooldown)}.`, { project: project.name, cooldown });
      } else if (change.kind === 'budget-reached') {
        const { agent, retryAt } = change;
        say(budgetText(change), { agent: agent.name, retryAt });
      } else if (change.kind === 'document-returned') {
        const { path } = change;
        say(`${path} is back: somebody edited it while you deleted it.`, { path });
      } else screen?.update();
    });
    if (interrupts > 0) void running.stop(interrupts > 1);
    screen = await showUp(context, running);
    for (const line of early) screen.say(...line);
    await Promise.race([running.ready, running.closed]);
    keepSmall();
    if (interrupts === 0) sayReady(screen, running);
    await running.closed;
  } finally {
    screen?.close();
    forget();
    for (const line of running?.report().flatMap(({ kept }) => kept) ?? []) output.note(oneLine(line));
    await connection.release();
  }
}

/** Opens the face of a running `up`. */
async function showUp({ output, stdout, stdin, interrupt }: CommandContext, running: Up): Promise<Screen> {
  const { dim, green, yellow, red } = output.paint;
  const screen = await openScreen({
    stdout,
    stdin,
    json: output.isJson,
    paint: { dim, good: green, busy: yellow, bad: red },
    state: () => ({
      sessions: running.sessions(),
      permissions: running.permissions(),
      mirrors: running.mirrors(),
      connected: running.connected,
    }),
    onAnswer: (permission, allow) => answer(running, permission, allow, (text) => screen.say(text)),
    onInterrupt: interrupt,
  });
  screen.update();
  return screen;
}

/** Everything that a running `up` needs, from what the command line, the settings and the server say. */
export async function openUp(
  context: CommandContext,
  connection: Connection,
  args: Pick<UpArgs, 'agent' | 'team' | 'program'>,
  onChange: (change: UpChange) => void,
): Promise<Up> {
  const { home, config, env, engine, skillsDir, signal } = context;
  const { http, url, token } = connection;
  const secrets = new Set<string>();
  const configured = config.get('server')?.value;
  const log = createLog({ write: fileWriter(home.upLog), secrets: () => secrets });
  // Where the library of the agents' protocol complains; it would stand in the middle of the screen.
  console.error = (...said) => log.warn('library.complained', { text: formatWithOptions({ depth: 2 }, ...said) });
  return await startUp({
    launcher: {
      home,
      machine: await thisMachine(home.machine),
      serverUrl: url,
      http,
      owner: await whoAmI(connection, signal),
      log,
      secrets,
      parentEnv: env,
      engine,
      builtinSkills: skillsDir,
      programSetting: () => args.program ?? config.get('agent')?.value,
      isTrusted: (agent) => isTrusted(config, agent),
      trustedProgramOf: (agent) => trustedProgramOf(config, agent),
      policyOf: (session) => sessionPolicyOf(config, session, originsAt(http)),
    },
    token,
    server: configured === undefined ? null : serverAddress(configured).origin,
    agents: args.agent,
    team: args.team,
    limits: placeLimits(config),
    pausesOnLimit: () => config.get('pauseOnLimit')?.value !== 'off',
    sharesTitles: () => config.get('shareTitles')?.value === 'on',
    onChange,
    permissionLifetimeMs: permissionMinutes(config) * 60_000,
    revive: async () => {
      // One that was stopped on purpose has taken its file along.
      const died = configured === undefined && (await exists(home.serverFile));
      if (!died || (await findLocalServer(home)) !== undefined) return;
      // The platform outlives this `up`, and is no agent.
      const { [LEASE_MARKER]: _, ...outside } = env;
      await startLocalServer({ ...context, env: outside }, IDLE_FLAGS);
    },
  });
}

function sayReady(screen: Screen, running: Up): void {
  const sessions = running.sessions();
  const warnings = running
    .report()
    .flatMap(({ agent, warnings: lines, environment }) => [
      ...lines.map((line) => `${agent}: ${line}`),
      ...(environment.missing.length === 0
        ? []
        : [`${agent}: no value for ${environment.missing.join(', ')} (aachat env set)`]),
    ]);
  for (const warning of warnings) screen.say(oneLine(warning), { warning: true });
  if (sessions.length === 0) screen.say('You have no agents yet. Make one: aachat agent create <name>');
  const failed = sessions.filter(({ phase }) => phase === 'failed').length;
  const note = failed === 0 ? '' : ` ${failed} of ${sessions.length} sessions did not come up.`;
  const asleep = sessions.filter(({ activity }) => activity === 'hibernated').length;
  if (asleep > 0) {
    const text = `${asleep} of ${sessions.length} sessions get a process when there is something to do: no more than maxSessions run at once.`;
    screen.say(text, { asleep });
  }
  screen.say(`Ready (Ctrl+C stops everything).${note}`, { ready: true });
}

/** Names of files and skills come from repos. */
const oneLine = (text: string): string => plain(text).replace(/\s*\n\s*/g, ' ');

/** Somebody else may have been quicker. */
function answer(running: Up, permission: PendingPermission, allow: boolean, say: (text: string) => void): void {
  try {
    running.answer(permission.id, { allow, digest: permission.digest, by: 'aachat up' });
  } catch (thrown) {
    if (!isAachatError(thrown, 'CONFLICT', 'NOT_FOUND')) throw thrown;
    say(thrown.message);
  }
}

/** Longer than any boot that still makes sense to wait for. */
const DETACH_MS = 120_000;

async function detach(context: CommandContext, args: UpArgs): Promise<void> {
  const { home, engine, env, output, signal } = context;
  // Here, where a person reads what is said: the server is started, the login made.
  await context.connect();
  const flags = [
    ...args.agent.flatMap((name) => ['--agent', name]),
    ...(args.team === undefined ? [] : ['--team', args.team]),
    ...(args.program === undefined ? [] : ['--program', args.program]),
  ];
  const { pid, sessions } = await startInBackground(
    {
      name: 'aachat up',
      command: [...engine.self, 'up', ...flags],
      env,
      printed: `${home.upLog}.out`,
      log: home.upLog,
      limitMs: DETACH_MS,
      ready: (started) => settledSessions(context, started),
    },
    signal,
  );
  const lines = sessions.flatMap((session) => [
    sessionLine(session),
    ...problemLines(session).map((line) => `  ${line}`),
  ]);
  const said = `Runs in the background (pid ${pid}). \`aachat status\` shows it, \`aachat down\` stops it.`;
  output.result({ pid, sessions }, [...lines, said].join('\n'));
}

/** The sessions of the `up` with this pid, once none of them boots any more. */
async function settledSessions(
  { home }: CommandContext,
  pid: number | undefined,
): Promise<{ readonly pid: number; readonly sessions: readonly LiveSession[] } | undefined> {
  const holder = await readPidFile(home.upFile, UpFile);
  if (holder === undefined || holder.pid !== pid) return undefined;
  await using up = await openControlClient(home.controlSocket);
  try {
    const { sessions, ready } = await up.call(CONTROL_ROUTES.getStatus, {});
    return ready ? { pid: holder.pid, sessions } : undefined;
  } catch (thrown) {
    if (isAachatError(thrown, 'SERVER_UNREACHABLE')) return undefined;
    throw thrown;
  }
}
