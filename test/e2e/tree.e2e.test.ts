/** Sessions that come from others, by the command line: forked, taken back, started as children. */
import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Session } from '#contract/entities.ts';
import { shortId } from '#contract/ids.ts';
import type { SessionHistory } from '#runtime/session-history.ts';
import { upIdentity } from '../support/aachat.ts';
import { eventually } from '../support/eventually.ts';
import { liveSession, sessionOf, steps, type Team, team, WITH_HANDS, workspaceOf } from '../support/team.ts';
import { gitIn, tempDir } from '../support/temp.ts';

const COMMIT = 'git switch -q -c work && echo one > one.txt && git add one.txt && git commit -q -m one';

const promptsOf = async (t: Team, id: string): Promise<readonly string[]> =>
  (await t.home.quick<{ lines: readonly { type: string; prompt?: string }[] }>('session', 'log', id)).lines.flatMap(
    ({ type, prompt }) => (type === 'turn.prompted' && prompt !== undefined ? [prompt] : []),
  );

/** Waits until turns of the session are over, not only answered. @returns their ids */
const closedTurns = (t: Team, id: string, count: number): Promise<readonly string[]> =>
  eventually(`${count} turns are over`, async () => {
    const { local } = await t.home.quick<{ local: SessionHistory }>('session', 'show', id);
    return local.turns.filter(({ git }) => git !== null).length === count && local.turns.map(({ turnId }) => turnId);
  });

test('a fork goes on beside its source: same commit, own branch and folder, and it is told what was said', async () => {
  await using t = await team(['ada']);
  await t.up();
  await t.send(`@ada the word is HORIZON ${steps({ bash: `${COMMIT} && echo draft > draft.txt && echo first done` })}`);
  await t.heard('ada.mia', /first done/);
  const source = await sessionOf(t);
  await closedTurns(t, source.id, 1);
  const look = steps({ bash: 'pwd; git rev-parse HEAD; git branch --show-current; ls' });
  const { session } = await t.home.json<{ session: Session }>(
    ...['session', 'fork', shortId(source.id), look, '--name', 'aside'],
  );
  const workspace = await workspaceOf(t, source);
  const own = await workspaceOf(t, session);
  const { body } = await t.heard('ada.mia', new RegExp(own));
  expect(body).toContain(await gitIn(workspace, 'rev-parse', 'HEAD'));
  expect(body).toContain(`work-${shortId(session.id)}`);
  expect(body).toContain('one.txt');
  expect(body).not.toContain('draft.txt');
  expect(await gitIn(workspace, 'branch', '--show-current')).toBe('work');
  expect(existsSync(join(workspace, 'draft.txt'))).toBe(true);

  const [prompt = ''] = await promptsOf(t, session.id);
  expect(prompt).toContain(`was forked from session ${shortId(source.id)}`);
  expect(prompt).toContain('HORIZON');
  expect(prompt).toContain('You answered:\n> first done');
  // Only once, and messages of the project are for the source.
  await t.home.json('session', 'send', 'aside', steps({ text: 'aside again' }));
  await t.heard('ada.mia', /aside again/);
  expect((await promptsOf(t, session.id)).at(-1)).not.toContain('HORIZON');
  await t.send(`@ada ${steps({ bash: 'git branch --show-current' })}`);
  await t.heard('ada.mia', /^work$/);
  const shown = await t.home.run('session', 'show', 'aside', '--text');
  expect(shown.stdout).toMatch(new RegExp(`^came from +${shortId(source.id)} +ada\\.mia +running`, 'm'));
  // One that was forked without words waits for them.
  const { session: quiet } = await t.home.json<{ session: Session }>('session', 'fork', shortId(session.id));
  await eventually('it runs', async () => {
    const { sessions } = await t.home.quick<{ sessions: readonly Session[] }>('session', 'list');
    return sessions.find(({ id }) => id === quiet.id)?.activity === 'input_ready';
  });
  await t.home.json('session', 'send', quiet.id, steps({ text: 'a third way' }));
  await t.heard('ada.mia', /a third way/);
  const [deeper = ''] = await promptsOf(t, quiet.id);
  expect(deeper).toContain('HORIZON');
  expect(deeper).toContain('aside again');
});

