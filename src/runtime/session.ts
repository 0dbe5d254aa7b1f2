/**
 * One session on this machine: performs what `session-state.ts` decides. Boots it, keeps the server told, and gives
 * everything back when it stops; its turns are in `turn-loop.ts`.
 */
import { toAachatError } from '#base/errors.ts';
import type { Log } from '#base/log.ts';
import { createTimers } from '#base/time.ts';
import type { LiveSession } from '#contract/control.ts';
import type { Activity, Agent, EndReason, Session, Team } from '#contract/entities.ts';
import { type RunId, shortId } from '#contract/ids.ts';
import { type ActivityReport, createActivityReport } from './activity-report.ts';
import type { Agent as ProgramAgent } from './agent.ts';
import { type Booted, type BootStep, bootSession } from './boot.ts';
import type { Launcher } from './launcher.ts';
import type { Logins } from './logins.ts';
import type { PermissionDesk } from './permission-desk.ts';
import type { Places } from './places.ts';
import { NOTHING_YET, reportOf, type SessionReport, viewOf } from './report.ts';
import { openJournal, type SessionJournal } from './session-journal.ts';
import { createProblems, endedByItself, type Problems, superseded } from './session-problems.ts';
import { createSessionProcess, type SessionProcess } from './session-process.ts';
import type { SessionProgram } from './session-program.ts';
import { activityOf, failureCause, type SessionEvent, type SessionState, transition } from './session-state.ts';
import type { Happening } from './session-watch.ts';
import { createTurnLoop, type TurnLoop } from './turn-loop.ts';

export interface SessionOptions {
  readonly launcher: Launcher;
  readonly desk: PermissionDesk;
  readonly session: Session;
  readonly agent: Agent;
  readonly team: Team;
  /** Runs boots side by side, as many as there are cores. */
  readonly bootSlot: <T>(boot: () => Promise<T>) => Promise<T>;
  /** The processes of all sessions share the machine. */
  readonly places: Places;
  /** Hears what happens in turns, for people who look on. */
  readonly watch: (happening: Happening) => void;
  /** Whether a person is attached and steers it. */
  readonly isSteered: () => boolean;
  /** So they do logins of agent programs. */
  readonly logins: Logins;
  /** It has ended, because another run has its place. */
  readonly onSuperseded: () => void;
  /** Something that people are shown has changed. */
  readonly onChange: () => void;
}

/** Without any sign of the agent for this long a turn is shown as stalled. */
const STALL_MS = 10 * 60_000;

