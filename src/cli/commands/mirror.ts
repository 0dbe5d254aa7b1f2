/** What a person does with the folders that a running `aachat up` keeps in step. */
import { resolve as resolvePath } from 'node:path';
import { AachatError, isAachatError } from '#base/errors.ts';
import type { CommandContext } from '#cli/context.ts';
import { CONTROL_ROUTES, type MirrorView } from '#contract/control.ts';
import { openControlClient } from '#runtime/control.ts';

export interface ResumeArgs {
  readonly folder: string | undefined;
  readonly restore?: boolean;
  readonly delete?: boolean;
}

/** `aachat doc resume [folder] --restore | --delete` */
export async function resume(context: CommandContext, args: ResumeArgs): Promise<void> {
  const { home, cwd, signal, output } = context;
  if (args.restore !== true && args.delete !== true) {
    throw new AachatError('USAGE', 'Should the files come back, or be deleted for everybody?', {
      hint: 'aachat doc resume --restore, or aachat doc resume --delete',
    });
  }
  await using up = await openControlClient(home.controlSocket);
  const { mirrors } = await up.call(CONTROL_ROUTES.getStatus, {}, signal).catch((thrown: unknown) => {
    if (!isAachatError(thrown, 'SERVER_UNREACHABLE')) throw thrown;
    throw new AachatError('CONFLICT', 'aachat up does not run here, so no folder is kept in step.', {
      hint: 'Start it with `aachat up`, then try again.',
    });
  });
  const stopped = mirrors.filter(({ state }) => state === 'stopped').map(({ root }) => root);
  const wanted = args.folder === undefined ? undefined : resolvePath(cwd, args.folder);
  const [root, ...others] = wanted === undefined ? stopped : stopped.filter((folder) => folder === wanted);
  if (root === undefined) {
    const which = wanted === undefined ? 'No folder has' : `${wanted} has not`;
    throw new AachatError('NOT_FOUND', `${which} stopped.`, { hint: 'Run `aachat status` to see them.' });
  }
  if (others.length > 0) {
    throw new AachatError('AMBIGUOUS_NAME', `Several folders have stopped: ${stopped.join(', ')}.`, {
      hint: 'Name the one that you mean.',
    });
  }
  const how = args.delete === true ? 'delete' : 'restore';
  await up.call(CONTROL_ROUTES.resumeMirror, { body: { root, how } }, signal);
  const text =
    how === 'delete'
      ? `What is gone from ${root} is deleted for everybody. aachat doc restore brings any of it back.`
      : `${root} is filled again.`;
  output.result({ root, how }, text);
}

/** Tells a running `up` of repos that were connected since its start. @returns its folders; undefined: none runs */
export async function beginMirrors({ home, signal }: CommandContext): Promise<readonly MirrorView[] | undefined> {
  await using up = await openControlClient(home.controlSocket);
  try {
    return (await up.call(CONTROL_ROUTES.beginMirrors, {}, signal)).mirrors;
  } catch (thrown) {
    if (isAachatError(thrown, 'SERVER_UNREACHABLE')) return undefined;
    throw thrown;
  }
}