test('a rewind forgets later turns, and with --files puts back what lay in the folder and in the agent repo', async () => {
  await using bin = await tempDir();
  // No git goes on while this is there, and without it no session has stopped.
  const hold = join(bin.path, 'hold');
  const path = process.env['PATH'] ?? '';
  const git = `#!/bin/sh\nwhile test -e '${hold}'; do sleep 0.05; done\nPATH='${path}' exec git "$@"\n`;
  await writeFile(join(bin.path, 'git'), git, { mode: 0o755 });
  await using t = await team(['ada'], { AACHAT_AGENT: WITH_HANDS, PATH: `${bin.path}:${path}` });
  await t.up();
  const write = (word: string) => `echo ${word} > draft.txt; echo ${word} > $AA_AGENT_DIR/memory/note.md`;
  await t.send(`@ada the word is ONE ${steps({ bash: `${write('one')}; echo done 1` })}`);
  await t.heard('ada.mia', /done 1/);
  await t.send(`@ada the word is TWO ${steps({ bash: `${write('two')}; ${COMMIT}; rm draft.txt; echo done 2` })}`);
  await t.heard('ada.mia', /done 2/);
  const session = await sessionOf(t);
  await closedTurns(t, session.id, 2);
  const workspace = await workspaceOf(t, session);
  const note = join(workspace, 'aachat', 'agents', 'ada.mia', 'memory', 'note.md');
  const turns = async () =>
    (await t.home.json<{ turns: readonly { id: string }[] }>('session', 'show', session.id)).turns.map(({ id }) => id);
  const [first = '', second = ''] = await turns();
  const at = await gitIn(workspace, 'rev-parse', 'origin/main');
  const rewind = (...flags: string[]) => t.home.run('session', 'rewind', shortId(session.id), ...flags);

  expect(await rewind('--to', 'ffffffff')).toMatchObject({
    status: 4,
    stderr: expect.stringContaining('session show'),
  });
  const back = await rewind('--to', shortId(first), '--files', '--text');
  expect(back.stdout).toMatch(/is back at turn \w{8}: 1 later turn forgotten\. It is starting again\./);
  expect(back.stdout).toContain('branch work stays where it is, HEAD is detached');
  expect([await readFile(join(workspace, 'draft.txt'), 'utf8'), await readFile(note, 'utf8')]).toEqual([
    'one\n',
    'one\n',
  ]);
  expect(await gitIn(workspace, 'rev-parse', 'HEAD')).toBe(at);
  expect(existsSync(join(workspace, 'one.txt'))).toBe(false);
  const [, before = ''] = /git show (\w+)/.exec(back.stdout) ?? [];
  expect(await gitIn(workspace, 'ls-tree', '--name-only', '-r', before)).toContain('one.txt');

  await t.send(`@ada and now? ${steps({ text: 'done 3' })}`);
  await t.heard('ada.mia', /done 3/);
  const prompts = await promptsOf(t, session.id);
  expect(prompts).toHaveLength(3);
  expect(prompts[2]).toContain('Your owner took this session back');
  expect(prompts[2]).toContain('the word is ONE');
  expect(prompts[2]).not.toContain('the word is TWO');
  // What is forgotten can no longer be gone back to; what came since can.
  expect((await rewind('--to', shortId(second))).status).toBe(4);
  const [, , third = ''] = await turns();
  // What it works on is not forgotten: whoever asked for it still waits.
  await t.send(`@ada ${steps({ hang: true })}`);
  await eventually('it works on it', async () => (await promptsOf(t, session.id)).length === 4);
  expect((await rewind('--to', shortId(third), '--text')).stdout).toMatch(
    /no later turn to forget\. It is starting again\. What it was working on waits for it again; .*session cancel/,
  );
  await eventually('it works on it again', async () => (await promptsOf(t, session.id)).length === 5);
  // Broken off by a person, nothing is taken back, and it goes on as it did.
  await writeFile(hold, '');
  const broken = t.home.start('session', 'rewind', shortId(session.id), '--to', shortId(first));
  await eventually('it stops', async () => (await liveSession(t)).phase === 'stopping');
  broken.child.kill('SIGINT');
  await rm(hold);
  expect(await broken.ended).toBe(130);
  await eventually('it works on it once more', async () => (await promptsOf(t, session.id)).length === 6);
  await t.home.json('down', '--yes');
  expect(await t.home.json('session', 'rewind', session.id, '--to', third)).toMatchObject({
    resumed: false,
    putBack: [],
  });
});

