/**
 * The turns of one run: reads what waits, takes one turn at a time, oldest project first, and stands between the agent's
 * permission requests and whoever answers them. The agent's process may end and come back meanwhile; what it leaves
 * undone is in the session's log.
 */
import { createCoalesced, within } from '#base/async.ts';
import { isAachatError, isDiskFull, toAachatError } from '#base/errors.ts';
import { newId } from '#base/id.ts';
import type { Agent, Party, Session, Signal } from '#contract/entities.ts';
import type { ProjectId, TurnId } from '#contract/ids.ts';
import { ROUTES } from '#contract/routes.ts';
import type { AgentUpdate, PermissionAnswer, PermissionRequest, Agent as ProgramAgent } from './agent.ts';
import type { Booted } from './boot.ts';
import type { EventLog, Notice } from './event-log.ts';
import type { Launcher } from './launcher.ts';
import type { PermissionDesk } from './permission-desk.ts';
import { answerFor, decide, type PermissionScope, resolvePaths } from './permissions.ts';
import type { Policy } from './policy.ts';
import type { OwedTurn } from './recovery.ts';
import type { SessionEvent } from './session-state.ts';
import { type Happening, happeningOf, happeningOfLine } from './session-watch.ts';
import { type Failure, runTurn, type TurnResult, type TurnTask } from './turn.ts';
import { createUpdateLog } from './update-log.ts';

export interface TurnLoopOptions {
  readonly launcher: Launcher;
  readonly desk: PermissionDesk;
  readonly booted: Booted;
  readonly agent: Agent;
  readonly session: () => Session;
  readonly log: EventLog;
  /** Hears what happens in turns, for people who look on. */
  readonly watch: (happening: Happening) => void;
  /** What an earlier program left undone. */
  readonly owed: OwedTurn | null;
  /** Whether the conversation has answered a prompt before. */
  readonly introduced: boolean;
  /** What the next prompt has to tell the agent about its edits of documents. */
  readonly notices: Notice[];
  /** Has it told by the next prompt. */
  readonly tell: (text: string) => void;
  /** Reads again what is owed, after a turn was broken off. */
  readonly reread: () => Promise<OwedTurn | null>;
  /** There is something to do. Whether it can be begun now; else the loop is woken when it can. */
  readonly mayBegin: () => boolean;
  /** A turn came out so. */
  readonly onOver: (result: TurnResult) => void;
  /** Nothing waits. */
  readonly onIdle: () => void;
  readonly isStopping: () => boolean;
  readonly send: (event: SessionEvent) => void;
  readonly onStopAsked: () => void;
  readonly onStale: () => void;
  /** What a person should know. */
  readonly onFailure: (failure: Failure) => void;
  readonly onChange: () => void;
}

export interface TurnLoop {
  /** Signals that wait. */
  readonly waiting: number;
  /** Tokens of the turns of this loop. */
  readonly tokens: number;
  readonly awaitsPermission: boolean;
  /** What waits could not be read. */
  readonly isBehind: boolean;
  /** The agent has answered a prompt in its conversation. */
  readonly introduced: boolean;
  /** When the agent was last heard of, in epoch milliseconds. */
  readonly lastSign: number;
  /** The agent's process runs from now on. */
  opened(agent: ProgramAgent): void;
  /** Reads what waits and acts on it when it can. */
  wake(): void;
  onUpdate(update: AgentUpdate): void;
  onPermission(request: PermissionRequest, scope: PermissionScope, policy: Policy): Promise<PermissionAnswer>;
  /** Asks the agent to end the turn; if it does not within 10 s, its process is ended. */
  cancel(): Promise<void>;
  /** Waits for the turn to end by itself for a moment, then cancels it; `force` cancels at once. */
  finish(force: boolean): Promise<void>;
  /** Resolves when no turn runs. */
  idle(): Promise<void>;
}

/** After a cancel the agent gets this long to end the turn. */
const CANCEL_MS = 10_000;
/** A running turn may end by itself for this long when the session stops; what is cancelled then stays owed. */
const DRAIN_MS = 2_000;
/** With the ends of its processes, of which the slowest takes 5 s, a stop is over within 10 s. */
const STOP_CANCEL_MS = 2_000;

interface CurrentTurn {
  readonly agent: ProgramAgent;
  readonly turnId: TurnId;
  /** Somebody cancelled it. */
  isCancelled: boolean;
  /** Aborts when it ends or is told to. */
  readonly over: AbortController;
  done: Promise<void>;
}

