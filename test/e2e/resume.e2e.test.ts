/** A session goes on where it was, whatever was done to what it needs; what was said meanwhile is answered once. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { bootId, identityOf, processStart } from '#base/process.ts';
import { readEventLog } from '#runtime/event-log.ts';
import { openHome } from '#runtime/home.ts';
import type { LogLine } from '#runtime/log-events.ts';
import { type RunningCommand, upIdentity } from '../support/aachat.ts';
import { eventually } from '../support/eventually.ts';
import { sessionOf, steps, type Team, team, workspaceOf } from '../support/team.ts';
import { gitIn } from '../support/temp.ts';

const linesOf = async (t: Team): Promise<readonly LogLine[]> =>
  await readEventLog(openHome(t.home.path).session((await sessionOf(t)).id).log);

/** Has a turn, leaves a file that is not committed, and is stopped or killed. */
async function worked(
  t: Team,
  how: 'down' | 'kill' = 'down',
  script = 'echo draft > draft.md',
): Promise<RunningCommand> {
  const up = await t.up();
  await t.send(`@ada ${steps({ bash: script }, { text: 'drafted' })}`);
  await t.heard('ada.mia', /^drafted$/);
  await eventually('the turn is over', async () => (await linesOf(t)).some(({ type }) => type === 'turn.closed'));
  if (how === 'kill') process.kill(upIdentity(t.home.path).pid, 'SIGKILL');
  else await t.home.json('down', '--yes');
  await up.ended;
  return up;
}

/** Says something while nothing runs, starts `up`, and expects one answer. @returns the prompt that told the agent */
async function goesOn(
  t: Team,
  script = 'cat draft.md',
): Promise<{ answer: string; prompt: string; up: RunningCommand }> {
  await t.send(`@ada ${steps({ bash: script })}`);
  const before = (await t.messages()).filter(({ author }) => author.kind === 'agent').length;
  const up = await t.up();
  const answers = await eventually('it answers', async () => {
    const said = (await t.messages()).filter(({ author }) => author.kind === 'agent').slice(before);
    return said.length > 0 && said;
  });
  await eventually('nothing is owed', async () => {
    const lines = await linesOf(t);
    const count = (type: LogLine['type']) => lines.filter((line) => line.type === type).length;
    return count('turn.started') === count('turn.closed');
  });
  expect(answers).toHaveLength(1);
  expect((await t.messages()).filter(({ author }) => author.kind === 'agent')).toHaveLength(before + 1);
  const prompts = (await linesOf(t)).flatMap((line) => (line.type === 'turn.prompted' ? [line.prompt] : []));
  return { answer: answers[0]?.body ?? '', prompt: prompts.at(-1) ?? '', up };
}

const opened = async (t: Team): Promise<readonly string[]> =>
  (await linesOf(t)).flatMap((line) => (line.type === 'agent.opened' ? [line.opened] : []));

test('after a stop and after a kill it goes on as it was', async () => {
  await using t = await team(['ada']);
  await worked(t);
  expect(await goesOn(t)).toMatchObject({ answer: 'draft', prompt: expect.not.stringContaining('deleted') });
  process.kill(upIdentity(t.home.path).pid, 'SIGKILL');
  // The server learns it only after two minutes.
  await eventually('it is known here', async () =>
    (await t.home.run('session', 'list', '--text')).stdout.includes('ended: aachat up does not run here'),
  );
  const { id } = await sessionOf(t);
  expect(await t.home.run('session', 'stop', id)).toMatchObject({
    status: 5,
    stderr: expect.stringContaining('does not run'),
  });
  expect(await goesOn(t)).toMatchObject({ answer: 'draft' });
  expect(await opened(t)).toEqual(['new', 'resumed', 'resumed']);
});