test('after a kill it can be taken back and resumed at once, although the server has not noticed', async () => {
  await using t = await team(['ada']);
  const up = await t.up();
  await t.send(`@ada ${steps({ text: 'done 1' })}`);
  await t.heard('ada.mia', /done 1/);
  await t.send(`@ada ${steps({ text: 'done 2' })}`);
  await t.heard('ada.mia', /done 2/);
  const { id } = await sessionOf(t);
  const [first = ''] = await closedTurns(t, id, 2);
  process.kill(upIdentity(t.home.path).pid, 'SIGKILL');
  await up.ended;
  expect((await sessionOf(t)).state).not.toBe('stopped');
  expect(await t.home.json('session', 'rewind', id, '--to', first)).toMatchObject({ resumed: false });
  expect((await t.home.run('session', 'resume', id, '--text')).stdout).toContain('It starts with the next `aachat up`');
  await t.up();
  await t.send(`@ada ${steps({ text: 'done 3' })}`);
  await t.heard('ada.mia', /done 3/);
  expect((await promptsOf(t, id)).at(-1)).toContain('Your owner took this session back');
});

test('a child works beside its parent and reports to it, once', async () => {
  await using t = await team(['ada']);
  await t.up();
  const task = steps({ text: 'the numbers are wrong' }).replaceAll('"', '\\"');
  await t.send(
    `@ada ${steps({ bash: `aachat session spawn "${task}" --agent ada --name numbers --text` }, { wait: 500 })}`,
  );
  // It is not blocked: its own turn ends before it hears of the child.
  await t.heard('ada.mia', /Session \w{8} of ada\.mia\. It is starting\. Its answer is reported to you/);
  await t.heard('ada.mia', /the numbers are wrong/);
  const { sessions } = await t.home.json<{ sessions: readonly Session[] }>('session', 'list');
  const parent = sessions.find(({ agent, coverageMode }) => agent === 'ada.mia' && coverageMode === 'auto');
  const child = sessions.find(({ name }) => name === 'numbers');
  if (parent === undefined || child === undefined) throw new Error('no family');
  expect(child).toMatchObject({ agent: 'ada.mia', parentId: parent.id, projects: [{ name: 'launch' }] });
  const reports = async () =>
    (await promptsOf(t, parent.id)).filter((prompt) => prompt.includes(`Session ${shortId(child.id)} of ada.mia`));
  await eventually('the report is a prompt', async () => (await reports()).length > 0);
  expect((await reports())[0]).toContain('which was started from this one, reports:\n> the numbers are wrong\n');
  const [asked = ''] = await promptsOf(t, child.id);
  expect(asked).toContain(
    `Session ${shortId(parent.id)} of ada.mia, which started this one, gives you a task:\n> SCRIPT`,
  );
  // The owner may start one as well; then it is the owner who gives the task.
  const own = await t.home.json<{ session: Session }>('session', 'spawn', 'numbers', steps({ text: 'deeper' }));
  await t.heard('ada.mia', /^deeper$/);
  expect((await promptsOf(t, own.session.id))[0]).toContain('Your owner tells you');
  const { stdout } = await t.home.run('session', 'show', 'numbers', '--text');
  expect(stdout).toMatch(new RegExp(`^came from +${shortId(parent.id)} `, 'm'));
  expect(stdout).toMatch(new RegExp(`^spawned from it +${shortId(own.session.id)} `, 'm'));
  expect(await reports()).toHaveLength(1);
});
