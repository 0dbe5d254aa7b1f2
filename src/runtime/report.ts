/** The Launch Report: what came up for each session, what is missing, what stayed. Written to `up.log`. */
import type { LiveSession } from '#contract/control.ts';
import type { Booted } from './boot.ts';
import type { Failure } from './turn.ts';

/** One entry of the Launch Report. */
export interface SessionReport {
  readonly agent: string;
  readonly team: string;
  readonly sessionId: string;
  readonly workspace: string;
  readonly phase: LiveSession['phase'];
  /** `hibernated`: it is there, but its process starts only when it has something to do. */
  readonly activity: LiveSession['activity'];
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
