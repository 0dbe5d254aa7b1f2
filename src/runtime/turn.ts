/**
 * One turn, from its signals to its posted answer.
 *
 * Every step is in the local log before the next one is taken, so a launcher that is killed between any two of them
 * finds in the log what it still owes (`recovery.ts`), and the answer is posted once: its client id is the turn's id.
 */
import { type AachatError, isAachatError } from '#base/errors.ts';
import { type Clock, sleep } from '#base/time.ts';
import type { HttpClient } from '#client/http.ts';
import { MESSAGE_LIMIT, type Party, type Signal } from '#contract/entities.ts';
import type { ProjectId, RunId, SignalId, TurnId } from '#contract/ids.ts';
import { ROUTES } from '#contract/routes.ts';
import type { Agent, TurnOutcome } from './agent.ts';
import type { EventLog, Notice, TurnRecord } from './event-log.ts';
import { type Instruction, interruptedPrompt, isSilence, type PromptInput, turnPrompt, unheard } from './prompt.ts';
import type { OwedTurn } from './recovery.ts';
import { tokensOf } from './token-count.ts';
import type { BudgetGuards } from './turn-budget.ts';
import { type Spent, withEarlier } from './turn-outcome.ts';
import type { Workspace } from './workspace.ts';

/** What a turn is about: something new, or what an earlier run still owes. */
export type TurnTask =
  | {
      readonly kind: 'fresh';
      readonly turnId: TurnId;
      readonly projectId: ProjectId;
      readonly signals: readonly SignalId[];
    }
  | ({ readonly kind: 'owed' } & OwedTurn);

export interface TurnContext {
  readonly agent: Agent;
  readonly self: Party;
  readonly ownerId: string;
  readonly team: string;
  readonly runId: RunId;
  readonly log: EventLog;
  /** Acts as the owner: reports turns. */
  readonly ownerHttp: HttpClient;
  /** Acts as the agent: posts the answer. */
  readonly agentHttp: HttpClient;
  readonly projectName: (id: ProjectId) => Promise<string>;
  /** Aborts when the session stops for good; a turn that waits for the server gives up then and stays owed. */
  readonly signal: AbortSignal;
  /** True once the session is being stopped: a turn that was not cancelled before is then owed, not over. */
  readonly isStopping: () => boolean;
  /** True once somebody cancelled this turn: it is over, whatever the agent makes of it. */
  readonly isCancelled: () => boolean;
  /** Ends the turn: the agent program is asked to, and is ended if it does not. */
  readonly cancel: () => void;
  /** What the next prompt has to tell, oldest first; what was told is taken out. */
  readonly notices: Notice[];
  /** Has it told by the next prompt. */
  readonly tell: (text: string) => void;
  /** What stands before the prompts of a conversation until one was answered. */
  readonly preamble: string;
  /** The turn goes on when what is wrong has passed. */
  readonly onTrouble: (failure: Failure) => void;
  /** Those of all sessions here. */
  readonly budgets: BudgetGuards;
  /** Writes all that the agent has said into the log, so that it stands there before the end of its turn. */
  readonly said: () => Promise<void>;
  /** Where the repos of the workspace stand. */
  readonly gitState: Workspace['gitState'];
  readonly clock: Clock;
}

export type TurnResult =
  /** `failure` is set where a person should know, `answered` where the agent worked through the prompt. */
  | { readonly kind: 'closed'; readonly answered: boolean; readonly tokens: number; readonly failure: Failure | null }
  /** Nothing was posted; the turn is tried again later. */
  | { readonly kind: 'owed'; readonly reason: 'limit'; readonly resetsAt: number | null; readonly failure: Failure }
  | { readonly kind: 'owed'; readonly reason: 'budget'; readonly until: number; readonly failure: Failure }
  | { readonly kind: 'owed'; readonly reason: 'login'; readonly failure: Failure }
  | { readonly kind: 'owed'; readonly reason: 'stopped' | 'agent-gone' };

export interface Failure {
  readonly message: string;
  readonly hint: string | null;
}

/** A turn that broke off this often is given up, so that a prompt that kills its agent does not do so for ever. */
const ATTEMPT_LIMIT = 3;
/** Shortest wait for a budget: by the clock of this machine the moment that the server named may have passed. */
const BUDGET_WAIT_MS = 10_000;

/** What the server will not take back: trying again would hold up the session for ever. */
const REFUSALS = ['FORBIDDEN', 'NOT_FOUND', 'VALIDATION_ERROR', 'CONFLICT'] as const;

