/**
 * Lets the owner's other machines see and answer what waits at the desk: tells the server of each request and how it
 * came out, and takes the answers that were given there. The desk decides who was first; what the server knows follows.
 *
 * Nothing is lost by a connection that breaks: all that waits is told again when it stands, and the reply has the
 * answer that was given meanwhile.
 */
import { createCoalesced } from '#base/async.ts';
import { isAachatError } from '#base/errors.ts';
import type { Log } from '#base/log.ts';
import type { HttpClient } from '#client/http.ts';
import type { PendingPermission } from '#contract/control.ts';
import { type PermissionTitle, type RelayedFrame, TITLE_LIMIT } from '#contract/frames.ts';
import type { PermissionId, RunId, SessionId } from '#contract/ids.ts';
import { OptionKind, type Permission, type PermissionOutcome, ToolKind } from '#contract/permissions.ts';
import { ROUTES } from '#contract/routes.ts';
import type { DeskChange, PermissionDesk } from './permission-desk.ts';

export interface PermissionRelay {
  /** Something changed at the desk. */
  changed(change: DeskChange): void;
  /** The server says how a request stands. */
  heard(permission: Permission): void;
  /** Another socket of the owner says something. */
  relayed(frame: RelayedFrame): void;
  /** Something may have been missed: tells and asks again. */
  refresh(): void;
}

interface Told {
  readonly runId: RunId;
  readonly view: PendingPermission;
  isReported: boolean;
  /** The server has known of it. */
  isKnown: boolean;
  /** Its title was, by another machine that knows of it from the server, before its reply came here. */
  isWanted: boolean;
  settled?: { readonly outcome: PermissionOutcome; readonly by: string | null };
}

export function createPermissionRelay(options: {
  readonly http: HttpClient;
  readonly log: Log;
  readonly answer: PermissionDesk['answer'];
  /** The run that reports for a session, while there is one. */
  readonly runOf: (sessionId: SessionId) => RunId | undefined;
  /** Whether the owner lets titles go to the owner's other machines, as it is set now. */
  readonly sharesTitles: () => boolean;
  readonly say: (title: PermissionTitle) => void;
}): PermissionRelay {
  const { http, log, answer, runOf, sharesTitles, say } = options;
  const open = new Map<PermissionId, Told>();

  const sync = createCoalesced(async () => {
    for (const [id, told] of open) {
      try {
        await tell(id, told);
      } catch (thrown) {
        // The run is over, or the server will not have it: it stays between the agent and this machine.
        if (isAachatError(thrown, 'STALE_RUN', 'NOT_FOUND', 'FORBIDDEN', 'VALIDATION_ERROR')) open.delete(id);
        log.info('permission.not_told', { error: thrown });
      }
    }
  });

  async function tell(id: PermissionId, told: Told): Promise<void> {
    const params = { runId: told.runId, permissionId: id };
    if (!told.isReported) {
      const { permission } = await http.call(ROUTES.reportPermission, { params, body: reported(told.view) });
      told.isReported = true;
      // Afterwards who wants it asks: it is not said again with every report.
      if (!told.isKnown && (told.isWanted || sharesTitles())) sayTitle(id, told);
      told.isKnown = true;
      take(permission);
    }
    if (told.settled === undefined) return;
    await http.call(ROUTES.settlePermission, { params, body: told.settled });
    open.delete(id);
  }

  /** The one way by which a title leaves, or that it does not. */
  function sayTitle(permissionId: PermissionId, { view, settled }: Told): void {
    if (settled !== undefined) return;
    const title = sharesTitles() ? view.title.slice(0, TITLE_LIMIT).toWellFormed() : null;
    say({ type: 'permission_title', permissionId, title });
  }

  function take({ id, digest, state, answer: given }: Permission): void {
    if (state !== 'open' || given === null || open.get(id)?.settled !== undefined) return;
    try {
      answer(id, { allow: given.outcome === 'allowed', digest, by: given.by });
    } catch (thrown) {
      // Somebody here was first, or it is over: that is told next.
      if (!isAachatError(thrown, 'CONFLICT', 'NOT_FOUND')) throw thrown;
    }
  }

  return {
    changed({ kind, permission }) {
      if (kind === 'asked') {
        const runId = runOf(permission.sessionId);
        if (runId === undefined) return;
        open.set(permission.id, { runId, view: permission, isReported: false, isKnown: false, isWanted: false });
      } else {
        const told = open.get(permission.id);
        if (told === undefined) return;
        told.settled = { outcome: permission.outcome, by: permission.by };
      }
      sync();
    },
    heard(permission) {
      if (open.has(permission.id)) take(permission);
    },
    relayed({ type }) {
      if (type !== 'permission_titles_wanted') return;
      for (const [id, told] of open) {
        told.isWanted = true;
        if (told.isKnown) sayTitle(id, told);
      }
    },
    refresh() {
      for (const told of open.values()) told.isReported = false;
      sync();
    },
  };
}

/** No word of the agent program's own goes along; for its title see `sayTitle`. */
function reported({ turnId, toolKind, options, digest, askedAt, expiresAt }: PendingPermission) {
  const kinds = options.flatMap(({ kind }) => OptionKind.safeParse(kind).data ?? []);
  return {
    turnId,
    toolKind: ToolKind.catch('other').parse(toolKind),
    optionKinds: kinds.slice(0, 20),
    digest,
    askedAt,
    expiresAt,
  };
}
