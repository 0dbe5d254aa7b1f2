/** The second name `chat`: the words of older agent repos. */
import type { Command } from 'commander';
import type { ProjectStatus } from '#contract/entities.ts';
import { type Act, example, projectStatus, upTo, whole } from './words.ts';

export function declareChat(program: Command, act: Act): void {
  program
    .command('send')
    .description('send a message')
    .argument('<project>', 'name, dm:<agent>, or id')
    .argument('[text...]', 'message text; `-` reads it from standard input')
    .option('--reply-to <message>', 'id of the message that this answers')
    .option('--stdin', 'read the text from standard input')
    .addHelpText('after', example('chat send launch "@mia done"'))
    .action(
      act(async (context, name: string, text: string[], options: { replyTo?: string; stdin?: boolean }) => {
        const { send } = await import('#cli/commands/project.ts');
        await send(context, { name, text, ...options });
      }),
    );
  program
    .command('read')
    .description('read messages')
    .argument('<project>', 'name, dm:<agent>, or id')
    .option('--last <count>', 'the newest', upTo(200), 20)
    .option('--since-seq <seq>', 'newer than this number', whole(0))
    .addHelpText('after', example('chat read launch --last 5'))
    .action(
      act(async (context, name: string, options: { last: number; sinceSeq?: number }) => {
        const { read } = await import('#cli/commands/chat.ts');
        await read(context, { name, ...options });
      }),
    );
  program
    .command('unread')
    .description('show what is unread and mark it as read')
    .argument('[project]', 'name, dm:<agent>, or id; by default all')
    .option('--peek', 'leave it unread')
    .addHelpText('after', example('chat unread --peek'))
    .action(
      act(async (context, name: string | undefined, options: { peek?: boolean }) => {
        const { unread } = await import('#cli/commands/chat.ts');
        await unread(context, { name, peek: options.peek === true });
      }),
    );
  program
    .command('members')
    .description('show who is in a project')
    .argument('<project>', 'name, dm:<agent>, or id')
    .addHelpText('after', example('chat members launch'))
    .action(
      act(async (context, name: string) => {
        const { members } = await import('#cli/commands/project.ts');
        await members(context, { name });
      }),
    );
  program
    .command('projects')
    .description('list projects')
    .addOption(projectStatus())
    .addHelpText('after', example('chat projects'))
    .action(
      act(async (context, options: { status: ProjectStatus | 'all' }) => {
        const { list } = await import('#cli/commands/project.ts');
        await list(context, { ...options, limit: 200, offset: 0 });
      }),
    );
  program
    .command('search')
    .description('search messages')
    .argument('<words...>', 'every one must occur')
    .option('--by <name>', 'only of this person or agent')
    .option('--project <project>', 'only in this project')
    .option('--last <count>', 'at most this many', upTo(200), 20)
    .addHelpText('after', example('chat search release date'))
    .action(
      act(async (context, words: string[], options: { by?: string; project?: string; last: number }) => {
        const { find } = await import('#cli/commands/inbox.ts');
        const { last: limit, ...rest } = options;
        await find(context, { words, limit, ...rest });
      }),
    );
}
