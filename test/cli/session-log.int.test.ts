import { appendFile, stat, truncate, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { newId } from '#base/id.ts';
import { runCommand } from '#cli/exit.ts';
import { type SessionId, shortId } from '#contract/ids.ts';
import { openHome } from '#runtime/home.ts';
import { encode } from '#runtime/log-lines.ts';
import { commandFacts, run } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { says, started, writeLog } from '../support/session-logs.ts';
import { tempDir, writeFiles } from '../support/temp.ts';

const log = (message: string, seq = 1) =>
  encode({ seq, at: '2026-01-01T00:00:00.000Z', type: 'problem', message, hint: null });

test('the log without a session is the one that was written to last', async () => {
  await using dir = await tempDir();
  const [older, newer, booting] = [newId(), newId(), newId()];
  await writeFiles(dir.path, {
    [`.run/sessions/${older}/events.jsonl`]: log('older'),
    [`.run/sessions/${newer}/events.jsonl`]: log('newer'),
    [`.run/sessions/${booting}/session.json`]: '{}',
  });
  const world = { env: { AACHAT_HOME: dir.path }, isTerminal: true };
  for (const [id, seconds] of [
    [newer, 2_000],
    [older, 1_000],
  ] as const)
    await utimes(join(dir.path, `.run/sessions/${id}/events.jsonl`), seconds, seconds);
  const { status, stdout } = await run(['session', 'log'], world);
  expect([status, stdout]).toEqual([0, expect.stringMatching(new RegExp(`^Session ${shortId(newer)}\n.*! newer\n$`))]);
  expect((await run(['session', 'log', shortId(older)], world)).stdout).toMatch(/^[^S].*! older\n$/);
  await utimes(join(dir.path, `.run/sessions/${older}/events.jsonl`), 3_000, 3_000);
  expect((await run(['session', 'log'], world)).stdout).toContain('! older');
});

test('a session is found by its name, and several of that name are listed', async () => {
  await using dir = await tempDir();
  const home = openHome(dir.path);
  const world = { env: { AACHAT_HOME: dir.path }, isTerminal: true };
  const make = async (name: string, text: string) => {
    const id = newId<SessionId>();
    await writeLog(home, id, [started({ name }), says(text)]);
    return id;
  };
  await make('plan', 'first');
  const [one, two] = [await make('plan b', 'second'), await make('twice', 'third')];
  const three = await make('twice', 'fourth');
  expect((await run(['session', 'log', 'plan'], world)).stdout).toContain('first');
  expect((await run(['session', 'log', 'plan '], world)).stdout).toContain('second');
  expect((await run(['session', 'log', shortId(one)], world)).stdout).toContain('second');
  expect((await run(['session', 'search', 'third', '--session', 'twice'], world)).stderr).toMatch(
    new RegExp(`${shortId(two)} \\(ada.mia, twice\\), ${shortId(three)}|${shortId(three)} .*${shortId(two)}`),
  );
  expect((await run(['session', 'log', 'pla'], world)).status).toBe(2);
  expect((await run(['session', 'log', 'nothing'], world)).status).toBe(4);
});

test('follows a log that a crash tore and its session mended', async () => {
  await using dir = await tempDir();
  const id = newId();
  await writeFiles(dir.path, { [`.run/sessions/${id}/events.jsonl`]: log('one') });
  const path = join(dir.path, `.run/sessions/${id}/events.jsonl`);
  const end = new AbortController();
  const env = { AACHAT_HOME: dir.path };
  const { facts, stdout } = commandFacts(['session', 'read', '--follow'], { env, signal: end.signal });
  const running = runCommand(facts);
  const messages = () =>
    stdout()
      .split('\n')
      .filter(Boolean)
      .map((line) => (JSON.parse(line) as { message: string }).message);
  const until = (count: number) => eventually(`${count} lines`, () => messages().length >= count);
  await until(1);
  const { size } = await stat(path);
  await appendFile(path, log('never whole').slice(0, 20));
  await truncate(path, size);
  await appendFile(path, log('two', 2));
  await until(2);
  end.abort();
  expect([await running, messages()]).toEqual([0, ['one', 'two']]);
});

test('an answer that is too long for a line of the log is shown as a whole', async () => {
  await using dir = await tempDir();
  const id = newId<SessionId>();
  const text = `from the start ${'on and '.repeat(10_000)}to the end`;
  await writeLog(openHome(dir.path), id, [says(text)]);
  const world = { env: { AACHAT_HOME: dir.path }, isTerminal: true };
  expect((await run(['session', 'log', id], world)).stdout).toContain(text);
  const { stdout } = await run(['session', 'log', id, '--json'], world);
  expect(JSON.parse(stdout)).toMatchObject({ data: { lines: [{ update: { text } }] } });
});

test('without any session the next step is said', async () => {
  await using dir = await tempDir();
  const { status, stderr } = await run(['session', 'log'], { env: { AACHAT_HOME: dir.path }, isTerminal: true });
  expect([status, stderr]).toEqual([
    4,
    'No session has run on this machine.\nRun `aachat up` to start those of your agents.\n',
  ]);
});
