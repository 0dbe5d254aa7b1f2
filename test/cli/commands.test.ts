/** Commands as functions: what they ask the server for, and what they say. */
import { describe, expect, test } from 'vitest';
import { budget, show } from '#cli/commands/agent.ts';
import { login } from '#cli/commands/auth.ts';
import { unread } from '#cli/commands/chat.ts';
import { inbox } from '#cli/commands/inbox.ts';
import { assign, read, send, unassign } from '#cli/commands/project.ts';
import { findSession, list, run, stop, whenItStarts } from '#cli/commands/session.ts';
import type { BudgetState } from '#contract/budget.ts';
import { DEFAULT_BUDGET } from '#contract/default-budget.ts';
import type { Message, Project, Session } from '#contract/entities.ts';
import { testContext } from '../support/command.ts';

const id = (end: string): string => `019a1b2c-3d4e-7f60-8a9b-0c1d2e3f${end}`;
const AT = '2026-01-01T00:00:00.000Z';
const mia = { kind: 'user', id: id('0001'), name: 'mia' } as const;
const ada = { kind: 'agent', id: id('0002'), name: 'ada.mia' } as const;

const project = (more: Partial<Project> = {}): Project =>
  ({
    id: id('1000'),
    teamId: id('2000'),
    team: 'acme',
    name: 'launch',
    kind: 'project',
    status: 'active',
    description: '',
    hopLimit: 6,
    loopStoppedAt: null,
    cooldowns: [],
    createdAt: AT,
    ...more,
  }) as Project;

const message = (seq: number, more: object = {}): Message =>
  ({
    id: id(`90${seq}`.slice(0, 4).padEnd(4, '0')),
    projectId: id('1000'),
    seq,
    author: mia,
    via: null,
    body: `message ${seq}`,
    mentions: [],
    replyTo: null,
    turnId: null,
    hop: 0,
    createdAt: AT,
    ...more,
  }) as never;

const session = (end: string, more: Partial<Session> = {}): Session =>
  ({
    id: id(end),
    agentId: ada.id,
    agent: 'ada.mia',
    teamId: id('2000'),
    team: 'acme',
    name: null,
    state: 'running',
    activity: 'input_ready',
    coverageMode: 'auto',
    parked: false,
    projects: [{ id: id('1000'), name: 'launch' }],
    parentId: null,
    forkedFromId: null,
    run: null,
    createdAt: AT,
    updatedAt: AT,
    ...more,
  }) as Session;

const agent = { id: ada.id, name: ada.name, ownerId: mia.id, repo: null, createdAt: AT, teams: [] };
const RESOLVE = { 'GET /v1/projects/resolve': { project: project() } };
const MESSAGES = `GET /v1/projects/${id('1000')}/messages`;
const CURSOR = `POST /v1/projects/${id('1000')}/cursor`;
const SEND = `POST /v1/projects/${id('1000')}/messages`;

describe('agent budget', () => {
  const AGENTS = { 'GET /v1/agents': { agents: [agent] } };
  const BUDGET = `/v1/agents/${ada.id}/budget`;
  const state = (more: Partial<BudgetState> = {}): BudgetState => ({
    budget: { ...DEFAULT_BUDGET, costMicrosPerDay: 'unlimited' },
    used: { turnsPerHour: 60, tokensPerDay: 1_234_567, costMicrosPerDay: 2_500_000 },
    exhausted: null,
    ...more,
  });
  const used = state({ exhausted: { limit: 'turnsPerHour', retryAt: '2026-01-01T12:00:00.000Z' } });

  test('shows every limit with what was used of it', async () => {
    const world = testContext({ ...AGENTS, [`GET ${BUDGET}`]: state() });
    await budget(world.context, { agent: 'ada', limits: {} });
    expect(world.stdout()).toBe(
      'turns in the last hour       60 of 60\ntokens in the last 24 hours  1.2M of 50M\ncost in the last 24 hours    $2.50 of unlimited\n',
    );
  });

  test('sets what was given, and says until when the agent waits', async () => {
    const world = testContext({ ...AGENTS, [`PUT ${BUDGET}`]: used });
    await budget(world.context, { agent: '@ada', limits: { tokensPerDay: 7 } });
    expect(world.requests.at(-1)).toEqual({ what: `PUT ${BUDGET}`, body: { tokensPerDay: 7 } });
    expect(world.stdout()).toMatch(/\nused up until 2026-01-\d\d \d\d:\d\d: 60 of 60 turns in the last hour/);
  });

  test('agent show has a line for it only where it is used up', async () => {
    for (const [reply, line] of [
      [state(), /^policy +ask\nteams/m],
      [used, /^policy +ask\nbudget +used up until/m],
    ] as const) {
      const world = testContext({
        ...AGENTS,
        'GET /v1/sessions': { sessions: [], hasMore: false },
        [`GET ${BUDGET}`]: reply,
      });
      await show(world.context, { agent: 'ada' });
      expect(world.stdout()).toMatch(line);
    }
  });
});

