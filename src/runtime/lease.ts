/**
 * Processes that must not outlive their owner.
 *
 * A lease is written before a program is started and says whose it is; everything that the program starts carries its
 * id in the environment. So whoever comes later can prove which processes are left over, whatever their parents, groups
 * and pids have become, and ends exactly those.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { z } from 'zod';
import { within } from '#base/async.ts';
import { AachatError, isSystemError } from '#base/errors.ts';
import { ensureDir, exists, readIfExists, writePrivate } from '#base/fs.ts';
import { newId } from '#base/id.ts';
import { parseJson } from '#base/json.ts';
import { identityOf, isRunning, ownIdentity, ProcessIdentity } from '#base/process.ts';
import { sleep } from '#base/time.ts';

/** In the environment of a leased program and of everything that it starts. */
export const LEASE_MARKER = 'AACHAT_LEASE';

export interface LeasedProcess {
  readonly pid: number;
  readonly leaseId: string;
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** The last 64 KiB that it wrote to stderr. */
  stderrTail(): string;
  readonly exited: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  /**
   * Ends it and everything that it started: stdin closes, then SIGTERM and SIGKILL to the group, then every process
   * that carries the marker. Returns when nothing is left; if something cannot be killed, the lease stays for the next
   * `reapLeases`. Safe to call twice.
   */
  stop(grace?: { readonly stdinMs?: number; readonly termMs?: number }): Promise<void>;
}

export interface SpawnOptions {
  readonly leasesDir: string;
  readonly sessionId: string;
  readonly command: readonly [file: string, ...args: string[]];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

const LeaseFile = z.object({
  leaseId: z.string(),
  sessionId: z.string(),
  owner: ProcessIdentity,
  /** Absent between writing the lease and starting the program. */
  program: ProcessIdentity.optional(),
});
type LeaseFile = z.infer<typeof LeaseFile>;

const STDERR_BYTES = 64 * 1024;
/** A program that notices the end of its stdin leaves by itself in well under this. */
const STDIN_MS = 3_000;
const TERM_MS = 2_000;
const DYING_MS = 5_000;
const POLL_MS = 20;
/** Sweeps until nothing new shows up; a process may fork while it is being looked for. */
const SWEEPS = 50;

/** @throws AachatError `AGENT_FAILED` if the program cannot be started; no lease stays behind */
export async function spawnLeased(options: SpawnOptions): Promise<LeasedProcess> {
  const { leasesDir, sessionId, command, cwd, env } = options;
  const [file, ...args] = command;
  const leaseId = newId();
  const path = join(await ensureDir(leasesDir), `${leaseId}.json`);
  const lease: LeaseFile = { leaseId, sessionId, owner: ownIdentity() };
  await writePrivate(path, JSON.stringify(lease));

  const child = spawn(file, args, { cwd, env: { ...env, [LEASE_MARKER]: leaseId }, detached: true, stdio: 'pipe' });
  // The number of a group that is empty goes to the next one that wants it: from then on it is not signalled.
  let hasGroup = true;
  let isDead = false;
  const exited = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.once('exit', (code, signal) => {
      isDead = true;
      hasGroup = signalGroup(child.pid ?? 0, 0);
      resolve({ code, signal });
    });
  });
  let stderr = Buffer.alloc(0);
  child.stderr.on('data', (chunk: Buffer) => {
    stderr = Buffer.concat([stderr, chunk]).subarray(-STDERR_BYTES);
  });
  child.stdin.on('error', () => {});
  try {
    await once(child, 'spawn');
  } catch (cause) {
    await rm(path, { force: true });
    let reason = (cause as Error).message;
    if (isSystemError(cause, 'ENOENT')) reason = `${(await exists(cwd)) ? 'it' : `the folder ${cwd}`} is not there`;
    throw new AachatError('AGENT_FAILED', `The agent program ${file} could not be started: ${reason}.`, {
      hint: 'Run `aachat doctor` to see which agent programs are installed.',
      cause,
    });
  }
  const pid = child.pid ?? 0;

  const ended = async () => {
    await exited;
    if (hasGroup) await groupEmpty(pid);
  };
  let stopping: Promise<void> | undefined;
  const leased: LeasedProcess = {
    pid,
    leaseId,
    stdin: child.stdin,
    stdout: child.stdout,
    stderrTail: () => stderr.toString('utf8'),
    exited,
    stop(grace = {}) {
      stopping ??= (async () => {
        child.stdin.end();
        // What a dead program left has nobody that would tell it to end: it is asked at once.
        if (!isDead) await within(grace.stdinMs ?? STDIN_MS, ended());
        if (hasGroup) await endGroup(pid, grace.termMs ?? TERM_MS);
        // Half dead it carries no marker any more. One that the kernel does not let go keeps its lease for the next sweep.
        const isClean = (await endMarked(LEASE_MARKER, leaseId)) && (await within(DYING_MS, exited)) !== undefined;
        child.stdout.destroy();
        child.stderr.destroy();
        if (isClean) await rm(path, { force: true });
      })();
      return stopping;
    },
  };
  try {
    await writePrivate(path, JSON.stringify({ ...lease, program: identityOf(pid) }));
  } catch (thrown) {
    // Such as on a full disk: as long as we live, nobody else would end it.
    await leased.stop({ stdinMs: 0 });
    throw thrown;
  }
  return leased;
}

