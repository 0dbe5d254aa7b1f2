/** Every command prints with `--json` what `aachat schema` says, no more and no less. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { OUTPUTS } from '#cli/schemas.ts';
import type { PendingPermission } from '#contract/control.ts';
import type { Session } from '#contract/entities.ts';
import { shortId } from '#contract/ids.ts';
import { eventually } from '../support/eventually.ts';
import { steps, team } from '../support/team.ts';
import { gitIn } from '../support/temp.ts';

/** Not run here, and where it is. */
const ELSEWHERE = { 'doc resume': 'documents-recovery.e2e.test.ts: it needs a folder that was emptied' };

// About a hundred processes, one after the other.
test('what each command prints has the shape of its schema', { timeout: 600_000 }, async () => {
  await using t = await team(['ada']);
  const { home } = t;
  const seen = new Set<string>(Object.keys(ELSEWHERE));

  function hold(path: string, part: 'data' | 'line', value: unknown): void {
    const schema = OUTPUTS[path]?.[part];
    if (schema === undefined) throw new Error(`${path} has no schema for its ${part}.`);
    const { error, data } = schema.safeParse(value);
    expect([path, error === undefined ? '' : z.prettifyError(error)]).toEqual([path, '']);
    // What is in no schema would be left out.
    expect([path, data]).toEqual([path, value]);
    seen.add(path);
  }
  /** The first words are the command, as long as they are one. */
  async function check<T = unknown>(...words: string[]): Promise<T> {
    const path = [words.slice(0, 2).join(' '), words[0] ?? ''].find((name) => name in OUTPUTS) ?? '';
    const { stdout, stderr } = await home.run(...words, '--json');
    const printed = JSON.parse(stdout || '{}') as { data?: T };
    if (printed.data === undefined) throw new Error(`aachat ${words.join(' ')}: ${stdout}${stderr}`);
    hold(path, 'data', printed.data);
    return printed.data;
  }
  async function checkLines(path: string, child: { output(): string }, count: number): Promise<void> {
    const lines = () =>
      child
        .output()
        .split('\n')
        .filter((line) => line.startsWith('{'));
    await eventually(`${path} prints ${count} lines`, () => lines().length >= count);
    for (const line of lines()) hold(path, 'line', JSON.parse(line));
  }

  for (const line of [
    'project create second -d text',
    'project list',
    'project send launch hello @ada',
    'project read launch',
    'project members launch',
    'project assign second --agent ada',
    'project unassign second --agent ada',
    'project archive second',
    'inbox',
    'mentions',
    'find hello',
    'agent create bob',
    'agent list',
    'agent show ada',
    'agent policy ada ask',
    'agent policy ada',
    'agent trust ada',
    'agent budget ada --turns-per-hour 50',
    `agent clone ${home.path}/repos/ada.mia.git --name eve`,
    'agent remove eve --yes',
    'env set NAME value',
    'env list',
    'env unset NAME',
    'config list',
    'config set team ~mia',
    'config unset team',
    'auth status',
    'auth login',
    'auth token',
    'server status',
    'server invite',
    'doctor',
    'status',
    'completion bash',
    'schema project list',
  ]) {
    await check(...line.split(' '));
  }

  const up = await t.up('--json');
  const docs = join(home.path, 'docs', '~mia', 'launch', 'notes');
  await mkdir(docs, { recursive: true });
  for (const [version, text] of ['one\n', 'two\n'].entries()) {
    await writeFile(join(docs, 'plan.md'), text);
    await eventually('the server has it', async () => {
      const { stdout } = await home.run('doc', 'history', 'plan', '--json');
      return stdout.includes(`"number":${version + 1}`);
    });
  }
  await t.send(`@ada ${steps({ offer: ['compact'] }, { text: 'answer' })}`);
  await t.heard('ada.mia', /^answer$/);
  const { sessions } = await check<{ sessions: readonly Session[] }>('session', 'list');
  const id = shortId(sessions[0]?.id ?? '');
  for (const line of [
    'doc list',
    'doc show plan',
    'doc history plan',
    'doc diff plan',
    'doc conflicts',
    'doc conflicts plan',
    'doc restore plan 1',
    'doc purge plan 2 --yes',
    'doc restore --project launch --at 0m --yes',
    `session show ${id}`,
    `session log ${id}`,
    'session search answer',
    'session search --reindex',
    `session policy ${id} ask`,
    `session compact ${id}`,
    `session cancel ${id}`,
    'status',
    'logs',
    'permission list',
    'agent save ada',
  ]) {
    await check(...line.split(' '));
  }
  const watching = home.start('session', 'attach', id, '--watch', '--json');
  await watching.until(/"type":"state"/);
  for (const [verb, answer] of [
    ['allow', /^allowed$/],
    ['deny', /^refused$/],
  ] as const) {
    await t.send(`@ada ${steps({ ask: 'rm -rf build' })}`);
    const asked = await eventually('the agent asks', async () => {
      const { permissions } = await home.quick<{ permissions: readonly PendingPermission[] }>('permission', 'list');
      return permissions[0];
    });
    await check('permission', verb, asked.id);
    await t.heard('ada.mia', answer);
  }
  await checkLines('session attach', watching, 12);
  watching.child.kill('SIGINT');
  await watching.ended;
  await check('session', 'send', id, 'more');
  const { session } = await check<{ session: Session }>('session', 'run', 'ada', steps({ text: 'ran' }));
  await t.heard('ada.mia', /^ran$/, 'dm:ada.mia');
  await check('session', 'fork', id);
  await check('session', 'spawn', id, steps({ text: 'from a child' }));
  await check('session', 'stop', shortId(session.id));
  await check('session', 'resume');
  const transcript = join(home.path, '..', 'talk.jsonl');
  await writeFile(transcript, '{"type":"user","uuid":"1","message":{"role":"user","content":"Hello."}}\n');
  await check('session', 'import', transcript, '--agent', 'ada');
  await checkLines('up', up, 6);
  await check('down', '--yes');
  await up.ended;
  const { turns } = await check<{ turns: readonly { id: string; state: string }[] }>('session', 'show', id);
  const ended = turns.find(({ state }) => state === 'ended');
  await check('session', 'rewind', id, '--to', ended?.id ?? '', '--files');
  await check('session', 'remove', shortId(session.id), '--yes');

  const watch = home.start('watch', '--from', 'start', '--json');
  await checkLines('watch', watch, 12);
  watch.child.kill('SIGINT');
  await watch.ended;

  const repo = join(home.path, '..', 'code');
  await mkdir(repo);
  await gitIn(repo, 'init', '--quiet');
  await check('init', repo, '--team', '~mia');
  await check('init', '--uninstall', repo);
  await check('up', '--detach');
  await check('down', '--yes');
  await check('auth', 'logout');
  await check('server', 'stop');
  await check('server', 'start');
  await check('server', 'stop');
  await check('server', 'status');
  await check('auth', 'status');
  await check('demo');
  expect(Object.keys(OUTPUTS).filter((path) => !seen.has(path))).toEqual([]);
});
