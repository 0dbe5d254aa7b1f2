/** The top of the program: runs one command and turns whatever happens into output and an exit status. */
import { CommanderError } from 'commander';
import { AachatError, toAachatError } from '#base/errors.ts';
import type { CommandFacts, OutputChoice } from './context.ts';
import { isInSession } from './in-session.ts';
import { createOutput, type Output } from './output.ts';
import { buildChat, buildProgram } from './program.ts';

/** @returns the exit status; nothing is thrown, and no stack trace is ever shown */
export async function runCommand(facts: CommandFacts): Promise<number> {
  const { argv, name, env, stdout, stderr } = facts;
  const isChat = name === 'chat';
  // Until a command is known, the words on the line say how an error is shown.
  let choice: OutputChoice = { json: isChat || argv.includes('--json') };
  let output: Output | undefined;
  try {
    const open = async (chosen: OutputChoice) => {
      choice = chosen;
      // Help texts do without all that a command needs.
      const { createContext } = await import('./context.ts');
      const context = await createContext(facts, chosen);
      output = context.output;
      return context;
    };
    const program = isChat ? buildChat(facts, open) : buildProgram(facts, open, isInSession(env));
    await program.parseAsync([...argv], { from: 'user' });
    return 0;
  } catch (thrown) {
    if (thrown instanceof CommanderError && thrown.exitCode === 0) return 0;
    const error = thrown instanceof CommanderError ? usageError(thrown) : toAachatError(thrown);
    (output ?? createOutput({ stdout, stderr, json: choice.json, env })).error(error);
    return error.exitStatus;
  }
}

/** Commander's words, without its prefix; its suggestion ("Did you mean …?") is the hint. */
function usageError({ message, code }: CommanderError): AachatError {
  const [first = '', ...rest] = message.replace(/^error: /, '').split('\n');
  if (code === 'commander.help')
    return new AachatError('USAGE', 'A command is missing.', { hint: 'Run `aachat --help`.' });
  const suggestion = rest.join(' ').replace(/[()]/g, '').trim();
  return new AachatError('USAGE', `${first.charAt(0).toUpperCase()}${first.slice(1)}.`.replace(/\.\.$/, '.'), {
    hint: suggestion === '' ? 'Run the command with --help to see how it is used.' : suggestion,
  });
}
