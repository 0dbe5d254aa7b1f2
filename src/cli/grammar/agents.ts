/** Commands about agents. */
import type { Command } from 'commander';
import { type Act, example } from './words.ts';

export function declareAgents(program: Command, act: Act): void {
  const agent = program.command('agent').description('make and look after your agents');

  agent
    .command('create')
    .description('make an agent: a git repo from a template, and its name in the chat')
    .argument('<name>', 'first part of the name; the second is your login')
    .option('-d, --description <text>', 'what it is for, in its identity', 'A colleague in this team.')
    .option('--repo <address>', 'take an existing git repo instead of making one')
    .addHelpText('after', example('aachat agent create ada -d "Plans and reviews"'))
    .action(
      act(async (context, name: string, options: { description: string; repo?: string }) => {
        const { create } = await import('#cli/commands/agent.ts');
        await create(context, { name, ...options });
      }),
    );

  agent
    .command('list')
    .description('list your agents')
    .option('--all', 'also agents of others that you can meet in projects')
    .addHelpText('after', example('aachat agent list'))
    .action(
      act(
        async (context, options: { all?: boolean }) => {
          const { list } = await import('#cli/commands/agent.ts');
          await list(context, { all: options.all === true });
        },
        { reads: true },
      ),
    );

  agent
    .command('show')
    .description('show one agent: repo, folder, policy, sessions')
    .argument('<agent>')
    .addHelpText('after', example('aachat agent show ada'))
    .action(
      act(
        async (context, name: string) => {
          const { show } = await import('#cli/commands/agent.ts');
          await show(context, { agent: name });
        },
        { reads: true },
      ),
    );

  agent
    .command('save')
    .description("commit and publish changes in an agent's repo")
    .argument('[agent]', 'by default the agent of this session')
    .option('-m, --message <text>', 'what changed', 'Save')
    .addHelpText('after', example('aachat agent save -m "Remember the release date"'))
    .action(
      act(async (context, name: string | undefined, options: { message: string }) => {
        const { save } = await import('#cli/commands/agent.ts');
        await save(context, { agent: name, ...options });
      }),
    );

  agent
    .command('policy')
    .description('show or set what an agent may do without asking')
    .argument('<agent>')
    .argument('[policy]', 'ask, read-only, accept-edits or full')
    .addHelpText('after', example('aachat agent policy ada accept-edits'))
    .action(
      act(async (context, name: string, policy: string | undefined) => {
        const { policy: set } = await import('#cli/commands/agent.ts');
        await set(context, { agent: name, policy });
      }),
    );

  agent
    .command('trust')
    .description('let the program of an agent obey settings of the repos that it works in, or be the one it declares')
    .argument('<agent>')
    .option('--program <line>', 'the program that its runtime.yaml declares, word for word')
    .option('--off', 'take it back')
    .addHelpText('after', example('aachat agent trust ada', 'aachat agent trust ada --program "gemini --acp"'))
    .action(
      act(async (context, name: string, options: { off?: boolean; program?: string }) => {
        const { trust } = await import('#cli/commands/agent.ts');
        const { off, program } = options;
        await trust(context, { agent: name, trusted: off !== true, ...(program === undefined ? {} : { program }) });
      }),
    );
}
