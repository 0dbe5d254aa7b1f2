/** No process outlives its session, however an end comes. Nobody runs a command that could clean up meanwhile. */
import { existsSync } from 'node:fs';
import { chmod, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { agentsOf, busyUp, nothingLeft } from '../support/orphans.ts';
import { liveSession, steps, team, WITH_HANDS, workspaceOf } from '../support/team.ts';
import { tempDir } from '../support/temp.ts';

const IMMORTAL = [process.execPath, fileURLToPath(new URL('../support/odd-agent.ts', import.meta.url)), 'immortal'];

describe('nothing is left after', () => {
  test.for([
    { what: 'Ctrl+C', signals: ['SIGINT'], status: 130 },
    { what: 'Ctrl+C twice', signals: ['SIGINT', 'SIGINT'], status: 130 },
    { what: 'SIGTERM', signals: ['SIGTERM'], status: 143 },
    { what: 'a closed terminal', signals: ['SIGHUP'], status: 129 },
    { what: 'kill -9 of the launcher', signals: ['SIGKILL'], status: null },
  ] as const)('$what in mid-turn, and the turn is finished by the next up', async ({ signals, status }) => {
    await using t = await team(['ada']);
    const up = await busyUp(t);
    await eventually('all of it runs', () => agentsOf(t.home.path).length > 3);
    for (const signal of signals) up.child.kill(signal);
    expect(await up.ended).toBe(status);
    await nothingLeft(t.home);
    await t.up();
    await t.heard('ada.mia', /^again$/);
    expect((await t.messages()).filter(({ author }) => author.kind === 'agent')).toHaveLength(1);
  });

  test.for(['SIGINT', 'SIGKILL'] as const)('%s while an agent works that ignores every signal', async (signal) => {
    await using t = await team(['ada'], { AACHAT_AGENT: IMMORTAL.join(' ') });
    const up = await t.up();
    await t.send('@ada HANG');
    await eventually('it works', async () => (await liveSession(t)).activity === 'working');
    up.child.kill(signal);
    await up.ended;
    await nothingLeft(t.home);
  });

  test('kill -9 of the agent program while its tools run: they end, and the turn is finished by the next one', async () => {
    await using t = await team(['ada']);
    await busyUp(t);
    const before = agentsOf(t.home.path).map(({ pid }) => pid);
    const { pid } = await liveSession(t);
    process.kill(pid ?? 0, 'SIGKILL');
    await t.heard('ada.mia', /^again$/);
    const tools = agentsOf(t.home.path).filter(({ command }) => command.startsWith('tail '));
    expect(tools).toEqual([]);
    expect(before).toContain(pid);
  });
});

const STEPS = ['register', 'fetch', 'worktree', 'agent repo', 'skills', 'environment', 'agent', 'confirm'];

test('nothing is left of a launcher that is killed at a step of a boot, and no work is lost', async () => {
  await using bin = await tempDir();
  // Every git takes its time, so that a kill comes in the middle of it.
  const path = process.env['PATH'] ?? '';
  await writeFile(join(bin.path, 'git'), `#!/bin/sh\nsleep 0.1\nPATH='${path}' exec git "$@"\n`);
  await chmod(join(bin.path, 'git'), 0o755);
  await using t = await team(['ada'], { AACHAT_AGENT: WITH_HANDS, PATH: `${bin.path}:${path}` });
  const reached: string[] = [];
  // A kill that came late came at a later step: it is tried until there were enough of them.
  for (let round = 0; round < STEPS.length || new Set(reached).size <= 4; round += 1) {
    const step = STEPS[round % STEPS.length];
    const up = t.home.start('up', '--json');
    // As soon as it says so: a step does not wait for the next look.
    const says = new RegExp(`"step":"${step}"|"phase":"running"`);
    up.child.stdout?.on('data', () => says.test(up.output()) && up.child.kill('SIGKILL'));
    await up.ended;
    await nothingLeft(t.home);
    reached.push([...up.output().matchAll(/"step":"([^"]+)"/g)].at(-1)?.[1] ?? '');
  }
  // The work of an agent outlives the next killed boot.
  const up = await t.up();
  const workspace = await workspaceOf(t);
  await t.send(`@ada ${steps({ edit: 'work.txt', content: 'mine' }, { text: 'written' })}`);
  await t.heard('ada.mia', /^written$/);
  up.child.kill('SIGKILL');
  await up.ended;
  const killed = t.home.start('up', '--json');
  await killed.until(/"step":"worktree"/);
  killed.child.kill('SIGKILL');
  await killed.ended;
  await nothingLeft(t.home);
  await t.up();
  expect(existsSync(join(workspace, 'work.txt'))).toBe(true);
  expect(await readdir(join(t.home.path, '.run', 'workspaces'))).toHaveLength(1);
});
