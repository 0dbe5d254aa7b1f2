/** Budgets with the built-in agent: what is said past the budget waits, and is answered when there is more. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { BudgetState } from '#contract/budget.ts';
import type { LiveSession } from '#contract/control.ts';
import type { Turn } from '#contract/entities.ts';
import { eventually } from '../support/eventually.ts';
import { sessionOf, steps, team } from '../support/team.ts';

interface Status {
  readonly up: { readonly sessions: readonly LiveSession[] } | null;
}

test('the third message past two turns an hour waits, also over a restart, until the budget is raised', async () => {
  await using t = await team(['ada']);
  const session = async () => (await t.home.quick<Status>('status')).up?.sessions[0];
  const limited = () =>
    eventually('the session is limited', async () => {
      const now = await session();
      return now?.activity === 'limited' ? now : undefined;
    });
  expect((await t.home.run('agent', 'budget', 'ada', '--turns-per-hour', '2')).stdout).toContain('0 of 2');
  const first = await t.up();
  await t.send('@ada one');
  await t.heard('ada.mia', /"one"/);
  await t.send('@ada two');
  await t.heard('ada.mia', /"two"/);
  await t.send('@ada three');
  expect((await limited()).problem).toEqual({
    message: 'ada.mia has used up its budget: 2 of 2 turns in the last hour.',
    hint: expect.stringMatching(/^It goes on by itself at .* UTC, .*aachat agent budget ada\.mia --turns-per-hour/),
  });
  await first.until(/ada\.mia has used up its budget: what waits for it is answered from \d/);
  expect((await t.home.run('agent', 'show', 'ada')).stdout).toContain('"exhausted":{"limit":"turnsPerHour"');
  first.child.kill('SIGTERM');
  await first.ended;

  const second = await t.up();
  await limited();
  await t.send('@ada four');
  await eventually('the message waits too', async () => (await session())?.unread === 2);
  const raised = await t.home.json<BudgetState>('agent', 'budget', 'ada', '--turns-per-hour', '3');
  expect(raised).toMatchObject({ budget: { turnsPerHour: 3 }, used: { turnsPerHour: 2 }, exhausted: null });
  await t.heard('ada.mia', /four/);
  expect((await t.messages()).filter(({ author }) => author.kind === 'agent')).toHaveLength(3);
  await eventually('nothing is wrong any more', async () => {
    const now = await session();
    return now?.activity === 'input_ready' && now.problem === null && now.unread === 0;
  });
  expect(second.output()).not.toMatch(/what waits for it is answered from/);

  await t.home.json('agent', 'budget', 'ada', '--turns-per-hour', 'unlimited');
  await t.send(`@ada ${steps({ bash: 'aachat agent budget ada --turns-per-hour 9 2>&1; echo status=$?' })}`);
  await t.heard('ada.mia', /belongs to your owner[\s\S]*status=3/);
});

test('a turn that runs past the budget is cancelled, nothing of it is posted, and people are told why, once', async () => {
  await using t = await team(['ada']);
  await t.home.json('agent', 'budget', 'ada', '--cost-per-day', '1');
  const up = await t.up();
  await t.send(`@ada ${steps({ cost: 0.4, used: 900 }, { text: 'cheap' })}`);
  await t.heard('ada.mia', /^cheap$/);
  await t.send(`@ada ${steps({ text: 'half of an answer' }, { cost: 1.2, used: 900 }, { hang: true })}`);
  const told = /ada\.mia has used up its budget: its turn was cancelled[^\n]*aachat agent budget ada\.mia/g;
  await up.until(told);
  const { id } = await sessionOf(t);
  const { turns } = await t.home.json<{ turns: readonly Turn[] }>('session', 'show', id);
  expect(turns.map(({ stopReason, counters }) => [stopReason, counters?.costMicros])).toEqual([
    ['end_turn', 400_000],
    ['budget_exceeded', 800_000],
  ]);
  expect((await t.home.run('session', 'log', id)).stdout).toContain('budget_exceeded');
  await t.send('@ada three');
  const waits = await eventually('the next one waits', async () => {
    const session = (await t.home.quick<Status>('status')).up?.sessions[0];
    return session?.activity === 'limited' ? session : undefined;
  });
  expect(waits.problem?.message).toBe('ada.mia has used up its budget: $1.20 of $1.00 in the last 24 hours.');
  expect((await t.messages()).filter(({ author }) => author.kind === 'agent')).toHaveLength(1);
  await t.home.json('agent', 'budget', 'ada', '--cost-per-day', '5');
  await t.heard('ada.mia', /three/);
  await up.until(/what waits for it is answered/);
  expect(up.output().match(/what waits for it is answered/g)).toHaveLength(1);
});

test('what turns use beside each other comes out of one budget, and turns that run may use a raised one', async () => {
  await using t = await team(['ada']);
  await t.home.quick('agent', 'budget', 'ada', '--cost-per-day', '1');
  await t.up();
  const run = async (...script: readonly object[]) => {
    const args = ['session', 'run', 'ada', '--project', 'launch', steps(...script)];
    return (await t.home.quick<{ readonly session: { readonly id: string } }>(...args)).session.id;
  };
  const turns = async (id: string) =>
    (await t.home.quick<{ readonly turns: readonly Turn[] }>('session', 'show', id)).turns;
  const spent = (id: string) =>
    eventually('something is spent', async () =>
      (await t.home.run('session', 'log', id)).stdout.includes('working on'),
    );
  const go = join(t.home.path, 'go');
  const bash = `until test -e ${go}; do sleep 0.1; done`;
  const patient = await run(
    { text: 'working on it' },
    { cost: 0.1 },
    { bash },
    { cost: 1.4 },
    { wait: 4_000 },
    { text: 'whole' },
  );
  await spent(patient);
  await t.home.quick('agent', 'budget', 'ada', '--cost-per-day', '2');
  const upLog = join(t.home.path, '.run', 'up.log');
  await eventually('the raised budget is heard', async () =>
    (await readFile(upLog, 'utf8')).includes('up.budget_read'),
  );
  await writeFile(go, '');
  await t.heard('ada.mia', /^whole$/);

  const two = await Promise.all([1, 2].map(() => run({ cost: 0.4 }, { hang: true })));
  for (const id of two) {
    await eventually('it is cut off', async () => (await turns(id))[0]?.stopReason === 'budget_exceeded');
  }
});
