/**
 * What people are told about a session: as it is now, and in the Launch Report what came up, what is missing, what
 * stayed. The report is written to `up.log`.
 */
import { isoTime } from '#base/time.ts';
import type { LiveSession } from '#contract/control.ts';
import type { Activity, Agent, EndReason, Session } from '#contract/entities.ts';
import type { Booted } from './boot.ts';
import type { Launcher } from './launcher.ts';
import { phaseOf, type SessionState } from './session-state.ts';
import type { Failure } from './turn.ts';
import type { TurnLoop } from './turn-loop.ts';

/** A session as it is now. */
export function viewOf(parts: {
  readonly launcher: Pick<Launcher, 'home'>;
  readonly session: Session;
  readonly agent: Agent;
  readonly state: SessionState;
  readonly bootStep: string;
  readonly activity: Activity | undefined;
  readonly loop: Pick<TurnLoop, 'waiting' | 'tokens'> | undefined;
  readonly earlierTokens: number;
  readonly pid: number | undefined;
  readonly limitedUntil: number | null | undefined;
  readonly problem: Failure | null;
  readonly endReason: EndReason;
}): LiveSession {
  const { launcher, session, agent, state, bootStep, activity, loop, earlierTokens, pid, endReason } = parts;
  const until = state.kind === 'limited' ? state.until : (parts.limitedUntil ?? null);
  return {
    sessionId: session.id,
    name: session.name,
    agent: agent.name,
    team: session.team,
    phase: phaseOf(state),
    step: state.kind === 'booting' ? bootStep : state.kind === 'waiting' ? 'waits for a free place' : state.kind,
    activity: activity ?? null,
    unread: loop?.waiting ?? 0,
    tokens: earlierTokens + (loop?.tokens ?? 0),
    workspace: launcher.home.workspace(agent.name, session.id),
    pid: pid ?? null,
    limitedUntil: until === null ? null : isoTime(until),
    // What was wrong before somebody stopped it needs nobody any more.
    problem: state.kind === 'stopped' && endReason !== 'superseded' ? null : parts.problem,
  };
}

/** One entry of the Launch Report. */
export interface SessionReport
  // `hibernated`: it is there, but its process starts only when it has something to do.
  extends Pick<LiveSession, 'agent' | 'team' | 'sessionId' | 'workspace' | 'phase' | 'activity'> {
  readonly program: string | null;
  readonly opened: string | null;
  readonly commits: { readonly team: string; readonly agent: string } | null;
  readonly skills: readonly string[];
  /** Names only. */
  readonly environment: { readonly resolved: readonly string[]; readonly missing: readonly string[] };
  readonly warnings: readonly string[];
  readonly problem: Failure | null;
  /** One line for each folder that stayed because it holds work. */
  readonly kept: readonly string[];
}

/** Before the first boot has got anywhere. */
export const NOTHING_YET = {
  program: null,
  opened: null,
  commits: null,
  skills: [],
  environment: { resolved: [], missing: [] },
  warnings: [],
} as const;

export const reportOf = ({ program, workspace, environment, warnings }: Booted) => ({
  program: program.origin,
  opened: program.agent?.opened ?? null,
  commits: workspace.commits,
  skills: workspace.skills.map(({ name }) => name),
  environment,
  warnings: [...warnings, ...(program.agent?.warnings ?? [])],
});
