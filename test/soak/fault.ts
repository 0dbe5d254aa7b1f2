/** One fault: agents at work, something breaks, a person mends what a person would, and then everything must be well. */
import { readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAachatError, isSystemError } from '#base/errors.ts';
import { newId } from '#base/id.ts';
import { ROUTES } from '#contract/routes.ts';
import { holderOf } from '#runtime/worktree.ts';
import { processesOf } from '../support/aachat.ts';
import { eventually } from '../support/eventually.ts';
import { gitIn } from '../support/temp.ts';
import { wrongIn } from './fault-check.ts';
import { type FaultKind, type FaultPlan, faultOf, type Work } from './fault-plan.ts';
import type { FaultWorld } from './fault-world.ts';

/** What heard nothing looks by itself within this. */
const QUIET_MS = 120_000;

export interface FaultReport {
  readonly kind: FaultKind;
  /** What was done, for people. */
  readonly told: string;
  readonly wrong: readonly string[];
  readonly messages: number;
  /** From the moment when the person began to mend until all was well. */
  readonly healMs: number;
  readonly isSkipped: boolean;
}

export const commandForFault = (number: number): string => `npm run soak -- --faults 1 --first ${number}`;

/** @throws if the program did not do what any run needs, such as start */
export async function runFault(world: FaultWorld, number: number): Promise<FaultReport> {
  const plan = faultOf(number);
  const { kind, works, alsoKilled } = plan;
  const isSkipped = kind === 'full disk' && world.disk === undefined;
  if (isSkipped) return { kind, told: 'needs root', wrong: [], messages: 0, healMs: 0, isSkipped };
  const sending = sendAll(world, number, works);
  await sleep(plan.afterMs);
  let told = kind === 'full disk' || kind.startsWith('suspend') || kind === 'cut socket' ? `${plan.forMs} ms` : '';
  told += await make(world, plan);
  if (alsoKilled && world.isUp()) {
    world.up.child.kill('SIGKILL');
    await world.up.ended;
    told += ', and the launcher was killed';
  }
  const start = performance.now();
  await mend(world);
  await sending;
  let wrong: readonly string[];
  do {
    wrong = await wrongIn(world);
    if (wrong.length > 0) await sleep(100);
  } while (wrong.length > 0 && performance.now() - start < QUIET_MS);
  return { kind, told, wrong, messages: works.length, healMs: performance.now() - start, isSkipped };
}

async function sendAll(world: FaultWorld, number: number, works: readonly Work[]): Promise<void> {
  for (const [index, { pauseMs, agent, ms, how }] of works.entries()) {
    await sleep(pauseMs);
    const mark = `s${number}n${index}`;
    await send(world, `@${agent} work:${agent}:${mark}:${ms}:${how}`);
    world.asked.add(mark);
  }
}

/** As a client does: with the same id until the server has taken it. */
async function send({ mia, project }: FaultWorld, body: string): Promise<void> {
  const input = { params: { projectId: project.id }, body: { clientId: newId(), body } };
  await eventually('the server takes a message', async () => {
    try {
      return await mia.call(ROUTES.sendMessage, input);
    } catch (thrown) {
      if (isAachatError(thrown)) throw thrown;
      return false;
    }
  });
}

