/** What other commands of this home ask a running `up`. */
import { AachatError } from '#base/errors.ts';
import { isoTime } from '#base/time.ts';
import type { LiveSession, MirrorView, PendingPermission, SettledPermission } from '#contract/control.ts';
import type { Attachments } from './attachments.ts';
import type { ControlHandlers, StreamHandlers } from './control.ts';
import type { Mirrors } from './mirrors.ts';
import type { PermissionDesk } from './permission-desk.ts';
import type { Happening, SessionWatch } from './session-watch.ts';
import type { StoppedLoops } from './stopped-loops.ts';

/** The part of `up` that answers. */
export interface AskedUp {
  sessions(): readonly LiveSession[];
  permissions(): readonly PendingPermission[];
  settledPermissions(): readonly SettledPermission[];
  mirrors(): readonly MirrorView[];
  readonly connected: boolean;
  answer: PermissionDesk['answer'];
  /** Ends everything. A second call with `force` does not wait for turns. */
  stop(force: boolean): Promise<void>;
}

/** What of it nobody sees but those who ask. */
export interface UpFacts {
  readonly startedAt: string;
  readonly server: string;
  readonly ready: boolean;
}

/** What it is made of that answers by itself. */
export interface UpParts {
  readonly mirrors: Mirrors;
  readonly loops: StoppedLoops;
  readonly watch: SessionWatch;
  readonly attachments: Attachments;
}

export function upHandlers(
  up: AskedUp,
  { mirrors, loops, watch, attachments }: UpParts,
  facts: () => UpFacts,
): ControlHandlers & StreamHandlers {
  return {
    getStatus: async () => ({
      ...facts(),
      pid: process.pid,
      connected: up.connected,
      sessions: [...up.sessions()],
      permissions: [...up.permissions()],
      attachments: [...attachments.list()],
      mirrors: [...up.mirrors()],
      loops: [...loops.list()],
    }),
    listPermissions: async () => ({ pending: [...up.permissions()], settled: [...up.settledPermissions()] }),
    answerPermission: async ({ params, body }) => {
      const permission = up.answer(params.permissionId, body);
      return { permission, outcome: permission.outcome };
    },
    resumeMirror: async ({ body: { root, how } }) => {
      await mirrors.resume(root, how);
      return {};
    },
    beginMirrors: async () => {
      await mirrors.begin();
      return { mirrors: [...up.mirrors()] };
    },
    attachSession: async ({ params: { sessionId }, body: { interactive, holder } }, gone) => {
      const view = () => up.sessions().find((session) => session.sessionId === sessionId);
      const { workspace } = view() ?? {};
      if (workspace === undefined) throw new AachatError('NOT_FOUND', 'That session does not run here.');
      const ended = new AbortController();
      const end = () => ended.abort();
      const attachmentId = attachments.open({ sessionId, workspace, interactive, holder, end });
      const now = (): readonly Happening[] => {
        const session = view();
        const waiting = up.permissions().filter((permission) => permission.sessionId === sessionId);
        return [
          ...(session === undefined ? [] : [{ type: 'state', session } as const]),
          ...waiting.map((permission) => ({ type: 'asked', permission }) as const),
        ];
      };
      const signal = AbortSignal.any([gone, ended.signal]);
      return (async function* () {
        try {
          yield { type: 'attached', attachmentId, at: isoTime(Date.now()) } as const;
          yield* watch.open(sessionId, now, signal);
        } finally {
          attachments.close(attachmentId);
        }
      })();
    },
    beatAttachment: async ({ params }) => {
      attachments.beat(params.attachmentId);
      return {};
    },
    stopUp: async ({ body }) => {
      void up.stop(body.force);
      return {};
    },
  };
}
