/** `aachat permission …`: answers what agents of the running `up` ask. */

import { AachatError } from '#base/errors.ts';
import { readPidFile } from '#base/pid-file.ts';
import type { CommandContext } from '#cli/context.ts';
import { clockTime, plain } from '#cli/output.ts';
import { type Page, pageOf, pageText } from '#cli/paging.ts';
import { pickById } from '#cli/pick.ts';
import { CONTROL_ROUTES, type PendingPermission } from '#contract/control.ts';
import { shortId } from '#contract/ids.ts';
import { openControlClient } from '#runtime/control.ts';
import { UpFile } from '#runtime/up-file.ts';

/** `aachat permission list` */
export async function list(context: CommandContext, args: Page): Promise<void> {
  await using up = await running(context);
  const { pending } = await up.call(CONTROL_ROUTES.listPermissions, {}, context.signal);
  const { items: permissions, hasMore } = pageOf(pending, args);
  const text = pageText(permissions.map(row), args, hasMore, 'Nothing waits for an answer.');
  context.output.result({ permissions, hasMore }, text);
}

/** `aachat permission allow | deny <request>` */
export async function answer(
  context: CommandContext,
  args: { readonly id: string; readonly allow: boolean },
): Promise<void> {
  await using up = await running(context);
  const { pending, settled } = await up.call(CONTROL_ROUTES.listPermissions, {}, context.signal);
  // Also those that are over: who comes too late is told who was first.
  const { id, digest } = pickById(args.id, [...pending, ...settled], {
    many: 'requests',
    none: { message: `No request ${args.id} waits.`, hint: 'Run `aachat permission list` to see what waits.' },
  });
  const { outcome, permission } = await up.call(
    CONTROL_ROUTES.answerPermission,
    { params: { permissionId: id }, body: { allow: args.allow, digest, by: 'aachat permission' } },
    context.signal,
  );
  context.output.result(
    { outcome, permission },
    `${outcome === 'allowed' ? 'Allowed' : 'Denied'}: ${plain(permission.title)}`,
  );
}

const row = ({ id, agent, askedAt, expiresAt, title, toolKind }: PendingPermission): readonly string[] => [
  shortId(id),
  agent,
  `${clockTime(askedAt)} until ${clockTime(expiresAt)}`,
  toolKind,
  plain(title).replace(/\s+/g, ' ').slice(0, 200),
];

async function running({ home }: CommandContext) {
  if ((await readPidFile(home.upFile, UpFile)) === undefined) {
    throw new AachatError('NOT_FOUND', 'aachat up does not run here, so no agent can ask.', {
      hint: 'Start it with `aachat up`.',
    });
  }
  return await openControlClient(home.controlSocket);
}
