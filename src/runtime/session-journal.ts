/**
 * What one period of running of a session writes down on this machine: that it began, what no turn waits for, that it
 * ended; and what the agent has still to be told.
 */
import { isDeepStrictEqual } from 'node:util';
import { writePrivate } from '#base/fs.ts';
import type { Log } from '#base/log.ts';
import type { Agent, EndReason, Run, Session, Team } from '#contract/entities.ts';
import { ROUTES } from '#contract/routes.ts';
import type { Accepted } from '#sync/replica.ts';
import type { AgentUpdate, Agent as OpenAgent } from './agent.ts';
import type { AgentProgram } from './agent-program.ts';
import { noticeOf } from './document-replica.ts';
import { type EventLog, foldLog, type LogEvent, type Notice, openEventLog } from './event-log.ts';
import type { Home } from './home.ts';
import type { Launcher } from './launcher.ts';
import { SessionFacts } from './log-events.ts';
import { branchOf } from './past-turns.ts';
import { RECOVERY, type Recovery } from './recovery.ts';

export interface SessionJournal {
  readonly events: EventLog;
  /** What follows from earlier runs. */
  readonly past: Recovery;
  /** What the next prompt has to tell the agent; who tells it takes it out. */
  readonly notices: Notice[];
  /** The run to keep alive, while there is one. */
  readonly run: Run | undefined;
  began(run: Run, session: Session): Promise<void>;
  /** An edit that is not in the document as the agent made it is told in its next turn. */
  accepted(accepted: Accepted): void;
  /** What is not as the agent left it is told in its next turn. */
  tell(text: string): void;
  /** What the program says of itself, before there is anybody to give it turns. */
  heard(update: AgentUpdate): void;
  /** Writes what no turn waits for. */
  note(event: LogEvent): void;
  /** What is owed now. */
  reread(): Promise<Recovery['owed']>;
  /**
   * Notes which program holds the conversation now, and tells the agent if it is another conversation.
   *
   * @param introduced the agent answered a prompt in the conversation before
   * @returns what a person should know about it
   */
  opened(program: Pick<AgentProgram, 'origin'>, agent: OpenAgent, introduced: boolean): Promise<readonly string[]>;
  /** Reports the end of the run, if one began, and gives the log back. */
  close(reason: EndReason): Promise<void>;
}

const CONVERSATION_GONE =
  'The program that runs you does not know the conversation that you had here, so this is a new one: what you see below is all that you remember of it. `aachat project read <project>` shows what was said. Nothing was done to the files in your workspace and your own repo because of it.';

const ranElsewhere = (machine: string) =>
  `This session ran on ${machine}, another machine of your owner, until now. What was said to you there and what you did is not in this conversation, and files that you did not push are there. \`aachat project read <project>\` shows what was said.`;

type Program = NonNullable<Recovery['program']>;

/** What a conversation was held with, if that was something else; a version that nobody noted is no difference. */
function otherProgram(before: Program, now: Program): string | undefined {
  const isSame = before.version === undefined || before.version === now.version;
  if (before.origin === now.origin && isSame) return undefined;
  return before.version === undefined ? before.origin : `${before.origin}, ${before.version}`;
}

/** @throws AachatError `CONFLICT` while another process writes the session's log */
export async function openJournal(
  { home, http, machine }: Pick<Launcher, 'home' | 'http' | 'machine'>,
  about: { readonly session: Session; readonly agent: Agent; readonly team: Team },
  log: Log,
): Promise<SessionJournal> {
  const { id } = about.session;
  const files = home.session(id);
  await writePrivate(files.facts, `${JSON.stringify({ id, agent: about.agent.name, team: about.team.slug })}\n`);
  const { state, ...events } = await openEventLog(files.log, RECOVERY);
  const past = await begun(home, about.session, state, events);
  const notices = [...past.notices];
  let current: Run | undefined;
  let held = past.program;
  const note = (event: LogEvent) => {
    events.append(event).catch((error: unknown) => log.error('session.log_failed', { error }));
  };
  const tell = (text: string) => {
    // Until a prompt has told it, each boot finds it again.
    if (notices.some((known) => 'note' in known && known.note === text)) return;
    notices.push({ note: text });
    note({ type: 'note', text });
  };
  const last = about.session.run;
  const elsewhere =
    last !== null && last.machineId !== machine.id && last.epoch > past.epoch ? last.machine : undefined;
  if (elsewhere !== undefined) tell(ranElsewhere(elsewhere));
  return {
    events,
    past,
    notices,
    get run() {
      return current;
    },
    async began(run, session) {
      current = run;
      const { id: runId, epoch } = run;
      await events.append({ type: 'run.started', runId, epoch, about: SessionFacts.parse(session) });
    },
    accepted(accepted) {
      const notice = noticeOf(accepted);
      // A crash repeats the last answers.
      if (notice === undefined || notices.some((known) => isDeepStrictEqual(known, notice))) return;
      notices.push(notice);
      note({ type: 'document.lost', ...notice });
    },
    tell,
    heard: (update) => note({ type: 'update', turnId: null, update }),
    note,
    async opened({ origin }, { pid, conversation, opened, info }, introduced) {
      const version = `${info.name} ${info.version}`.trim();
      // Before the line below: from that on nobody knows that there was another one.
      const isLost = opened === 'renewed' && (introduced || past.owed?.prompt != null);
      if (isLost) tell(CONVERSATION_GONE);
      const before = held === null ? undefined : otherProgram(held, { origin, version });
      held = { origin, version };
      const changed = before === undefined ? {} : { before };
      const line = { type: 'agent.opened', pid, program: origin, version, ...changed, conversation, opened } as const;
      await events.append(line, 'durable');
      if (before !== undefined) log.info('session.program_changed', { before, program: origin, version });
      const { agent: name } = about.session;
      return [
        ...(elsewhere === undefined
          ? []
          : [`${name} ran on ${elsewhere} until now: its conversation here does not know what it did there.`]),
        ...(isLost ? [`The program does not know the conversation of ${name} any more: it goes on in a new one.`] : []),
        ...(before === undefined ? [] : [`The conversation of ${name} was held with ${before} until now.`]),
      ];
    },
    reread: async () => (await foldLog(files.log, RECOVERY)).owed,
    async close(reason) {
      const run = current;
      current = undefined;
      if (run !== undefined) {
        try {
          await events.append({ type: 'run.ended', runId: run.id, reason }, 'durable');
          await http.call(ROUTES.endRun, { params: { runId: run.id }, body: { reason } });
        } catch (error) {
          // The server finds out by the missing heartbeat.
          log.warn('session.end_not_reported', { error });
        }
      }
      await events[Symbol.asyncDispose]();
    },
  };
}

/** Of a session that was forked and has not run yet: where it goes on from, written down once, so that it stays so. */
async function begun(home: Home, session: Session, past: Recovery, events: EventLog): Promise<Recovery> {
  const { forkedFromId, run } = session;
  if (forkedFromId === null || run !== null || past.conversation !== null || past.branch !== null) return past;
  try {
    const branch = await branchOf(home, forkedFromId);
    await events.append({ type: 'session.branched', ...branch }, 'durable');
    return { ...past, branch: { ...branch, isCarried: false } };
  } catch (thrown) {
    await events[Symbol.asyncDispose]();
    throw thrown;
  }
}
