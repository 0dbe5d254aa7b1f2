/** What all sessions of one `up` share. */
import type { Log } from '#base/log.ts';
import type { HttpClient } from '#client/http.ts';
import type { Session } from '#contract/entities.ts';
import type { ClonePool } from './clone-pool.ts';
import type { Engine } from './engine.ts';
import type { Home } from './home.ts';
import type { ThisMachine } from './machine.ts';
import type { Mirrors } from './mirrors.ts';
import type { Policy } from './policy.ts';
import type { BudgetGuards } from './turn-budget.ts';

export interface Launcher {
  readonly home: Home;
  readonly clones: ClonePool;
  readonly mirrors: Pick<Mirrors, 'openSession'>;
  readonly budgets: BudgetGuards;
  readonly machine: ThisMachine;
  readonly serverUrl: URL;
  /** Acts as the owner. */
  readonly http: HttpClient;
  readonly owner: { readonly id: string; readonly login: string };
  readonly log: Log;
  /** Values that the log must never show; each boot adds its own. */
  readonly secrets: Set<string>;
  readonly parentEnv: NodeJS.ProcessEnv;
  readonly engine: Engine;
  readonly builtinSkills: string;
  /** `claude`, `scripted`, a preset, or a command line; undefined: looked for. */
  readonly programSetting: () => string | undefined;
  readonly policyOf: (session: Session) => Promise<Policy>;
  /** Whether its owner lets the agent's program obey settings of the team's repo. */
  readonly isTrusted: (agent: string) => boolean;
  /** The program of the agent's `runtime.yaml` that its owner has agreed to. */
  readonly trustedProgramOf: (agent: string) => string | undefined;
  /** Resolves when the event socket is connected. */
  readonly connected: (signal: AbortSignal) => Promise<void>;
}