export function createTurnLoop(options: TurnLoopOptions): TurnLoop {
  const { launcher, desk, booted, agent, send, watch, onChange } = options;
  const log = watched(options.log, watch);
  const { http } = launcher;
  const runId = booted.run.id;
  const self: Party = { kind: 'agent', id: agent.id, name: agent.name };
  const updates = createUpdateLog(log, (error) => launcher.log.error('session.log_failed', { error }));
  const ended = new AbortController();
  let owed = options.owed;
  let introduced = options.introduced;
  let current: CurrentTurn | undefined;
  let isBehind = false;
  let [waiting, tokens, asking, lastSign] = [0, 0, 0, Date.now()];

  const wake = createCoalesced(async () => {
    try {
      await takeNext();
      isBehind = false;
    } catch (thrown) {
      isBehind = true;
      if (isAachatError(thrown, 'STALE_RUN')) options.onStale();
      else launcher.log.warn('session.wake_failed', { error: thrown });
    }
  });

  async function takeNext(): Promise<void> {
    const { signals } = await http.call(ROUTES.listSignals, { params: { sessionId: booted.session.id } });
    for (const signal of signals) if (isControl(signal)) await obey(signal);
    const asked = signals.filter((signal) => !isControl(signal));
    if (waiting !== asked.length) {
      waiting = asked.length;
      onChange();
    }
    if (current !== undefined) return;
    const task: TurnTask | undefined = owed === null ? nextProject(asked) : { kind: 'owed', ...owed };
    if (task === undefined) return options.onIdle();
    // Before the turn, not in its middle: the conversation goes on in the process that comes back.
    if (!(await booted.program.takePolicy())) send({ kind: 'sleep' });
    if (options.mayBegin()) start(task);
  }

  async function obey(signal: Signal): Promise<void> {
    const state = signal.kind === 'cancel' && current === undefined ? 'expired' : 'acted';
    await http.call(ROUTES.closeSignal, { params: { runId, signalId: signal.id }, body: { state } });
    if (signal.kind === 'cancel') send({ kind: 'cancel' });
    else if (signal.kind === 'stop') options.onStopAsked();
  }

  function start(task: TurnTask): void {
    const { turnId } = task;
    const program = booted.program.agent;
    if (program === undefined) return;
    const over = new AbortController();
    const turn: CurrentTurn = { agent: program, turnId, isCancelled: false, over, done: Promise.resolve() };
    owed = null;
    lastSign = Date.now();
    current = turn;
    send({ kind: 'turn-started', turnId });
    turn.done = runTurn(
      {
        agent: program,
        self,
        ownerId: agent.ownerId,
        team: options.session().team,
        runId,
        log,
        ownerHttp: http,
        agentHttp: booted.agentHttp,
        projectName,
        signal: ended.signal,
        isStopping: options.isStopping,
        budgets: launcher.budgets,
        onTrouble: options.onFailure,
        isCancelled: () => turn.isCancelled,
        cancel: () => void cancel().catch((error: unknown) => launcher.log.error('session.cancel_failed', { error })),
        notices: options.notices,
        tell: options.tell,
        preamble: introduced ? '' : booted.program.preamble,
        said: () => updates.flush(),
        gitState: booted.workspace.gitState,
        clock: Date.now,
      },
      task,
    )
      .then((result) => turnOver(turnId, result))
      .catch(turnBroke)
      .finally(() => turn.over.abort());
  }

  async function turnOver(turnId: TurnId, result: TurnResult): Promise<void> {
    current = undefined;
    options.onOver(result);
    if (result.kind === 'closed') {
      tokens += result.tokens;
      introduced ||= result.answered;
      send({ kind: 'turn-ended', turnId });
      return;
    }
    owed = await options.reread();
    // After a limit of the program's, too: whether the next turn may begin is asked before it does.
    if (result.reason === 'limit') send({ kind: 'turn-ended', turnId });
    else if (result.reason === 'budget') send({ kind: 'limit-reached', turnId, until: result.until });
    else if (result.reason === 'login') send({ kind: 'blocked', isRetried: false });
  }

  /** The server refused, or the session stops: the log says what is owed. */
  function turnBroke(thrown: unknown): void {
    current = undefined;
    if (ended.signal.aborted) return;
    if (isAachatError(thrown, 'STALE_RUN')) {
      options.onStale();
      return;
    }
    launcher.log.error('session.turn_broke', { error: thrown });
    options.onFailure({ message: `A turn broke off: ${toAachatError(thrown).message}`, hint: null });
    send({ kind: 'blocked', isRetried: isDiskFull(thrown) });
  }

  async function projectName(id: ProjectId): Promise<string> {
    const known = options.session().projects.find((project) => project.id === id);
    if (known !== undefined) return known.name;
    const { project } = await http.call(ROUTES.resolveProject, { query: { name: id } });
    return project.name;
  }

  async function cancel(limitMs = CANCEL_MS): Promise<void> {
    const turn = current;
    if (turn === undefined) return;
    turn.isCancelled = !options.isStopping();
    turn.over.abort();
    if (!turn.agent.cancel()) return;
    const gone = await within(
      limitMs,
      turn.done.then(() => true),
    );
    if (gone === true || current !== turn) return;
    options.onFailure({
      message: 'The agent program did not end its turn when it was told to, so its process was ended.',
      hint: null,
    });
    await turn.agent[Symbol.asyncDispose]();
  }

  return {
    get waiting() {
      return waiting;
    },
    get tokens() {
      return tokens;
    },
    get awaitsPermission() {
      return asking > 0;
    },
    get isBehind() {
      return isBehind;
    },
    get introduced() {
      return introduced;
    },
    get lastSign() {
      return lastSign;
    },
    opened({ opened }) {
      introduced &&= opened !== 'new' && opened !== 'renewed';
    },
    wake,
    cancel: () => cancel(),
    onUpdate(update) {
      lastSign = Date.now();
      const turnId = current?.turnId ?? null;
      updates.add(turnId, update);
      const happening = happeningOf(turnId, update);
      if (happening !== undefined) watch(happening);
    },
    async onPermission(request, scope, policy) {
      const turn = current;
      const turnId = turn?.turnId ?? null;
      const verdict = decide(policy, await resolvePaths(request, scope.workspace), scope);
      if (verdict !== 'ask') return answerFor(request, verdict === 'allow' ? 'allowed' : 'denied');
      asking += 1;
      onChange();
      try {
        const { title, toolKind, digest } = request;
        const from = { sessionId: booted.session.id, agent: agent.name, turnId };
        // Outside of a turn it is the process that waits for the answer.
        const over = turn?.over.signal ?? booted.program.agent?.closed ?? ended.signal;
        const asked = desk.ask(from, request, over);
        await log.append({ type: 'permission.asked', turnId, permissionId: asked.id, title, toolKind, digest });
        const { settled, answer } = await asked.answered;
        const { outcome, by } = settled;
        await log.append({ type: 'permission.answered', permissionId: asked.id, outcome, by });
        return answer;
      } finally {
        asking -= 1;
        lastSign = Date.now();
        onChange();
      }
    },
    async finish(force) {
      const turn = current;
      if (turn !== undefined) {
        if (!force) await within(DRAIN_MS, turn.done);
        await cancel(STOP_CANCEL_MS);
        ended.abort();
        await turn.done;
      }
      ended.abort();
      await updates.flush();
    },
    async idle() {
      await current?.done;
    },
  };
}

