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
import { noticeOf } from './document-replica.ts';
import { type DocumentNotice, type EventLog, foldLog, type LogEvent, openEventLog } from './event-log.ts';
import type { Launcher } from './launcher.ts';
import { SessionFacts } from './log-events.ts';
import { RECOVERY, type Recovery } from './recovery.ts';

export interface SessionJournal {
  readonly events: EventLog;
  /** What follows from earlier runs. */
  readonly past: Recovery;
  /** What the next prompt has to tell the agent about its edits of documents; who tells it takes it out. */
  readonly notices: DocumentNotice[];
  /** The run to keep alive, while there is one. */
  readonly run: Run | undefined;
  began(run: Run, session: Session): Promise<void>;
  /** An edit that is not in the document as the agent made it is told in its next turn. */
  accepted(accepted: Accepted): void;
  /** Writes what no turn waits for. */
  note(event: LogEvent): void;
  /** What is owed now. */
  reread(): Promise<Recovery['owed']>;
  /** Reports the end of the run, if one began, and gives the log back. */
  close(reason: EndReason): Promise<void>;
}

/** @throws AachatError `CONFLICT` while another process writes the session's log */
export async function openJournal(
  { home, http }: Pick<Launcher, 'home' | 'http'>,
  about: { readonly session: Session; readonly agent: Agent; readonly team: Team },
  log: Log,
): Promise<SessionJournal> {
  const { id } = about.session;
  const files = home.session(id);
  await writePrivate(files.facts, `${JSON.stringify({ id, agent: about.agent.name, team: about.team.slug })}\n`);
  const { state: past, ...events } = await openEventLog(files.log, RECOVERY);
  const notices = [...past.notices];
  let current: Run | undefined;
  const note = (event: LogEvent) => {
    events.append(event).catch((error: unknown) => log.error('session.log_failed', { error }));
  };
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
    note,
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
