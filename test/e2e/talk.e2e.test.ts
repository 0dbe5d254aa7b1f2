/** What agents answer, and when they come to rest: everything but the model is real. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Project, Session } from '#contract/entities.ts';
import { eventually } from '../support/eventually.ts';
import { team } from '../support/team.ts';
import { gitIn } from '../support/temp.ts';

interface Status {
  readonly up: { readonly loops: readonly Project[] } | null;
}

test('the workspace holds the agent repo and skills, and its git sees nothing of ours', async () => {
  await using t = await team(['ada']);
  await t.up();
  const [workspace = ''] = await readdir(join(t.home.path, '.run', 'workspaces'));
  const path = join(t.home.path, '.run', 'workspaces', workspace);
  expect(await gitIn(path, 'status', '--porcelain')).toBe('');
  expect(await gitIn(path, 'add', '--all', '--dry-run')).toBe('');
  for (const file of [
    '.agents/skills/aachat-session/SKILL.md',
    '.claude/skills/aachat-session/SKILL.md',
    'aachat/agents/ada.mia/identity.md',
  ]) {
    expect((await stat(join(path, file))).isFile()).toBe(true);
  }
});

test('a dm with the owner works without a mention', async () => {
  await using t = await team(['ada']);
  await t.up();
  await t.send('are you there?', 'dm:ada');
  await t.heard('ada.mia', /You said: "are you there\?"/, 'dm:ada');
});

test('what was said while nothing ran is answered at the next up, once, in the same conversation', async () => {
  await using t = await team(['ada']);
  const first = await t.up();
  await t.send('@ada one');
  await t.heard('ada.mia', /"one"/);
  first.child.kill('SIGTERM');
  expect(await first.ended).toBe(143);
  await t.send('@ada two');
  await t.send('@ada three');
  await t.up();
  await t.heard('ada.mia', /three/);
  expect((await t.messages()).filter(({ author }) => author.kind === 'agent')).toHaveLength(2);
  const { sessions } = await t.home.json<{ sessions: readonly Session[] }>('session', 'list');
  expect(sessions).toHaveLength(1);
  const log = await readFile(join(t.home.path, '.run', 'sessions', sessions[0]?.id ?? '', 'events.jsonl'), 'utf8');
  expect(log.match(/"opened":"(\w+)"/g)).toEqual(['"opened":"new"', '"opened":"resumed"']);
});

test('two agents that mention each other for ever are stopped, and a person lets them go on', async () => {
  await using t = await team(['ada', 'bob']);
  const up = await t.up();
  await t.send('@ada ask bob: ping');
  await up.until(/answered each other 6 times/);
  const hops = (await t.messages()).map(({ hop }) => hop);
  expect(Math.max(...hops)).toBe(6);
  const before = hops.length;
  await t.send('@ada ask bob: ping');
  await eventually('somebody answers again', async () => (await t.messages()).length > before + 1);
});

test('two agents that only thank each other come to rest, people are told once, and a person wakes them', async () => {
  await using t = await team(['ada', 'bob']);
  const up = await t.up();
  const thanks = async () => (await t.messages()).filter(({ author }) => author.kind === 'agent').length;
  await t.send('@ada ask bob: thanks');
  const told = /In launch ada\.mia and bob\.mia only thank each other: .* until a person says something\./g;
  await up.until(told);
  expect(
    (await t.home.quick<{ project: Project }>('project', 'read', 'launch', '--peek')).project.cooldowns,
  ).toMatchObject([{ agents: ['ada.mia', 'bob.mia'], because: 'acknowledgement' }]);
  const loops = async () => (await t.home.quick<Status>('status')).up?.loops.map(({ name }) => name);
  expect(await loops()).toEqual(['launch']);
  // Both are at rest: whoever is asked now answers at once, and nothing else is said.
  await t.send('are you there?', 'dm:bob');
  await t.heard('bob.mia', /are you there/, 'dm:bob');
  expect(await thanks()).toBe(4);
  await t.send('@ada ask bob: thanks');
  await eventually('they thank each other again', async () => (await thanks()) === 8);
  await up.until(/only thank each other[\s\S]*only thank each other/);
  expect(up.output().match(told)).toHaveLength(2);
  up.child.kill('SIGTERM');
  await up.ended;
  await t.up();
  await eventually('it is said again', async () => (await loops())?.includes('launch'));
  await t.send('enough');
  await eventually('a word of a person is enough', async () => (await loops())?.length === 0);
});
