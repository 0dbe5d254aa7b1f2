/** `aachat permission …`: answers what agents of this person ask, here and on the person's other machines. */

import { aborted, within } from '#base/async.ts';
import { isAachatError, toAachatError } from '#base/errors.ts';
import { newId } from '#base/id.ts';
import { silentLog } from '#base/log.ts';
import { readPidFile } from '#base/pid-file.ts';
import { sleep } from '#base/time.ts';
import type { CommandContext } from '#cli/context.ts';
import { clockTime, plain } from '#cli/output.ts';
import { type Page, pageOf, pageText } from '#cli/paging.ts';
import { pickById } from '#cli/pick.ts';
import { openEventSocket } from '#client/socket.ts';
import { CONTROL_ROUTES, type PendingPermission, type SettledPermission } from '#contract/control.ts';
import { type PermissionId, shortId } from '#contract/ids.ts';
import { type Permission, tooLate } from '#contract/permissions.ts';
import { ROUTES } from '#contract/routes.ts';
import { openControlClient } from '#runtime/control.ts';
import { thisMachine } from '#runtime/machine.ts';
import { UpFile } from '#runtime/up-file.ts';

/** A request as the list has it, from wherever it is. */
interface Listed extends Omit<PendingPermission, 'title' | 'options'> {
  /** null: the machine where the agent waits does not tell it (`shareTitles`). */
  readonly title: string | null;
  readonly optionKinds: readonly string[];
  /** Where the agent waits; null: here. */
  readonly machine: string | null;
}

/** `aachat permission list` */
export async function list(context: CommandContext, args: Page): Promise<void> {
  // In this order: what this machine has told the server is among its own by then, with its title.
  const others = await remoteRequests(context);
  const here = await localRequests(context);
  const known = new Set(here.pending.concat(here.settled).map(({ id }) => id));
  const waits = ({ id, state, answer }: Permission) => state === 'open' && answer === null && !known.has(id);
  const all = [...here.pending.map(ofThisMachine), ...others.filter(waits).map(ofAnother)];
  const { items, hasMore } = pageOf(all, args);
  const titles = await titlesOf(
    context,
    items.flatMap(({ id, machine }) => (machine === null ? [] : [id])),
  );
  const permissions = items.map((item) => ({ ...item, title: item.title ?? titles.get(item.id) ?? null }));
  const text = pageText(permissions.map(row), args, hasMore, 'Nothing waits for an answer.');
  context.output.result({ permissions, hasMore }, text);
}

/** `aachat permission allow | deny <request>` */
export async function answer(
  context: CommandContext,
  args: { readonly id: string; readonly allow: boolean },
): Promise<void> {
  const here = await localRequests(context);
  const local = [...here.pending, ...here.settled];
  const known = new Set<string>(local.map(({ id }) => id));
  // Without the server where that is possible. Also those that are over: who comes too late is told who was first.
  const isHere = local.some(({ id }) => id === args.id || shortId(id) === args.id.toLowerCase());
  const others = isHere ? [] : (await remoteRequests(context)).filter(({ id }) => !known.has(id));
  const found = pickById<{ readonly id: PermissionId; readonly digest: string }>(args.id, [...local, ...others], {
    many: 'requests',
    none: { message: `No request ${args.id} waits.`, hint: 'Run `aachat permission list` to see what waits.' },
  });
  if (known.has(found.id)) await answerHere(context, found, args.allow);
  else await answerElsewhere(context, found, args.allow);
}

async function answerHere(
  { home, output, signal }: CommandContext,
  { id, digest }: { readonly id: PermissionId; readonly digest: string },
  allow: boolean,
): Promise<void> {
  await using up = await openControlClient(home.controlSocket);
  const body = { allow, digest, by: 'aachat permission' };
  const { outcome, permission } = await up.call(
    CONTROL_ROUTES.answerPermission,
    { params: { permissionId: id }, body },
    signal,
  );
  const what = { id, agent: permission.agent, outcome, title: permission.title, machine: null, arrived: true };
  output.result(what, `${said(outcome)}: ${plain(permission.title)}`);
}

/** How long to wait until the other machine has taken the answer, and how often to look. */
const TAKEN_MS = 10_000;
const LOOK_MS = 250;

