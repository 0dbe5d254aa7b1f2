/**
 * The grammar of the command line: names, arguments, help. A handler is loaded only when its command runs.
 *
 * Groups of commands are declared in `grammar/`; this file has what they share: how output is chosen, and which
 * commands an agent may run inside its session.
 */
import { Command, Option } from 'commander';
import { AachatError, EXIT_MEANING } from '#base/errors.ts';
import type { CommandContext, CommandFacts, OutputChoice } from './context.ts';
import { declareAgents } from './grammar/agents.ts';
import { declareChat } from './grammar/chat.ts';
import { declareConnect } from './grammar/connect.ts';
import { declareDocuments } from './grammar/documents.ts';
import { declareEnvironment } from './grammar/environment.ts';
import { declarePlatform } from './grammar/platform.ts';
import { declareRun } from './grammar/run.ts';
import { declareSessions } from './grammar/sessions.ts';
import { declareShell } from './grammar/shell.ts';
import { declareTalk } from './grammar/talk.ts';
import { type Act, example } from './grammar/words.ts';

export type OpenContext = (choice: OutputChoice) => Promise<CommandContext>;

/** What an agent may run inside its session. Everything else controls the launcher, or what agents may do. */
export const SESSION_COMMANDS: ReadonlySet<string> = new Set([
  'project list',
  'project read',
  'project send',
  'project members',
  'inbox',
  'mentions',
  'find',
  'doc list',
  'doc show',
  'doc history',
  'doc diff',
  'doc conflicts',
  'session show',
  'session spawn',
  'agent save',
]);

export function buildProgram(facts: CommandFacts, open: OpenContext, inSession: boolean): Command {
  const program = base(facts, 'aachat')
    .description('People and AI agents in one team chat. Inference runs on your own machine.')
    .addHelpText(
      'after',
      `
Begin with:
  aachat demo                      see the whole loop: no key, no account
  aachat agent create ada          make an agent
  aachat up                        bring your agents up
  aachat project send <project> "@ada hello"
  aachat init                      connect the repository that you are in

Words:
  project    where people and agents talk; it belongs to a team, and your own team is called ~<your login>
  agent      a colleague that is a program: a git repo with its identity, skills and memory; @name wakes it
  session    the working life of an agent in one team, on your machine (sid), in a folder of its own (ws); \`aachat
             up\` brings it up
  turn       what an agent does about one message, from reading it to its answer
  hop        how many answers of agents to agents lie between a turn and a person
  document   a Markdown file under docs/, the same in every place
  policy     what an agent may do without asking you
  ACP        the protocol that agent programs such as Claude Code are spoken to by; an adapter teaches it to one

Output:
  Text on a terminal, JSON with --json: {"data": …} or {"error": {"code", "message", "hint"}}. Where stdout is no
  terminal, commands that only read print JSON by themselves; --text keeps text, for pagers: FORCE_COLOR=1 aachat
  project read launch --text | less -R. NO_COLOR is respected.

Exit status:
${Object.entries(EXIT_MEANING)
  .map(([status, meaning]) => `  ${status.padEnd(9)}  ${meaning}`)
  .join('\n')}

Everything lies under ~/aachat, the home; AACHAT_HOME moves it.`,
    );
  program.hook('preAction', (_, command) => {
    const path = commandPath(command);
    if (inSession && !SESSION_COMMANDS.has(path)) {
      throw new AachatError('FORBIDDEN', `\`aachat ${path}\` belongs to your owner, not to an agent in a session.`, {
        hint: 'Ask your owner for it in a message.',
      });
    }
  });
  const act: Act =
    (handler, { reads = false } = {}) =>
    async (...args) => {
      const command = args.at(-1) as Command;
      // Not among what the handler gets: it has a text of its own.
      const { json, text, ...options } = command.opts<{ json?: boolean; text?: boolean }>();
      const isPiped = reads && text !== true && facts.stdout.isTTY !== true;
      const context = await open({ json: json === true || isPiped });
      await handler(context, ...([...args.slice(0, -2), options] as never));
    };
  declareTalk(program, act);
  declareDocuments(program, act);
  declareRun(program, act);
  declareConnect(program, act);
  declareSessions(program, act);
  declareAgents(program, act);
  declareEnvironment(program, act);
  declarePlatform(program, act);
  declareShell(program, act);
  eachCommand(program, (command) => {
    command.helpCommand(false);
    if (command.commands.length > 0) command.addHelpText('after', groupExample);
    else {
      command
        .addOption(new Option('--json', 'print JSON instead of text').conflicts('text'))
        .option('--text', 'print text, also where stdout is no terminal');
    }
  });
  return program;
}

/** `chat`: the second name, which agents of older repos use. Always prints JSON. */
export function buildChat(facts: CommandFacts, open: OpenContext): Command {
  const program = base(facts, 'chat').description('Messages from inside a session, as JSON.');
  const act: Act =
    (handler) =>
    async (...args) =>
      handler(await open({ json: true }), ...(args.slice(0, -1) as never));
  declareChat(program, act);
  return program;
}

function base({ version, stdout, stderr }: CommandFacts, name: string): Command {
  const program = new Command(name)
    .version(version)
    .exitOverride()
    .showSuggestionAfterError(true)
    .helpCommand('help [command]', 'show the help of a command')
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stderr.write(text),
      // The top of the program says it, in its own form.
      outputError: () => {},
    });
  program.configureHelp({ showGlobalOptions: false, subcommandTerm });
  return program;
}

/** `send <project> [text...]`: that a command has options, its own help says. */
const subcommandTerm = (command: Command): string =>
  [
    [command.name(), ...command.aliases()].join('|'),
    ...command.registeredArguments.map((argument) => {
      const word = `${argument.name()}${argument.variadic ? '...' : ''}`;
      return argument.required ? `<${word}>` : `[${word}]`;
    }),
  ].join(' ');

/** Where a group has no example of its own: how one of its commands is looked at. */
const groupExample = ({ command }: { readonly command: Command }): string =>
  example(`aachat ${commandPath(command)} ${command.commands[0]?.name()} --help`);

/** `project send`, for the command of that name. */
export function commandPath(command: Command): string {
  const names: string[] = [];
  for (let at: Command | null = command; at?.parent; at = at.parent) names.unshift(at.name());
  return names.join(' ');
}

export function eachCommand(program: Command, visit: (command: Command) => void): void {
  for (const command of program.commands) {
    visit(command);
    eachCommand(command, visit);
  }
}
