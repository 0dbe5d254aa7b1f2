/** Commands about the environment that agents ask for. */
import type { Command } from 'commander';
import { type Act, example } from './words.ts';

const NAME = 'as the agent declares it: capital letters, digits and _';
const AGENT = ['--agent <agent>', 'only for this agent'] as const;

export function declareEnvironment(program: Command, act: Act): void {
  const env = program.command('env').description('values for the environment that your agents declare');

  env
    .command('list')
    .description('list the names that agents declare, and whether they have a value; never values')
    .argument('[agent]', 'only what this one declares')
    .addHelpText('after', example('aachat env list'))
    .action(
      act(
        async (context, agent: string | undefined) => {
          const { list } = await import('#cli/commands/env.ts');
          await list(context, { agent });
        },
        { reads: true },
      ),
    );

  env
    .command('set')
    .description('give a name its value on this machine, from the next start of a session on')
    .argument('<name>', NAME)
    .argument('[value]', 'better left out: then it is asked for unseen, or read from standard input')
    .option(...AGENT)
    .addHelpText('after', example('aachat env set GH_TOKEN', 'gh auth token | aachat env set GH_TOKEN --agent ada'))
    .action(
      act(async (context, name: string, value: string | undefined, options: { agent?: string }) => {
        const { set } = await import('#cli/commands/env.ts');
        await set(context, { name, value, agent: options.agent });
      }),
    );

  env
    .command('unset')
    .description('forget the value of a name')
    .argument('<name>', NAME)
    .option(...AGENT)
    .addHelpText('after', example('aachat env unset GH_TOKEN'))
    .action(
      act(async (context, name: string, options: { agent?: string }) => {
        const { unset } = await import('#cli/commands/env.ts');
        await unset(context, { name, agent: options.agent });
      }),
    );
}
