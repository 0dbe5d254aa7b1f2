/** A server, and one person's machine with agents at work, where anything can be killed. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ProcessIdentity } from '#base/process.ts';
import { CONTROL_ROUTES, type LiveSession } from '#contract/control.ts';
import type { Project } from '#contract/entities.ts';
import { openControlClient } from '#runtime/control.ts';
import { type Home, openHome } from '#runtime/home.ts';
import { type RunningCommand, type ScratchHome, upIdentity } from '../support/aachat.ts';
import { createProject, createTeam, joinProject } from '../support/company.ts';
import { type Caller, caller } from '../support/server.ts';
import { AGENTS } from './fault-plan.ts';
import type { Line } from './line.ts';
import { type Host, openHost, openMachine } from './world.ts';

export interface FaultWorld extends AsyncDisposable {
  readonly host: Host;
  readonly home: ScratchHome;
  readonly paths: Home;
  readonly line: Line;
  /** Acts as mia, without her connection. */
  readonly mia: Caller;
  readonly project: Project;
  /** Disk of its own, of which it can be robbed; undefined: only root can have one. */
  readonly disk: string | undefined;
  /** Marks of all that was asked for, and how often each was answered. */
  readonly asked: Set<string>;
  readonly answered: Map<string, number>;
  /** Up to which message answers were counted. */
  seen: number;
  /** Starts `up` and does not wait. */
  beginUp(): RunningCommand;
  /** What it was started as last, and whether it runs. */
  readonly up: RunningCommand;
  isUp(): boolean;
  identity(): ProcessIdentity;
  /** As the running `up` says it. */
  sessions(): Promise<readonly LiveSession[]>;
}

const PROGRAM = `${process.execPath} ${fileURLToPath(new URL('../support/working-agent.ts', import.meta.url))}`;
/** On the server's disk: a program that cannot write fails its turn, which is no fault of ours. */
const programOf = (host: Host): string => `${PROGRAM} ${host.home.env['TMPDIR']}`;

export async function openFaultWorld(): Promise<FaultWorld> {
  await using stack = new AsyncDisposableStack();
  const host = stack.use(await openHost());
  const disk = await ownDisk(stack);
  const machine = stack.use(await onDisk(disk, () => openMachine(host.port, 'mia', host.bootstrap, programOf(host))));
  const { home, line } = machine;
  const mia = caller(host.url, (await home.json<{ token: string }>('auth', 'token')).token);
  const team = await createTeam(mia, 'acme');
  const project = await createProject(mia, team, 'launch');
  for (const name of AGENTS) {
    const { agent } = await home.json<{ agent: { name: string } }>('agent', 'create', name);
    await home.json('agent', 'budget', name, '--turns-per-hour', '10000');
    await joinProject(mia, project, agent.name);
  }
  const paths = openHome(home.path);
  let up: RunningCommand = home.start('up');
  await up.until(/Ready \(Ctrl/);
  const own = stack.move();
  return {
    host,
    home,
    paths,
    line,
    mia,
    project,
    disk,
    asked: new Set(),
    answered: new Map(),
    seen: 0,
    beginUp: () => {
      up = home.start('up');
      return up;
    },
    get up() {
      return up;
    },
    isUp: () => up.child.exitCode === null && up.child.signalCode === null,
    identity: () => upIdentity(home.path),
    async sessions() {
      await using control = await openControlClient(paths.controlSocket);
      return (await control.call(CONTROL_ROUTES.getStatus, {})).sessions;
    },
    [Symbol.asyncDispose]: () => own.disposeAsync(),
  };
}

const DISK_MB = 256;

async function ownDisk(stack: AsyncDisposableStack): Promise<string | undefined> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return undefined;
  const path = await realpath(await mkdtemp(join(tmpdir(), 'aachat-disk-')));
  stack.defer(() => rm(path, { recursive: true }));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MB}m`, 'tmpfs', path], { stdio: 'ignore' });
  } catch {
    // A container may forbid it.
    return undefined;
  }
  stack.defer(() => void execFileSync('umount', ['--lazy', path]));
  return path;
}

/** Scratch folders are made below the temp folder. */
async function onDisk<T>(disk: string | undefined, open: () => Promise<T>): Promise<T> {
  const before = process.env['TMPDIR'];
  if (disk !== undefined) process.env['TMPDIR'] = disk;
  try {
    return await open();
  } finally {
    if (before === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = before;
  }
}