/** @throws AachatError when the run is over (`STALE_RUN`), the session stops, or the server fails in an unknown way */
export async function runTurn(context: TurnContext, task: TurnTask): Promise<TurnResult> {
  try {
    return await attempt(context, task);
  } catch (thrown) {
    if (isAachatError(thrown, 'BUDGET_EXCEEDED')) return await putOff(context, task, thrown);
    if (!isAachatError(thrown, ...REFUSALS)) throw thrown;
    return await abandon(context, task, thrown.message);
  }
}

async function attempt(context: TurnContext, task: TurnTask): Promise<TurnResult> {
  const { log, ownerHttp, runId, signal } = context;
  const { turnId, projectId, signals } = task;
  const owed = task.kind === 'owed' ? task : undefined;
  const earlier = owed === undefined ? 0 : tokensOf(owed.count);
  const finished = async (outcome: TurnRecord): Promise<TurnRecord> => {
    const whole = { ...outcome, counters: withEarlier(outcome.counters, earlier) };
    await log.append({ type: 'turn.finished', turnId, outcome: whole }, 'durable');
    return whole;
  };

  if (task.kind === 'fresh') await log.append({ type: 'turn.started', turnId, projectId, signals }, 'durable');

  // Also for a turn whose answer is known: the new run takes it over, or its end would not count.
  const { turn, left } = await persist(context, () =>
    ownerHttp.call(ROUTES.startTurn, { params: { runId }, body: { turnId, projectId, signals: [...signals] } }, signal),
  );
  if (owed !== undefined && (turn.state === 'failed' || turn.state === 'cancelled')) {
    // Over for everybody; another machine may have answered in its place.
    await log.append({ type: 'turn.closed', turnId }, 'durable');
    return { kind: 'closed', answered: false, tokens: 0, failure: null };
  }
  if (owed?.step === 'finished' || owed?.step === 'posted') {
    return settle(context, turnId, projectId, owed.outcome ?? GIVEN_UP, owed.step);
  }
  if (turn.signals.length === 0 && owed?.step !== 'prompted')
    return settle(context, turnId, projectId, NOTHING_LEFT, 'posted');
  if ((owed?.attempts ?? 0) >= ATTEMPT_LIMIT) {
    const given = await settle(context, turnId, projectId, await finished(GIVEN_UP), 'finished');
    return {
      ...given,
      failure: {
        message: 'A turn was given up: the agent program ended in it three times.',
        hint: 'Run `aachat session log` to see what it did; then send the message again.',
      },
    };
  }

  const { words, told } = await compose(context, task, turn.hop);
  if (context.isCancelled()) {
    return settle(context, turnId, projectId, await finished(CANCELLED), 'finished');
  }
  const prompt = context.preamble + words;
  await log.append({ type: 'turn.prompted', turnId, prompt, told }, 'durable');
  context.notices.splice(0, told);
  const guard = context.budgets.begin(context.self.id, left, context.cancel);
  // Whoever ended the turn while the line above was written found no prompt to end.
  const isOver = context.isCancelled() || signal.aborted;
  const watch = (spent: Spent) => guard.watch({ ...spent, tokens: spent.tokens + earlier });
  const prompted = context.agent.prompt(prompt, watch);
  if (isOver) context.cancel();
  const outcome = await prompted.finally(guard.end);
  await context.said();

  const later = guard.hasCancelled ? undefined : postponed(context, outcome);
  if (later !== undefined) {
    if (later.reason !== 'agent-gone') {
      await log.append({ type: 'turn.held', turnId, cause: later.reason }, 'durable');
    }
    return later;
  }
  const isCut = guard.hasCancelled && !(outcome.kind === 'ended' && outcome.stopReason !== 'cancelled');
  const record = isCut
    ? { ...CANCELLED, stopReason: 'budget_exceeded' as const, counters: outcome.counters }
    : context.isCancelled() && outcome.kind === 'failed'
      ? { ...CANCELLED, counters: outcome.counters }
      : recordOf(outcome, words === COMPACT);
  const ended = context.isCancelled() ? undefined : outcome;
  const closed = await settle(context, turnId, projectId, await finished(record), 'finished', ended);
  return isCut ? { ...closed, failure: cutOff(context.self.name) } : closed;
}

/** What it says about its own memory is nothing for the project. */
export const COMPACT = '/compact';

const cutOff = (agent: string): Failure => ({
  message: `A turn was cancelled: more is used than was left of the budget of ${agent}.`,
  hint: `What it did so far is in \`aachat session log\`; \`aachat agent budget ${agent}\` shows the budget, and gives it more.`,
});

