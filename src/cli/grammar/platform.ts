/** Commands about logins, settings and the server. */
import { Argument, type Command } from 'commander';
import { SETTINGS, type SettingName } from '#cli/settings.ts';
import { type Act, example, whole } from './words.ts';

const port = whole(0, 65_535);

export function declarePlatform(program: Command, act: Act): void {
  const auth = program.command('auth').description('log in to a server');
  auth
    .command('login')
    .description('log in; with --server, at a server elsewhere')
    .option('--server <url>', 'address of the server; it is used from then on')
    .option('--code <code>', 'one-time code from `aachat server invite`')
    .option('--login <login>', 'name that a new person takes')
    .addHelpText('after', example('aachat auth login --server https://chat.example.org --code 1234-5678'))
    .action(
      act(async (context, options: { server?: string; code?: string; login?: string }) => {
        const { login } = await import('#cli/commands/auth.ts');
        await login(context, options);
      }),
    );
  auth
    .command('logout')
    .description('end the login, here and at the server')
    .addHelpText('after', example('aachat auth logout'))
    .action(
      act(async (context) => {
        const { logout } = await import('#cli/commands/auth.ts');
        await logout(context);
      }),
    );
  auth
    .command('status')
    .description('show who is logged in, and where')
    .addHelpText('after', example('aachat auth status'))
    .action(
      act(
        async (context) => {
          const { status } = await import('#cli/commands/auth.ts');
          await status(context);
        },
        { reads: true },
      ),
    );

  auth
    .command('token')
    .description('print your access token, for scripts; renewed if needed, good for 15 minutes at most')
    .addHelpText('after', example('curl -H "Authorization: Bearer $(aachat auth token)" http://127.0.0.1:7410/v1/me'))
    .action(
      act(async (context) => {
        const { token } = await import('#cli/commands/auth.ts');
        await token(context);
      }),
    );

  const config = program.command('config').description('settings of this home, the folder that holds everything');
  config
    .command('list')
    .description('show settings and where each comes from')
    .addHelpText('after', example('aachat config list'))
    .action(
      act(
        async (context) => {
          const { list } = await import('#cli/commands/config.ts');
          await list(context);
        },
        { reads: true },
      ),
    );
  config
    .command('set')
    .description('change a setting')
    .addArgument(new Argument('<key>', 'see `config list`').choices(Object.keys(SETTINGS)))
    .argument('<value>', 'its value; `config list` says what each may be')
    .addHelpText('after', example('aachat config set agent scripted'))
    .action(
      act(async (context, key: SettingName, value: string) => {
        const { set } = await import('#cli/commands/config.ts');
        await set(context, { key, value });
      }),
    );
  config
    .command('unset')
    .description('forget a setting')
    .addArgument(new Argument('<key>', 'see `config list`').choices(Object.keys(SETTINGS)))
    .addHelpText('after', example('aachat config unset server'))
    .action(
      act(async (context, key: SettingName) => {
        const { set } = await import('#cli/commands/config.ts');
        await set(context, { key, value: undefined });
      }),
    );

  const server = program
    .command('server')
    .description('the platform itself: it holds messages and documents, and commands start it when they need it');
  server
    .command('start')
    .description('start the platform and keep it running; with DATABASE_URL its data is in that PostgreSQL')
    .option('--port <port>', 'port to listen on; by default any free one', port)
    .option('--host <host>', 'address to listen on', '127.0.0.1')
    .option('--foreground', 'stay in this terminal')
    .addHelpText(
      'after',
      example('aachat server start --port 7410', 'DATABASE_URL=postgres://… aachat server start --foreground'),
    )
    .action(
      act(async (context, options: { port?: number; host: string; foreground?: boolean }) => {
        const { start } = await import('#cli/commands/server.ts');
        await start(context, options);
      }),
    );
  server
    .command('status')
    .description('show whether the platform of this home runs')
    .addHelpText('after', example('aachat server status'))
    .action(
      act(
        async (context) => {
          const { status } = await import('#cli/commands/server.ts');
          await status(context);
        },
        { reads: true },
      ),
    );
  server
    .command('stop')
    .description('stop the platform of this home')
    .option('-y, --yes', 'do not ask, even if sessions are up')
    .addHelpText('after', example('aachat server stop'))
    .action(
      act(async (context, options: { yes?: boolean }) => {
        const { stop } = await import('#cli/commands/server.ts');
        await stop(context, { yes: options.yes === true });
      }),
    );
  server
    .command('invite')
    .description('make a one-time code for a login; valid for an hour')
    .argument('[login]', 'a person who exists: the code logs in as them; else the name of a new one')
    .addHelpText('after', example('aachat server invite mia'))
    .action(
      act(async (context, login: string | undefined) => {
        const { invite } = await import('#cli/commands/server.ts');
        await invite(context, { login });
      }),
    );
  server
    .command('run', { hidden: true })
    .option('--port <port>', '', port)
    .option('--host <host>')
    .option('--idle <seconds>', '', whole(0))
    .action(
      act(async (context, options: { port?: number; host?: string; idle?: number }) => {
        const { run } = await import('#cli/commands/server.ts');
        await run(context, options);
      }),
    );
}
