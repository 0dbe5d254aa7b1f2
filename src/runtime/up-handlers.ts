/** What other commands of this home ask a running `up`. */
import type { LiveSession, MirrorView, PendingPermission, SettledPermission } from '#contract/control.ts';
import type { ControlHandlers } from './control.ts';
import type { Mirrors } from './mirrors.ts';
import type { PermissionDesk } from './permission-desk.ts';
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

export function upHandlers(up: AskedUp, mirrors: Mirrors, loops: StoppedLoops, facts: () => UpFacts): ControlHandlers {
  return {
    getStatus: async () => ({
      ...facts(),
      pid: process.pid,
      connected: up.connected,
      sessions: [...up.sessions()],
      permissions: [...up.permissions()],
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
    stopUp: async ({ body }) => {
      void up.stop(body.force);
      return {};
    },
  };
}