async function compose(
  context: TurnContext,
  task: TurnTask,
  hop: number,
): Promise<{ readonly words: string; readonly told: number }> {
  const { ownerHttp, signal, self, ownerId, team } = context;
  const { turnId, projectId } = task;
  const read = await persist(context, () => ownerHttp.call(ROUTES.getTurnMessages, { params: { turnId } }, signal));
  const instructions = read.signals.flatMap(instructionIn);
  const project = await context.projectName(projectId);
  const { messages, omitted } = read;
  const input: PromptInput = {
    turnId,
    hop,
    agent: self,
    ownerId,
    project,
    team,
    context: read.context,
    messages,
    omitted,
    instructions,
    notices: [...context.notices],
  };
  const told = input.notices.length;
  // The owner may give the agent program one of its own commands, such as `/compact`; nobody else can.
  const [first] = instructions;
  const isAlone = instructions.length === 1 && messages.length === 0 && first?.from === null;
  const command = isAlone && first.text.startsWith('/') ? first.text : undefined;
  // There is no half of it to look at.
  if (command === COMPACT) return { words: command, told: 0 };
  if (task.kind === 'owed' && task.step === 'prompted') return { words: interruptedPrompt(input, task.cause), told };
  if (command !== undefined) return { words: command, told: 0 };
  return { words: turnPrompt(input), told };
}

/** What the owner says to the session itself, or another session: the one that started it, or one that it started. */
function instructionIn({ kind, text, sender, fromSessionId }: Signal): readonly Instruction[] {
  if ((kind !== 'prompt' && kind !== 'session_start') || text === null) return [];
  if (sender.kind === 'user') return [{ text, from: null }];
  const is = kind === 'prompt' ? 'child' : 'parent';
  return fromSessionId === null ? [] : [{ text, from: { session: fromSessionId, agent: sender.name, is } }];
}

/** An outcome that is not the end of the turn. */
function postponed(
  context: TurnContext,
  outcome: TurnOutcome,
): Exclude<TurnResult, { kind: 'closed' } | { reason: 'budget' }> | undefined {
  if (context.isCancelled()) return undefined;
  if (outcome.kind === 'ended') {
    return outcome.stopReason === 'cancelled' && context.isStopping() ? { kind: 'owed', reason: 'stopped' } : undefined;
  }
  const failure = { message: outcome.message, hint: outcome.hint };
  if (context.isStopping()) return { kind: 'owed', reason: 'stopped' };
  switch (outcome.reason) {
    case 'rate_limit':
      return { kind: 'owed', reason: 'limit', resetsAt: outcome.resetsAt, failure };
    case 'auth_required':
      return { kind: 'owed', reason: 'login', failure };
    case 'agent_exited':
      return { kind: 'owed', reason: 'agent-gone' };
    case 'agent_error':
      return undefined;
  }
}

const WORDLESS = { text: '', counters: null, lastMessageId: null } as const;
/** Somebody else answered what this turn was for. */
const NOTHING_LEFT: TurnRecord = { state: 'ended', stopReason: 'end_turn', ...WORDLESS };
const GIVEN_UP: TurnRecord = { state: 'failed', stopReason: 'agent_exited', ...WORDLESS };
const CANCELLED: TurnRecord = { state: 'cancelled', stopReason: 'cancelled', ...WORDLESS };

function recordOf(outcome: TurnOutcome, isSilent: boolean): TurnRecord {
  if (outcome.kind === 'failed') {
    return { state: 'failed', stopReason: 'agent_error', ...WORDLESS, counters: outcome.counters };
  }
  const { stopReason, counters, lastMessageId } = outcome;
  const cancelled: boolean = stopReason === 'cancelled';
  const text = cancelled || isSilent || isSilence(outcome.text) ? '' : fitMessage(outcome.text);
  return { state: cancelled ? 'cancelled' : 'ended', stopReason, text, counters, lastMessageId };
}

/** A message has a limit; the whole text stays in the session's log. */
function fitMessage(text: string): string {
  const clean = text.replaceAll('\0', '');
  if (clean.length <= MESSAGE_LIMIT) return clean;
  const note = `\n\n(cut: the answer has ${clean.length} characters; \`aachat session log\` on its owner's machine has all of it)`;
  return `${clean.slice(0, MESSAGE_LIMIT - note.length)}${note}`;
}