/**
 * Marks whatever this process starts from now on, so that the next launcher finds it if this one is killed.
 *
 * @returns gives the lease back; nothing that was started may run then
 */
export async function leaseChildren(leasesDir: string): Promise<() => Promise<void>> {
  const leaseId = newId();
  const path = join(await ensureDir(leasesDir), `${leaseId}.json`);
  await writePrivate(path, JSON.stringify({ leaseId, sessionId: 'up', owner: ownIdentity() } satisfies LeaseFile));
  process.env[LEASE_MARKER] = leaseId;
  return async () => {
    delete process.env[LEASE_MARKER];
    await rm(path, { force: true });
  };
}

export interface LeaseView {
  readonly leaseId: string;
  readonly sessionId: string;
  readonly ownerRuns: boolean;
  readonly programRuns: boolean;
}

export async function listLeases(leasesDir: string): Promise<readonly LeaseView[]> {
  return (await readLeases(leasesDir)).map(({ leaseId, sessionId, owner, program }) => ({
    leaseId,
    sessionId,
    ownerRuns: isRunning(owner),
    programRuns: program !== undefined && isRunning(program),
  }));
}

/**
 * Ends what was left by owners that are gone. A group is touched only if its leader is provably the leased program,
 * single processes only if they carry the marker: never by pid alone.
 */
export async function reapLeases(
  leasesDir: string,
): Promise<readonly { readonly leaseId: string; readonly sessionId: string; readonly killed: readonly number[] }[]> {
  const orphans = (await readLeases(leasesDir)).filter(({ owner }) => !isRunning(owner));
  return await Promise.all(
    orphans.map(async ({ leaseId, sessionId, program }) => {
      const killed = await markedProcesses(`${LEASE_MARKER}=${leaseId}`);
      if (program !== undefined && isRunning(program)) await endGroup(program.pid, TERM_MS);
      if (await endMarked(LEASE_MARKER, leaseId)) await rm(join(leasesDir, `${leaseId}.json`), { force: true });
      return { leaseId, sessionId, killed };
    }),
  );
}

/** Living processes of this home under leases that are not there any more: somebody removed the files. */
export async function strayLeases(leasesDir: string, root: string): Promise<readonly string[]> {
  const marked = (await environments()).flatMap(({ variables }) => {
    const marker = variables.find((variable) => variable.startsWith(`${LEASE_MARKER}=`));
    return marker !== undefined && variables.includes(`AACHAT_HOME=${root}`) ? [marker.split('=')[1] ?? ''] : [];
  });
  // After the processes: a lease is written before its program starts, and goes after it.
  const known = new Set((await readLeases(leasesDir)).map(({ leaseId }) => leaseId));
  return [...new Set(marked)].filter((leaseId) => !known.has(leaseId));
}