/** Ends a process, or waits for those that it wants to see. @returns more about it */
async function make(world: FaultWorld, plan: FaultPlan): Promise<string> {
  const { kind, whose, forMs } = plan;
  const { home, up, host, line, disk } = world;
  const end = async (...signals: readonly NodeJS.Signals[]) => {
    for (const signal of signals) up.child.kill(signal);
    await up.ended;
  };
  switch (kind) {
    case 'kill launcher':
      await end('SIGKILL');
      return '';
    case 'kill launcher and guard':
      for (const pid of find(world, /aachat-guard/)) signal(pid, 'SIGKILL');
      await end('SIGKILL');
      return '';
    case 'kill launcher in its boot': {
      await end('SIGKILL');
      const next = world.beginUp();
      await sleep(forMs);
      next.child.kill('SIGKILL');
      await next.ended;
      return ` after ${forMs} ms of it`;
    }
    case 'Ctrl+C twice':
      await end('SIGINT', 'SIGINT');
      return '';
    case 'closed terminal':
      await end('SIGHUP');
      return '';
    case 'kill agent':
      signal(await agentPid(world, whose), 'SIGKILL');
      return ` ${whose}`;
    case 'kill child': {
      const pid = await agentPid(world, whose);
      const child = await maybe(() => find(world, /^\/bin\/sh -c setsid/).find((one) => parentOf(one) === pid));
      if (child !== undefined) signal(child, 'SIGKILL');
      return child === undefined ? ': none ran' : ` of ${whose}`;
    }
    case 'kill tool': {
      const tool = await maybe(() => find(world, /^sleep /).at(0));
      if (tool !== undefined) signal(tool, 'SIGKILL');
      return tool === undefined ? ': none ran' : '';
    }
    case 'kill server':
      await host.kill();
      await sleep(forMs);
      await host.start();
      return '';
    case 'suspend launcher':
      return await suspend(world.identity().pid, forMs);
    case 'suspend agent':
      return await suspend(await agentPid(world, whose), forMs);
    case 'suspend server':
      return await suspend(host.pid, forMs);
    case 'cut socket':
      line.cut();
      await sleep(forMs);
      line.mend();
      return '';
    case 'full disk': {
      const filler = join(disk ?? '', 'filler');
      // The last block is taken, too.
      for (const bytes of [1024 * 1024, 4096]) {
        for (let full = false; !full; ) {
          full = await writeFile(filler, Buffer.alloc(bytes), { flag: 'a' }).then(
            () => false,
            () => true,
          );
        }
      }
      // Long enough for a turn to come to its end.
      await sleep(forMs + 1_500);
      await rm(filler);
      return '';
    }
    case 'delete workspace':
      await rm(await workspaceOf(world, whose), { recursive: true, force: true, maxRetries: 9 });
      await sleep(forMs);
      await home.run('down', '--yes');
      return ` of ${whose}`;
    case 'delete branch': {
      const path = await workspaceOf(world, whose);
      const branch = `work-${newId()}`;
      await gitIn(path, 'switch', '--quiet', '--create', branch);
      await gitIn(path, 'commit', '--quiet', '--allow-empty', '--message=work');
      const clone = await holderOf(world.paths.cache, path);
      await gitIn('/', `--git-dir=${clone?.gitDir}`, 'update-ref', '-d', `refs/heads/${branch}`);
      await end('SIGINT');
      return ` of ${whose}`;
    }
  }
}

/** What a person does who sees that it does not run: starts it again. */
async function mend(world: FaultWorld): Promise<void> {
  if (world.isUp()) return;
  const up = world.beginUp();
  const started = await Promise.race([up.until(/Ready \(Ctrl/).then(() => true), up.ended.then(() => false)]);
  if (!started) throw new Error(`up did not start: ${up.output()}`);
}

async function suspend(pid: number, forMs: number): Promise<string> {
  signal(pid, 'SIGSTOP');
  await sleep(forMs);
  signal(pid, 'SIGCONT');
  return '';
}

/** What it is meant for may have come to its end by itself. */
function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (thrown) {
    if (!isSystemError(thrown, 'ESRCH')) throw thrown;
  }
}

/** Waits a while for what may not come. */
const maybe = async <T>(look: () => T | undefined): Promise<T | undefined> =>
  await eventually('it is there', look, 5_000).catch(() => undefined);

const find = ({ home }: FaultWorld, pattern: RegExp): readonly number[] =>
  processesOf(home.path)
    .filter(({ command }) => pattern.test(command))
    .map(({ pid }) => pid);

/** The running agent program; one that starts is waited for. */
const agentPid = (world: FaultWorld, whose: string): Promise<number> =>
  eventually(`${whose} runs`, async () => (await sessionOf(world, whose))?.pid ?? false);

const workspaceOf = async (world: FaultWorld, whose: string): Promise<string> =>
  (await eventually(`${whose} is there`, () => sessionOf(world, whose))).workspace;

const sessionOf = async ({ sessions }: FaultWorld, whose: string) =>
  (await sessions()).find(({ agent }) => agent === `${whose}.mia`);

function parentOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1]);
}
