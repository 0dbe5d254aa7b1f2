/** Commands that run things here: up, down, status, logs, demo, doctor, permission. */
import type { Command } from 'commander';
import { type Act, collect, example, OFFSET, upTo } from './words.ts';

interface UpOptions {
  readonly agent?: readonly string[];
  readonly team?: string;
  readonly program?: string;
  readonly detach?: boolean;
  readonly yes?: boolean;
}

export function declareRun(program: Command, act: Act): void {
  program
    .command('up')
    .description('bring your agents up and keep them up; Ctrl+C stops everything')
    .option('-a, --agent <agent>', 'only this agent; may be given more than once', collect)
    .option('-t, --team <team>', 'only sessions in this team')
    .option('--program <program>', 'agent program: claude, opencode, gemini, codex, scripted, or a command line')
    .option('-d, --detach', 'go on in the background; `aachat down` stops it')
    .option('-y, --yes', 'install Claude Code without asking if it is missing')
    .addHelpText('after', example('aachat up', 'aachat up --agent ada --detach'))
    .action(
      act(async (context, options: UpOptions) => {
        const { up } = await import('#cli/commands/up.ts');
        const { agent = [], team, program: chosen, detach = false, yes = false } = options;
        await up(context, { agent, team, program: chosen, detach, yes });
      }),
    );

  program
    .command('down')
    .description('stop the running `aachat up` and everything it started')
    .option('-f, --force', 'break off what agents are doing instead of waiting for it')
    .option('-y, --yes', 'do not ask, even if sessions are up')
    .addHelpText('after', example('aachat down', 'aachat down --yes'))
    .action(
      act(async (context, options: { force?: boolean; yes?: boolean }) => {
        const { down } = await import('#cli/commands/down.ts');
        await down(context, { force: options.force === true, yes: options.yes === true });
      }),
    );

  program
    .command('status')
    .description('show what runs here: server, sessions, documents, questions that wait for you')
    .addHelpText('after', example('aachat status'))
    .action(
      act(
        async (context) => {
          const { status } = await import('#cli/commands/status.ts');
          await status(context);
        },
        { reads: true },
      ),
    );

  program
    .command('logs')
    .description('show what `aachat up` wrote down: what came up, what is missing, what failed')
    .option('-f, --follow', 'go on as more comes; Ctrl+C ends it')
    .option('--limit <count>', 'at most this many lines, the newest', upTo(100_000), 50)
    .addHelpText('after', example('aachat logs --follow'))
    .action(
      act(
        async (context, options: { follow?: boolean; limit: number }) => {
          const { logs } = await import('#cli/commands/logs.ts');
          await logs(context, { limit: options.limit, follow: options.follow === true });
        },
        { reads: true },
      ),
    );

  program
    .command('demo')
    .description('see the whole loop in a scratch folder: no key, no account')
    .option('--claude', 'with Claude Code instead of the scripted agent; needs its login')
    .option('--keep', 'keep the scratch folder')
    .addHelpText('after', example('aachat demo'))
    .action(
      act(async (context, options: { claude?: boolean; keep?: boolean }) => {
        const { demo } = await import('#cli/commands/demo.ts');
        await demo(context, { claude: options.claude === true, keep: options.keep === true });
      }),
    );

  program
    .command('doctor')
    .description('look for what is missing or left over')
    .option('--fix', 'mend what a crash left behind; offer to install Claude Code if it is missing')
    .option('-y, --yes', 'with --fix: install it without asking')
    .addHelpText('after', example('aachat doctor', 'aachat doctor --fix --yes'))
    .action(
      act(async (context, options: { fix?: boolean; yes?: boolean }) => {
        const { doctor } = await import('#cli/commands/doctor.ts');
        await doctor(context, { fix: options.fix === true, yes: options.yes === true });
      }),
    );

  const permission = program.command('permission').description('answer what agents ask before they act');
  permission
    .command('list')
    .description('show what agents ask and nobody has answered')
    .option('--limit <count>', 'at most this many, the oldest', upTo(1000), 100)
    .option(...OFFSET)
    .addHelpText('after', example('aachat permission list'))
    .action(
      act(
        async (context, options: { limit: number; offset: number }) => {
          const { list } = await import('#cli/commands/permission.ts');
          await list(context, options);
        },
        { reads: true },
      ),
    );
  for (const [verb, description] of [
    ['allow', 'allow one request, once'],
    ['deny', 'deny one request'],
  ] as const) {
    permission
      .command(verb)
      .description(description)
      .argument('<request>', 'id as `permission list` shows it, or an unambiguous part of it')
      .addHelpText('after', example(`aachat permission ${verb} 1a2b3c4d`))
      .action(
        act(async (context, id: string) => {
          const { answer } = await import('#cli/commands/permission.ts');
          await answer(context, { id, allow: verb === 'allow' });
        }),
      );
  }
}
