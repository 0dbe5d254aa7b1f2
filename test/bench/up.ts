/** From `aachat up` to running sessions, against the bare agent program; a turn; what many sessions cost. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import * as acp from '@agentclientprotocol/sdk';
import { newId } from '#base/id.ts';
import { silentLog } from '#base/log.ts';
import { createAuth } from '#client/auth.ts';
import { createHttpClient } from '#client/http.ts';
import { openEventSocket } from '#client/socket.ts';
import type { Project } from '#contract/entities.ts';
import { ROUTES } from '#contract/routes.ts';
import { PROGRAM, processesOf, type ScratchHome, upIdentity } from '../support/aachat.ts';
import { eventually } from '../support/eventually.ts';
import { fakeAnthropic } from '../support/fake-anthropic.ts';
import { type Team, team } from '../support/team.ts';
import { tempDir, tempRepo } from '../support/temp.ts';
import { median, ms, plus, processorMs, type Row, residentMb, times } from './measure.ts';

export const SCRIPTED = [...PROGRAM, 'scripted-agent'];
export const CLAUDE = [
  process.execPath,
  join(import.meta.dirname, '../../node_modules/@agentclientprotocol/claude-agent-acp/dist/index.js'),
];

/** Spawn, initialize, session/new: what any client has to do. @returns the connection and how to end it */
export async function bareAgent(command: readonly string[], env: Readonly<Record<string, string>>, cwd: string) {
  const [file = '', ...args] = command;
  const child = spawn(file, args, { env: { ...env }, cwd, stdio: ['pipe', 'pipe', 'ignore'], detached: true });
  const stream = acp.ndJsonStream(
    Writable.toWeb(child.stdin),
    Readable.toWeb(child.stdout) as ReadableStream<Uint8Array>,
  );
  const { agent } = acp
    .client({ name: 'bench' })
    .onNotification('session/update', () => {})
    .connect(stream);
  await agent.request('initialize', { protocolVersion: 1, clientCapabilities: {} });
  const { sessionId } = await agent.request('session/new', { cwd, mcpServers: [] });
  return {
    prompt: (text: string) => agent.request('session/prompt', { sessionId, prompt: [{ type: 'text', text }] }),
    end: async () => {
      child.stdin.end();
      await once(child, 'exit');
    },
  };
}

const names = (count: number): string[] => Array.from({ length: count }, (_, index) => `a${index}`);

export async function teamWithRepo(
  count: number,
  env: Readonly<Record<string, string>>,
): Promise<Team & { files: string }> {
  const files = Object.fromEntries(
    Array.from({ length: 1_000 }, (_, index) => [`src/d${index % 20}/f${index}.txt`, `${index}\n`.repeat(40)]),
  );
  const repo = await tempRepo(files);
  const t = await team(names(count), env);
  const http = await ownerHttp(t.home);
  const { projects } = await http.call(ROUTES.listProjects, { query: {} });
  const [project] = projects;
  if (project !== undefined)
    await http.call(ROUTES.setTeamRepo, { params: { teamId: project.teamId }, body: { repo: repo.path } });
  return {
    ...t,
    files: repo.path,
    [Symbol.asyncDispose]: async () => {
      await t[Symbol.asyncDispose]();
      await repo[Symbol.asyncDispose]();
    },
  };
}

export async function ownerHttp(home: ScratchHome) {
  const { url } = await home.json<{ url: string }>('server', 'status');
  const auth = createAuth({ baseUrl: new URL(url), realm: 'embedded', dir: join(home.path, '.run', 'tokens') });
  return createHttpClient({ baseUrl: new URL(url), token: (how) => auth.accessToken(how) });
}