export class LiveAgentSession {
  #session: Session;
  readonly #options: SessionOptions;
  readonly #log: Log;
  readonly #bootAbort = new AbortController();
  readonly #settled = Promise.withResolvers<void>();
  /** Resolves when the first boot came to an end: running, failed or stopped. */
  readonly settled = this.#settled.promise;
  readonly #timers = createTimers();
  readonly #activityReport: ActivityReport;
  readonly #process: SessionProcess;
  readonly #problems: Problems;
  #state: SessionState = { kind: 'stopped' };
  #step: BootStep = 'register';
  #booted: Booted | undefined;
  #loop: TurnLoop | undefined;
  #journal: SessionJournal | undefined;
  /** Ends with the process of the last boot, so that two never work on one conversation. */
  #closing: Promise<void> = Promise.resolve();
  #booting: Promise<void> = Promise.resolve();
  #releasing: Promise<void> = Promise.resolve();
  #earlierTokens = 0;
  #kept: readonly string[] = [];
  #report: Pick<SessionReport, 'program' | 'opened' | 'commits' | 'skills' | 'environment' | 'warnings'> = NOTHING_YET;
  #endReason: EndReason = 'stopped';
  #force = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#session = options.session;
    const { session, launcher } = options;
    this.#log = launcher.log.child({ sid: shortId(session.id), agent: session.agent });
    this.#activityReport = createActivityReport({
      http: launcher.http,
      log: this.#log,
      now: () => ({ runId: this.#booted?.run.id, activity: this.#activity() }),
      onStale: (run) => this.superseded(run),
    });
    this.#problems = createProblems({
      log: this.#log,
      note: (event) => this.#journal?.note(event),
      onChange: options.onChange,
    });
    this.#process = createSessionProcess({
      places: options.places,
      logins: options.logins,
      problems: this.#problems,
      isNeeded: () => this.#loop?.awaitsPermission === true || options.isSteered(),
      send: (event) => this.#send(event),
      log: this.#log,
      onClosed: (program, agent) => this.#agentClosed(program, agent),
      onLimit: () => this.#changed(),
      onMayBegin: () => this.look(),
      onMended: () => this.wake(),
    });
  }

  get session(): Session {
    return this.#session;
  }

  /** Takes what the server says of it now. */
  update(session: Session): void {
    const covered = ({ projects }: Session) => projects.map(({ id }) => id).join();
    if (covered(session) !== covered(this.#session)) this.#booted?.documents?.refresh();
    this.#session = session;
    this.#activityReport.seen(session);
  }

  /** It was stopped, and does not boot again. */
  isOver = (): boolean => this.#bootAbort.signal.aborted;

  /** The run to keep alive, while there is one. */
  get runId(): RunId | undefined {
    return this.#journal?.run?.id;
  }

  view(): LiveSession {
    return viewOf({
      ...this.#options,
      state: this.#state,
      bootStep: this.#step,
      activity: this.#activity(),
      loop: this.#loop,
      earlierTokens: this.#earlierTokens,
      pid: this.#booted?.program.agent?.pid,
      limitedUntil: this.#process.limitedUntil,
      problem: this.#problems.current,
      endReason: this.#endReason,
    });
  }

  report(): SessionReport {
    const { agent, team, sessionId, workspace, phase, activity } = this.view();
    const now = { agent, team, sessionId, workspace, phase, activity, problem: this.#problems.current };
    return { ...now, ...this.#report, kept: this.#kept };
  }

  boot(): void {
    this.#send({ kind: 'boot' });
  }

  /** Something may wait for this session. A failed one tries again: the person may have mended what was wrong. */
  wake(): void {
    if (this.#state.kind === 'failed') this.boot();
    else this.look();
  }

  /** Called now and then: says what time alone has changed. */
  tick(): void {
    if (this.#activity() !== this.#activityReport.heard) this.#changed();
    if (this.#loop?.isBehind === true) this.look();
  }

  /** Reads what waits, if it runs. */
  look = (): void => this.#loop?.wake();

  /** The server lost sight of us or came back: say again what the session does. */
  refresh(): void {
    this.#activityReport.heard = undefined;
    this.#activityReport.tell();
    this.budgetChanged();
    // While it was away a session may have given up to come up.
    this.wake();
  }

  budgetChanged(): void {
    this.#send({ kind: 'budget-changed' });
  }

  /** A run is over for the server. If we did not end it ourselves, a newer one has its place: ours ends without a word. */
  superseded(run: RunId): void {
    if (run !== this.runId || this.#state.kind === 'stopping' || this.#state.kind === 'stopped') return;
    this.#endReason = 'superseded';
    this.#problems.current = superseded(this.#session.id);
    void this.stop(true).then(this.#options.onSuperseded);
  }

  /**
   * Ends turn, process and run. A running turn gets a moment to finish, then is cancelled and stays owed.
   *
   * @param force do not wait for the turn; may follow a call without
   */
  async stop(force: boolean): Promise<void> {
    this.#force ||= force;
    this.#bootAbort.abort();
    // The agent was asked once already: now its process ends, whatever it does.
    if (this.#state.kind === 'stopping' && force) await this.#booted?.program.end();
    this.#send({ kind: 'stop' });
    await this.#releasing;
  }

  #send(event: SessionEvent): void {
    const before = this.#state;
    const { state, effects } = transition(before, event);
    this.#state = state;
    if (before.kind === 'limited' && state.kind !== 'limited') this.#problems.current = null;
    if (state !== before) {
      this.#log.debug('session.moved', { from: before.kind, to: state.kind, by: event.kind });
      if (state.kind !== before.kind) this.#process.rest(state.kind === 'limited');
      this.#activityReport.tell();
      if (state.kind !== 'booting' && state.kind !== 'backing-off') this.#settled.resolve();
      this.#options.onChange();
    }
    for (const effect of effects) {
      switch (effect.kind) {
        case 'start-boot':
          this.#booting = this.#boot(() => this.#options.bootSlot(() => this.#bootNow()));
          break;
        case 'next-turn':
          this.#loop?.wake();
          break;
        case 'cancel-turn':
          this.#loop?.cancel().catch((error: unknown) => this.#log.warn('session.cancel_failed', { error }));
          break;
        case 'schedule-retry':
          this.#timers.after(effect.delayMs, () => this.#send({ kind: 'retry-due' }));
          break;
        case 'schedule-limit-over':
          this.#timers.at(effect.until, () => this.#send({ kind: 'limit-over', until: effect.until }));
          break;
        case 'ask-place':
          this.#process.ask();
          break;
        case 'open-program':
          this.#booting = this.#boot(() => this.#openAgain());
          break;
        case 'end-program':
          this.#closing = this.#process.end(this.#booted?.program);
          break;
        case 'give-back':
          this.#closing = this.#close('failed');
          break;
        case 'release':
          this.#releasing = this.#release();
          break;
      }
    }
  }

  #activity(): Activity | undefined {
    return activityOf(this.#state, {
      awaitsPermission: this.#loop?.awaitsPermission ?? false,
      isPaused: this.#process.limitedUntil !== undefined,
      isStalled: Date.now() - (this.#loop?.lastSign ?? 0) > STALL_MS,
    });
  }

  /** What it does may look different now. */
  #changed(): void {
    this.#activityReport.tell();
    this.#options.onChange();
  }

  async #boot(attempt: () => Promise<void>): Promise<void> {
    try {
      await this.#closing;
      await attempt();
    } catch (thrown) {
      const error = toAachatError(thrown);
      const isAsked = this.#state.kind === 'booting' || this.#state.kind === 'waking';
      await this.#close(isAsked ? 'failed' : this.#endReason);
      if (isAsked) this.#problems.notUp(error, { step: this.#step, isKnown: this.#process.notOpened(error) });
      this.#send({ kind: 'boot-failed', cause: failureCause(error, this.#step === 'register') });
    }
  }

  async #bootNow(): Promise<void> {
    if (this.#state.kind !== 'booting') return;
    const { launcher, agent, team, onChange } = this.#options;
    const journal = await openJournal(launcher, { session: this.session, agent, team }, this.#log);
    this.#journal = journal;
    const { past } = journal;
    this.#earlierTokens = past.tokens;
    const booted = await bootSession({
      ...this.#options,
      session: this.session,
      conversation: past.conversation,
      costMicros: past.costMicros,
      branch: past.branch,
      owes: past.owed?.turnId ?? null,
      onStep: (step) => {
        this.#step = step;
        onChange();
      },
      onLoss: journal.tell,
      takePlace: this.#process.take,
      join: (login) => this.#process.join(login, past.owed?.cause === 'limit'),
      onRun: (run) => journal.began(run, this.session),
      onUpdate: (update) => (this.#loop?.onUpdate ?? journal.heard)(update),
      onPermission: async (request, scope, policy) =>
        (await this.#loop?.onPermission(request, scope, policy)) ?? { kind: 'cancelled' },
      projects: () => this.session.projects,
      onAccepted: journal.accepted,
      onUnprompted: (state) => this.#send({ kind: `unprompted-${state}` }),
      signal: this.#bootAbort.signal,
    });
    this.#booted = booted;
    this.#session = booted.session;
    this.#loop = this.#createLoop(booted, journal);
    const process = booted.program.agent;
    this.#activityReport.heard = process === undefined ? 'hibernated' : 'input_ready';
    this.#report = reportOf(booted);
    if (process !== undefined) await this.#opened(booted, process);
    this.#problems.current = null;
    this.#send({ kind: 'booted', isAsleep: process === undefined });
  }

  async #openAgain(): Promise<void> {
    const booted = this.#booted;
    if (booted === undefined || this.#state.kind !== 'waking') return;
    this.#step = 'agent';
    await this.#opened(booted, await booted.program.open());
    this.#send({ kind: 'opened' });
  }

  async #opened(booted: Booted, agent: ProgramAgent): Promise<void> {
    const { program, warnings } = booted;
    const changes = (await this.#journal?.opened(program, agent, this.#loop?.introduced === true)) ?? [];
    this.#report = reportOf({ ...booted, warnings: [...warnings, ...changes] });
    this.#loop?.opened(agent);
    this.#process.opened(program, agent);
    this.#log.info('session.running', { opened: agent.opened, program: program.origin, pid: agent.pid });
  }

  #createLoop(booted: Booted, { events, past, notices, tell, reread }: SessionJournal): TurnLoop {
    return createTurnLoop({
      ...this.#options,
      booted,
      session: () => this.session,
      log: events,
      owed: past.owed,
      introduced: past.introduced,
      notices,
      tell,
      reread,
      mayBegin: () => this.#process.mayBegin(this.#state.kind),
      onOver: this.#process.turnOver,
      onIdle: () => this.#process.idle(this.#state),
      isStopping: () => this.#state.kind === 'stopping',
      send: (event) => this.#send(event),
      onStopAsked: () => {
        this.#endReason = 'asked';
        void this.stop(false);
      },
      onStale: () => this.superseded(booted.run.id),
      onFailure: (failure) => this.#problems.hear(failure),
      onChange: () => this.#changed(),
    });
  }

  async #agentClosed(program: SessionProgram, agent: ProgramAgent): Promise<void> {
    const isOver = () => program.agent !== agent || this.#state.kind === 'stopping' || this.#state.kind === 'failed';
    if (isOver()) return;
    await this.#loop?.idle();
    if (isOver()) return;
    this.#problems.current ??= endedByItself(this.session.id);
    this.#log.warn('session.agent_closed', {});
    // Now: whoever holds a place may be told to end its process, and this one is about to come back.
    this.#process.release();
    this.#closing = this.#close('failed');
    await this.#closing;
    this.#send({ kind: 'agent-closed' });
  }

  async #release(): Promise<void> {
    await this.#booting;
    await this.#loop?.finish(this.#force);
    await this.#closing;
    await this.#close(this.#endReason);
    this.#process.leave();
    this.#timers[Symbol.dispose]();
    this.#send({ kind: 'released' });
  }

  /** Gives the process, the folder, the run and the log back, whichever of them there are. */
  async #close(reason: EndReason): Promise<void> {
    const booted = this.#booted;
    const journal = this.#journal;
    this.#booted = undefined;
    if (booted !== undefined) this.#kept = await booted.close();
    this.#process.release();
    this.#loop = undefined;
    // Not before: documents that are handed in at the end may have answers to be noted.
    this.#journal = undefined;
    await journal?.close(reason);
  }
}
