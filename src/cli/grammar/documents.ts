/** Commands about shared documents. */
import { type Command, Option } from 'commander';
import { type Act, example, IN_TEAM, OFFSET, TEAM, upTo, whole } from './words.ts';

const DOCUMENT = 'team/project/kind/name, or as much of its end as is unambiguous';
const SIDES = ['mine', 'theirs', 'both'] as const;
type Side = (typeof SIDES)[number];
const PROJECT = ['-p, --project <project>', 'only in this project'] as const;

interface Place {
  readonly project?: string;
  readonly team?: string;
}

export function declareDocuments(program: Command, act: Act): void {
  const doc = program.command('doc').description('look at shared documents, their history, and what was kept aside');

  doc
    .command('list')
    .description('list documents')
    .option(...PROJECT)
    .option(...IN_TEAM)
    .option('-k, --kind <kind>', 'only of this kind, such as notes')
    .option('--deleted', 'only those that were deleted')
    .option('--limit <count>', 'at most this many', upTo(10_000), 1000)
    .option(...OFFSET)
    .addHelpText('after', example('aachat doc list --project launch'))
    .action(
      act(
        async (context, options: Place & { kind?: string; deleted?: boolean; limit: number; offset: number }) => {
          const { list } = await import('#cli/commands/doc.ts');
          await list(context, options);
        },
        { reads: true },
      ),
    );

  doc
    .command('show')
    .description('print a document')
    .argument('<document>', DOCUMENT)
    .option('--at <version>', 'number of a version, as `doc history` shows it; by default the newest')
    .option(...PROJECT)
    .option(...TEAM)
    .addHelpText('after', example('aachat doc show plan', 'aachat doc show launch/notes/plan --at 3'))
    .action(
      act(
        async (context, name: string, options: Place & { at?: string }) => {
          const { show } = await import('#cli/commands/doc.ts');
          await show(context, { name, ...options });
        },
        { reads: true },
      ),
    );

  doc
    .command('history')
    .description('list the versions of a document, newest first')
    .argument('<document>', DOCUMENT)
    .option('--limit <count>', 'at most this many', upTo(1000), 50)
    .option('--before <version>', 'older than the version of this number')
    .option(...PROJECT)
    .option(...TEAM)
    .addHelpText('after', example('aachat doc history notes/plan'))
    .action(
      act(
        async (context, name: string, options: Place & { limit: number; before?: string }) => {
          const { history } = await import('#cli/commands/doc.ts');
          await history(context, { name, ...options });
        },
        { reads: true },
      ),
    );

  doc
    .command('diff')
    .description('show what the newest version changed, or what changed between two')
    .argument('<document>', DOCUMENT)
    .argument('[from]', 'version; by default the one before')
    .argument('[to]', 'version; by default the newest')
    .option(...PROJECT)
    .option(...TEAM)
    .addHelpText('after', example('aachat doc diff plan', 'aachat doc diff plan 3 5'))
    .action(
      act(
        async (context, name: string, from: string | undefined, to: string | undefined, options: Place) => {
          const { diff } = await import('#cli/commands/doc.ts');
          await diff(context, { name, from, to, ...options });
        },
        { reads: true },
      ),
    );

  doc
    .command('restore')
    .description('make an old version the newest one, also of what was deleted; or bring back a whole project')
    .argument('[document]', DOCUMENT)
    .argument('[version]', 'its number, as `doc history` shows it')
    .option('--at <time>', 'every document of the project, as it was then: 2026-11-20T14:00, or 2h for two hours ago')
    .option('-y, --yes', 'do not ask')
    .option(...PROJECT)
    .option(...TEAM)
    .addHelpText('after', example('aachat doc restore plan 3', 'aachat doc restore --project launch --at 2h'))
    .action(
      act(
        async (
          context,
          name: string | undefined,
          version: string | undefined,
          options: Place & { at?: string; yes?: boolean },
        ) => {
          const { restore } = await import('#cli/commands/doc-restore.ts');
          await restore(context, { name, version, ...options });
        },
      ),
    );

  doc
    .command('conflicts')
    .description('show what was kept aside because others had changed the same lines, and settle it for everybody')
    .argument('[document]', `${DOCUMENT}; shows both sides`)
    .argument('[number]', 'of the conflict, where several are open', whole(1))
    .addOption(
      new Option(
        '--take <side>',
        'settle it for everybody: with what you wrote, what the others wrote, or both',
      ).choices(SIDES),
    )
    .option(...PROJECT)
    .option(...TEAM)
    .addHelpText(
      'after',
      example('aachat doc conflicts', 'aachat doc conflicts plan', 'aachat doc conflicts plan 1 --take both'),
    )
    .action(
      act(
        async (context, name: string | undefined, number: number | undefined, options: Place & { take?: Side }) => {
          const { conflicts, settle } = await import('#cli/commands/doc-conflicts.ts');
          const { take } = options;
          if (take === undefined) await conflicts(context, { ...options, name, number });
          else await settle(context, { ...options, name, number, take });
        },
        { reads: true },
      ),
    );

  doc
    .command('resume')
    .description('go on where `aachat up` stopped because much of a folder was gone at once')
    .argument('[folder]', 'by default the only one that stopped')
    .addOption(new Option('--restore', 'bring the files back').conflicts('delete'))
    .option('--delete', 'delete them for everybody')
    .addHelpText('after', example('aachat doc resume --restore'))
    .action(
      act(async (context, folder: string | undefined, options: { restore?: boolean; delete?: boolean }) => {
        const { resume } = await import('#cli/commands/mirror.ts');
        await resume(context, { folder, ...options });
      }),
    );

  doc
    .command('purge')
    .description('remove the text of old versions for ever, such as a pasted secret; for admins')
    .argument('<document>', DOCUMENT)
    .argument('<version...>', 'numbers or ranges such as 5-7, as `doc history` shows them')
    .option('-y, --yes', 'do not ask')
    .option(...PROJECT)
    .option(...TEAM)
    .addHelpText('after', example('aachat doc purge plan 3 5-7'))
    .action(
      act(async (context, name: string, versions: string[], options: Place & { yes?: boolean }) => {
        const { purge } = await import('#cli/commands/doc.ts');
        await purge(context, { name, versions, ...options });
      }),
    );
}