async function bootTimes(
  label: string,
  count: number,
  rounds: number,
  command: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Row> {
  await using t = await teamWithRepo(count, env);
  await using dir = await tempDir();
  const bareEnv = { ...t.home.env, CLAUDE_CONFIG_DIR: join(dir.path, 'claude') };
  await mkdir(bareEnv.CLAUDE_CONFIG_DIR);
  const [ours, bare]: [number[], number[]] = [[], []];
  for (let round = 0; round <= rounds; round += 1) {
    let start = performance.now();
    const agents = await Promise.all(names(count).map(() => bareAgent(command, bareEnv, t.files)));
    if (round > 0) bare.push(performance.now() - start);
    await Promise.all(agents.map(({ end }) => end()));
    start = performance.now();
    const up = t.home.start('up');
    await up.until(/Ready \(Ctrl/);
    if (round > 0) ours.push(performance.now() - start);
    up.child.kill('SIGINT');
    await up.ended;
  }
  const [value, floor] = [median(ours), median(bare)];
  return {
    what: `\`up\` to running, ${count} × ${label}, 1,000 files`,
    measured: ms(value),
    floor: `${ms(floor)} bare ACP client`,
    ratio: plus(value - floor),
    aim: '+300 ms',
  };
}

/** With the LLM's API replaced by one on loopback. */
export async function withClaude<T>(work: (env: Readonly<Record<string, string>>) => Promise<T>): Promise<T> {
  await using api = await fakeAnthropic();
  return await work({
    AACHAT_AGENT: 'claude',
    ANTHROPIC_BASE_URL: api.url,
    ANTHROPIC_API_KEY: 'sk-ant-bench-000',
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  });
}

export async function boots(rounds: number, quick: boolean): Promise<readonly Row[]> {
  const scripted = { AACHAT_AGENT: 'scripted' };
  return await withClaude(async (claude) => [
    await bootTimes('scripted agent', 1, rounds, SCRIPTED, scripted),
    await bootTimes('scripted agent', 8, Math.min(rounds, 3), SCRIPTED, scripted),
    await bootTimes('Claude Code', 1, Math.min(rounds, 3), CLAUDE, claude),
    ...(quick ? [] : [await bootTimes('Claude Code', 8, 1, CLAUDE, claude)]),
  ]);
}

export async function turns(rounds: number): Promise<readonly Row[]> {
  await using t = await team(['a0'], { AACHAT_AGENT: 'scripted' });
  await t.home.json('agent', 'budget', 'a0', '--turns-per-hour', 'unlimited');
  await t.up();
  const http = await ownerHttp(t.home);
  const { project } = await http.call(ROUTES.resolveProject, { query: { name: 'launch' } });
  const watched = await watch(t.home, project);
  const bare = await bareAgent(SCRIPTED, { ...t.home.env }, t.home.path);
  const [ours, floor]: [number[], number[]] = [[], []];
  const said = 'done';
  for (let round = 0; round <= rounds * 4; round += 1) {
    let start = performance.now();
    await bare.prompt(said);
    if (round > 0) floor.push(performance.now() - start);
    start = performance.now();
    const answered = watched.next();
    const body = { clientId: newId(), body: `@a0 ${said}` };
    await http.call(ROUTES.sendMessage, { params: { projectId: project.id }, body });
    await answered;
    if (round > 0) ours.push(performance.now() - start);
  }
  await bare.end();
  await watched.close();
  const [value, bareMs] = [median(ours), median(floor)];
  return [
    {
      what: 'message → prompt → reply seen by a watcher',
      measured: ms(value),
      floor: `${ms(bareMs)} bare turn`,
      ratio: plus(value - bareMs),
      aim: '+60 ms',
    },
  ];
}

/** Hears agents' messages in a project. */
export async function watch(home: ScratchHome, project: Project) {
  const { url } = await home.json<{ url: string }>('server', 'status');
  const auth = createAuth({ baseUrl: new URL(url), realm: 'embedded', dir: join(home.path, '.run', 'tokens') });
  let heard = () => {};
  let connected = false;
  const socket = openEventSocket({
    url: new URL(url),
    token: (how) => auth.accessToken(how),
    onEvent: (_, event) => {
      if (event.type === 'message.created' && event.data.message.author.kind === 'agent') heard();
    },
    onReset: () => {},
    onDenied: () => {},
    onState: (state) => {
      connected = state;
    },
    log: silentLog,
  });
  socket.subscribe(project.id, null);
  await eventually('the watcher is connected', () => connected && socket.cursor(project.id) !== null);
  return {
    next: () =>
      new Promise<void>((resolve) => {
        heard = resolve;
      }),
    close: () => socket[Symbol.asyncDispose](),
  };
}

/** What 1 and 20 sessions cost: until all are ready, and while nobody says anything. */
export async function idle(): Promise<readonly Row[]> {
  const rows: Row[] = [];
  const totals: number[] = [];
  const program = PROGRAM.length === 1 ? 'executable' : 'bundle';
  for (const count of [1, 20]) {
    const what = `${program}, ${count} scripted session${count === 1 ? '' : 's'}`;
    await using t = await team(names(count), { AACHAT_AGENT: 'scripted' });
    const bare = await bareTime(count, t.home);
    const start = performance.now();
    await t.up();
    const ready = performance.now() - start;
    rows.push({
      what: `${what}: \`up\` to ready`,
      measured: ms(ready),
      floor: `${ms(bare)} bare ACP client`,
      ratio: times(ready / bare),
      aim: '–',
    });
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    const launcher = upIdentity(t.home.path).pid;
    const { pid: server } = await t.home.json<{ pid: number }>('server', 'status');
    const agents = processesOf(t.home.path).filter(({ pid }) => pid !== launcher && pid !== server);
    const [ofLauncher, ofServer] = [residentMb(launcher), residentMb(server)];
    totals.push(ofLauncher + ofServer);
    rows.push({
      what: `${what}: memory of launcher + server + agents`,
      measured: `${Math.round(ofLauncher)} + ${Math.round(ofServer)} + ${Math.round(sum(agents.map(({ pid }) => residentMb(pid))))} MB`,
      floor: '–',
      ratio: '–',
      aim: count === 1 ? '150 MB without agents' : '–',
    });
    const all = [launcher, server, ...agents.map(({ pid }) => pid)];
    const before = sum(all.map(processorMs));
    await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
    const share = (sum(all.map(processorMs)) - before) / IDLE_MS;
    rows.push({
      what: `${what}: processor while idle`,
      measured: `${(share * 100).toFixed(1)} % of one core`,
      floor: '–',
      ratio: '–',
      aim: '–',
    });
  }
  const each = ((totals[1] ?? 0) - (totals[0] ?? 0)) / 19;
  rows.push({
    what: `${program}: memory of one session more, in launcher and server`,
    measured: `${each.toFixed(1)} MB`,
    floor: '–',
    ratio: times(each / 3),
    aim: 'under 3 MB',
  });
  return rows;
}

const IDLE_MS = 20_000;
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** All agents at once, by a client that does nothing else. */
async function bareTime(count: number, home: ScratchHome): Promise<number> {
  const start = performance.now();
  const agents = await Promise.all(names(count).map(() => bareAgent(SCRIPTED, { ...home.env }, home.path)));
  const time = performance.now() - start;
  await Promise.all(agents.map(({ end }) => end()));
  return time;
}