async function readLeases(leasesDir: string): Promise<readonly LeaseFile[]> {
  let names: readonly string[];
  try {
    names = await readdir(leasesDir);
  } catch (thrown) {
    if (isSystemError(thrown, 'ENOENT')) return [];
    throw thrown;
  }
  const leases = await Promise.all(
    names
      .filter((name) => name.endsWith('.json'))
      .map(async (name) => {
        const text = await readIfExists(join(leasesDir, name));
        const parsed = LeaseFile.safeParse(text === undefined ? undefined : parseJson(text));
        return parsed.success && `${parsed.data.leaseId}.json` === name ? [parsed.data] : [];
      }),
  );
  return leases.flat();
}

async function endGroup(pgid: number, termMs: number): Promise<void> {
  if (!signalGroup(pgid, 'SIGTERM')) return;
  await within(termMs, groupEmpty(pgid));
  if (signalGroup(pgid, 'SIGKILL')) await within(termMs, groupEmpty(pgid));
}

async function groupEmpty(pgid: number): Promise<void> {
  while (signalGroup(pgid, 0)) await sleep(POLL_MS);
}

/** @returns whether the group has a member */
function signalGroup(pgid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-pgid, signal);
    return true;
  } catch (thrown) {
    // EPERM: a member is not ours any more, so the group is not empty but out of reach.
    if (isSystemError(thrown, 'ESRCH', 'EPERM')) return false;
    throw thrown;
  }
}

/** Kills whatever has this in its environment. @returns whether nothing has any more */
export async function endMarked(name: string, value: string): Promise<boolean> {
  const found: ProcessIdentity[] = [];
  for (let round = 0; round < SWEEPS; round += 1) {
    const left = await markedProcesses(`${name}=${value}`);
    found.push(...left.flatMap((pid) => identityOf(pid) ?? []));
    // One that is dying loses its environment first, and its files later.
    if (left.length === 0 && !found.some(isRunning)) return true;
    for (const pid of left) {
      try {
        // A git that may tidy up takes its locks along.
        process.kill(pid, round === 0 ? 'SIGTERM' : 'SIGKILL');
      } catch (thrown) {
        if (!isSystemError(thrown, 'ESRCH', 'EPERM')) throw thrown;
      }
    }
    await sleep(POLL_MS);
  }
  return false;
}

/** Living processes that carry the marker. */
async function markedProcesses(marker: string): Promise<readonly number[]> {
  return (await environments()).filter(({ variables }) => variables.includes(marker)).map(({ pid }) => pid);
}

/** What every other process of this user has in its environment; zombies have none any more. */
async function environments(): Promise<readonly { readonly pid: number; readonly variables: readonly string[] }[]> {
  if (process.platform !== 'linux') return await environmentsByPs();
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && name !== String(process.pid));
  const found = await Promise.all(
    pids.map(async (pid) => {
      try {
        return [{ pid: Number(pid), variables: (await readFile(`/proc/${pid}/environ`, 'utf8')).split('\0') }];
      } catch {
        // Gone, or another user's: not ours either way.
        return [];
      }
    }),
  );
  return found.flat();
}

async function environmentsByPs() {
  const ps = spawn('ps', ['axeww', '-o', 'pid=,command='], { stdio: ['ignore', 'pipe', 'ignore'] });
  let text = '';
  ps.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString('utf8');
  });
  await once(ps, 'close');
  return text
    .split('\n')
    .map((line) => ({ pid: Number.parseInt(line, 10), variables: line.trim().split(' ') }))
    .filter(({ pid }) => pid > 0 && pid !== process.pid);
}
