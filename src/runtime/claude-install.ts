/** The managed install of Claude Code's ACP adapter: the version that this program was built and tested with. */
import { ADAPTER, managedClaude } from './claude-program.ts';
import {
  type InstallProgress,
  installPackages,
  PackageLock,
  type Pinned,
  pinnedPackages,
  thisPlatform,
} from './package-install.ts';

export const NPM_REGISTRY = 'https://registry.npmjs.org';

export interface ClaudeInstall {
  /** The adapter itself, first of `packages`. */
  readonly adapter: Pinned;
  readonly packages: readonly Pinned[];
}

/** What would be installed on this machine. */
export async function planClaudeInstall(): Promise<ClaudeInstall> {
  const { default: lock } = await import('#lock', { with: { type: 'json' } });
  const packages = pinnedPackages(PackageLock.parse(lock), ADAPTER, thisPlatform());
  const [adapter] = packages;
  if (adapter === undefined) throw new Error(`The lock file does not pin ${ADAPTER}.`);
  return { adapter, packages };
}

/**
 * @param managedDir folder that managed installs live under
 * @throws AachatError as `installPackages` does; then nothing has changed
 */
export async function installClaude(options: {
  readonly plan: ClaudeInstall;
  readonly managedDir: string;
  readonly registry: string;
  readonly onProgress: (progress: InstallProgress) => void;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { plan, managedDir, ...rest } = options;
  await installPackages({ ...rest, packages: plan.packages, dir: managedClaude(managedDir) });
}
