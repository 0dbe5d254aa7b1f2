/** Offers the managed install of Claude Code where it is missing; nothing is fetched without a word of the person. */
import type { InstallProgress } from '#runtime/package-install.ts';
import { canAsk, saysYes } from './ask.ts';
import type { CommandContext } from './context.ts';
import { openRedraw } from './redraw.ts';

/**
 * @param yes the person has said so already, by `--yes`
 * @returns whether it was installed; false: nobody wants it, or nobody can be asked
 * @throws AachatError why it could not be installed; then nothing has changed
 */
export async function offerClaude(context: CommandContext, { yes }: { readonly yes: boolean }): Promise<boolean> {
  const { home, env, signal, output } = context;
  if (!yes && !canAsk(context)) return false;
  const { installClaude, NPM_REGISTRY, planClaudeInstall } = await import('#runtime/claude-install.ts');
  const plan = await planClaudeInstall();
  const registry = env['npm_config_registry'] || NPM_REGISTRY;
  const { name, version } = plan.adapter;
  const what = `${name} ${version} with Claude Code`;
  if (!yes) {
    const question = [
      'Claude Code was not found on this machine.',
      `${what} can be installed for aachat alone, below ${home.run}: about 150 MB from ${registry}, 330 MB on disk.`,
      'Install it now?',
    ].join('\n');
    if (!(await saysYes(context, question))) return false;
  }
  const progress = await showProgress(context);
  try {
    await installClaude({ plan, managedDir: home.run, registry, signal, onProgress: progress.show });
  } finally {
    progress.close();
  }
  output.note(`Installed ${what}.`);
  return true;
}

/** One line that counts up on a terminal; one line for each package elsewhere. */
async function showProgress({ output, stderr }: CommandContext) {
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0);
  const line = ({ name, version, fetchedBytes, totalBytes }: InstallProgress) => {
    const of = totalBytes === undefined ? '' : ` of ${megabytes(totalBytes)}`;
    return `Fetching ${name} ${version}: ${megabytes(fetchedBytes)}${of} MB`;
  };
  if (stderr.isTTY !== true) {
    let last: string | undefined;
    const show = (progress: InstallProgress) => {
      if (progress.name !== last) output.note(`Fetching ${progress.name} ${progress.version} …`);
      last = progress.name;
    };
    return { show, close: () => {} };
  }
  const draw = await openRedraw(stderr);
  let drawn = 0;
  const show = (progress: InstallProgress) => {
    const isEnd = progress.fetchedBytes === progress.totalBytes;
    if (!isEnd && Date.now() - drawn < 100) return;
    drawn = Date.now();
    draw(line(progress));
  };
  return { show, close: () => draw.clear() };
}
