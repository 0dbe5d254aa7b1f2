/** Tells the server what a session does, in order; a report that is lost is made good by the next one. */
import { createSerial } from '#base/async.ts';
import { isAachatError } from '#base/errors.ts';
import type { Log } from '#base/log.ts';
import type { HttpClient } from '#client/http.ts';
import type { Activity, Session } from '#contract/entities.ts';
import type { RunId } from '#contract/ids.ts';
import { ROUTES } from '#contract/routes.ts';

export interface ActivityReport {
  /** What the server has heard last; undefined: it may have forgotten. */
  heard: Activity | undefined;
  /** The server shows it so: if that is not what was told, it is told again. */
  seen(session: Session): void;
  /** Tells what is so now, unless the server has heard it. */
  tell(): void;
}

export function createActivityReport(options: {
  readonly http: HttpClient;
  readonly log: Log;
  /** undefined: there is no running session. */
  readonly now: () => { readonly runId: RunId | undefined; readonly activity: Activity | undefined };
  /** That run is over. */
  readonly onStale: (runId: RunId) => void;
}): ActivityReport {
  const { http, log, now, onStale } = options;
  const inOrder = createSerial();
  const report: ActivityReport = {
    heard: undefined,
    seen({ run, activity }) {
      if (run === null || run.id !== now().runId || run.endedAt !== null || activity === report.heard) return;
      report.heard = activity ?? undefined;
      report.tell();
    },
    tell: () =>
      void inOrder(async () => {
        const { runId, activity } = now();
        if (activity === undefined || runId === undefined || activity === report.heard) return;
        try {
          await http.call(ROUTES.setActivity, { params: { runId }, body: { activity } });
          report.heard = activity;
        } catch (thrown) {
          if (isAachatError(thrown, 'STALE_RUN')) onStale(runId);
          else log.warn('session.report_failed', { error: thrown });
        }
      }),
  };
  return report;
}
