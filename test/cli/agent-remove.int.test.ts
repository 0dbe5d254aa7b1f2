/** An agent goes out of service, and nothing of it is lost: real repos, real server. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { exists } from '#base/fs.ts';
import { remove } from '#cli/commands/agent.ts';
import { ROUTES } from '#contract/routes.ts';
import { movableClock } from '../support/clock.ts';
import { testContext } from '../support/command.ts';
import { addMachine, createTeam, liveSession } from '../support/company.ts';
import { person } from '../support/person.ts';
import { testServer } from '../support/server.ts';
import { gitIn, writeFiles } from '../support/temp.ts';

/** Mia with her agent ada, in a project. */
async function scene() {
  const stack = new AsyncDisposableStack();
  const server = stack.use(await testServer({ clock: movableClock().clock }));
  const owner = await server.login('mia');
  const mia = stack.use(await person(server, 'mia'));
  await mia.data('agent', 'create', 'ada');
  await mia.data('project', 'create', 'launch');
  await mia.data('project', 'assign', 'launch', '--agent', 'ada');
  return {
    server,
    owner,
    mia,
    at: (...parts: string[]) => join(mia.home, ...parts),
    agents: async () => (await owner.call(ROUTES.listAgents, {})).agents.map(({ name }) => name),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

describe('agent remove', () => {
  test('takes its clean folder, leaves its repo and says where, and forgets what it was allowed', async () => {
    await using it = await scene();
    await it.mia.data('agent', 'policy', 'ada', 'full');
    await it.mia.data('agent', 'trust', 'ada');
    const allowed = async () => JSON.stringify(await it.mia.data('config', 'list'));
    expect(await allowed()).toContain('agents.ada.mia');
    const done = await it.mia.command(['agent', 'remove', 'ada', '--yes'], { isTerminal: true });
    const repo = it.at('repos', 'ada.mia.git');
    expect(done).toEqual({
      status: 0,
      stdout: `ada.mia is out of service. What it said stays.\nIts repo stays: ${repo}\n`,
      stderr: '',
    });
    expect(await it.agents()).toEqual([]);
    expect([await exists(repo), await exists(it.at('agents', 'ada.mia'))]).toEqual([true, false]);
    expect(await allowed()).not.toContain('agents.ada.mia');
    expect(await it.mia.command(['agent', 'remove', 'ada', '--yes'])).toMatchObject({ status: 4 });
  });

  test.for([
    ['changes', false],
    ['commits that are not published', true],
  ] as const)('a folder with %s stays, and the output says where', async ([, isCommitted]) => {
    await using it = await scene();
    const dir = it.at('agents', 'ada.mia');
    await writeFiles(dir, { 'memory/new.md': 'work\n' });
    if (isCommitted) {
      await gitIn(dir, 'add', '.');
      await gitIn(dir, 'commit', '--quiet', '--message=work');
    }
    await writeFiles(it.at('.run', 'workspaces', 'ada.mia--00000000'), { 'x.md': 'left\n' });
    const { kept } = (await it.mia.data('agent', 'remove', 'ada', '--yes')) as unknown as { kept: string[] };
    expect(kept).toEqual([
      expect.stringContaining('ada.mia.git'),
      expect.stringContaining(`${dir}: ${isCommitted ? 'commit' : 'uncommitted changes in memory/new.md'}`),
      expect.stringContaining('ada.mia--00000000'),
    ]);
    expect(await exists(join(dir, 'memory', 'new.md'))).toBe(true);
    expect(await it.agents()).toEqual([]);
  });

  test('one whose sessions live is refused by their names, and everything stays', async () => {
    await using it = await scene();
    const team = await createTeam(it.owner, 'acme');
    const { agents } = await it.owner.call(ROUTES.listAgents, {});
    const [ada] = agents;
    if (ada === undefined) throw new Error('no agent');
    const machine = await addMachine(it.owner, 'laptop');
    const { session } = await liveSession(it.server, it.owner, ada, team, machine);
    const refused = await it.mia.command(['agent', 'remove', 'ada', '--yes']);
    expect(refused).toMatchObject({ status: 5, stderr: expect.stringContaining(`${session.id.slice(-8)} in acme`) });
    expect(await it.agents()).toEqual(['ada.mia']);
    expect(await exists(it.at('agents', 'ada.mia'))).toBe(true);
  });

  test('made again under its name it is the same agent with its memory', async () => {
    await using it = await scene();
    await writeFiles(it.at('agents', 'ada.mia'), { 'memory/fact.md': 'kept\n' });
    await it.mia.data('agent', 'save', 'ada');
    const before = (await it.owner.call(ROUTES.listAgents, {})).agents[0];
    await it.mia.data('agent', 'remove', 'ada', '--yes');
    const again = await it.mia.command(['agent', 'create', 'ada'], { isTerminal: true });
    expect(again).toMatchObject({ status: 0, stderr: expect.stringContaining('was there already') });
    expect((await it.owner.call(ROUTES.listAgents, {})).agents).toMatchObject([{ id: before?.id, teams: [] }]);
    expect(await exists(it.at('agents', 'ada.mia', 'memory', 'fact.md'))).toBe(true);
  });

  test('made again after its repo was thrown away it begins anew', async () => {
    await using it = await scene();
    await writeFiles(it.at('agents', 'ada.mia'), { 'memory/fact.md': 'old\n' });
    await it.mia.data('agent', 'save', 'ada');
    await it.mia.data('agent', 'remove', 'ada', '--yes');
    await rm(it.at('repos', 'ada.mia.git'), { recursive: true });
    await it.mia.data('agent', 'create', 'ada', '-d', 'Another one');
    expect(await exists(it.at('agents', 'ada.mia', 'memory', 'fact.md'))).toBe(false);
    expect(await gitIn(it.at('agents', 'ada.mia'), 'status', '--porcelain')).toBe('');
  });

  test('asks on a terminal, and wants --yes elsewhere', async () => {
    await using it = await scene();
    const refused = await it.mia.command(['agent', 'remove', 'ada']);
    expect(refused).toMatchObject({ status: 5, stderr: expect.stringContaining('--yes') });
    expect(await it.agents()).toEqual(['ada.mia']);
    const [ada] = (await it.owner.call(ROUTES.listAgents, {})).agents;
    const { context, asked, stderr } = testContext(
      { 'GET /v1/agents': { agents: [ada] } },
      { stdin: [new TextEncoder().encode('n\n')] },
    );
    Object.assign(context.stdin, { isTTY: true });
    await expect(remove(context, { agent: 'ada', yes: false })).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(stderr()).toMatch(/^ada\.mia goes out of service, and out of all projects of ~mia\..*\n.*\[y\/N\] $/);
    expect(asked()).toEqual(['GET /v1/agents']);
  });
});
