/** Commands that connect the repository of a project to a team. */
import type { Command } from 'commander';
import { type Act, example } from './words.ts';

export function declareConnect(program: Command, act: Act): void {
  program
    .command('init')
    .description('connect this repository to a team: its documents, your agents, a skill for your tools')
    .option('-t, --team <team>', 'team to connect to, where you are in several')
    .option('--uninstall', 'take it back; nothing that was changed is removed')
    .argument('[folder]', 'of the repository; by default this one')
    .addHelpText(
      'after',
      example('aachat init', 'aachat init --team acme', 'aachat init --uninstall', 'aachat init --uninstall ~/gone'),
    )
    .action(
      act(async (context, folder: string | undefined, options: { team?: string; uninstall?: boolean }) => {
        const { init, uninstall } = await import('#cli/commands/init.ts');
        if (options.uninstall === true) await uninstall(context, { folder });
        else await init(context, { team: options.team, folder });
      }),
    );
}
