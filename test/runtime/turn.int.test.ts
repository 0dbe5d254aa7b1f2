/**
 * A turn on a real server and a real log, with the launcher killed at every step: before each line of the log, before
 * each call to the server, and after each call whose answer is lost.
 */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { AachatError } from '#base/errors.ts';
import { newId } from '#base/id.ts';
import { createHttpClient, type HttpClient } from '#client/http.ts';
import type { Party } from '#contract/entities.ts';
import type { TurnId } from '#contract/ids.ts';
import { ROUTES } from '#contract/routes.ts';
import type { Agent, TurnOutcome } from '#runtime/agent.ts';
import { type EventLog, type LogEvent, openEventLog, readEventLog } from '#runtime/event-log.ts';
import { RECOVERY, recover } from '#runtime/recovery.ts';
import { runTurn, type TurnResult, type TurnTask } from '#runtime/turn.ts';
import { createBudgetGuards } from '#runtime/turn-budget.ts';
import {
  addMachine,
  createAgent,
  createProject,
  createTeam,
  joinProject,
  openRun,
  planSession,
  send,
  waiting,
} from '../support/company.ts';
import { testServer } from '../support/server.ts';
import { tempDir } from '../support/temp.ts';

const GIT = { team: { ref: null, base: 'b', commit: 'c' }, agent: null };

class Killed extends Error {}

/** Counts steps and dies at the chosen one. */
function reaper(dieAt: number) {
  let step = 0;
  return {
    tick() {
      step += 1;
      if (step === dieAt) throw new Killed(`step ${step}`);
    },
    get steps() {
      return step;
    },
  };
}
type Reaper = ReturnType<typeof reaper>;