describe('project send', () => {
  test('sends the words as one message and names who is mentioned', async () => {
    const world = testContext({ ...RESOLVE, [SEND]: { message: message(5, { mentions: [ada] }) } });
    await send(world.context, { name: '#launch', text: ['hello', '@ada'], via: 'cursor' });
    expect(world.requests[0]).toEqual({ what: 'GET /v1/projects/resolve', body: { name: 'launch' } });
    expect(world.requests[1]?.body).toMatchObject({ body: 'hello @ada', via: 'cursor', clientId: expect.any(String) });
    expect(world.stdout()).toMatch(/^Sent 2e3f9050 to launch \(mentions @ada\.mia\)\.\n$/);
  });

  test('asks the server for nothing when there is no text', async () => {
    const world = testContext({});
    await expect(send(world.context, { name: 'launch', text: [] })).rejects.toMatchObject({ code: 'VALIDATION_ERROR' });
    expect(world.asked()).toEqual([]);
  });

  test('a name that several teams use is looked up in the team of the settings, else it is an error', async () => {
    const ambiguous = { error: { code: 'AMBIGUOUS_PROJECT', message: 'Several projects.', hint: '--team' } };
    const answers = {
      'GET /v1/projects/resolve': (query: { team?: string }) =>
        query.team === 'acme' ? { project: project() } : Response.json(ambiguous, { status: 400 }),
      [SEND]: { message: message(5) },
    };
    const without = testContext(answers);
    await expect(send(without.context, { name: 'launch', text: ['x'] })).rejects.toMatchObject({ exitStatus: 2 });
    const withTeam = testContext(answers);
    withTeam.settings.set('team', 'acme');
    await send(withTeam.context, { name: 'launch', text: ['x'] });
    expect(withTeam.stdout()).toContain('to launch');
  });

  test('a team name that is none is explained, with the quotes that a tilde needs', async () => {
    const world = testContext({});
    await expect(send(world.context, { name: 'launch', team: '/home/mia', text: ['x'] })).rejects.toMatchObject({
      code: 'USAGE',
      hint: expect.stringContaining("'~mia'"),
    });
  });
});

describe('project read', () => {
  const unreadMessages = { messages: [message(4), message(7)], hasMore: true, readSeq: 4 };

  test('marks as read what it showed', async () => {
    const world = testContext({ ...RESOLVE, [MESSAGES]: unreadMessages, [CURSOR]: { seq: 7 } });
    await read(world.context, { name: 'launch', limit: 20 });
    expect(world.requests.at(-1)).toEqual({ what: CURSOR, body: { seq: 7 } });
    expect(world.stdout()).toContain('(older ones: --before 4)');
    expect(world.stdout()).toContain('message 7');
  });

  test('leaves the mark with --peek, and where nothing is new', async () => {
    const peeking = testContext({ ...RESOLVE, [MESSAGES]: unreadMessages });
    await read(peeking.context, { name: 'launch', limit: 20, peek: true });
    const old = testContext({ ...RESOLVE, [MESSAGES]: { ...unreadMessages, readSeq: 7 } });
    await read(old.context, { name: 'launch', limit: 20 });
    for (const world of [peeking, old]) expect(world.asked()).not.toContain(CURSOR);
  });

  test('says that agents stopped each other', async () => {
    const world = testContext({
      'GET /v1/projects/resolve': { project: project({ loopStoppedAt: AT }) },
      [MESSAGES]: { messages: [message(4)], hasMore: false, readSeq: 4 },
    });
    await read(world.context, { name: 'launch', limit: 20 });
    expect(world.stdout()).toContain('answered each other 6 times: they are stopped until a person says something');
  });

  test('says which agents only thank each other, while that holds them back', async () => {
    const cooldown = (agents: [string, string], until: number) => ({
      agents,
      because: 'acknowledgement' as const,
      until: new Date(until).toISOString(),
    });
    const cooldowns = [
      cooldown(['ada.mia', 'bob.mia'], Date.now() + 600_000),
      cooldown(['ada.mia', 'old.mia'], Date.now() - 1_000),
    ];
    const world = testContext({
      'GET /v1/projects/resolve': { project: project({ cooldowns: cooldowns as never }) },
      [MESSAGES]: { messages: [message(4)], hasMore: false, readSeq: 4 },
    });
    await read(world.context, { name: 'launch', limit: 20 });
    expect(world.stdout()).toMatch(/ada\.mia and bob\.mia only thank each other: .*until a person says something/);
    expect(world.stdout()).not.toContain('old.mia');
  });
});

