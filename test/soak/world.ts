/** The program as it is used: a server, two people on machines of their own, a connected repo, an agent's session. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CONTROL_ROUTES, type MirrorView } from '#contract/control.ts';
import type { Project } from '#contract/entities.ts';
import { ROUTES } from '#contract/routes.ts';
import { ServerFile } from '#contract/server-file.ts';
import { openControlClient } from '#runtime/control.ts';
import { openHome } from '#runtime/home.ts';
import { execute, type RunningCommand, type ScratchHome, scratchHome, upIdentity } from '../support/aachat.ts';
import { createProject, createTeam, joinProject, joinTeam } from '../support/company.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/port.ts';
import { type Caller, caller } from '../support/server.ts';
import { tempRepo } from '../support/temp.ts';
import { type Line, openLine } from './line.ts';
import type { Person } from './plan.ts';

export const FOLDER = 'acme/launch/notes';

/** One person's machine. */
export interface Machine {
  readonly home: ScratchHome;
  readonly line: Line;
  startUp(): Promise<void>;
  killUp(): Promise<void>;
  /** To the running `up`. */
  signal(name: 'SIGSTOP' | 'SIGCONT'): void;
  mirrors(): Promise<readonly MirrorView[]>;
}

export interface World extends AsyncDisposable {
  readonly machines: Readonly<Record<Person, Machine>>;
  /** Where each of the mirrors lies. */
  readonly roots: Readonly<Record<'mia' | 'repo' | 'ada' | 'bo', string>>;
  /** Acts as mia, without her connection. */
  readonly mia: Caller;
  readonly project: Project;
  startServer(): Promise<void>;
  killServer(): Promise<void>;
}

/** @param program what its agents run on */
export async function openMachine(
  port: number,
  login: string,
  code: string,
  program = 'scripted',
): Promise<Machine & AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  const line = stack.use(await openLine(port));
  const home = stack.use(await scratchHome({ AACHAT_AGENT: program, AACHAT_LOGIN: login }));
  await home.json('auth', 'login', '--server', line.url, '--code', code, '--login', login);
  const paths = openHome(home.path);
  let up: RunningCommand | undefined;
  const signal = (name: NodeJS.Signals) => process.kill(upIdentity(home.path).pid, name);
  const own = stack.move();
  return {
    home,
    line,
    async startUp() {
      up = home.start('up');
      await up.until(/Ready \(Ctrl/);
    },
    async killUp() {
      signal('SIGKILL');
      await up?.ended;
    },
    signal,
    async mirrors() {
      await using control = await openControlClient(paths.controlSocket);
      return (await control.call(CONTROL_ROUTES.getStatus, {})).mirrors;
    },
    [Symbol.asyncDispose]: () => own.disposeAsync(),
  };
}

/** A server on a machine of its own. */
export interface Host extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  readonly home: ScratchHome;
  /** Code of the first login. */
  readonly bootstrap: string;
  /** Of the running one, or the last. */
  readonly pid: number;
  start(): Promise<void>;
  kill(): Promise<void>;
}

export async function openHost(): Promise<Host> {
  await using stack = new AsyncDisposableStack();
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const host = stack.use(await scratchHome());
  let server: RunningCommand | undefined;
  const start = async () => {
    server = host.start('server', 'start', '--foreground', '--port', String(port));
    const answers = () =>
      fetch(`${url}/v1/info`).then(
        ({ ok }) => ok,
        () => false,
      );
    await eventually('the server answers', answers);
  };
  await start();
  const bootstrap = (await readFile(join(openHome(host.path).server, 'bootstrap'), 'utf8')).trim();
  const own = stack.move();
  return {
    port,
    url,
    home: host,
    bootstrap,
    get pid() {
      return server?.child.pid ?? 0;
    },
    start,
    async kill() {
      server?.child.kill('SIGKILL');
      await server?.ended;
    },
    [Symbol.asyncDispose]: () => own.disposeAsync(),
  };
}

export async function openWorld(): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const host = stack.use(await openHost());
  const { port, url } = host;
  const paths = openHome(host.home.path);
  const mias = stack.use(await openMachine(port, 'mia', host.bootstrap));
  const { operatorToken } = ServerFile.parse(JSON.parse(await readFile(paths.serverFile, 'utf8')));
  const { code } = await caller(url, operatorToken).call(ROUTES.createInvite, { body: { login: 'bo' } });
  const bos = stack.use(await openMachine(port, 'bo', code));

  const mia = caller(url, (await mias.home.json<{ token: string }>('auth', 'token')).token);
  const team = await createTeam(mia, 'acme');
  await joinTeam(mia, team, 'bo');
  const project = await createProject(mia, team, 'launch');
  await joinProject(mia, project, 'bo', 'collaborator');
  await mias.home.json('agent', 'create', 'ada');
  await joinProject(mia, project, 'ada.mia');
  const repo = stack.use(await tempRepo());
  await execute(['init', '--team', 'acme'], { cwd: repo.path, env: mias.home.env });
  await Promise.all([mias.startUp(), bos.startUp()]);
  const session = await eventually('the session has its mirror', async () =>
    (await mias.mirrors()).find(({ kind }) => kind === 'session'),
  );

  const own = stack.move();
  return {
    machines: { mia: mias, bo: bos },
    roots: {
      mia: join(mias.home.path, 'docs'),
      repo: join(repo.path, 'aachat', 'docs'),
      ada: session.root,
      bo: join(bos.home.path, 'docs'),
    },
    mia,
    project,
    startServer: host.start,
    killServer: host.kill,
    [Symbol.asyncDispose]: () => own.disposeAsync(),
  };
}