test('a deleted workspace is made again, and the agent is told what it lost, once', async () => {
  await using t = await team(['ada']);
  const script = 'git commit -q --allow-empty -m mine; echo draft > draft.md';
  await worked(t, 'down', script);
  await rm(await workspaceOf(t), { recursive: true });
  const { answer, prompt, up } = await goesOn(t, 'ls draft.md; git log -1 --format=%s');
  expect(answer).toMatch(/^mine\nls: /);
  expect(prompt).toMatch(
    /Your workspace had been deleted\. It was made again at [0-9a-f]{7}, your last commit, which is not pushed/,
  );
  expect(up.output()).toContain('ada.mia: The agent is told: Your workspace had been deleted');
  await t.send('@ada again');
  await t.heard('ada.mia', /"again"/);
  const lines = await linesOf(t);
  expect(lines.filter(({ type }) => type === 'note')).toHaveLength(1);
  expect(
    lines.filter((line) => line.type === 'turn.prompted' && line.prompt.includes('had been deleted')),
  ).toHaveLength(1);
  expect((await t.home.run('session', 'log', '--text')).stdout).toContain('the agent will be told: Your workspace had');
});

test('a branch that was deleted under the workspace costs no work, at home or at the remote', async () => {
  await using t = await team(['ada']);
  const script =
    'git switch -q -c feature; git commit -q --allow-empty -m mine; git push -q origin feature; echo draft > draft.md';
  await worked(t, 'down', script);
  const workspace = await workspaceOf(t);
  const remote = await gitIn(workspace, 'config', '--get', 'remote.origin.url');
  await gitIn(remote, 'branch', '-D', 'feature');
  await gitIn(workspace, 'update-ref', '-d', 'refs/heads/feature');
  const { answer, prompt } = await goesOn(t, 'cat draft.md; git log -1 --format=%s; git branch --show-current');
  expect(answer).toBe('draft\nmine');
  expect(prompt).toMatch(
    /^Your workspace was on the branch `feature`, which had been deleted\. It stands at its last commit/m,
  );
  // It is on no branch of the remote: nobody takes it away.
  await t.home.json('down', '--yes');
  expect(await gitIn(workspace, 'log', '-1', '--format=%s')).toBe('mine');
});

test('the default branch of the team may be another one by then', async () => {
  await using t = await team(['ada']);
  await worked(t);
  const remote = await gitIn(await workspaceOf(t), 'config', '--get', 'remote.origin.url');
  await gitIn(remote, 'branch', '-m', 'main', 'trunk');
  expect(await goesOn(t)).toMatchObject({ answer: 'draft' });
});

test('a conversation that the program does not know goes on in a new one, and agent and person know it', async () => {
  await using t = await team(['ada']);
  await worked(t);
  const temp = openHome(t.home.path).session((await sessionOf(t)).id).temp;
  for (const name of await readdir(temp)) if (name.startsWith('scripted-')) await rm(join(temp, name));
  const { answer, prompt, up } = await goesOn(t);
  expect(answer).toBe('draft');
  expect(prompt).toContain('The program that runs you does not know the conversation that you had here');
  // Another loss may stand beside it.
  expect(prompt).not.toContain('as they were');
  expect(up.output()).toContain('does not know the conversation of ada.mia any more: it goes on in a new one');
  expect(await opened(t)).toEqual(['new', 'renewed']);
  await t.home.json('down', '--yes');
  await up.ended;
  expect((await goesOn(t)).prompt).not.toContain('does not know the conversation');
  expect(await opened(t)).toEqual(['new', 'renewed', 'resumed']);
});

test('another program than before is noted in the log', async () => {
  await using t = await team(['ada']);
  await worked(t);
  await t.home.json('config', 'set', 'agent', 'scripted');
  Object.assign(t.home.env, { AACHAT_AGENT: 'scripted' });
  await t.send('@ada hello');
  const up = await t.up();
  await t.heard('ada.mia', /You said: "hello"/);
  expect((await t.home.run('session', 'log', '--text')).stdout).toMatch(
    /agent: built-in scripted agent, conversation resumed; until now it was held with .*\(the setting\), aachat-scripted 1/,
  );
  expect(up.output()).toContain('The conversation of ada.mia was held with');
});

