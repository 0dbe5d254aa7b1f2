/**
 * What `aachat up` keeps alive: one session for each agent of the user and each team where it works, their connection
 * to the server, and the socket by which other commands reach them. One per home; nothing of it outlives `stop`.
 */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { AachatError, isAachatError } from '#base/errors.ts';
import { ensureDir } from '#base/fs.ts';
import { claimPidFile } from '#base/pid-file.ts';
import { type Clock, isoTime } from '#base/time.ts';
import type { LiveSession, MirrorView, PendingPermission, SettledPermission } from '#contract/control.ts';
import type { PairCooldown, Party, Project } from '#contract/entities.ts';
import type { StreamEvent } from '#contract/frames.ts';
import { type StreamId, UserId } from '#contract/ids.ts';
import { ROUTES } from '#contract/routes.ts';
import { createAttachments } from './attachments.ts';
import { createClonePool } from './clone-pool.ts';
import { openControlServer } from './control.ts';
import { openGuard } from './guard.ts';
import { DOCUMENTS } from './home.ts';
import type { Launcher } from './launcher.ts';
import { leaseChildren, reapLeases } from './lease.ts';
import { createLogins, type Logins } from './logins.ts';
import { createMirrors, type Mirrors, notKept } from './mirrors.ts';
import { type Pair, planPairs } from './pairs.ts';
import { createPermissionDesk, type PermissionDesk } from './permission-desk.ts';
import { createPermissionRelay, type PermissionRelay } from './permission-relay.ts';
import { createPlaces, type PlaceLimits, type Places } from './places.ts';
import type { SessionReport } from './report.ts';
import { Roster } from './roster.ts';
import { openServerLink, type ServerLink } from './server-link.ts';
import { createSessionWatch, type Happening } from './session-watch.ts';
import { writeShims } from './shim.ts';
import { createStoppedLoops, type StoppedLoops } from './stopped-loops.ts';
import { createBudgetGuards } from './turn-budget.ts';
import { UpFile } from './up-file.ts';
import { type AskedUp, upHandlers } from './up-handlers.ts';
import { EXCLUDED } from './workspace.ts';
import { recoverWorktrees } from './worktree.ts';

export interface UpOptions {
  readonly launcher: Omit<Launcher, 'connected' | 'clones' | 'mirrors' | 'budgets'>;
  /** Origin of the server as `init` notes it; null: the embedded platform. */
  readonly server: string | null;
  /** Access token for the event socket, fresh at each call. */
  readonly token: () => Promise<string>;
  /** Names to bring up, full or bare; empty: all. */
  readonly agents: readonly string[];
  /** Only this team; undefined: all. */
  readonly team: string | undefined;
  /** As they are set now. */
  readonly limits: () => PlaceLimits;
  /** Whether all sessions of a login wait when one of them has reached its usage limit. */
  readonly pausesOnLimit: () => boolean;
  /** By which usage limits end. */
  readonly clock?: Clock;
  /** Whether the owner's other machines are told the titles of requests. */
  readonly sharesTitles: () => boolean;
  /** Calls `listener` at every change worth showing; coalescing is its business. */
  readonly onChange: (change: UpChange) => void;
  /** How long a request of an agent waits for an answer before it counts as denied. */
  readonly permissionLifetimeMs: number;
  /** Starts the platform again if it was this home's own and has died; asked now and then while nothing answers. */
  readonly revive: () => Promise<void>;
}

export type UpChange =
  | { readonly kind: 'session' | 'permission' | 'connection' | 'documents' }
  /** Somebody edited a document that the person deleted, and it is back. */
  | { readonly kind: 'document-returned'; readonly path: string }
  /** People are told once that agents answered each other too often. */
  | { readonly kind: 'loop-stopped'; readonly project: Project }
  /** So are they that two agents stopped waking each other with nothing new. */
  | { readonly kind: 'pair-cooled'; readonly project: Project; readonly cooldown: PairCooldown }
  /** So are they that something said to an agent waits until it may use more. */
  | { readonly kind: 'budget-reached'; readonly agent: Party; readonly retryAt: string; readonly cancelled: boolean };

export interface Up extends AskedUp {
  /** Resolves when every session of the start has booted or failed. */
  readonly ready: Promise<void>;
  report(): readonly SessionReport[];
  /** Resolves when everything has ended, whoever asked for it. */
  readonly closed: Promise<void>;
}

const HEARTBEAT_MS = 30_000;

/**
 * Starts everything.
 *
 * @throws AachatError `CONFLICT` if another `up` runs in this home, `NOT_FOUND` if a named agent or team is unknown
 */