/** Tells what it writes. */
const watched = (log: EventLog, watch: TurnLoopOptions['watch']): EventLog => ({
  async append(event, durable) {
    await log.append(event, durable);
    const happening = happeningOfLine(event);
    if (happening !== undefined) watch(happening);
  },
  [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
});

const isControl = ({ kind }: Signal): boolean => kind === 'cancel' || kind === 'stop' || kind === 'resume';

/** One prompt per project: all its signals together, the project whose oldest signal is oldest first. */
function nextProject(signals: readonly Signal[]): TurnTask | undefined {
  const [oldest] = [...signals].sort((a, b) =>
    a.createdAt < b.createdAt ? -1 : a.createdAt > b.createdAt ? 1 : a.id < b.id ? -1 : 1,
  );
  const projectId = oldest?.projectId ?? null;
  if (oldest === undefined || projectId === null) return undefined;
  // A command for the agent program itself must stand alone in its prompt.
  const isCommand = (signal: Signal) => signal.sender.kind === 'user' && signal.text?.startsWith('/') === true;
  const together = isCommand(oldest)
    ? [oldest]
    : signals.filter((signal) => signal.projectId === projectId && !isCommand(signal));
  return { kind: 'fresh', turnId: newId<TurnId>(), projectId, signals: together.map(({ id }) => id) };
}
