/** Takes a session that does not run back to one of its turns: what it remembers, and on request its files. */
import { join } from 'node:path';
import { AachatError } from '#base/errors.ts';
import { exists } from '#base/fs.ts';
import type { Session } from '#contract/entities.ts';
import { type SessionId, shortId, type TurnId } from '#contract/ids.ts';
import { openEventLog } from './event-log.ts';
import type { Home } from './home.ts';
import type { GitState, Snapshot } from './log-events.ts';
import { branchAt, type Past, type PastTurn, pastOf, pastOfLog } from './past-turns.ts';
import { holderOfSnapshot, putBack } from './snapshot.ts';
import { agentFolder } from './workspace.ts';
import { addWorktree } from './worktree.ts';
import { pointerTo } from './worktree-place.ts';

/** A repo whose files were put back. */
export interface PutBack {
  readonly path: string;
  readonly commit: string;
  /** What it was until then, as a commit that a ref of ours keeps. */
  readonly before: string;
  /** Files that the snapshot does not have, most of them too large: they are as they were. */
  readonly left: number;
  /** The branch that HEAD was detached from, because it has gone on. */
  readonly detachedFrom: string | null;
}

export interface Rewound {
  readonly putBack: readonly PutBack[];
  /** Turns that were over and are taken back. */
  readonly forgotten: number;
  /** A turn was broken off: what it was for waits for the session again. */
  readonly isBrokenOff: boolean;
}

/** The turns that a session can be taken back to, oldest first. */
export const endedTurns = ({ turns }: Past): readonly PastTurn[] => turns.filter(({ state }) => state !== null);

/** @throws AachatError `CONFLICT` when there is no snapshot of the turn that files could be put back from */
export function requireSnapshots({ turnId, git }: PastTurn): void {
  if (git?.team?.snapshot !== undefined || git?.agent?.snapshot !== undefined) return;
  throw new AachatError('CONFLICT', `There is no snapshot of the files at the end of turn ${shortId(turnId)}.`, {
    hint: 'Leave out --files, or choose another turn.',
  });
}

/**
 * The files first: what is broken off there is begun again with the same result, and the conversation is still whole.
 *
 * @throws AachatError `CONFLICT` while the session runs, or when a file that no snapshot has is in the way
 */
export async function rewindSession(
  home: Home,
  session: Pick<Session, 'id' | 'agent'>,
  to: TurnId,
  files: boolean,
): Promise<Rewound> {
  await using log = await openEventLog(home.session(session.id).log, pastOfLog(session.id));
  const { turns, conversation } = await pastOf(home, session.id);
  const index = turns.findIndex(({ turnId }) => turnId === to);
  const turn = turns[index];
  if (turn === undefined) throw new Error('The turn was there a moment ago.');
  const putBack = files ? await putFilesBack(home, session, turn) : [];
  const branch = { ...branchAt(session.id, turns, index, conversation), files };
  await log.append({ type: 'session.branched', ...branch }, 'durable');
  const later = turns.slice(index + 1);
  const forgotten = later.filter(({ state }) => state !== null).length;
  return { putBack, forgotten, isBrokenOff: later.at(-1)?.state === null };
}

async function putFilesBack(
  home: Home,
  { id, agent }: Pick<Session, 'id' | 'agent'>,
  turn: PastTurn,
): Promise<readonly PutBack[]> {
  requireSnapshots(turn);
  const workspace = home.workspace(agent, id);
  const places = [
    [workspace, turn.git?.team],
    [join(workspace, agentFolder(agent)), turn.git?.agent],
  ] as const;
  const done: PutBack[] = [];
  for (const [path, state] of places) {
    if (state?.snapshot !== undefined)
      done.push(await putOneBack(home, id, path, { ...state, snapshot: state.snapshot }));
  }
  return done;
}

async function putOneBack(
  home: Home,
  session: SessionId,
  path: string,
  { commit, snapshot }: Pick<GitState, 'commit'> & { readonly snapshot: Snapshot },
): Promise<PutBack> {
  // A fork has those of its source.
  const clone = await holderOfSnapshot(home.cache, snapshot);
  if (clone === undefined) {
    throw new AachatError('NOT_FOUND', `The snapshot ${snapshot.commit.slice(0, 7)} of ${path} is gone.`, {
      hint: 'Leave out --files, or choose another turn.',
    });
  }
  if (!(await exists(path))) await addWorktree(clone, path, { at: commit });
  const worktree = await pointerTo(clone.gitDir, path);
  if (worktree === undefined) {
    throw new AachatError('CONFLICT', `${path} is no worktree of ${clone.remote} any more.`, {
      hint: 'Move it away; it is made again.',
    });
  }
  const { before, detachedFrom } = await putBack(clone, worktree, session, { head: commit, snapshot });
  return { path, commit, before: before.commit, left: snapshot.left, detachedFrom };
}
