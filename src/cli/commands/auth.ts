/** `aachat auth …`: who is logged in, and where. */
import { AachatError } from '#base/errors.ts';
import { readPidFile } from '#base/pid-file.ts';
import { readAnswer } from '#cli/ask.ts';
import type { CommandContext } from '#cli/context.ts';
import { findLocalServer, personAuth, refuseNoLogin } from '#cli/platform.ts';
import { serverAddress } from '#client/address.ts';
import { createHttpClient } from '#client/http.ts';
import { ROUTES } from '#contract/routes.ts';
import { UpFile } from '#runtime/up-file.ts';

/** `aachat auth login [--server <url>] [--code <code>] [--login <login>]` */
export async function login(
  context: CommandContext,
  args: { readonly server?: string; readonly code?: string; readonly login?: string },
): Promise<void> {
  const { config, output, signal } = context;
  if (args.login !== undefined) refuseNoLogin(args.login);
  const address = args.server ?? config.get('server')?.value;
  if (address === undefined) {
    await localLogin(context, args.code, args.login);
    return;
  }
  const url = serverAddress(address);
  await info(url, signal);
  if (url.protocol === 'http:' && !/^(localhost|127\.|\[::1\])/.test(url.hostname)) {
    output.note(`${url.origin} is not encrypted: whoever is between can read the login. Prefer https.`);
  }
  const code = args.code ?? (await askCode(context));
  const user = await personAuth(context, url.origin).login(code, args.login);
  // One server per home: what was said here before belongs to the other one.
  if (args.server !== undefined) await config.set('server', url.origin);
  output.result({ user, server: url.origin }, `You are ${user.login} at ${url.origin}.`);
}

/** At the embedded platform: whoever can read its data may log in as its one person. */
async function localLogin(context: CommandContext, code: string | undefined, name: string | undefined): Promise<void> {
  const { home, output, signal } = context;
  if (code === undefined) {
    const { http } = await context.connect();
    const me = await http.call(ROUTES.getMe, {}, signal);
    output.result(me, `You are ${me.kind === 'user' ? me.user.login : me.agent.name}.`);
    return;
  }
  const server = await findLocalServer(home);
  if (server === undefined) {
    throw new AachatError('SERVER_UNREACHABLE', 'No server runs on the data of this home.', {
      hint: 'Name one with --server, or run `aachat server start`.',
    });
  }
  const user = await personAuth(context, undefined, server.url).login(code, name);
  output.result({ user, server: server.url }, `You are ${user.login}.`);
}

/** `aachat auth logout` */
export async function logout(context: CommandContext): Promise<void> {
  const { home, config, output } = context;
  const up = await readPidFile(home.upFile, UpFile);
  if (up !== undefined) {
    throw new AachatError('CONFLICT', `aachat up works with this login: pid ${up.pid}.`, {
      hint: 'Run `aachat down` first, then `aachat auth logout`.',
    });
  }
  const auth = personAuth({ home, env: {} }, config.get('server')?.value, (await findLocalServer(home))?.url);
  const wasIn = await auth.isLoggedIn();
  const heard = await auth.logout();
  const where = heard
    ? 'here and at the server'
    : 'here; the server could not be told, its login ends by itself when nobody uses it';
  output.result({ loggedOut: wasIn, revoked: heard }, wasIn ? `Logged out ${where}.` : 'You were not logged in.');
}

/** `aachat auth status`; starts nothing. */
export async function status(context: CommandContext): Promise<void> {
  const { home, config, output, signal } = context;
  const configured = config.get('server');
  const address = configured?.value ?? (await findLocalServer(home))?.url;
  if (address === undefined) {
    output.result(
      { server: null, user: null },
      'The embedded platform does not run. The next command that needs it starts it.',
    );
    return;
  }
  const url = serverAddress(address);
  const auth = personAuth(context, configured?.value, address);
  if (!(await auth.isLoggedIn())) {
    output.result({ server: url.origin, user: null }, `Not logged in at ${url.origin}. Run \`aachat auth login\`.`);
    return;
  }
  const http = createHttpClient({ baseUrl: url, token: (how) => auth.accessToken(how) });
  const me = await http.call(ROUTES.getMe, {}, signal);
  const name = me.kind === 'user' ? me.user.login : me.agent.name;
  output.result(
    { server: url.origin, origin: configured?.origin ?? 'embedded', me },
    `${name} at ${url.origin} (${configured?.origin ?? 'embedded platform'}).`,
  );
}

/** `aachat auth token`: good for a quarter of an hour at most, then a script asks again. */
export async function token(context: CommandContext): Promise<void> {
  const connection = await context.connect();
  const accessToken = await connection.token();
  context.output.result({ token: accessToken, server: connection.url.origin }, accessToken);
}

const info = (url: URL, signal: AbortSignal) =>
  createHttpClient({ baseUrl: url, token: async () => undefined }).call(ROUTES.getInfo, {}, signal);

/** Asked for, so that it does not stay in the history of the shell. */
async function askCode(context: CommandContext): Promise<string> {
  if (context.stdin.isTTY !== true) {
    throw new AachatError('USAGE', 'A one-time code is needed.', {
      hint: 'Ask for one (`aachat server invite`), then give it with --code.',
    });
  }
  return await readAnswer(context, 'One-time code: ');
}