test('an agent whose repo is not where it was works with what was fetched, and then in the new place', async () => {
  await using t = await team([]);
  const place = join(t.home.path, '..', 'elsewhere');
  await t.home.json('agent', 'create', 'ada');
  await mkdir(place);
  const [was, is] = [join(place, 'ada.git'), join(place, 'moved.git')];
  await rename(join(t.home.path, 'repos', 'ada.mia.git'), was);
  await t.home.json('agent', 'remove', 'ada', '--yes');
  const create = (repo: string) => t.home.json('agent', 'create', 'ada', '--repo', repo);
  await create(was);
  await t.home.json('project', 'assign', 'launch', '--agent', 'ada');
  await worked(t, 'down', 'echo draft > draft.md; echo kept > aachat/agents/ada.mia/memory/kept.md');
  await rename(was, is);
  const { answer, up } = await goesOn(t);
  expect(answer).toBe('draft');
  expect(up.output()).toContain(`${was} is not there any more. Working with what was fetched before.`);
  await t.home.json('down', '--yes');
  await up.ended;
  // Its owner says where it is now; what is not published yet stays what it is, where it was begun.
  await t.home.json('agent', 'remove', 'ada', '--yes');
  await create(is);
  await t.home.json('project', 'assign', 'launch', '--agent', 'ada');
  const again = await goesOn(t, 'cat aachat/agents/ada.mia/memory/kept.md');
  expect(again.answer).toBe('kept');
  expect(again.up.output()).toMatch(
    /holds work in .*ada\.git; once that is published, the session works in .*moved\.git/,
  );
});

/** As after a reboot: the same numbers mean other processes, which ours must leave alone. */
test('what processes of an earlier boot left holds nobody up, and nobody else is taken for them', async () => {
  await using t = await team(['ada']);
  await worked(t, 'kill');
  await t.home.run('server', 'stop', '--yes');
  await t.send('@ada hello');
  await t.home.run('server', 'stop', '--yes');
  const decoy: ChildProcess = spawn('sleep', ['3600'], { detached: true, stdio: 'ignore' });
  try {
    const pid = decoy.pid ?? 0;
    const earlier = `0123456789ab:${processStart(pid)?.split(':')[1]}`;
    const run = join(t.home.path, '.run');
    const { id } = JSON.parse(
      readFileSync(join(run, 'sessions', readdirSync(join(run, 'sessions'))[0] ?? '', 'session.json'), 'utf8'),
    );
    const log = openHome(t.home.path).session(id).log;
    const held = { pid, startedAt: earlier };
    const lease = '019a0000-0000-7000-8000-000000000001';
    writeFileSync(
      join(run, 'up.json'),
      JSON.stringify({ ...held, since: '2026-01-01T00:00:00.000Z', server: 'http://x' }),
    );
    writeFileSync(`${log}.writer`, JSON.stringify(held));
    writeFileSync(
      join(run, 'leases', `${lease}.json`),
      JSON.stringify({ leaseId: lease, sessionId: id, owner: held, program: held }),
    );
    writeFileSync(
      join(t.home.path, 'server', 'server.json'),
      JSON.stringify({ ...held, url: 'http://127.0.0.1:1', token: 'x' }),
    );
    // The same numbers would name the decoy, were it not for the boot.
    expect(identityOf(pid)?.startedAt).toBe(earlier.replace('0123456789ab', bootId()));
    expect((await goesOn(t)).answer).toBe('draft');
    expect(await opened(t)).toEqual(['new', 'resumed']);
    expect(await readdir(join(run, 'leases'))).not.toContain(`${lease}.json`);
    expect([decoy.exitCode, decoy.signalCode]).toEqual([null, null]);
  } finally {
    decoy.kill('SIGKILL');
  }
});
