import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, symlinkSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { newId } from '#base/id.ts';
import { identityOf, processStart } from '#base/process.ts';
import { listLeases, reapLeases, spawnLeased } from '#runtime/lease.ts';
import { eventually } from '../support/eventually.ts';
import { type TempDir, tempDir } from '../support/temp.ts';

const isAlive = (pid: number): boolean => processStart(pid) !== undefined;
const OWNER = join(import.meta.dirname, '../support/lease-owner.ts');

/** Ignores what asks politely, in a session of its own, and says its pid. */
const stubborn = (dir: TempDir) =>
  `setsid sh -c 'trap "" TERM HUP; echo $$ > ${dir.path}/stubborn; while :; do sleep 1; done' & trap "" TERM; while :; do sleep 1; done`;

const pidIn = async (dir: TempDir): Promise<number> =>
  eventually('the stubborn one runs', async () => {
    try {
      return Number(await readFile(join(dir.path, 'stubborn'), 'utf8'));
    } catch {
      return 0;
    }
  });

const run = (dir: TempDir, command: string) =>
  spawnLeased({
    leasesDir: join(dir.path, 'leases'),
    sessionId: 's',
    command: ['/bin/sh', '-c', command],
    cwd: dir.path,
    env: { PATH: process.env['PATH'] ?? '' },
  });

/** A launcher of its own, killed without a chance to clean up. */
async function killedOwner(
  dir: TempDir,
  command: string,
): Promise<{ readonly pid: number; readonly git: number; readonly owner: ChildProcess }> {
  const owner = spawn(process.execPath, [OWNER, join(dir.path, 'leases'), command], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(owner.stdout, 'data')) as [Buffer];
  const [pid = 0, git = 0] = String(line).trim().split(' ').slice(1).map(Number);
  await pidIn(dir);
  owner.kill('SIGKILL');
  await once(owner, 'exit');
  return { pid, git, owner };
}

describe('lease', () => {
  test('a program that ends at the end of its input ends in peace, and its lease goes', async () => {
    await using dir = await tempDir();
    const program = await run(dir, 'cat > got; echo bye > said');
    expect(await listLeases(join(dir.path, 'leases'))).toMatchObject([{ ownerRuns: true, programRuns: true }]);
    program.stdin.write('hello');
    await program.stop({ stdinMs: 300_000 });
    expect(await readFile(join(dir.path, 'said'), 'utf8')).toBe('bye\n');
    expect(await listLeases(join(dir.path, 'leases'))).toEqual([]);
  });

  test('one that ignores SIGTERM, and its child in another session, are killed', async () => {
    await using dir = await tempDir();
    const program = await run(dir, stubborn(dir));
    const child = await pidIn(dir);
    await Promise.all([program.stop({ stdinMs: 50, termMs: 50 }), program.stop()]);
    expect([isAlive(program.pid), isAlive(child)]).toEqual([false, false]);
  });

  test('one whose lease cannot be written any more is ended', async () => {
    await using dir = await tempDir();
    const leasesDir = join(dir.path, 'leases');
    const env = {
      // Read when the first half of the lease is written.
      get PATH() {
        rmSync(leasesDir, { recursive: true });
        symlinkSync(join(dir.path, 'nowhere', 'at', 'all'), leasesDir);
        return process.env['PATH'] ?? '';
      },
    };
    const command = [
      '/bin/sh',
      '-c',
      `trap "" TERM; echo $$ > ${dir.path}/stubborn; while :; do sleep 1; done`,
    ] as const;
    await expect(spawnLeased({ leasesDir, sessionId: 's', command, cwd: dir.path, env })).rejects.toThrow();
    const left = await readFile(join(dir.path, 'stubborn'), 'utf8').catch(() => '0');
    const isLeft = isAlive(Number(left));
    if (isLeft) process.kill(Number(left), 'SIGKILL');
    expect(isLeft).toBe(false);
  });

  test('keeps the last words of stderr', async () => {
    await using dir = await tempDir();
    const program = await run(dir, 'head -c 200000 /dev/zero | tr "\\0" x >&2; echo the end >&2');
    await program.exited;
    await eventually('it is read', () => program.stderrTail().endsWith('the end\n'));
    expect(program.stderrTail().length).toBe(64 * 1024);
    await program.stop();
  });

  test('what a killed launcher leaves is ended by the next one, once, whoever comes first', async () => {
    await using dir = await tempDir();
    const { pid, git } = await killedOwner(dir, stubborn(dir));
    const child = await pidIn(dir);
    const leases = join(dir.path, 'leases');
    expect(new Set((await listLeases(leases)).map((lease) => [lease.ownerRuns, lease.programRuns].join()))).toEqual(
      new Set(['false,true', 'false,false']),
    );
    expect(isAlive(git)).toBe(true);
    await Promise.all([reapLeases(leases), reapLeases(leases)]);
    expect([pid, child, git].map(isAlive)).toEqual([false, false, false]);
    expect(await readdir(leases)).toEqual([]);
  });

  test('a lease of a living launcher is left alone', async () => {
    await using dir = await tempDir();
    const program = await run(dir, 'cat');
    expect(await reapLeases(join(dir.path, 'leases'))).toEqual([]);
    expect(isAlive(program.pid)).toBe(true);
    await program.stop();
  });

  test('a stranger that got the pid of a dead program is never touched', async () => {
    await using dir = await tempDir();
    const stranger = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' });
    await once(stranger, 'spawn');
    const pid = stranger.pid ?? 0;
    const leaseId = newId();
    const gone = { pid: 1, startedAt: 'another boot' };
    const forged = { leaseId, sessionId: 's', owner: gone, program: { pid, startedAt: 'another time' } };
    const leases = join(dir.path, 'leases');
    await run(dir, 'true').then((program) => program.stop());
    await writeFile(join(leases, `${leaseId}.json`), JSON.stringify(forged));
    expect(await reapLeases(leases)).toMatchObject([{ leaseId, killed: [] }]);
    expect(isAlive(pid)).toBe(true);
    expect(identityOf(pid)?.pid).toBe(pid);
    stranger.kill('SIGKILL');
    await once(stranger, 'exit');
  });

  test('files that are no leases are passed over', async () => {
    await using dir = await tempDir();
    const leases = join(dir.path, 'leases');
    await run(dir, 'true').then((program) => program.stop());
    await writeFile(join(leases, 'x.json'), '{"leaseId":"other"}');
    await writeFile(join(leases, 'y.json'), 'no json');
    expect(await reapLeases(leases)).toEqual([]);
  });
});