export async function startUp(options: UpOptions): Promise<Up> {
  const { home, serverUrl, log } = options.launcher;
  const since = isoTime(Date.now());
  const claim = await claimPidFile(home.upFile, UpFile, {
    since,
    server: serverUrl.href,
    agents: [...options.agents],
    team: options.team ?? null,
  });
  if (!claim.claimed) {
    const { pid, since: from } = claim.holder;
    throw new AachatError('CONFLICT', `aachat up already runs here: pid ${pid}, since ${from}.`, {
      hint: 'Run `aachat status` to see it, or `aachat down` to stop it.',
    });
  }
  let giveBack = async () => {};
  let dismissGuard = async () => {};
  try {
    const reaped = await reapLeases(home.leases);
    for (const { leaseId, killed } of reaped) log.info('lease.reaped', { leaseId, killed: killed.length });
    dismissGuard = await openGuard(options.launcher.engine.self, home.leases);
    giveBack = await leaseChildren(home.leases);
    await Promise.all([home.sessions, home.workspaces, home.cache].map((dir) => ensureDir(dir)));
    const recovered = await recoverWorktrees(home.cache, home.workspaces);
    if (recovered.length > 0) log.info('worktrees.recovered', { count: recovered.length });
    await writeShims(home.bin, options.launcher.engine.self);
    const up = new RunningUp(options, since, async () => {
      await giveBack();
      await dismissGuard();
      claim.file.release();
    });
    try {
      await up.open();
    } catch (thrown) {
      await up.stop(true);
      throw thrown;
    }
    return up;
  } catch (thrown) {
    await giveBack();
    await dismissGuard();
    claim.file.release();
    throw thrown;
  }
}

class RunningUp implements Up {
  readonly #options: UpOptions;
  readonly #launcher: Launcher;
  readonly #since: string;
  readonly #release: () => Promise<void>;
  readonly #desk: PermissionDesk;
  readonly #relay: PermissionRelay;
  readonly #roster: Roster;
  readonly #places: Places;
  readonly #watch = createSessionWatch();
  readonly #attachments = createAttachments(() => this.#places.look());
  readonly #logins: Logins;
  readonly #over = new AbortController();
  readonly #closed = Promise.withResolvers<void>();
  readonly #userStream: UserId;
  readonly #mirrors: Mirrors;
  readonly #loops: StoppedLoops;
  #link: ServerLink | undefined;
  #control: AsyncDisposable | undefined;
  #heartbeat: NodeJS.Timeout | undefined;
  #stopping: Promise<void> | undefined;
  #isReady = false;
  ready: Promise<void> = Promise.resolve();

