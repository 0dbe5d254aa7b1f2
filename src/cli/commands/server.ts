/** `aachat server …`: the platform itself. The only door from the commands into the server's house. */
import { randomInt } from 'node:crypto';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { aborted } from '#base/async.ts';
import { AachatError, isAachatError } from '#base/errors.ts';
import { exists, readIfExists, writePrivate } from '#base/fs.ts';
import { createLog, fileWriter } from '#base/log.ts';
import type { CommandContext } from '#cli/context.ts';
import {
  endLocalServer,
  findLocalServer,
  IDLE_FLAGS,
  type LocalServer,
  refuseNoLogin,
  startLocalServer,
} from '#cli/platform.ts';
import { createHttpClient } from '#client/http.ts';
import { ROUTES } from '#contract/routes.ts';

interface Listen {
  readonly port?: number;
  readonly host?: string;
}

/** `aachat server start`; one that a command started for itself is replaced by one that stays, at the same address. */
export async function start(context: CommandContext, args: Listen & { readonly foreground?: boolean }): Promise<void> {
  const former = await findLocalServer(context.home);
  if (former?.endsWhenIdle === true) await endLocalServer(former);
  if (args.foreground === true) {
    await run(context, args);
    return;
  }
  const flags = [
    ...(args.port === undefined ? [] : ['--port', String(args.port)]),
    ...(args.host === undefined ? [] : ['--host', args.host]),
  ];
  const { server, started } = await startLocalServer(context, flags).catch(async (thrown: unknown) => {
    // Whoever used the one that it was to replace does not lose it over a wrong flag.
    if (former?.endsWhenIdle === true) await startLocalServer(context, IDLE_FLAGS);
    throw thrown;
  });
  const { url, pid } = server;
  if (!started) {
    throw new AachatError('CONFLICT', `A server already runs on this data: pid ${pid}, ${url}.`, {
      hint: 'Run `aachat server status` to see it, or `aachat server stop` first.',
    });
  }
  context.output.result({ url, pid }, `The platform runs at ${url} (pid ${pid}).\n\`aachat server stop\` ends it.`);
}

/** Below those that systems hand out: no connection of another program is given one while the server comes back. */
const PORTS = [15_000, 30_000] as const;

/** The server itself, in this process, until it is asked to end or has been idle. */
export async function run(context: CommandContext, args: Listen & { readonly idle?: number }): Promise<void> {
  const { home, env, version, signal, output } = context;
  const { startServer } = await import('#server/main.ts');
  // A shell often has one for another project: only who starts the server on purpose means this one.
  const databaseUrl = args.idle === undefined ? env['DATABASE_URL'] || undefined : undefined;
  const marker = join(home.server, 'postgres');
  if (databaseUrl === undefined && (await exists(marker))) {
    throw new AachatError(
      'SERVER_UNREACHABLE',
      'The data of this platform is in PostgreSQL, and its server does not run.',
      {
        hint: `Start it with \`DATABASE_URL=… aachat server start\`. To begin anew with an embedded database, remove ${marker}.`,
      },
    );
  }
  const log = createLog({ write: fileWriter(join(home.server, 'server.log')) });
  // In the background nobody sees what it dies of.
  process.on('uncaughtExceptionMonitor', (error) => log.error('server.crashed', { error }));
  const startAt = (port: number) =>
    startServer({
      dataDir: home.server,
      version,
      log,
      port,
      ...(databaseUrl === undefined ? {} : { databaseUrl }),
      ...(args.host === undefined ? {} : { host: args.host }),
      ...(args.idle === undefined ? {} : { idleMs: args.idle * 1000 }),
    });
  // At the port that it had before: an `up` that lost the server finds it again there.
  const portFile = join(home.server, 'port');
  const usual = Number(await readIfExists(portFile)) || randomInt(...PORTS);
  await using server = await startAt(args.port ?? usual).catch((thrown: unknown) => {
    if (args.port !== undefined || !isAachatError(thrown, 'CONFLICT')) throw thrown;
    return startAt(0);
  });
  if (databaseUrl !== undefined) await writePrivate(marker, 'The data of this platform is in PostgreSQL.\n');
  await writePrivate(portFile, `${new URL(server.url).port}\n`);
  output.note(`The platform runs at ${server.url}. Ctrl+C ends it.`);
  await Promise.race([server.closed, aborted(signal)]);
}

/** `aachat server status` */
export async function status(context: CommandContext): Promise<void> {
  const server = await findLocalServer(context.home);
  if (server === undefined) {
    context.output.result(
      { running: false },
      'No server runs on the data of this home. Commands start one when they need it.',
    );
    return;
  }
  const { url, pid } = server;
  const facts = await operator(server).call(ROUTES.getServerStatus, {}, context.signal);
  const { engine, users, sockets, startedAt, version } = facts;
  context.output.result(
    { running: true, url, pid, ...facts },
    `${url}  pid ${pid}  version ${version}  ${engine}  since ${startedAt}\npeople: ${users}  connections: ${sockets}`,
  );
}

/** `aachat server stop` */
export async function stop(context: CommandContext, args: { readonly yes: boolean }): Promise<void> {
  const server = await findLocalServer(context.home);
  if (server === undefined) {
    context.output.result({ stopped: false }, 'No server runs on the data of this home.');
    return;
  }
  // The server itself has no use for what this loads.
  const { confirmInterruption } = await import('./down.ts');
  await confirmInterruption(context, 'They lose their server until it is started again. Stop it?', args.yes);
  if (!(await endLocalServer(server))) {
    throw new AachatError('TIMEOUT', `The server (pid ${server.pid}) has not ended within 15 s.`, {
      hint: 'Look into its log, then try again.',
    });
  }
  context.output.result({ stopped: true }, 'The server has ended.');
}

/** `aachat server invite [login]` */
export async function invite(context: CommandContext, args: { readonly login: string | undefined }): Promise<void> {
  if (args.login !== undefined) refuseNoLogin(args.login);
  const server = await findLocalServer(context.home);
  if (server === undefined) {
    throw new AachatError('SERVER_UNREACHABLE', 'No server runs on the data of this home.', {
      hint: 'Run `aachat server start` first.',
    });
  }
  const body = args.login === undefined ? {} : { login: args.login };
  const { code, expiresAt } = await operator(server).call(ROUTES.createInvite, { body }, context.signal);
  const address = addressElsewhere(server);
  context.output.result(
    { code, expiresAt, server: address },
    `Code: ${code} (until ${expiresAt}, for one login)\nThere: aachat auth login --server ${address} --code ${code}`,
  );
}

/** As other machines find it: they cannot go to "all interfaces". */
function addressElsewhere(server: LocalServer): string {
  const url = new URL(server.url);
  if (/^(0\.0\.0\.0|\[::\])$/.test(url.hostname)) url.hostname = hostname();
  return url.origin;
}

function operator(server: LocalServer) {
  const http = createHttpClient({ baseUrl: new URL(server.url), token: async () => server.operatorToken });
  return {
    call: (async (route, input, signal) => {
      try {
        return await http.call(route, input, signal);
      } catch (thrown) {
        if (!isAachatError(thrown, 'UNAUTHORIZED')) throw thrown;
        throw new AachatError('CONFLICT', `Another program answers at ${server.url}.`, {
          hint: 'Run `aachat doctor --fix`.',
          cause: thrown,
        });
      }
    }) as typeof http.call,
  };
}