async function settle(
  context: TurnContext,
  turnId: TurnId,
  projectId: ProjectId,
  record: TurnRecord,
  step: 'finished' | 'posted',
  outcome?: TurnOutcome,
): Promise<Extract<TurnResult, { kind: 'closed' }>> {
  const { log, agentHttp, ownerHttp, runId, signal } = context;
  const { text, state, stopReason, counters } = record;
  if (step === 'finished' && text !== '') {
    const body = { clientId: turnId, body: text };
    const { message, held } = await persist(context, () =>
      agentHttp.call(ROUTES.sendMessage, { params: { projectId }, body }, signal),
    );
    // Before the step below: what comes after it is not done again after a crash.
    if (held.length > 0) context.tell(unheard(held, await context.projectName(projectId)));
    await log.append({ type: 'turn.posted', turnId, messageId: message.id }, 'durable');
  }
  const report = { runId, state, stopReason, counters };
  await persist(context, () => ownerHttp.call(ROUTES.endTurn, { params: { turnId }, body: report }, signal));
  // Not before the answer is out: a large repo takes its time, and until the turn is closed no other one changes it.
  const git = await context.gitState(signal);
  await log.append({ type: 'turn.closed', turnId, git }, 'durable');
  const failure = outcome?.kind === 'failed' ? { message: outcome.message, hint: outcome.hint } : null;
  const tokens = (counters?.inputTokens ?? 0) + (counters?.outputTokens ?? 0);
  return { kind: 'closed', answered: outcome?.kind === 'ended', tokens, failure };
}

/**
 * Waits until the agent may use more. A turn that has not begun is forgotten: its signals wait at the server, and the
 * turn that comes after the wait takes them together with all that has come since.
 */
async function putOff({ log, clock }: TurnContext, task: TurnTask, refusal: AachatError): Promise<TurnResult> {
  if (task.kind === 'fresh' || task.step === 'started') {
    await log.append({ type: 'turn.closed', turnId: task.turnId }, 'durable');
  }
  const retryAt = Date.parse(String(refusal.details['retryAt']));
  const soonest = clock() + BUDGET_WAIT_MS;
  const until = Number.isNaN(retryAt) ? soonest : Math.max(soonest, retryAt);
  const failure = { message: refusal.message, hint: refusal.hint ?? null };
  return { kind: 'owed', reason: 'budget', until, failure };
}

/** Ends a turn that the server refuses, such as one in a project that the agent has left. Its text stays in the log. */
async function abandon(context: TurnContext, { turnId, signals }: TurnTask, why: string): Promise<TurnResult> {
  const { log, ownerHttp, runId, signal } = context;
  const tell = async (call: () => Promise<unknown>): Promise<boolean> => {
    try {
      await persist(context, call);
      return true;
    } catch (thrown) {
      if (isAachatError(thrown, ...REFUSALS)) return false;
      throw thrown;
    }
  };
  const report = { runId, state: 'failed', stopReason: 'agent_error', counters: null } as const;
  const isKnown = await tell(() => ownerHttp.call(ROUTES.endTurn, { params: { turnId }, body: report }, signal));
  // A turn that never began leaves its signals waiting: they would begin it again.
  for (const signalId of isKnown ? [] : signals) {
    const expired = { params: { runId, signalId }, body: { state: 'expired' } } as const;
    await tell(() => ownerHttp.call(ROUTES.closeSignal, expired, signal));
  }
  await log.append({ type: 'turn.closed', turnId }, 'durable');
  const failure = { message: `A turn was given up: ${why}`, hint: 'Its text is in `aachat session log`.' };
  return { kind: 'closed', answered: false, tokens: 0, failure };
}

/** Waits between tries while the server cannot be reached, in milliseconds; the last one repeats. */
const PERSIST_WAITS_MS = [500, 1_000, 2_000, 5_000, 10_000];

/** Passes by itself, or when a person acts: the server restarts, somebody logs in again. */
const PASSING = ['SERVER_UNREACHABLE', 'TIMEOUT', 'INTERNAL', 'RATE_LIMITED', 'UNAUTHORIZED'] as const;

/** Tries until the server answers or the session stops: every call here is idempotent. */
async function persist<T>({ signal, onTrouble }: TurnContext, call: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await call();
    } catch (thrown) {
      if (signal.aborted || !isAachatError(thrown, ...PASSING)) throw thrown;
      // The connection shows by itself when the server is away.
      if (thrown.code !== 'SERVER_UNREACHABLE' && thrown.code !== 'TIMEOUT') {
        onTrouble({ message: `A turn waits for the server: ${thrown.message}`, hint: thrown.hint ?? null });
      }
      await sleep(PERSIST_WAITS_MS[Math.min(attempt, PERSIST_WAITS_MS.length - 1)] ?? 0, signal);
    }
  }
}
