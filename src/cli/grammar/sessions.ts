/** Commands about sessions. */
import { Argument, type Command, Option } from 'commander';
import { SESSION_STATES } from '#contract/choices.ts';
import type { SessionState } from '#contract/entities.ts';
import { POLICIES, type Policy } from '#runtime/policy.ts';
import { type Act, AGENT, collect, example, IN_TEAM, OFFSET, TEAM, upTo } from './words.ts';

const SESSION = 'id, its last eight digits, its name, or any unambiguous part';

export function declareSessions(program: Command, act: Act): void {
  const session = program
    .command('session')
    .description('look at sessions, the working lives of agents, and speak to them');

  session
    .command('list')
    .description('list sessions, newest first')
    .option('--project <project>', 'only those that serve this project')
    .option(...IN_TEAM)
    .option('--agent <agent>', 'only of this agent')
    .addOption(new Option('--state <state>', 'only in this state').choices(SESSION_STATES))
    .option('--limit <count>', 'at most this many', upTo(200), 50)
    .option(...OFFSET)
    .addHelpText('after', example('aachat session list --state running'))
    .action(
      act(
        async (
          context,
          options: {
            project?: string;
            team?: string;
            agent?: string;
            state?: SessionState;
            limit: number;
            offset: number;
          },
        ) => {
          const { list } = await import('#cli/commands/session.ts');
          await list(context, options);
        },
        { reads: true },
      ),
    );

  session
    .command('show')
    .description('show one session: its projects, where it runs and comes from, its turns and what they cost')
    .argument('<session>', SESSION)
    .addHelpText('after', example('aachat session show 1a2b3c4d'))
    .action(
      act(
        async (context, id: string) => {
          const { show } = await import('#cli/commands/session-show.ts');
          await show(context, { session: id });
        },
        { reads: true },
      ),
    );

  session
    .command('run')
    .description('start a fresh session of one of your agents with a first instruction')
    .argument('<agent>', AGENT)
    .argument('<text...>', 'what it should do')
    .option(
      '-p, --project <project>',
      'project that it serves; may be given more than once (without: none, it works on your text)',
      collect,
    )
    .option(...TEAM)
    .option('--name <name>', 'what `session list` calls it, and you may in any command')
    .addOption(
      new Option('--policy <policy>', 'what it may do without asking (without: the policy of its agent)').choices(
        POLICIES,
      ),
    )
    .addHelpText('after', example('aachat session run ada --project launch "Draft the plan"'))
    .action(
      act(
        async (
          context,
          agent: string,
          text: string[],
          options: { project?: readonly string[]; team?: string; name?: string; policy?: Policy },
        ) => {
          const { run } = await import('#cli/commands/session.ts');
          await run(context, { ...options, agent, text, project: options.project ?? [] });
        },
      ),
    );

  session
    .command('send')
    .description('give a session of yours another instruction')
    .argument('<session>', SESSION)
    .argument('<text...>', 'what it should do next')
    .addHelpText('after', example('aachat session send 1a2b3c4d "Shorter, please"'))
    .action(
      act(async (context, id: string, text: string[]) => {
        const { send } = await import('#cli/commands/session.ts');
        await send(context, { session: id, text });
      }),
    );

  for (const [verb, description] of [
    ['cancel', 'break off what a session is doing; it goes on to wait for the next message'],
    ['stop', 'stop a session; the next `up` resumes it, one of `session run` waits for `session resume`'],
  ] as const) {
    session
      .command(verb)
      .description(description)
      .argument('<session>', SESSION)
      .addHelpText('after', example(`aachat session ${verb} 1a2b3c4d`))
      .action(
        act(async (context, id: string) => {
          const commands = await import('#cli/commands/session.ts');
          await commands[verb](context, { session: id });
        }),
      );
  }

  session
    .command('resume')
    .description('let a session that was stopped go on where it was')
    .argument('[session]', `${SESSION}; by default the active one on this machine, else the latest`)
    .option('--agent <agent>', 'only one of this agent')
    .addHelpText('after', example('aachat session resume 1a2b3c4d', 'aachat session resume --agent ada'))
    .action(
      act(async (context, id: string | undefined, options: { agent?: string }) => {
        const { resume } = await import('#cli/commands/session-resume.ts');
        await resume(context, { ...options, session: id });
      }),
    );

  session
    .command('attach')
    .description(
      'see what a session on this machine does as it does it, and steer it: type, cancel, answer what it asks',
    )
    .argument('<session>', SESSION)
    .option('--watch', 'only look on; without, at most one at a time is attached to a workspace')
    .addHelpText(
      'after',
      `
What you type is its next prompt; y or n answers what it asks. Ctrl+C cancels the turn, twice (or Ctrl+D) detaches: the
session runs on.${example('aachat session attach 1a2b3c4d', 'aachat session attach 1a2b3c4d --watch --json')}`,
    )
    .action(
      act(async (context, id: string, options: { watch?: boolean }) => {
        const { attach } = await import('#cli/commands/session-attach.ts');
        await attach(context, { session: id, watch: options.watch === true });
      }),
    );

  session
    .command('policy')
    .description('show or set what one session may do without asking, whatever its agent may')
    .argument('<session>', SESSION)
    .addArgument(
      new Argument('[policy]', 'as in `agent policy`; `agent`: that of its agent again').choices([
        ...POLICIES,
        'agent',
      ]),
    )
    .addHelpText('after', example('aachat session policy 1a2b3c4d read-only'))
    .action(
      act(async (context, id: string, policy: Policy | 'agent' | undefined) => {
        const { policy: set } = await import('#cli/commands/session-policy.ts');
        await set(context, { session: id, policy });
      }),
    );

  session
    .command('compact')
    .description('let the agent program make the conversation of a session shorter, where it has a command for that')
    .argument('<session>', SESSION)
    .addHelpText('after', example('aachat session compact 1a2b3c4d'))
    .action(
      act(async (context, id: string) => {
        const { compact } = await import('#cli/commands/session-compact.ts');
        await compact(context, { session: id });
      }),
    );

  session
    .command('import')
    .description('make sessions of transcripts of Claude Code: they can be shown, searched and resumed')
    .argument('<file...>', 'transcripts: ~/.claude/projects/<folder>/<id>.jsonl')
    .option('--agent <agent>', 'whose sessions they become')
    .option('-p, --project <project>', 'project that they serve; may be given more than once', collect)
    .option(...TEAM)
    .option('--name <name>', 'what `session list` calls it (without: what its transcript is called)')
    .addHelpText('after', example('aachat session import ~/.claude/projects/-home-mia-app/*.jsonl --agent ada'))
    .action(
      act(
        async (
          context,
          files: string[],
          options: { agent?: string; project?: readonly string[]; team?: string; name?: string },
        ) => {
          const { importSessions } = await import('#cli/commands/session-import.ts');
          await importSessions(context, { ...options, files, project: options.project ?? [] });
        },
      ),
    );

  session
    .command('remove')
    .description('remove a session that does not run: from the lists, and what it left on this machine')
    .argument('<session>', SESSION)
    .option('-y, --yes', 'do not ask')
    .addHelpText(
      'after',
      `\nIts workspace goes only if all in it is committed and pushed, and its documents are shared.${example(
        'aachat session remove 1a2b3c4d',
      )}`,
    )
    .action(
      act(async (context, id: string, options: { yes?: boolean }) => {
        const { remove } = await import('#cli/commands/session-remove.ts');
        await remove(context, { session: id, yes: options.yes === true });
      }),
    );

  session
    .command('log')
    .alias('read')
    .description('show what a session did on this machine: turns, tools, answers')
    .argument('[session]', `${SESSION}; by default the newest on this machine`)
    .option('-f, --follow', 'go on as more comes; Ctrl+C ends it')
    .option('--limit <count>', 'at most this many lines, the newest', upTo(100_000), 200)
    .addHelpText('after', example('aachat session log 1a2b3c4d', 'aachat session log --follow'))
    .action(
      act(
        async (context, id: string | undefined, options: { limit: number; follow?: boolean }) => {
          const { log } = await import('#cli/commands/session-log.ts');
          await log(context, { session: id, limit: options.limit, follow: options.follow === true });
        },
        { reads: true },
      ),
    );

  session
    .command('search')
    .description('search what sessions did on this machine: prompts, answers, thoughts, tools and what they printed')
    .argument('[words...]', 'all of them must occur; the last one may be only begun')
    .option('--session <session>', 'only in this session')
    .option('--limit <count>', 'at most this many, the newest', upTo(1_000), 20)
    .option(...OFFSET)
    .option('--reindex', 'make the index anew from the logs first')
    .addHelpText('after', example('aachat session search launch date', 'aachat session search --reindex'))
    .action(
      act(
        async (
          context,
          words: string[],
          options: { session?: string; limit: number; offset: number; reindex?: boolean },
        ) => {
          const { search } = await import('#cli/commands/session-search.ts');
          await search(context, { ...options, words, reindex: options.reindex === true });
        },
        { reads: true },
      ),
    );

  session
    .command('fork')
    .description('go on from where a session stands in a second one, beside it: same conversation, own folder')
    .argument('<session>', SESSION)
    .argument('[text...]', 'what the new one should do')
    .option('--name <name>', 'what `session list` calls it')
    .addHelpText(
      'after',
      `\nIts folder begins at the commit of the other one's last turn; what is not committed stays there.${example(
        'aachat session fork 1a2b3c4d --name shorter "Try it without the database"',
      )}`,
    )
    .action(
      act(async (context, id: string, text: string[], options: { name?: string }) => {
        const { fork } = await import('#cli/commands/session-fork.ts');
        await fork(context, { ...options, session: id, text });
      }),
    );

  session
    .command('rewind')
    .description('take a session back to the end of one of its turns: it forgets what came after')
    .argument('<session>', SESSION)
    .option('--to <turn>', 'id of the turn, as `session show` lists them, or any unambiguous part')
    .option('--files', 'put the files of its folder back, too, and those of its agent repo')
    .addHelpText(
      'after',
      `\nA session that runs is stopped for it, and resumed. Messages that it posted stay posted. With --files, what is
overwritten is kept as a commit; ignored files and those over 10 MB are left as they are.${example(
        'aachat session rewind 1a2b3c4d --to 5e6f7a8b --files',
      )}`,
    )
    .action(
      act(async (context, id: string, options: { to?: string; files?: boolean }) => {
        const { rewind } = await import('#cli/commands/session-rewind.ts');
        await rewind(context, { session: id, to: options.to, files: options.files === true });
      }),
    );

  session
    .command('spawn')
    .description('start a child of a session, that reports back to it when it has answered')
    .argument('<words...>', 'the session that it belongs to, then what it should do; inside a session only the latter')
    .option('--agent <agent>', 'another agent of the same owner, that works in one of its projects')
    .option('--name <name>', 'what `session list` calls it')
    .addHelpText(
      'after',
      example(
        'aachat session spawn 1a2b3c4d "Check the numbers"',
        'aachat session spawn "Check the numbers" --agent bob',
      ),
    )
    .action(
      act(async (context, words: string[], options: { agent?: string; name?: string }) => {
        const { spawn } = await import('#cli/commands/session-fork.ts');
        await spawn(context, { ...options, words });
      }),
    );
}