const mortalLog = (log: EventLog, { tick }: Reaper): EventLog => ({
  append: async (...args) => {
    tick();
    await log.append(...args);
    tick();
  },
  [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
});

const mortalHttp = (http: HttpClient, { tick }: Reaper): HttpClient => ({
  async call(route, input, signal) {
    tick();
    const reply = await http.call(route, input, signal);
    tick();
    return reply;
  },
});

/** An agent that remembers what it was asked and answers with a number. */
function countingAgent(outcome?: TurnOutcome) {
  const prompts: string[] = [];
  const agent: Agent = {
    pid: 1,
    conversation: 'c',
    opened: 'new',
    info: { name: 'counting', version: '1' },
    warnings: [],
    costMicros: undefined,
    closed: new AbortController().signal,
    async prompt(text) {
      prompts.push(text);
      const counters = { inputTokens: 1, outputTokens: 1, cacheReadTokens: 0, cacheWriteTokens: 0, costMicros: 0 };
      return (
        outcome ?? {
          kind: 'ended',
          stopReason: 'end_turn',
          text: `answer ${prompts.length}`,
          counters,
          lastMessageId: null,
        }
      );
    },
    cancel: () => true,
    [Symbol.asyncDispose]: async () => {},
  };
  return { agent, prompts };
}

/** What else a life of the launcher can have. */
interface Over {
  readonly tell?: (text: string) => void;
  readonly through?: (http: HttpClient) => HttpClient;
  readonly onTrouble?: (failure: { readonly message: string }) => void;
  readonly cancel?: () => void;
}

async function scene(limits: { readonly hopLimit?: number } = {}) {
  const stack = new AsyncDisposableStack();
  const server = stack.use(await testServer());
  const dir = stack.use(await tempDir());
  const mia = await server.login('mia');
  const team = await createTeam(mia, 'acme');
  const project = await createProject(mia, team, 'launch', limits);
  const ada = await createAgent(mia, 'ada');
  await joinProject(mia, project, ada.name);
  const session = await planSession(mia, ada, team);
  const machine = await addMachine(mia, 'm');
  const ownerHttp = createHttpClient({ baseUrl: new URL(server.url), token: async () => mia.token });
  const self: Party = { kind: 'agent', id: ada.id, name: ada.name };
  const path = join(dir.path, 'events.jsonl');
  const budgets = createBudgetGuards();

  /** One life of the launcher: a new run that does what the log says it owes, else the next thing that waits. */
  async function live(
    mortal: Reaper,
    agent: Agent,
    isCancelled = () => false,
    over: Over = {},
  ): Promise<TurnResult | undefined> {
    const past = recover(await readEventLog(path));
    const run = await openRun(mia, session, machine, past.owed?.turnId);
    await ownerHttp.call(ROUTES.setActivity, { params: { runId: run.id }, body: { activity: 'input_ready' } });
    const { token } = await ownerHttp.call(ROUTES.mintSessionToken, { params: { runId: run.id } });
    await using log = await openEventLog(path, RECOVERY);
    const { owed } = log.state;
    const signals = await waiting(mia, session);
    if (owed === null && signals.length === 0) return undefined;
    const task: TurnTask =
      owed === null
        ? { kind: 'fresh', turnId: newId<TurnId>(), projectId: project.id, signals: signals.map(({ id }) => id) }
        : { kind: 'owed', ...owed };
    const agentHttp = createHttpClient({ baseUrl: new URL(server.url), token: async () => token });
    return await runTurn(
      {
        agent,
        self,
        ownerId: mia.id,
        team: team.slug,
        runId: run.id,
        log: mortalLog(log, mortal),
        ownerHttp: mortalHttp(ownerHttp, mortal),
        agentHttp: mortalHttp(over.through?.(agentHttp) ?? agentHttp, mortal),
        projectName: async () => 'launch',
        signal: new AbortController().signal,
        isStopping: () => false,
        budgets,
        notices: [],
        tell: over.tell ?? (() => {}),
        isCancelled,
        cancel: over.cancel ?? (() => {}),
        onTrouble: over.onTrouble ?? (() => {}),
        preamble: '',
        said: async () => {},
        gitState: async () => GIT,
        clock: Date.now,
      },
      task,
    );
  }

  const said = async () => {
    const { messages } = await ownerHttp.call(ROUTES.listMessages, {
      params: { projectId: project.id },
      query: { limit: 200 },
    });
    return messages.filter(({ author }) => author.kind === 'agent').map(({ body }) => body);
  };
  const turns = async () => (await ownerHttp.call(ROUTES.getSession, { params: { sessionId: session.id } })).turns;
  const log = () => readEventLog(path);
  const note = async (...events: readonly LogEvent[]) => {
    await using open = await openEventLog(path, RECOVERY);
    for (const event of events) await open.append(event);
  };
  return {
    mia,
    ada,
    project,
    ownerHttp,
    live,
    said,
    turns,
    log,
    note,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

const never = () => reaper(0);

describe('a turn', () => {
  test('killed at any step it is finished by the next launcher: one answer, one turn, one interruption at most', async () => {
    await using s = await scene();
    const whole = reaper(0);
    await send(s.mia, s.project, '@ada count');
    await s.live(whole, countingAgent().agent);
    expect(await s.log()).toContainEqual(expect.objectContaining({ type: 'turn.closed', git: GIT }));
    expect(whole.steps).toBeGreaterThan(12);
    for (let dieAt = 1; dieAt <= whole.steps; dieAt += 1) {
      const before = { said: (await s.said()).length, turns: (await s.turns()).length };
      await send(s.mia, s.project, `@ada count ${dieAt}`);
      const { agent, prompts } = countingAgent();
      await expect(s.live(reaper(dieAt), agent), `step ${dieAt}`).rejects.toThrow(Killed);
      while ((await s.live(never(), agent)) !== undefined);
      expect((await s.said()).length - before.said, `messages after a death at step ${dieAt}`).toBe(1);
      const made = (await s.turns()).slice(before.turns);
      expect(
        made.every(({ state }) => state === 'ended'),
        `turns after a death at step ${dieAt}`,
      ).toBe(true);
      expect(made).toHaveLength(1);
      expect(prompts.length, `prompts after a death at step ${dieAt}`).toBeLessThanOrEqual(2);
      if (prompts.length === 2) expect(prompts[1]).toContain('was interrupted');
    }
  });

  test('its agent is told whom its answer did not wake, also where the launcher is killed at any step', async () => {
    await using s = await scene({ hopLimit: 1 });
    const bob = await createAgent(s.mia, 'bob');
    await joinProject(s.mia, s.project, bob.name);
    const answer = { kind: 'ended', stopReason: 'end_turn', text: '@bob what now?', lastMessageId: null } as const;
    const { agent } = countingAgent({
      ...answer,
      counters: { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0, costMicros: 0 },
    });
    const whole = reaper(0);
    const told: string[] = [];
    const tell = (text: string) => void told.push(text);
    await send(s.mia, s.project, '@ada one');
    await s.live(whole, agent, undefined, { tell });
    expect(told).toEqual([expect.stringContaining('in `launch` did not wake bob.mia')]);
    for (let dieAt = 1; dieAt <= whole.steps; dieAt += 1) {
      told.length = 0;
      await send(s.mia, s.project, `@ada again ${dieAt}`);
      await expect(s.live(reaper(dieAt), agent, undefined, { tell })).rejects.toThrow(Killed);
      while ((await s.live(never(), agent, undefined, { tell })) !== undefined);
      expect(told.length, `told after a death at step ${dieAt}`).toBeGreaterThan(0);
    }
  });

  test('nothing is posted for silence, a refusal of the login, a limit, or an error', async () => {
    await using s = await scene();
    const failed = (reason: 'auth_required' | 'rate_limit' | 'agent_error'): TurnOutcome => ({
      kind: 'failed',
      reason,
      message: 'CANARY',
      hint: null,
      resetsAt: 5,
      counters: null,
    });
    const silent: TurnOutcome = {
      kind: 'ended',
      stopReason: 'end_turn',
      text: 'NOTHING TO SAY',
      counters: { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0, costMicros: 0 },
      lastMessageId: null,
    };
    await send(s.mia, s.project, '@ada one');
    expect(await s.live(never(), countingAgent(silent).agent)).toMatchObject({ kind: 'closed', failure: null });
    await send(s.mia, s.project, '@ada two');
    expect(await s.live(never(), countingAgent(failed('rate_limit')).agent)).toMatchObject({
      kind: 'owed',
      reason: 'limit',
      resetsAt: 5,
    });
    expect(await s.live(never(), countingAgent(failed('auth_required')).agent)).toMatchObject({
      kind: 'owed',
      reason: 'login',
    });
    expect(await s.live(never(), countingAgent(failed('agent_error')).agent)).toMatchObject({
      kind: 'closed',
      failure: { message: 'CANARY' },
    });
    expect(await s.said()).toEqual([]);
    expect((await s.turns()).map(({ state }) => state)).toEqual(['ended', 'failed']);
  });

  test('that is broken off and goes on counts with all that it used', async () => {
    await using s = await scene();
    await send(s.mia, s.project, '@ada one');
    const gone = { kind: 'failed', reason: 'agent_exited', message: 'gone', hint: null, resetsAt: null } as const;
    expect(await s.live(never(), countingAgent({ ...gone, counters: null }).agent)).toMatchObject({ kind: 'owed' });
    const turnId = (await s.turns())[0]?.id as TurnId;
    // As its agent told while it worked.
    await s.note(
      { type: 'update', turnId, update: { sessionUpdate: 'usage_update', used: 500, size: 1_000 } },
      { type: 'update', turnId, update: { sessionUpdate: 'tool_call_update', toolCallId: 't', status: 'completed' } },
      { type: 'update', turnId, update: { sessionUpdate: 'usage_update', used: 600, size: 1_000 } },
    );
    expect(await s.live(never(), countingAgent().agent)).toMatchObject({ kind: 'closed', tokens: 1_102 });
    expect(await s.turns()).toMatchObject([{ counters: { inputTokens: 1_101, outputTokens: 1 } }]);
  });

  test('past the budget messages wait, wherever the launcher is killed, and then become one turn', async () => {
    await using s = await scene();
    const limit = (turnsPerHour: number) =>
      s.ownerHttp.call(ROUTES.setBudget, { params: { agentId: s.ada.id }, body: { turnsPerHour } });
    const { agent, prompts } = countingAgent();
    await limit(1);
    await send(s.mia, s.project, '@ada one');
    expect(await s.live(never(), agent)).toMatchObject({ kind: 'closed' });
    const [first] = await s.turns();
    const until = Date.parse(first?.startedAt ?? '') + 60 * 60_000;
    for (let dieAt = 1; dieAt <= 6; dieAt += 1) {
      await send(s.mia, s.project, `@ada again ${dieAt}`);
      await s.live(reaper(dieAt), agent).catch((thrown: unknown) => expect(thrown).toBeInstanceOf(Killed));
    }
    expect(await s.live(never(), agent)).toMatchObject({
      kind: 'owed',
      reason: 'budget',
      until,
      failure: {
        message: expect.stringContaining('1 of 1 turns'),
        hint: expect.stringContaining('aachat agent budget'),
      },
    });
    expect(prompts).toHaveLength(1);
    await limit(2);
    expect(await s.live(never(), agent)).toMatchObject({ kind: 'closed' });
    expect(await s.live(never(), agent)).toBe(undefined);
    for (let said = 1; said <= 6; said += 1) expect(prompts[1]).toContain(`@ada again ${said}`);
    expect(await s.said()).toEqual(['answer 1', 'answer 2']);
    expect((await s.turns()).map(({ state }) => state)).toEqual(['ended', 'ended']);
  });

  test('a turn that runs past what was left of the budget is cancelled, and counts; one that is done in time is whole', async () => {
    await using s = await scene();
    const params = { agentId: s.ada.id };
    await s.ownerHttp.call(ROUTES.setBudget, { params, body: { costMicrosPerDay: 1_000 } });
    const counters = { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0, costMicros: 1_100 };
    const ended = { kind: 'ended', text: 'so far', counters, lastMessageId: null } as const;
    const cancelled = Promise.withResolvers<void>();
    const { agent } = countingAgent();
    const greedy: Agent = {
      ...agent,
      async prompt(_, onSpent) {
        for (const costMicros of [900, 1_000, 1_001, 1_100]) onSpent?.({ tokens: 1, costMicros });
        await cancelled.promise;
        return { ...ended, stopReason: 'cancelled' };
      },
    };
    let cancels = 0;
    const cancel = () => {
      cancels += 1;
      cancelled.resolve();
    };
    await send(s.mia, s.project, '@ada one');
    expect(await s.live(never(), greedy, () => cancels > 0, { cancel })).toMatchObject({
      kind: 'closed',
      failure: {
        message: expect.stringMatching(/^A turn was cancelled: .*budget of ada\.mia/),
        hint: expect.stringContaining('aachat agent budget ada.mia'),
      },
    });
    expect([cancels, await s.said()]).toEqual([1, []]);
    expect(await s.turns()).toMatchObject([{ state: 'cancelled', stopReason: 'budget_exceeded', counters }]);
    await send(s.mia, s.project, '@ada two');
    expect(await s.live(never(), greedy)).toMatchObject({ kind: 'owed', reason: 'budget' });

    await s.ownerHttp.call(ROUTES.setBudget, { params, body: { costMicrosPerDay: 2_000 } });
    const late: Agent = {
      ...agent,
      async prompt(_, onSpent) {
        onSpent?.({ tokens: 1, costMicros: 1_100 });
        return { ...ended, stopReason: 'end_turn', text: 'whole' };
      },
    };
    expect(await s.live(never(), late, () => false, { cancel })).toMatchObject({ kind: 'closed', failure: null });
    expect([cancels, await s.said()]).toEqual([1, ['whole']]);
    expect((await s.ownerHttp.call(ROUTES.getBudget, { params })).used.costMicrosPerDay).toBe(2_200);
  });

  test('a prompt that kills its agent every time is given up', async () => {
    await using s = await scene();
    await send(s.mia, s.project, '@ada die');
    const deadly = countingAgent({
      kind: 'failed',
      reason: 'agent_exited',
      message: 'gone',
      hint: null,
      resetsAt: null,
      counters: null,
    });
    const results: unknown[] = [];
    for (let life = 0; life < 5; life += 1) results.push((await s.live(never(), deadly.agent))?.kind);
    expect(results).toEqual(['owed', 'owed', 'owed', 'closed', undefined]);
    expect(deadly.prompts).toHaveLength(3);
    expect((await s.turns()).map(({ state }) => state)).toEqual(['failed']);
  });

  test('a cancelled turn is over: also when its agent had to be ended, or was not prompted yet', async () => {
    await using s = await scene();
    const gone: TurnOutcome = {
      kind: 'failed',
      reason: 'agent_exited',
      message: 'gone',
      hint: null,
      resetsAt: null,
      counters: null,
    };
    const killed = countingAgent(gone);
    await send(s.mia, s.project, '@ada one');
    expect(await s.live(never(), killed.agent, () => killed.prompts.length > 0)).toMatchObject({ kind: 'closed' });
    const early = countingAgent();
    await send(s.mia, s.project, '@ada two');
    expect(await s.live(never(), early.agent, () => true)).toMatchObject({ kind: 'closed' });
    expect(await s.live(never(), early.agent)).toBe(undefined);
    expect([killed.prompts.length, early.prompts.length, await s.said()]).toEqual([1, 0, []]);
    expect((await s.turns()).map(({ state }) => state)).toEqual(['cancelled', 'cancelled']);
  });

  test('a turn that is cancelled while its prompt is written down ends, though no prompt was open then', async () => {
    await using s = await scene();
    const { agent } = countingAgent();
    const told: string[] = [];
    const endless: Agent = {
      ...agent,
      async prompt(text, onSpent) {
        told.push('prompt');
        const outcome = await agent.prompt(text, onSpent);
        return told.includes('cancel') ? { ...outcome, stopReason: 'cancelled' } : await new Promise(() => {});
      },
    };
    let looks = 0;
    const afterTheFirstLook = () => {
      looks += 1;
      return looks > 1;
    };
    await send(s.mia, s.project, '@ada one');
    const cancel = () => void told.push('cancel');
    expect(await s.live(never(), endless, afterTheFirstLook, { cancel })).toMatchObject({ kind: 'closed' });
    expect([told, await s.said()]).toEqual([['prompt', 'cancel'], []]);
    expect((await s.turns()).map(({ state }) => state)).toEqual(['cancelled']);
  });

  test('an answer waits for a server that fails or wants another login, and is posted once it takes it', async () => {
    await using s = await scene();
    await send(s.mia, s.project, '@ada one');
    const trouble: string[] = [];
    let refusals = 2;
    const flaky = (http: HttpClient): HttpClient => ({
      call: async (route, input, signal) => {
        if (route.path === ROUTES.sendMessage.path && refusals > 0) {
          refusals -= 1;
          throw new AachatError(refusals === 1 ? 'UNAUTHORIZED' : 'INTERNAL', 'Not now.');
        }
        return await http.call(route, input, signal);
      },
    });
    const note = ({ message }: { message: string }) => trouble.push(message);
    const over = { through: flaky, onTrouble: note };
    expect(await s.live(never(), countingAgent().agent, undefined, over)).toMatchObject({ kind: 'closed' });
    expect([await s.said(), trouble]).toEqual([['answer 1'], Array(2).fill('A turn waits for the server: Not now.')]);
  });

  test('an answer that the server refuses ends the turn, and a turn that it refuses does not come back', async () => {
    await using s = await scene();
    const leave = () =>
      s.ownerHttp.call(ROUTES.removeMember, {
        params: { projectId: s.project.id },
        body: { clientId: newId(), name: 'ada.mia' },
      });
    await send(s.mia, s.project, '@ada one');
    const { agent, prompts } = countingAgent();
    const leaving: Agent = { ...agent, prompt: async (text) => leave().then(() => agent.prompt(text)) };
    expect(await s.live(never(), leaving)).toMatchObject({
      kind: 'closed',
      failure: { message: expect.stringContaining('given up') },
    });
    await joinProject(s.mia, s.project, 'ada.mia');
    await send(s.mia, s.project, '@ada two');
    await leave();
    await s.live(never(), agent);
    expect(await s.live(never(), agent)).toBe(undefined);
    expect([prompts.length, await s.said()]).toEqual([1, []]);
  });

  test('a longer answer than a message may have is cut, and says so', async () => {
    await using s = await scene();
    await send(s.mia, s.project, '@ada write a book');
    const counters = { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0, costMicros: 0 };
    const book: TurnOutcome = {
      kind: 'ended',
      stopReason: 'end_turn',
      text: 'x'.repeat(50_000),
      counters,
      lastMessageId: null,
    };
    await s.live(never(), countingAgent(book).agent);
    const [body = ''] = await s.said();
    expect(body.length).toBe(32_000);
    expect(body).toMatch(/\(cut: the answer has 50000 characters/);
  });
});
