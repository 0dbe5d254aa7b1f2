/** `aachat status`: what runs here. Starts nothing. */
import { isAachatError } from '#base/errors.ts';
import { readPidFile } from '#base/pid-file.ts';
import type { CommandContext } from '#cli/context.ts';
import { documentDetails } from '#cli/documents-view.ts';
import { liveBlock } from '#cli/live-view.ts';
import { loopLines } from '#cli/loop-view.ts';
import { plain } from '#cli/output.ts';
import { findLocalServer } from '#cli/platform.ts';
import { serverAddress } from '#client/address.ts';
import { createHttpClient } from '#client/http.ts';
import { CONTROL_ROUTES } from '#contract/control.ts';
import type { RouteReply } from '#contract/route.ts';
import { ROUTES } from '#contract/routes.ts';
import { openControlClient } from '#runtime/control.ts';
import { listLeases } from '#runtime/lease.ts';
import { UpFile } from '#runtime/up-file.ts';

type UpStatus = RouteReply<typeof CONTROL_ROUTES.getStatus>;

export async function status(context: CommandContext): Promise<void> {
  const { output, stdout } = context;
  const [server, up, leftovers] = await Promise.all([serverState(context), upState(context), orphans(context)]);
  const { dim, green, yellow, red } = output.paint;
  const paint = { dim, good: green, busy: yellow, bad: red };
  const lines = [
    server.url === null
      ? 'Server: the embedded platform does not run; it starts when needed.'
      : `Server: ${server.url} ${server.answers ? `(version ${server.version})` : red('does not answer')}`,
    up === null
      ? 'Sessions: aachat up does not run here.'
      : `Sessions: aachat up runs, pid ${up.pid}, since ${up.startedAt}${counted(up)}`,
    ...(up === null ? [] : [liveBlock({ ...up, mirrors: [] }, paint, stdout.columns || 200)]),
    ...(up === null || up.connected ? [] : [nextStep(server)]),
    ...(up?.loops ?? []).flatMap((project) => loopLines(project).map((line) => yellow(`In ${project.name} ${line}.`))),
    ...documentDetails(up?.mirrors ?? []).map(plain),
    ...(leftovers === 0 ? [] : [red(`${leftovers} agent processes outlived their launcher: aachat doctor --fix`)]),
  ];
  const counts = { sessions: up?.sessions.length ?? 0, attachments: up?.attachments.length ?? 0 };
  output.result({ server, up, counts, leftovers }, lines.filter((line) => line !== '').join('\n'));
}

/** `; 3 sessions, 1 attached to` */
function counted({ sessions, attachments }: Pick<UpStatus, 'sessions' | 'attachments'>): string {
  const attached = new Set(attachments.map(({ sessionId }) => sessionId)).size;
  const all = `; ${sessions.length} ${sessions.length === 1 ? 'session' : 'sessions'}`;
  return attached === 0 ? all : `${all}, ${attachments.length} attached to ${attached} of them`;
}

/** For an `up` that does not reach the server; it connects by itself when it can. */
function nextStep({ url, answers }: { readonly url: string | null; readonly answers: boolean }): string {
  if (answers) return 'It connects by itself in a moment; `aachat doctor` says what is wrong if it does not.';
  return url === null
    ? 'Run `aachat server start`; aachat up then connects by itself.'
    : `Check the network, and that a server runs at ${url}; aachat up then connects by itself.`;
}

async function serverState({ home, config, signal }: CommandContext) {
  const url = config.get('server')?.value ?? (await findLocalServer(home))?.url ?? null;
  if (url === null) return { url, answers: false, version: null };
  const http = createHttpClient({ baseUrl: serverAddress(url), token: async () => undefined, timeoutMs: 5_000 });
  try {
    const { version } = await http.call(ROUTES.getInfo, {}, signal);
    return { url, answers: true, version };
  } catch (thrown) {
    if (isAachatError(thrown, 'SERVER_UNREACHABLE', 'TIMEOUT')) return { url, answers: false, version: null };
    throw thrown;
  }
}

async function upState({ home, signal }: CommandContext) {
  const holder = await readPidFile(home.upFile, UpFile);
  if (holder === undefined) return null;
  await using up = await openControlClient(home.controlSocket);
  try {
    return await up.call(CONTROL_ROUTES.getStatus, {}, signal);
  } catch (thrown) {
    if (!isAachatError(thrown, 'SERVER_UNREACHABLE', 'TIMEOUT')) throw thrown;
    const { pid, since, server } = holder;
    return {
      pid,
      startedAt: since,
      server,
      connected: false,
      ready: false,
      sessions: [],
      permissions: [],
      attachments: [],
      mirrors: [],
      loops: [],
    };
  }
}

async function orphans({ home }: CommandContext): Promise<number> {
  return (await listLeases(home.leases)).filter(({ ownerRuns }) => !ownerRuns).length;
}
