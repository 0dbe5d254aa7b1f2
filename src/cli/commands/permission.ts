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
  const status = await up.call(CONTROL_ROUTES.getStatus, {}, context.signal);
  const { items: permissions, hasMore } = pageOf(status.permissions, args);
  const text = pageText(permissions.map(row), args, hasMore, 'Nothing waits for an answer.');
  context.output.result({ permissions, hasMore }, text);
}

/** `aachat permission allow | deny <request>` */
export async function answer(
  context: CommandContext,
  args: { readonly id: string; readonly allow: boolean },
): Promise<void> {
  await using up = await running(context);
  const { permissions } = await up.call(CONTROL_ROUTES.getStatus, {}, context.signal);
  const found = pickById(args.id, permissions, {
    many: 'requests',
    none: {
      message: `No request ${args.id} waits: it was answered, expired, or its turn ended.`,
      hint: 'Run `aachat permission list` to see what waits.',
    },
  });
  const params = { permissionId: found.id };
  const { outcome, permission } = await up.call(
    CONTROL_ROUTES.answerPermission,
    { params, body: { allow: args.allow } },
    context.signal,
  );
  context.output.result(
    { outcome, permission },
    `${outcome === 'allowed' ? 'Allowed' : 'Denied'}: ${plain(permission.title)}`,
  );
}

const row = ({ id, agent, askedAt, title, toolKind }: PendingPermission): readonly string[] => [
  shortId(id),
  agent,
  clockTime(askedAt),
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
