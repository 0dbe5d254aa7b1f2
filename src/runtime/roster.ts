/** The sessions of one `up`: which there should be, and what each hears of what happened at the server. */
import { createSerial } from '#base/async.ts';
import { newId } from '#base/id.ts';
import { leftOf } from '#contract/budget.ts';
import type { Agent, Session, Signal, Team } from '#contract/entities.ts';
import type { StreamEvent } from '#contract/frames.ts';
import { AgentId, type SessionId, type StreamId } from '#contract/ids.ts';
import { ROUTES } from '#contract/routes.ts';
import type { Launcher } from './launcher.ts';
import type { Pair } from './pairs.ts';
import { LiveAgentSession, type SessionOptions } from './session.ts';
import type { Happening } from './session-watch.ts';

export interface RosterOptions extends Pick<SessionOptions, 'desk' | 'bootSlot' | 'places' | 'logins' | 'onChange'> {
  readonly launcher: Launcher;
  /** Hears what happens in each session, for people who look on. */
  readonly watch: (sessionId: SessionId, happening: Happening) => void;
  /** Whether a person is attached and steers the session. */
  readonly isSteered: (sessionId: SessionId) => boolean;
  readonly pairs: () => Promise<readonly Pair[]>;
  /** The stream of the owner, in which a session is shown as a whole. */
  readonly ownStream: StreamId;
  /** Hears what happens in the projects that a session covers. */
  readonly follow: (stream: StreamId) => void;
}

export class Roster {
  readonly #options: RosterOptions;
  readonly #sessions = new Map<SessionId, LiveAgentSession>();
  /** Those that have ended, and are to come up again. */
  readonly #returning = new Set<SessionId>();
  #planning: Promise<void> = Promise.resolve();
  readonly #over = new AbortController();
  /** One after another: the answer that counts is that to the last change. */
  readonly #readingBudgets = createSerial();

  constructor(options: RosterOptions) {
    this.#options = options;
  }

