/** Commands for shells and programs: what can be typed, and what is printed. */
import { Argument, type Command } from 'commander';
import type { Shell } from '#cli/completion.ts';
import { type Act, example } from './words.ts';

export function declareShell(program: Command, act: Act): void {
  program
    .command('completion')
    .description('print a script that lets your shell complete commands and options')
    .addArgument(new Argument('<shell>', 'your shell').choices(['bash', 'zsh', 'fish']))
    .addHelpText(
      'after',
      `
Put one of these into the file that your shell reads at its start.
${example(
  'source <(aachat completion bash)     # ~/.bashrc, or ~/.zshrc with zsh, after compinit',
  'aachat completion fish | source      # ~/.config/fish/config.fish',
)}`,
    )
    .action(
      act(async ({ output }, shell: Shell) => {
        const { completionScript } = await import('#cli/completion.ts');
        const script = completionScript(program, shell);
        output.result({ shell, script }, script.trimEnd());
      }),
    );

  program
    .command('schema')
    .description('describe what commands print with --json, as JSON Schema')
    .argument('[command...]', 'words of one command or of a group; by default all')
    .addHelpText(
      'after',
      `
A result is {"data": …} with the shape under "data"; a command that goes on prints objects with the shape under "line",
one on each line. A failure is the shape under "error".
${example('aachat schema project list', 'aachat schema doc')}`,
    )
    .action(
      act(async (context, command: string[]) => {
        const { schema } = await import('#cli/commands/schema.ts');
        await schema(context, { command });
      }),
    );
}
