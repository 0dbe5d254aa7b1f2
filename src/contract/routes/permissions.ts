/** Requests of agents, for the other machines of their owner. The machine where the agent waits decides who was first. */
import { z } from 'zod';
import { ClientId, PermissionId, RunId, TurnId } from '#contract/ids.ts';
import {
  AnsweredBy,
  OptionKind,
  Permission,
  PermissionDigest,
  PermissionOutcome,
  ToolKind,
} from '#contract/permissions.ts';
import { route } from '#contract/route.ts';

const ofPermission = z.object({ permissionId: PermissionId });
const ofRunAndPermission = ofPermission.extend({ runId: RunId });
const reply = z.object({ permission: Permission });

/**
 * Says that an agent asks, once or again after a reconnect; the reply has what a person may have answered meanwhile.
 */
export const reportPermission = route({
  method: 'PUT',
  path: '/v1/runs/:runId/permissions/:permissionId',
  params: ofRunAndPermission,
  body: z.object({
    turnId: TurnId.nullable(),
    toolKind: ToolKind,
    optionKinds: z.array(OptionKind).max(20),
    digest: PermissionDigest,
    askedAt: z.iso.datetime(),
    expiresAt: z.iso.datetime(),
  }),
  reply,
});

/** Says how it came out: what the agent was told counts, also over an answer that did not arrive in time. */
export const settlePermission = route({
  method: 'POST',
  path: '/v1/runs/:runId/permissions/:permissionId/settle',
  params: ofRunAndPermission,
  body: z.object({ outcome: PermissionOutcome, by: AnsweredBy.nullable() }),
  reply,
});

/** Those of the caller's agents: open ones, and what was settled in the last hour; oldest first. */
export const getPermissions = route({
  method: 'GET',
  path: '/v1/permissions',
  reply: z.object({ permissions: z.array(Permission) }),
});

export const getPermission = route({
  method: 'GET',
  path: '/v1/permissions/:permissionId',
  params: ofPermission,
  reply,
});

/** First answer wins; a later one gets CONFLICT with who it was and what they said. Bound to the digest. */
export const decidePermission = route({
  method: 'POST',
  path: '/v1/permissions/:permissionId/answer',
  params: ofPermission,
  body: z.object({ clientId: ClientId, allow: z.boolean(), digest: PermissionDigest, by: AnsweredBy }),
  reply,
});
