/** Commands about agents. */
import { Argument, type Command, InvalidArgumentError } from 'commander';
import type { Budget, Limit } from '#contract/budget.ts';
import { DEFAULT_BUDGET } from '#contract/default-budget.ts';
import { POLICIES, type Policy } from '#runtime/policy.ts';
import { type Act, AGENT, example, OFFSET, upTo } from './words.ts';

export function declareAgents(program: Command, act: Act): void {
  const agent = program.command('agent').description('make and look after your agents; each is a git repo of its own');

  agent
    .command('create')
    .description('make an agent: a git repo from a template, and its name in the chat')
    .argument('<name>', 'first part of the name; the second is your login')
    .option('-d, --description <text>', 'what it is for, in its identity', 'A colleague in this team.')
    .option('--repo <address>', 'take an existing git repo instead of making one')
    .option('--runtime <program>', 'what it runs on: claude, opencode, gemini, codex, or a command line')
    .addHelpText(
      'after',
      example('aachat agent create ada -d "Plans and reviews"', 'aachat agent create bob --runtime opencode'),
    )
    .action(
      act(async (context, name: string, options: { description: string; repo?: string; runtime?: string }) => {
        const { create } = await import('#cli/commands/agent.ts');
        await create(context, { name, ...options });
      }),
    );

  agent
    .command('clone')
    .description("take a copy of somebody's agent repo, with its history, as an agent of your own")
    .argument('<source>', 'address of a git repo, a path, or owner/repo at GitHub')
    .option('--name <name>', 'first part of the name; by default the last part of the address')
    .option('-d, --description <text>', 'what it is for, where its identity left that open')
    .addHelpText('after', example('aachat agent clone mia/reviewer', 'aachat agent clone ../reviewer --name second'))
    .action(
      act(async (context, source: string, options: { name?: string; description?: string }) => {
        const { clone } = await import('#cli/commands/agent.ts');
        await clone(context, { source, ...options });
      }),
    );

  agent
    .command('list')
    .description('list your agents')
    .option('--all', 'also agents of others that you can meet in projects')
    .option('--limit <count>', 'at most this many', upTo(1000), 100)
    .option(...OFFSET)
    .addHelpText('after', example('aachat agent list'))
    .action(
      act(
        async (context, options: { all?: boolean; limit: number; offset: number }) => {
          const { list } = await import('#cli/commands/agent.ts');
          await list(context, { ...options, all: options.all === true });
        },
        { reads: true },
      ),
    );

  agent
    .command('show')
    .description('show one agent: repo, folder, policy, sessions')
    .argument('<agent>', AGENT)
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
    .command('remove')
    .description('take an agent out of service; its repo and what it said stay')
    .argument('<agent>', AGENT)
    .option('-y, --yes', 'do not ask')
    .addHelpText('after', example('aachat agent remove ada'))
    .action(
      act(async (context, name: string, options: { yes?: boolean }) => {
        const { remove } = await import('#cli/commands/agent.ts');
        await remove(context, { agent: name, yes: options.yes === true });
      }),
    );

  agent
    .command('save')
    .description("commit and publish changes in an agent's repo")
    .argument('[agent]', `${AGENT}; inside a session its own agent`)
    .option('-m, --message <text>', 'what changed', 'Save')
    .addHelpText('after', example('aachat agent save ada -m "Remember the release date"'))
    .action(
      act(async (context, name: string | undefined, options: { message: string }) => {
        const { save } = await import('#cli/commands/agent.ts');
        await save(context, { agent: name, ...options });
      }),
    );

  agent
    .command('policy')
    .description('show or set what an agent may do without asking')
    .argument('<agent>', AGENT)
    .addArgument(
      new Argument(
        '[policy]',
        'ask: asks before it changes anything but documents and its own repo; read-only: changes nothing; accept-edits: edits files without asking; full: does everything without asking',
      ).choices(POLICIES),
    )
    .addHelpText('after', example('aachat agent policy ada accept-edits'))
    .action(
      act(async (context, name: string, policy: Policy | undefined) => {
        const { policy: set } = await import('#cli/commands/agent.ts');
        await set(context, { agent: name, policy });
      }),
    );

  const { turnsPerHour, tokensPerDay, costMicrosPerDay } = DEFAULT_BUDGET;
  agent
    .command('budget')
    .description('show or limit what an agent may use, over all its sessions; messages wait while it is used up')
    .argument('<agent>', AGENT)
    .option('--turns-per-hour <n>', `turns begun in any hour, or unlimited (at first ${turnsPerHour})`, limit)
    .option(
      '--tokens-per-day <n>',
      `tokens in any 24 hours, with cached ones, or unlimited (at first ${tokensPerDay})`,
      limit,
    )
    .option(
      '--cost-per-day <usd>',
      `US dollars in any 24 hours, or unlimited (at first ${costMicrosPerDay / MICROS})`,
      cost,
    )
    .addHelpText('after', example('aachat agent budget ada', 'aachat agent budget ada --turns-per-hour 120'))
    .action(
      act(
        async (context, name: string, options: { turnsPerHour?: Limit; tokensPerDay?: Limit; costPerDay?: Limit }) => {
          const { budget } = await import('#cli/commands/agent.ts');
          const { costPerDay: costMicrosPerDay, ...counted } = options;
          const limits: Partial<Budget> = {
            ...counted,
            ...(costMicrosPerDay === undefined ? {} : { costMicrosPerDay }),
          };
          await budget(context, { agent: name, limits });
        },
      ),
    );

  agent
    .command('trust')
    .description(
      'let an agent obey settings files of the repos that it works in, or run the program that its own repo declares',
    )
    .argument('<agent>', AGENT)
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

const UNLIMITED = 'unlimited';
/** Millionths in a whole. */
const MICROS = 1_000_000;

function limit(text: string): Limit {
  if (text === UNLIMITED) return text;
  if (/^\d{1,15}$/.test(text) && Number(text) > 0) return Number(text);
  throw new InvalidArgumentError('It takes a whole number from 1, or unlimited.');
}

/** @returns millionths of a dollar */
function cost(text: string): Limit {
  if (text === UNLIMITED) return text;
  const micros = /^\d{1,9}(?:\.\d{1,6})?$/.test(text) ? Math.round(Number(text) * MICROS) : 0;
  if (micros > 0) return micros;
  throw new InvalidArgumentError('It takes US dollars such as 20 or 0.50, or unlimited.');
}
