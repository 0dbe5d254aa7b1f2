/** Commands that talk: projects, inbox, mentions, find, watch. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { PROJECT_ROLES } from '#contract/choices.ts';
import type { ProjectRole, ProjectStatus } from '#contract/entities.ts';
import { type Act, collect, example, IN_TEAM, OFFSET, projectStatus, TEAM, upTo, whole } from './words.ts';

const PROJECT = 'name, dm:<agent>, team/name, or id';

interface MemberOptions {
  readonly team?: string;
  readonly agent?: string;
}

export function declareTalk(program: Command, act: Act): void {
  const project = program
    .command('project')
    .description('read and write in projects, the places where people and agents talk');

  project
    .command('list')
    .description('list projects that you can read')
    .option(...IN_TEAM)
    .addOption(projectStatus())
    .option('--limit <count>', 'at most this many', upTo(200), 100)
    .option(...OFFSET)
    .addHelpText('after', example('aachat project list --team acme'))
    .action(
      act(
        async (context, options: { team?: string; status: ProjectStatus | 'all'; limit: number; offset: number }) => {
          const { list } = await import('#cli/commands/project.ts');
          await list(context, options);
        },
        { reads: true },
      ),
    );

  project
    .command('create')
    .description('start a project')
    .argument('<name>', 'small letters, digits and `-`')
    .option('-d, --description <text>', 'what it is for')
    .option('-t, --team <team>', 'team; by default your personal one')
    .addHelpText('after', example('aachat project create launch -d "Our launch" --team acme'))
    .action(
      act(async (context, name: string, options: { description?: string; team?: string }) => {
        const { create } = await import('#cli/commands/project.ts');
        await create(context, { ...options, name, description: options.description ?? '' });
      }),
    );

  project
    .command('read')
    .description('show messages and mark them as read')
    .argument('<project>', PROJECT)
    .option(...TEAM)
    .option('--limit <count>', 'at most this many, the newest', upTo(200), 20)
    .option('--before <seq>', 'older than the message of this number; the first line of a page names it', whole(1))
    .option('--peek', 'leave them unread')
    .addHelpText('after', example('aachat project read launch --limit 50'))
    .action(
      act(
        async (context, name: string, options: { team?: string; limit: number; before?: number; peek?: boolean }) => {
          const { read } = await import('#cli/commands/project.ts');
          await read(context, { name, ...options });
        },
        { reads: true },
      ),
    );

  project
    .command('send')
    .description('send a message; `@name` mentions a person or wakes an agent')
    .argument('<project>', PROJECT)
    .argument('[text...]', 'message text; `-` reads it from standard input')
    .option(...TEAM)
    .option('--stdin', 'read the text from standard input')
    .option('--via <tool>', 'tool that writes in your name, such as claude-code')
    .option('--reply-to <message>', 'id of the message that this answers')
    .addHelpText(
      'after',
      example(
        'aachat project send launch "@ada what should we do first?"',
        'git diff | aachat project send launch --stdin',
      ),
    )
    .action(
      act(
        async (
          context,
          name: string,
          text: string[],
          options: { team?: string; stdin?: boolean; via?: string; replyTo?: string },
        ) => {
          const { send } = await import('#cli/commands/project.ts');
          await send(context, { name, text, ...options });
        },
      ),
    );

  project
    .command('members')
    .description('show who is in a project, and which agents are awake')
    .argument('<project>', PROJECT)
    .option(...TEAM)
    .addHelpText('after', example('aachat project members launch'))
    .action(
      act(
        async (context, name: string, options: { team?: string }) => {
          const { members } = await import('#cli/commands/project.ts');
          await members(context, { name, ...options });
        },
        { reads: true },
      ),
    );

  project
    .command('assign')
    .description('add an agent or a person to a project')
    .argument('<project>', PROJECT)
    .argument('[name]', 'agent or login')
    .option('--agent <agent>', 'the agent; the same as giving its name')
    .addOption(new Option('--role <role>', 'of a person').choices(PROJECT_ROLES))
    .option(...TEAM)
    .addHelpText('after', example('aachat project assign launch --agent ada'))
    .action(
      act(
        async (context, name: string, member: string | undefined, options: MemberOptions & { role?: ProjectRole }) => {
          const { assign } = await import('#cli/commands/project.ts');
          await assign(context, { ...options, name, member: options.agent ?? member });
        },
      ),
    );

  project
    .command('unassign')
    .description('take an agent or a person out of a project')
    .argument('<project>', PROJECT)
    .argument('[name]', 'agent or login')
    .option('--agent <agent>', 'the agent; the same as giving its name')
    .option(...TEAM)
    .addHelpText('after', example('aachat project unassign launch --agent ada'))
    .action(
      act(async (context, name: string, member: string | undefined, options: MemberOptions) => {
        const { unassign } = await import('#cli/commands/project.ts');
        await unassign(context, { ...options, name, member: options.agent ?? member });
      }),
    );

  project
    .command('archive')
    .description('put a project away: it leaves the list, and agents no longer answer in it; nothing is deleted')
    .argument('<project>', PROJECT)
    .option('--undo', 'make it active again')
    .option(...TEAM)
    .addHelpText('after', example('aachat project archive launch', 'aachat project archive launch --undo'))
    .action(
      act(async (context, name: string, options: { team?: string; undo?: boolean }) => {
        const { archive } = await import('#cli/commands/project.ts');
        await archive(context, { name, team: options.team, undo: options.undo === true });
      }),
    );

  program
    .command('inbox')
    .description('show what is unread, mentions first')
    .option('--limit <count>', 'at most this many messages of each project', upTo(200), 20)
    .option('--mark', 'mark what is shown as read')
    .addHelpText('after', example('aachat inbox'))
    .action(
      act(
        async (context, options: { limit: number; mark?: boolean }) => {
          const { inbox } = await import('#cli/commands/inbox.ts');
          await inbox(context, options);
        },
        { reads: true },
      ),
    );

  program
    .command('mentions')
    .description('show messages that mention you, newest first')
    .option('--project <project>', 'only in this project')
    .option(...TEAM)
    .option('--limit <count>', 'at most this many', upTo(200), 20)
    .option('--before <message>', 'older than the message of this full id; the last line of a page names it')
    .addHelpText('after', example('aachat mentions --limit 5'))
    .action(
      act(
        async (context, options: { project?: string; team?: string; limit: number; before?: string }) => {
          const { mentions } = await import('#cli/commands/inbox.ts');
          await mentions(context, options);
        },
        { reads: true },
      ),
    );

  program
    .command('find')
    .description('search messages; every word must occur')
    .argument('<words...>', 'the last may be the beginning of a word')
    .option('--project <project>', 'only in this project')
    .option(...TEAM)
    .option('--by <name>', 'only of this person or agent')
    .option('--limit <count>', 'at most this many', upTo(200), 20)
    .option('--before <message>', 'older than the message of this full id; the last line of a page names it')
    .addHelpText('after', example('aachat find launch date --by mia'))
    .action(
      act(
        async (
          context,
          words: string[],
          options: { project?: string; team?: string; by?: string; limit: number; before?: string },
        ) => {
          const { find } = await import('#cli/commands/inbox.ts');
          await find(context, { words, ...options });
        },
        { reads: true },
      ),
    );

  program
    .command('watch')
    .description('print messages, documents and sessions as they change; goes on where the last one ended')
    .option('--project <project>', 'only this project; may be given more than once', collect)
    .option(...TEAM)
    .option('--from <place>', '`start`, `now`, or in one project the number of a message', place)
    .option('--cursor <file>', 'keep the place in this file, apart from other watches')
    .addHelpText('after', example('aachat watch', 'aachat watch --project launch --from 120 --json'))
    .action(
      act(
        async (
          context,
          options: { project?: readonly string[]; team?: string; from?: 'start' | 'now' | number; cursor?: string },
        ) => {
          const { watch } = await import('#cli/commands/watch.ts');
          await watch(context, { ...options, project: options.project ?? [] });
        },
        { reads: true },
      ),
    );
}

const place = (text: string): 'start' | 'now' | number => {
  if (text === 'start' || text === 'now') return text;
  const seq = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(seq)) return seq;
  throw new InvalidArgumentError('It takes `start`, `now`, or the number of a message.');
};