/** The other machine decides who was first; until it has, the answer is on its way. */
async function answerElsewhere(
  context: CommandContext,
  { id, digest }: { readonly id: PermissionId; readonly digest: string },
  allow: boolean,
): Promise<void> {
  const { output, signal, home } = context;
  const { http } = await context.connect();
  const params = { permissionId: id };
  const by = `aachat permission on ${(await thisMachine(home.machine)).name}`;
  const body = { clientId: newId(), allow, digest, by };
  let { permission } = await http.call(ROUTES.decidePermission, { params, body }, signal);
  for (const end = Date.now() + TAKEN_MS; permission.state === 'open' && Date.now() < end; ) {
    await sleep(LOOK_MS, signal);
    ({ permission } = await http.call(ROUTES.getPermission, { params }, signal));
  }
  const { agent, machine, toolKind, state, answer: counted } = permission;
  const outcome = allow ? 'allowed' : 'denied';
  const isOurs = counted?.by === by && counted.outcome === outcome;
  if (state !== 'open' && !isOurs) throw tooLate({ outcome: state, by: counted?.by ?? null });
  const arrived = state !== 'open';
  const later = arrived ? '' : `\n${machine} does not answer; it takes this as soon as it is connected.`;
  const text = `${said(outcome)}: ${toolKind}, ${agent} on ${machine}.${later}`;
  output.result({ id, agent, outcome, title: null, machine, arrived }, text);
}

const said = (outcome: 'allowed' | 'denied'): string => (outcome === 'allowed' ? 'Allowed' : 'Denied');

function ofThisMachine({ options, ...rest }: PendingPermission): Listed {
  return { ...rest, optionKinds: options.map(({ kind }) => kind), machine: null };
}

function ofAnother(permission: Permission): Listed {
  const { id, sessionId, agent, turnId, toolKind, optionKinds, digest, askedAt, expiresAt, machine } = permission;
  return { id, sessionId, agent, turnId, toolKind, optionKinds, digest, askedAt, expiresAt, machine, title: null };
}

const row = ({ id, agent, machine, askedAt, expiresAt, title, toolKind }: Listed): readonly string[] => [
  shortId(id),
  machine === null ? agent : `${agent} on ${machine}`,
  `${clockTime(askedAt)} until ${clockTime(expiresAt)}`,
  toolKind,
  title === null ? '(what exactly, its own machine shows)' : plain(title).replace(/\s+/g, ' ').slice(0, 200),
];

async function localRequests({ home, signal }: CommandContext): Promise<{
  readonly pending: readonly PendingPermission[];
  readonly settled: readonly SettledPermission[];
}> {
  const nothing = { pending: [], settled: [] };
  if ((await readPidFile(home.upFile, UpFile)) === undefined) return nothing;
  await using up = await openControlClient(home.controlSocket);
  try {
    return await up.call(CONTROL_ROUTES.listPermissions, {}, signal);
  } catch (thrown) {
    if (isAachatError(thrown, 'SERVER_UNREACHABLE', 'TIMEOUT')) return nothing;
    throw thrown;
  }
}

/** A machine that does not tell its titles says so; the list waits no longer for one that says nothing. */
const TITLES_MS = 1_500;

/** Asks the person's other machines what exactly waits there. */
async function titlesOf(
  context: CommandContext,
  ids: readonly PermissionId[],
): Promise<ReadonlyMap<PermissionId, string | null>> {
  const titles = new Map<PermissionId, string | null>();
  if (ids.length === 0) return titles;
  const { url, token } = await context.connect();
  const all = Promise.withResolvers<void>();
  await using socket = openEventSocket({
    url,
    token,
    log: silentLog,
    onEvent: () => {},
    onReset: () => {},
    onDenied: () => {},
    onState: (connected) => {
      if (connected) socket.relay({ type: 'permission_titles_wanted' });
    },
    onRelayed: (frame) => {
      if (frame.type === 'permission_title') titles.set(frame.permissionId, frame.title);
      if (ids.every((id) => titles.has(id))) all.resolve();
    },
  });
  await within(TITLES_MS, Promise.race([all.promise, aborted(context.signal)]));
  context.signal.throwIfAborted();
  return titles;
}

/** Where the server cannot be asked, what waits here can still be answered. */
async function remoteRequests(context: CommandContext): Promise<readonly Permission[]> {
  try {
    const { http } = await context.connect();
    return (await http.call(ROUTES.getPermissions, {}, context.signal)).permissions;
  } catch (thrown) {
    context.signal.throwIfAborted();
    context.output.note(`What waits on other machines is not known: ${toAachatError(thrown).message}`);
    return [];
  }
}
