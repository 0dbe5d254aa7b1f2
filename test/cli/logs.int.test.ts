/** `aachat logs`: the file of `up`, as people and programs read it. */
import { appendFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createLog, fileWriter } from '#base/log.ts';
import { runCommand } from '#cli/exit.ts';
import { openHome } from '#runtime/home.ts';
import { commandFacts, run } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { tempDir } from '../support/temp.ts';

async function scene() {
  const dir = await tempDir();
  const home = openHome(join(dir.path, 'home'));
  const env = { AACHAT_HOME: home.root, NO_COLOR: '1' };
  return {
    path: home.upLog,
    env,
    log: createLog({ write: fileWriter(home.upLog) }),
    shown: async (...flags: string[]) => (await run(['logs', ...flags], { env, isTerminal: true })).stdout,
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

test('shows the newest lines and the Launch Report, without what would control the terminal', async () => {
  // Lines of yesterday are shown with their day.
  vi.useFakeTimers({ toFake: ['Date'] });
  onTestFinished(() => void vi.useRealTimers());
  await using s = await scene();
  expect(await s.shown()).toMatch(/Nothing yet/);
  s.log.info('lease.reaped', { killed: 2 });
  const environment = { resolved: [], missing: ['GITHUB_TOKEN'] };
  const entry = { agent: 'ada.mia', team: 'acme', phase: 'ready', workspace: '/w', problem: null, kept: [] };
  s.log.info('up.ready', { report: [{ ...entry, environment, warnings: ['Skill \u001b[2Jx was left out.'] }] });
  s.log.warn('session.wake_failed', { error: new Error('gone') });
  const text = await s.shown();
  expect(text).toMatch(/^\d\d:\d\d {2}lease\.reaped {2}killed=2$/m);
  expect(text).toMatch(/up\.ready\n {2}ada\.mia in acme: ready {2}\/w\n {4}no value for GITHUB_TOKEN\n {4}Skill x was/);
  expect(await s.shown('--limit', '1')).toMatch(/^\S+ {2}session\.wake_failed {2}error=.*gone/);
  const { stdout } = await run(['logs'], { env: s.env });
  expect(JSON.parse(stdout)).toMatchObject({ data: { lines: [{ event: 'lease.reaped' }, {}, { level: 'warn' }] } });
});

test('reads past a torn line, and into the part before', async () => {
  await using s = await scene();
  s.log.info('one');
  await rename(s.path, `${s.path}.1`);
  s.log.info('two');
  await appendFile(s.path, '{"level":"info","at":"2026-01-01T0\n');
  s.log.info('three');
  await appendFile(s.path, '{"level":"info"');
  const { stdout } = await run(['logs'], { env: s.env });
  const { data } = JSON.parse(stdout) as { data: { lines: { event: string }[] } };
  expect(data.lines.map(({ event }) => event)).toEqual(['one', 'two', 'three']);
});

test('follows from before the first line on, over a new file, each line once', async () => {
  await using s = await scene();
  const end = new AbortController();
  const { facts, stdout } = commandFacts(['logs', '--follow'], { env: s.env, signal: end.signal });
  const running = runCommand(facts);
  const events = () =>
    stdout()
      .split('\n')
      .filter(Boolean)
      .map((line) => (JSON.parse(line) as { event: string }).event);
  const until = (count: number) => eventually(`${count} lines`, () => events().length >= count);
  s.log.info('one');
  await until(1);
  await appendFile(s.path, '{"level":"info","at":"2026-01-01T00:00:00.000Z",');
  await appendFile(s.path, '"event":"two"}\n');
  await until(2);
  s.log.info('three');
  await rename(s.path, `${s.path}.1`);
  s.log.info('four');
  await until(4);
  end.abort();
  expect(await running).toBe(0);
  expect(events()).toEqual(['one', 'two', 'three', 'four']);
});
