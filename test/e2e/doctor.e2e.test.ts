/** Everything that killed processes can leave, made for real: `doctor` finds it, and `--fix` takes it away. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Finding } from '#runtime/doctor.ts';
import { openHome } from '#runtime/home.ts';
import { processesOf, type RunningCommand } from '../support/aachat.ts';
import { eventually } from '../support/eventually.ts';
import { agentsOf, busyUp, nothingLeft } from '../support/orphans.ts';
import { type Team, team } from '../support/team.ts';

const ROOT = join(import.meta.dirname, '..', '..');

/** What is wrong, by name; `leases` and `remains` in one text each. */
async function wrong({ home }: Team): Promise<Readonly<Record<string, string>>> {
  const { stdout } = await home.run('doctor', '--json');
  const [line = ''] = stdout.split('\n');
  const { findings } = (JSON.parse(line) as { data: { findings: readonly Finding[] } }).data;
  return Object.fromEntries(
    findings.filter(({ state }) => state === 'wrong').map(({ name, message }) => [name, message]),
  );
}

async function fixed(t: Team): Promise<readonly string[]> {
  const { mended } = await t.home.json<{ mended: readonly string[] }>('doctor', '--fix');
  expect(await wrong(t)).toEqual({});
  expect((await t.home.json<{ mended: readonly string[] }>('doctor', '--fix')).mended).toEqual([]);
  return mended;
}

/** As a machine that kills for want of memory does it. */
async function killWithGuard({ home }: Team, up: RunningCommand): Promise<void> {
  const guard = processesOf(home.path).find(({ command }) => command.includes('aachat-guard'));
  process.kill(guard?.pid ?? 0, 'SIGKILL');
  up.child.kill('SIGKILL');
  await up.ended;
}

test('a healthy home has nothing to mend, also while agents work', async () => {
  await using t = await team(['ada']);
  await busyUp(t);
  expect(await wrong(t)).toEqual({});
  expect((await t.home.json<{ mended: readonly string[] }>('doctor', '--fix')).mended).toEqual([]);
  await eventually('all of it runs', () => agentsOf(t.home.path).length > 3);
});

test('a launcher that was killed with its guard: leases, its file, its socket, the writer of a log', async () => {
  await using t = await team(['ada']);
  await killWithGuard(t, await busyUp(t));
  const { upFile, controlSocket } = openHome(t.home.path);
  const found = await wrong(t);
  expect(found['leases']).toMatch(/^2 leases, or what runs under them, outlived their launcher\.$/);
  for (const path of [`${upFile} says`, `${controlSocket} is`, 'events.jsonl.writer says']) {
    expect(found['remains']).toContain(path);
  }
  const mended = await fixed(t);
  expect(mended.filter((line) => line.startsWith('Lease'))).toHaveLength(2);
  expect(mended.filter((line) => line.startsWith('Removed'))).toHaveLength(3);
  await nothingLeft(t.home);
  await t.up();
  await t.heard('ada.mia', /^again$/);
});

test('processes whose leases somebody removed', async () => {
  await using t = await team(['ada']);
  const up = await busyUp(t);
  const { leases } = openHome(t.home.path);
  for (const name of await readdir(leases)) await rm(join(leases, name));
  await killWithGuard(t, up);
  expect((await wrong(t))['leases']).toMatch(/^Processes run under \d leases? that have no file any more\.$/);
  await fixed(t);
  await nothingLeft(t.home);
});

test('a killed server, a worktree that git began, the lock of a killed process', async () => {
  await using t = await team(['ada']);
  const { serverFile, cache, workspaces, state } = openHome(t.home.path);
  const up = await t.up();
  const { pid } = await t.home.json<{ pid: number }>('server', 'status');
  up.child.kill('SIGTERM');
  await up.ended;
  process.kill(pid, 'SIGKILL');

  const clone = (await readdir(cache)).find((name) => name.includes('ada.mia')) ?? '';
  const gitDir = join(cache, clone, '.git');
  const attributes = join(t.home.path, 'attributes');
  await writeFile(attributes, '* filter=slow\n');
  const slow = ['-c', `core.attributesFile=${attributes}`, '-c', 'filter.slow.smudge=sleep 600'];
  const place = join(workspaces, 'ada.mia--00000000');
  const words = [...slow, `--git-dir=${gitDir}`, 'worktree', 'add', '--detach', place, 'refs/remotes/origin/main'];
  const git = spawn('git', words, { stdio: 'ignore', detached: true });
  await eventually('git has begun', () => existsSync(join(place, '.git')));
  process.kill(-Number(git.pid), 'SIGKILL');
  await once(git, 'exit');

  const file = join(state, 'something');
  const script = `import { withFileLock } from '#base/pid-file.ts'; await withFileLock(${JSON.stringify(file)}, () => new Promise(() => setInterval(() => {}, 1000)));`;
  const holder = spawn(process.execPath, ['--input-type=module', '-e', script], { cwd: ROOT, stdio: 'ignore' });
  await eventually('it is locked', () => existsSync(`${file}.lock`));
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  await utimes(`${file}.lock`, 0, 0);

  const remains = (await wrong(t))['remains'];
  for (const text of [
    `${serverFile} says`,
    `${place} is a worktree that nobody finished`,
    `${file}.lock is the lock`,
  ]) {
    expect(remains).toContain(text);
  }
  expect(await fixed(t)).toHaveLength(3);
  expect([existsSync(place), existsSync(`${file}.lock`)]).toEqual([false, false]);
});