describe('inbox', () => {
  const unreadProjects = {
    projects: [{ project: project(), unread: 3, hasMention: true, messages: [message(4), message(7)] }],
  };

  test('shows what is unread and leaves it so', async () => {
    const world = testContext({ 'GET /v1/inbox': unreadProjects });
    await inbox(world.context, { limit: 2 });
    expect(world.stdout()).toMatch(/acme\/launch {2}3 unread, mentions you\n/);
    expect(world.stdout()).toContain('1 more: aachat project read acme/launch');
    expect(world.asked()).toEqual(['GET /v1/inbox']);
  });

  test('with --mark marks what it showed, and no more', async () => {
    const world = testContext({ 'GET /v1/inbox': unreadProjects, [CURSOR]: { seq: 7 } });
    await inbox(world.context, { limit: 2, mark: true });
    expect(world.requests.at(-1)).toEqual({ what: CURSOR, body: { seq: 7 } });
  });
});

test('a login that cannot be one is answered with one that can', async () => {
  await expect(login(testContext({}).context, { login: 'Mia Smith' })).rejects.toMatchObject({
    code: 'USAGE',
    hint: 'Take one such as mia-smith.',
  });
});

test.each([
  ['assign', assign],
  ['unassign', unassign],
])('project %s needs somebody', async (verb, command) => {
  await expect(command(testContext({}).context, { name: 'launch', member: undefined })).rejects.toMatchObject({
    code: 'USAGE',
    hint: `aachat project ${verb} launch --agent ada`,
  });
});

