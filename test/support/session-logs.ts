/** Logs of sessions as they lie on a machine, without a session. */
import { newId } from '#base/id.ts';
import type { ProjectId, RunId, SessionId, TurnId } from '#contract/ids.ts';
import { openEventLog } from '#runtime/event-log.ts';
import type { Home } from '#runtime/home.ts';
import type { LogEvent, SessionFacts } from '#runtime/log-events.ts';
import { RECOVERY } from '#runtime/recovery.ts';

/** Writes on in the log of a session, a second for each line. */
export async function writeLog(
  home: Home,
  id: SessionId,
  events: readonly LogEvent[],
  from = '2026-01-01T00:00:00.000Z',
): Promise<void> {
  let at = Date.parse(from);
  await using log = await openEventLog(home.session(id).log, RECOVERY, () => {
    at += 1_000;
    return at;
  });
  for (const event of events) await log.append(event);
}

export const started = (facts: Partial<SessionFacts> = {}): LogEvent => ({
  type: 'run.started',
  runId: newId<RunId>(),
  epoch: 1,
  about: { agent: 'ada.mia', team: '~mia', name: null, parentId: null, forkedFromId: null, ...facts },
});

export const says = (text: string, turnId: TurnId | null = null): LogEvent => ({
  type: 'update',
  turnId,
  update: { sessionUpdate: 'agent_message_chunk', text },
});

/** A whole turn that says something. */
export function turn(prompt: string, text: string): readonly LogEvent[] {
  const turnId = newId<TurnId>();
  const counters = { inputTokens: 10, outputTokens: 5, cacheReadTokens: 100, cacheWriteTokens: 20, costMicros: 3_000 };
  const commit = 'c0ffee'.padEnd(40, '0');
  return [
    { type: 'turn.started', turnId, projectId: newId<ProjectId>(), signals: [] },
    { type: 'turn.prompted', turnId, prompt },
    { type: 'update', turnId, update: { sessionUpdate: 'tool_call', toolCallId: 't', title: 'Read plan.md' } },
    says(text, turnId),
    {
      type: 'turn.finished',
      turnId,
      outcome: { state: 'ended', stopReason: 'end_turn', text, counters, lastMessageId: null },
    },
    { type: 'turn.closed', turnId, git: { team: { ref: null, base: commit, commit }, agent: null } },
  ];
}