  constructor(options: UpOptions, since: string, release: () => Promise<void>) {
    this.#options = options;
    this.#since = since;
    this.#release = release;
    this.#userStream = UserId.parse(options.launcher.owner.id);
    const { home, http, log } = options.launcher;
    this.#loops = createStoppedLoops(http, log);
    this.#mirrors = createMirrors({
      home,
      http,
      server: options.server,
      follow: (project) => this.#link?.follow(project),
      onReturned: (path) => options.onChange({ kind: 'document-returned', path }),
      awaySince: () => (this.#link === undefined ? Date.parse(this.#since) : this.#link.awaySince),
      onChange: () => options.onChange({ kind: 'documents' }),
      log,
    });
    this.#launcher = {
      ...options.launcher,
      clones: createClonePool(home.cache, { exclude: EXCLUDED, signal: this.#over.signal }),
      mirrors: this.#mirrors,
      budgets: createBudgetGuards(),
      connected: async (signal) => await this.#link?.whenConnected(signal),
    };
    this.#desk = createPermissionDesk({
      lifetimeMs: options.permissionLifetimeMs,
      onChange: (change) => {
        const { kind, permission } = change;
        options.onChange({ kind: 'permission' });
        this.#watch.tell(permission.sessionId, { type: kind, permission } as Happening);
        this.#relay.changed(change);
      },
    });
    this.#relay = createPermissionRelay({
      http,
      log,
      answer: this.#desk.answer,
      runOf: (sessionId) => this.#roster.sessions.find(({ session }) => session.id === sessionId)?.runId,
      sharesTitles: options.sharesTitles,
      say: (title) => this.#link?.relay(title),
    });
    this.#places = createPlaces(options.limits);
    this.#logins = createLogins({ isShared: options.pausesOnLimit, clock: options.clock ?? Date.now });
    const slots = pLimit(availableParallelism());
    this.#roster = new Roster({
      launcher: this.#launcher,
      desk: this.#desk,
      bootSlot: (boot) => slots(boot),
      places: this.#places,
      logins: this.#logins,
      onChange: () => options.onChange({ kind: 'session' }),
      watch: (sessionId, happening) => this.#watch.tell(sessionId, happening),
      isSteered: this.#attachments.isSteered,
      pairs: () => this.#pairs(),
      ownStream: this.#userStream,
      follow: (stream) => this.#link?.follow(stream),
    });
  }

  get connected(): boolean {
    return this.#link?.connected === true;
  }

  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  async open(): Promise<void> {
    const { home, http, machine, serverUrl, log } = this.#launcher;
    const [pairs] = await Promise.all([
      this.#pairs(),
      http.call(ROUTES.putMachine, { params: { machineId: machine.id }, body: { name: machine.name } }),
    ]);
    const facts = () => ({ startedAt: this.#since, server: serverUrl.href, ready: this.#isReady });
    this.#control = await openControlServer(
      home.controlSocket,
      upHandlers(
        this,
        { mirrors: this.#mirrors, loops: this.#loops, watch: this.#watch, attachments: this.#attachments },
        facts,
      ),
      log,
    );
    this.#link = openServerLink({
      url: serverUrl,
      token: this.#options.token,
      onEvent: (stream, event) => this.#onEvent(stream, event),
      onBegin: (stream) => this.#mirrors.heard(stream, true),
      onDenied: (stream) => this.#mirrors.heard(stream, false),
      onGap: () => {
        this.#roster.catchUp();
        this.#relay.refresh();
        this.#mirrors.refresh();
        void this.#loops.refresh();
      },
      onState: () => this.#options.onChange({ kind: 'connection' }),
      onRelayed: (frame) => this.#relay.relayed(frame),
      revive: this.#options.revive,
      log,
    });
    // From now on: what is older is read over HTTP when a session comes up.
    this.#link.follow(this.#userStream);
    const mirrors = this.#mirrors.begin().catch((error: unknown) => log.error('mirrors.failed', { error }));
    this.#heartbeat = setInterval(() => void this.#beat(), HEARTBEAT_MS);
    await this.#roster.open(pairs);
    this.ready = Promise.all([mirrors, ...this.#roster.sessions.map(({ settled }) => settled)]).then(() => {
      this.#isReady = true;
      log.info('up.ready', { report: this.report() });
    });
  }

  sessions(): readonly LiveSession[] {
    return this.#roster.sessions.map((session) => session.view());
  }

  permissions(): readonly PendingPermission[] {
    return this.#desk.pending();
  }

  mirrors(): readonly MirrorView[] {
    const down = this.sessions().filter(({ phase }) => phase === 'failed');
    const left = down.map(({ workspace }) => join(workspace, DOCUMENTS)).filter((root) => existsSync(root));
    return [...this.#mirrors.views(), ...left.map((root) => notKept('session', root, 'Its session did not come up.'))];
  }

  report(): readonly SessionReport[] {
    return this.#roster.sessions.map((session) => session.report());
  }

  #pairs(): Promise<readonly Pair[]> {
    const { http, owner } = this.#launcher;
    return planPairs(http, owner.login, this.#options);
  }

  settledPermissions(): readonly SettledPermission[] {
    return this.#desk.settled();
  }

  answer: PermissionDesk['answer'] = (id, answer) =>
    this.#desk.answer(id, { ...answer, by: `${answer.by} on ${this.#launcher.machine.name}` });

  stop(force: boolean): Promise<void> {
    if (force) void this.#roster.stop(true);
    this.#stopping ??= this.#stopAll(force);
    return this.#stopping;
  }

  async #stopAll(force: boolean): Promise<void> {
    const { log } = this.#launcher;
    clearInterval(this.#heartbeat);
    await this.#roster.stop(force);
    this.#over.abort();
    this.#places[Symbol.dispose]();
    this.#logins[Symbol.dispose]();
    log.info('up.stopped', { report: this.report() });
    await this.#mirrors[Symbol.asyncDispose]();
    await this.#link?.[Symbol.asyncDispose]();
    this.#watch.close();
    await this.#control?.[Symbol.asyncDispose]();
    await this.#release();
    this.#closed.resolve();
  }

  #onEvent(stream: StreamId, event: StreamEvent): void {
    this.#mirrors.hear(event);
    this.#loops.hear(event);
    this.#roster.onEvent(stream, event);
    switch (event.type) {
      case 'membership.changed':
        this.#mirrors.refresh();
        break;
      case 'loop.stopped':
        this.#options.onChange({ kind: 'loop-stopped', project: event.data.project });
        break;
      case 'pair.cooled':
        this.#options.onChange({ kind: 'pair-cooled', ...event.data });
        break;
      case 'permission.answered':
        this.#relay.heard(event.data.permission);
        break;
      case 'budget.reached':
        this.#options.onChange({ kind: 'budget-reached', ...event.data });
        break;
      default:
        break;
    }
  }

  async #beat(): Promise<void> {
    const { http, machine, log } = this.#launcher;
    this.#mirrors.begin().catch((error: unknown) => log.warn('mirrors.failed', { error }));
    // A turn that stalls changes nothing by itself: somebody has to look.
    for (const session of this.#roster.sessions) session.tick();
    const runs = this.#roster.sessions.flatMap(({ runId }) => (runId === undefined ? [] : [runId]));
    try {
      const { stale } = await http.call(ROUTES.heartbeat, { params: { machineId: machine.id }, body: { runs } });
      for (const session of this.#roster.sessions) {
        const { runId } = session;
        if (runId !== undefined && stale.includes(runId)) session.superseded(runId);
      }
      this.#relay.refresh();
    } catch (error) {
      if (!isAachatError(error, 'SERVER_UNREACHABLE', 'TIMEOUT')) log.warn('up.heartbeat_failed', { error });
    }
  }
}