describe('a session', () => {
  const sessions = [session('aaaa'), session('baaa', { agent: 'ben.mia' as Session['agent'] }), session('cccc')];
  const answers = { 'GET /v1/sessions': { sessions, hasMore: false } };

  test('is found by the end of its id; several are listed, never guessed', async () => {
    const { context } = testContext({
      'GET /v1/sessions': {
        sessions: [...sessions, { ...session('dddd'), id: id('0000').replace('2e3f', '2e3c') }],
        hasMore: false,
      },
    });
    const { http } = await context.connect();
    expect((await findSession(context, http, '2E3FCCCC')).id).toBe(id('cccc'));
    await expect(findSession(context, http, '019a1b')).rejects.toMatchObject({
      code: 'AMBIGUOUS_NAME',
      message: expect.stringContaining('2e3faaaa (ada.mia), 2e3fbaaa (ben.mia)'),
    });
    const named = [session('dddd', { name: 'plan' }), session('eeee', { name: 'plan b' })];
    const other = testContext({ 'GET /v1/sessions': { sessions: named, hasMore: false } });
    const there = (await other.context.connect()).http;
    expect((await findSession(other.context, there, 'plan')).name).toBe('plan');
    expect((await findSession(other.context, there, 'plan b')).name).toBe('plan b');
    await expect(findSession(other.context, there, 'pl')).rejects.toMatchObject({
      message: expect.stringContaining('2e3fdddd (ada.mia, plan), 2e3feeee (ada.mia, plan b)'),
    });
    await expect(findSession(context, http, 'ffff')).rejects.toMatchObject({ code: 'NOT_FOUND', exitStatus: 4 });
  });

  test('that does not run cannot be stopped', async () => {
    const { context } = testContext({
      'GET /v1/sessions': { sessions: [session('aaaa', { state: 'stopped', activity: null })], hasMore: false },
    });
    await expect(stop(context, { session: 'aaaa' })).rejects.toMatchObject({ code: 'CONFLICT', exitStatus: 5 });
  });

  test('has a name that cannot break the list', async () => {
    const named = { sessions: [session('aaaa', { name: 'a\nforged\u001b[2J' })], hasMore: true };
    const { context, stdout } = testContext({ 'GET /v1/sessions': named });
    await list(context, { limit: 1, offset: 0 });
    expect(stdout().trim().split('\n')).toHaveLength(2);
    expect(stdout()).toMatch(/input ready .* a forged\n\(more: --offset 1\)\n$/);
  });

  test('that is run while no `up` is there says when it will start', async () => {
    const world = testContext({
      ...answers,
      ...RESOLVE,
      'GET /v1/agents': { agents: [agent] },
      'POST /v1/sessions': { session: session('aaaa', { state: 'starting', activity: null }), signal: null },
    });
    await run(world.context, { agent: 'ada', text: ['Draft', 'it'], project: ['launch'] });
    expect(world.requests.at(-1)?.body).toMatchObject({ agentId: ada.id, text: 'Draft it', projects: [id('1000')] });
    expect(world.stdout()).toContain('It starts with the next `aachat up`.');
  });

  test.for([
    [[], null, true],
    [['ada'], null, true],
    [['ben', 'ada.mia'], 'acme', true],
    [['ben'], null, false],
    [['ada'], 'other', false],
  ] as const)('that is run while `up` serves %s in %s starts now: %s', ([agents, team, starts]) => {
    const up = { since: AT, server: 'http://127.0.0.1', agents: [...agents], team };
    expect(whenItStarts(up, session('aaaa')).starts).toBe(starts);
  });

  test('that waits for another `up` says what the running one was started with, and what to do', () => {
    const up = { since: AT, server: 'http://127.0.0.1', agents: ['ben'], team: 'other' };
    expect(whenItStarts(up, session('aaaa')).when).toMatch(/--agent ben --team other\..*aachat down/);
  });

  test('works in one team', async () => {
    const world = testContext({
      'GET /v1/projects/resolve': (query: { name: string }) => ({
        project: project(query.name === 'other' ? ({ id: id('1001'), teamId: id('2001') } as never) : {}),
      }),
      'GET /v1/agents': { agents: [agent] },
    });
    await expect(run(world.context, { agent: 'ada', text: ['x'], project: ['launch', 'other'] })).rejects.toMatchObject(
      { code: 'USAGE', message: expect.stringContaining('one team') },
    );
  });
});

describe('chat unread', () => {
  const answers = {
    'GET /v1/me': {
      kind: 'session',
      agent: { ...agent, teams: undefined },
      sessionId: id('aaaa'),
      runId: id('bbbb'),
      coverage: [],
    },
    'GET /v1/inbox': {
      projects: [
        {
          project: project(),
          unread: 2,
          hasMention: true,
          messages: [message(4), message(7, { author: ada, body: 'mine' })],
        },
      ],
    },
    [CURSOR]: { seq: 7 },
  };

  test('has the shape that older agents read, and marks what it gave', async () => {
    const world = testContext(answers, { inSession: true });
    const shown: unknown[] = [];
    await unread(
      { ...world.context, output: { ...world.context.output, result: (data) => void shown.push(data) } },
      {
        name: undefined,
        peek: false,
      },
    );
    expect(shown).toEqual([
      {
        you: 'ada.mia',
        projects: [
          {
            project: '#launch',
            has_mention: true,
            new: [
              { id: message(4).id, role: 'user', name: 'mia', content: 'message 4' },
              { id: message(7).id, role: 'assistant', name: 'ada.mia', content: 'mine' },
            ],
          },
        ],
      },
    ]);
    expect(world.requests.at(-1)).toEqual({ what: CURSOR, body: { seq: 7 } });
  });

  test('with --peek marks nothing', async () => {
    const world = testContext(answers, { inSession: true });
    await unread(world.context, { name: undefined, peek: true });
    expect(world.asked()).not.toContain(CURSOR);
  });
});