  get sessions(): readonly LiveAgentSession[] {
    return [...this.#sessions.values()];
  }

  /** Brings the sessions of the start up. Reconnects plan too: one at a time, or an agent would get two sessions. */
  async open(pairs: readonly Pair[]): Promise<void> {
    this.#planning = this.#bring(pairs);
    await this.#planning;
  }

  /** An agent got new work, or `session run` was called: brings up what is missing. */
  replan(): void {
    this.#planning = this.#planning
      .then(async () => {
        if (!this.#over.signal.aborted) await this.#bring(await this.#options.pairs());
      })
      .catch((error: unknown) => this.#options.launcher.log.warn('up.replan_failed', { error }));
  }

  /** What came while the socket was away is in the server's tables. */
  catchUp(): void {
    for (const session of this.sessions) session.refresh();
    this.replan();
  }

  onEvent(stream: StreamId, event: StreamEvent): void {
    switch (event.type) {
      case 'signal.created':
        this.#onSignal(event.data.signal);
        break;
      case 'session.updated': {
        const { session } = event.data;
        const live = this.#sessions.get(session.id);
        // In the stream of a project it has that project only.
        if (live !== undefined && stream === this.#options.ownStream) {
          live.update(session);
          this.#heedStop(live, session);
          this.#follow(session);
        }
        // A fork has nothing to do yet, and no signal that says so.
        if (live === undefined && session.run === null && session.forkedFromId !== null) this.replan();
        // What a session at rest leaves may be for another one of the agent. Our own reports come back here too: they
        // must not boot one that waits for its person.
        for (const other of this.sessions) if (other.session.agentId === session.agentId) other.look();
        break;
      }
      case 'membership.changed':
        this.replan();
        break;
      case 'budget.changed':
        for (const live of this.sessions) if (live.session.agentId === event.data.agent.id) live.budgetChanged();
        void this.#readingBudgets(() => this.#renewBudget(AgentId.parse(event.data.agent.id)));
        break;
      default:
        break;
    }
  }

  /** Ends them all; none comes up any more. */
  async stop(force: boolean): Promise<void> {
    this.#over.abort();
    if (force) for (const session of this.sessions) void session.stop(true);
    // That it failed was said already.
    await this.#planning.catch(() => {});
    await Promise.all(this.sessions.map((session) => session.stop(force)));
  }

  /** Starts a session for each pair that has none here, and those of `session run` that are not parked. */
  async #bring(pairs: readonly Pair[]): Promise<void> {
    for (const { agent, team } of pairs) {
      const sessions = await this.#list(agent, team);
      const asked = sessions.filter(({ coverageMode, parked }) => coverageMode === 'explicit' && !parked);
      const main = sessions.find(({ coverageMode }) => coverageMode === 'auto') ?? (await this.#plan(agent, team));
      for (const session of [main, ...asked]) this.#start(session, agent, team);
    }
  }

  /** All that are known of a pair: one that is overlooked would be planned a second time. */
  async #list(agent: Agent, team: Team): Promise<readonly Session[]> {
    const found: Session[] = [];
    for (let more = true; more; ) {
      const query = { agentId: agent.id, teamId: team.id, limit: 200, offset: found.length };
      const page = await this.#options.launcher.http.call(ROUTES.listSessions, { query });
      found.push(...page.sessions);
      more = page.hasMore;
    }
    // What moves to the front while the pages are read is in none of them: sessions that live here do.
    const live = this.sessions.flatMap((one) => (one.isOver() ? [] : [one.session]));
    return [...found, ...live.filter(({ agentId, teamId }) => agentId === agent.id && teamId === team.id)];
  }

  async #plan(agent: Agent, team: Team): Promise<Session> {
    const body = { clientId: newId(), agentId: agent.id, teamId: team.id };
    return (await this.#options.launcher.http.call(ROUTES.createSession, { body })).session;
  }

  #start(session: Session, agent: Agent, team: Team): void {
    const isKnown = this.#sessions.has(session.id) && !this.#returning.delete(session.id);
    if (isKnown || this.#over.signal.aborted) return;
    const { launcher, desk, bootSlot, places, logins } = this.#options;
    const watch = (happening: Happening) => this.#options.watch(session.id, happening);
    const isSteered = () => this.#options.isSteered(session.id);
    const onChange = () => {
      this.#options.onChange();
      watch({ type: 'state', session: live.view() });
    };
    const shared = { launcher, desk, bootSlot, places, logins };
    const onSuperseded = () => void this.#superseded(session.id);
    const about = { session, agent, team };
    const live = new LiveAgentSession({ ...shared, ...about, watch, isSteered, onChange, onSuperseded });
    this.#sessions.set(session.id, live);
    this.#follow(session);
    live.boot();
  }

  #follow(session: Session): void {
    for (const { id } of session.projects) this.#options.follow(id);
  }

  /** Turns that run may use what is left by the new budget, too. */
  async #renewBudget(agentId: AgentId): Promise<void> {
    const { http, budgets, log } = this.#options.launcher;
    try {
      const left = leftOf(await http.call(ROUTES.getBudget, { params: { agentId } }));
      budgets.renew(agentId, left);
      log.info('up.budget_read', { agentId, ...left });
    } catch (error) {
      log.warn('up.budget_not_read', { error });
    }
  }

  #onSignal(signal: Signal): void {
    if (signal.recipient.kind !== 'agent' || signal.state !== 'queued') return;
    if (signal.sessionId === null) {
      for (const live of this.sessions) if (live.session.agentId === signal.recipient.id) live.wake();
      return;
    }
    const live = this.#sessions.get(signal.sessionId);
    if (signal.kind === 'resume') this.#resume(signal.sessionId);
    else if (live !== undefined) live.wake();
    else if (signal.kind === 'session_start') this.replan();
  }

  /** What has ended, or is about to, comes back as another one. */
  #resume(id: SessionId): void {
    const live = this.#sessions.get(id);
    if (live === undefined) this.replan();
    else if (!live.isOver()) live.wake();
    else this.#again(live);
  }

  /** Where it ran somebody has stopped it: that holds for who waits to take its place, too. */
  #heedStop(live: LiveAgentSession, { run }: Session): void {
    const isElsewhere = run !== null && run.machineId !== this.#options.launcher.machine.id;
    if (isElsewhere && run.reason === 'asked' && live.view().phase === 'failed') void live.stop(true);
  }

  #again(live: LiveAgentSession): void {
    void live.stop(false).then(() => {
      this.#returning.add(live.session.id);
      this.replan();
    });
  }

  /** Another machine has its place, as when this one slept: it waits here until that one is done with it, or is gone. */
  async #superseded(id: SessionId): Promise<void> {
    const live = this.#sessions.get(id);
    if (live === undefined || this.#over.signal.aborted) return;
    const { http, machine, log } = this.#options.launcher;
    const { session } = await http.call(ROUTES.getSession, { params: { sessionId: id } }).catch((error: unknown) => {
      log.warn('session.not_read', { error });
      return live;
    });
    // A copy of this home is the same machine to the server: the two would take it from each other for ever.
    if (session.run?.machineId !== machine.id && session.run?.reason !== 'asked') this.#again(live);
  }
}
