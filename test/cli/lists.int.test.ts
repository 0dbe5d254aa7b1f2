/** What lists print, page by page, into pagers and past hostile text. */
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { ROUTES } from '#contract/routes.ts';
import { createAgent, createTeam, joinProject, push, send } from '../support/company.ts';
import { person } from '../support/person.ts';
import { clientId, testServer } from '../support/server.ts';

/** Takes over a terminal that shows it, and ends its lines with spaces. */
const HOSTILE = 'a\u001b]0;owned\u0007\u001b[2J\u001b[31mred \n\n\u202eb\u009b1m  \t';

/** As much of that as the name of a session may have. */
const HOSTILE_LINE = 'red \u202eb  ';

/** Somebody with three of everything. */
async function scene() {
  const server = await testServer();
  const owner = await server.login('mia');
  const team = await createTeam(owner, 'acme');
  const projects = [];
  for (const name of ['one', 'two', 'three']) {
    const body = { clientId: clientId(), name, description: HOSTILE };
    const { project } = await owner.call(ROUTES.createProject, { params: { teamId: team.id }, body });
    projects.push(project);
  }
  const [first] = projects;
  if (first === undefined) throw new Error('no project');
  for (const name of ['ada', 'bob', 'eve']) {
    const agent = await createAgent(owner, name);
    await joinProject(owner, first, name);
    const about = { agentId: agent.id, teamId: team.id, name: HOSTILE_LINE, projects: [first.id] };
    await owner.call(ROUTES.createSession, { body: { clientId: clientId(), ...about } });
  }
  for (const name of ['x', 'y', 'z']) await push(owner, first, name, null, HOSTILE);
  const { document } = await push(owner, first, 'plan', null, 'one\n');
  const { document: second } = await push(owner, first, 'plan', document, 'two\n');
  await push(owner, first, 'plan', second, 'three\n');
  const other = await server.login('noa');
  await owner.call(ROUTES.addTeamMember, {
    params: { teamId: team.id },
    body: { clientId: clientId(), login: 'noa', role: 'member' },
  });
  await joinProject(owner, first, 'noa', 'collaborator');
  for (const text of ['1', '2', '3']) await send(other, first, `@mia ${text} ${HOSTILE}`);
  const mia = await person(server, 'mia');
  return {
    mia,
    async [Symbol.asyncDispose]() {
      await mia[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

const LISTS = [
  ['project', 'list', '--team', 'acme'],
  ['session', 'list'],
  ['agent', 'list'],
  ['doc', 'list'],
  ['doc', 'history', 'plan'],
  ['mentions'],
  ['find', '@mia'],
  ['project', 'read', 'one', '--peek'],
] as const;

describe('lists', () => {
  test('every list pages: what stands at its end shows the next page, to the last', async () => {
    // What is of today is shown without its day, on every page; and of one moment, so that no order is left to time.
    vi.useFakeTimers({ toFake: ['Date'] });
    onTestFinished(() => void vi.useRealTimers());
    await using it = await scene();
    for (const words of LISTS) {
      const whole = await it.mia.command([...words, '--text']);
      expect([words, whole.status, whole.stdout]).toEqual([words, 0, expect.not.stringContaining('more:')]);
      const pages: string[] = [];
      for (let next: readonly string[] | undefined = []; next !== undefined && pages.length < 10; ) {
        const { stdout } = await it.mia.command([...words, '--text', '--limit', '1', ...next]);
        pages.push(stdout.replace(/^\((more|older ones): .*\)\n/m, ''));
        next = /\((?:more|older ones): (--\w+) (\S+)\)/.exec(stdout)?.slice(1);
      }
      if (words[1] === 'read') pages.reverse();
      const lines = (text: string) => text.replace(/ +/g, ' ').split('\n').filter(Boolean);
      expect([words, pages.flatMap(lines)]).toEqual([words, lines(whole.stdout)]);
      expect(pages.length).toBeGreaterThan(2);
    }
  });

  test('past its end a list says that there is no more, not that there is nothing', async () => {
    await using it = await scene();
    for (const group of ['project', 'session', 'agent', 'doc']) {
      const { status, stdout } = await it.mia.command([group, 'list', '--text', '--offset', '50']);
      expect([group, status, stdout]).toEqual([group, 0, 'There are no more.\n']);
    }
    const { stdout } = await it.mia.command(['project', 'list', '--text', '--status', 'archived']);
    expect(stdout).toBe('No projects are archived.\n');
  });

  test('into a pager goes text without colours, control sequences and spaces at the end of lines', async () => {
    await using it = await scene();
    for (const words of [
      ...LISTS,
      ['inbox'],
      ['doc', 'conflicts'],
      ['project', 'members', 'one'],
      ['agent', 'show', 'ada'],
    ]) {
      const { status, stdout } = await it.mia.command([...words, '--text'], {
        env: { ...it.mia.env, NO_COLOR: undefined },
      });
      expect([words, status]).toEqual([words, 0]);
      expect([words, stdout]).toEqual([words, expect.not.stringMatching(/[^\P{Cc}\n]|[\u202a-\u202e]|[ \t]$/mu)]);
    }
  });

  test('FORCE_COLOR colours what goes into a pager', async () => {
    await using it = await scene();
    const env = { ...it.mia.env, NO_COLOR: undefined, FORCE_COLOR: '1' };
    const { stdout } = await it.mia.command(['mentions', '--text'], { env });
    expect(stdout.startsWith('\u001b[1mnoa\u001b[22m')).toBe(true);
  });

  test('--text and --json at once is a mistake', async () => {
    await using it = await scene();
    expect(await it.mia.command(['inbox', '--text', '--json'])).toMatchObject({ status: 2 });
  });
});
