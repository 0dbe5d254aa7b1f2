/**
 * Conversations of the real Claude Code that are taken back and forked, then put to sleep and killed; only the LLM's HTTP
 * API is scripted, and tells what Claude Code remembers.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { LiveSession } from '#contract/control.ts';
import type { Session } from '#contract/entities.ts';
import { shortId } from '#contract/ids.ts';
import { upIdentity } from '../support/aachat.ts';
import { claudeUser } from '../support/claude.ts';
import { eventually } from '../support/eventually.ts';
import { fakeAnthropic, script } from '../support/fake-anthropic.ts';
import { sessionOf, team, workspaceOf } from '../support/team.ts';
import { gitIn } from '../support/temp.ts';

const bash = (command: string) => ({ tool: 'Bash', input: { command, description: 'run' } });

test('what was taken back or forked is so after a sleep and a kill: words, files, folders', async () => {
  await using api = await fakeAnthropic();
  await using t = await team(['ada'], {
    AACHAT_AGENT: 'claude',
    ...claudeUser(api.url),
  });
  await t.home.json('agent', 'policy', 'ada', 'full');
  // The source and its fork take turns: whichever has nothing to do sleeps.
  await t.home.json('config', 'set', 'maxSessions', '1');
  const up = await t.up();
  const source = await sessionOf(t);
  const workspace = await workspaceOf(t, source);
  const note = join(workspace, 'aachat', 'agents', 'ada.mia', 'memory', 'note.md');
  const words = () =>
    ['ONE', 'TWO', 'THREE', 'ASIDE', 'FOUR'].filter((word) => api.turns().at(-1)?.raw.includes(`The word is ${word}.`));
  const phases = async () => {
    const { up: live } = await t.home.quick<{ up: { sessions: readonly LiveSession[] } }>('status');
    return Object.fromEntries(live.sessions.map(({ sessionId, activity }) => [sessionId, activity]));
  };

  // Said to the session alone: what is known of it can only be what Claude Code remembers.
  const tell = (text: string, session = source.id) => t.home.json('session', 'send', session, text);
  const write = (word: string) => bash(`echo ${word} > draft.txt; echo ${word} > $AA_AGENT_DIR/memory/note.md`);
  await tell(`The word is ONE. ${script(write('one'), { text: 'Said one.' })}`);
  await t.heard('ada.mia', /^Said one\.$/);
  const more = bash('git switch -q -c work && echo two > two.txt && git add two.txt && git commit -q -m two');
  await tell(`The word is TWO. ${script(write('two'), more, { text: 'Said two.' })}`);
  await t.heard('ada.mia', /^Said two\.$/);
  expect(await readFile(note, 'utf8')).toBe('two\n');
  const { turns } = await eventually('both are over', async () => {
    const shown = await t.home.quick<{ turns: readonly { id: string; state: string }[] }>('session', 'show', source.id);
    return shown.turns.length === 2 && shown.turns.every(({ state }) => state === 'ended') && shown;
  });

  await t.home.json('session', 'rewind', source.id, '--to', turns[0]?.id ?? '', '--files');
  expect(await readFile(join(workspace, 'draft.txt'), 'utf8')).toBe('one\n');
  expect(await readFile(note, 'utf8')).toBe('one\n');
  expect(existsSync(join(workspace, 'two.txt'))).toBe(false);
  await tell(`The word is THREE. ${script({ text: 'Said three.' })}`);
  await t.heard('ada.mia', /^Said three\.$/);
  expect(words()).toEqual(['ONE', 'THREE']);
  const told = api.turns().at(-1)?.raw ?? '';
  expect(told).toContain('Your owner took this session back');
  expect(told).not.toContain('could not carry the conversation over');

  const look = bash('pwd; git branch --show-current; ls');
  const { session: fork } = await t.home.json<{ session: Session }>(
    ...['session', 'fork', source.id, `The word is ASIDE. ${script(look, { text: 'Said aside.' })}`, '--name', 'aside'],
  );
  await t.heard('ada.mia', /^Said aside\.$/);
  expect(words()).toEqual(['ONE', 'THREE', 'ASIDE']);
  const own = await workspaceOf(t, fork);
  expect(api.turns().at(-1)?.raw).toContain(`${own}\\n`);
  expect(await gitIn(own, 'rev-parse', 'HEAD')).toBe(await gitIn(workspace, 'rev-parse', 'HEAD'));
  expect(existsSync(join(own, 'draft.txt'))).toBe(false);
  expect((await phases())[source.id]).toBe('hibernated');

  const flag = join(workspace, 'started');
  const wait = bash('if [ -e started ]; then echo again; else touch started; exec tail -f /dev/null; fi');
  await tell(`The word is FOUR. ${script(wait, { text: 'Said four.' })}`);
  await eventually('the command runs', () => existsSync(flag));
  expect(words()).toEqual(['ONE', 'THREE', 'FOUR']);
  expect((await phases())[fork.id]).toBe('hibernated');
  process.kill(upIdentity(t.home.path).pid, 'SIGKILL');
  await up.ended;
  await t.up();
  await t.heard('ada.mia', /^Said four\.$/);
  expect(words()).toEqual(['ONE', 'THREE', 'FOUR']);
  expect(api.turns().at(-1)?.raw).toContain('was interrupted');
  expect(await readFile(note, 'utf8')).toBe('one\n');

  await tell(script({ text: 'Still aside.' }), fork.id);
  await t.heard('ada.mia', /^Still aside\.$/);
  expect(words()).toEqual(['ONE', 'THREE', 'ASIDE']);

  // What its owner forbids holds from its next turn on, in the same conversation.
  await t.home.json('session', 'policy', fork.id, 'read-only');
  await tell(
    script({ tool: 'Write', input: { file_path: join(own, 'no.txt'), content: 'no' } }, { text: 'Tried.' }),
    fork.id,
  );
  await t.heard('ada.mia', /^Tried\.$/);
  expect(existsSync(join(own, 'no.txt'))).toBe(false);
  expect(words()).toEqual(['ONE', 'THREE', 'ASIDE']);

  const log = await t.home.run('session', 'log', shortId(fork.id), '--text');
  expect(log.stdout).toMatch(/conversation forked/);
  expect(log.stdout).not.toMatch(/conversation renewed/);
  const said = (await t.messages()).filter(({ author }) => author.kind === 'agent').map(({ body }) => body);
  expect(said).toEqual([
    'Said one.',
    'Said two.',
    'Said three.',
    'Said aside.',
    'Said four.',
    'Still aside.',
    'Tried.',
  ]);
});
