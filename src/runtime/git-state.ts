/** Where a worktree stands, for the log of its session. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { git, type Worktree } from './git.ts';
import type { GitState } from './log-events.ts';

/** A turn does not wait longer for this. */
const LONGEST_MS = 10_000;
/** Agents write what stands in HEAD. */
const REF = /^ref: (refs\/[^\s\p{Cc}]{1,250})$/u;

/**
 * @param upstream ref of the remote that work begins from
 * @returns asks anew each time; null where git cannot tell, which is no reason for a turn to fail
 */
export function gitStateOf(worktree: Worktree | undefined, upstream: string): () => Promise<GitState | null> {
  let last: GitState | undefined;
  return async () => {
    if (worktree === undefined) return null;
    try {
      const head = (await readFile(join(worktree.gitDir, 'HEAD'), 'utf8')).trim();
      // Detached, as we leave it: most turns commit nothing, and then no git is needed.
      if (head === last?.commit && last.ref === null) return last;
      const ask = (...args: string[]) => git(args, { worktree, timeoutMs: LONGEST_MS });
      const commit = await ask('rev-parse', '--verify', 'HEAD');
      const base = await ask('merge-base', commit, upstream).catch(() => null);
      last = { ref: REF.exec(head)?.[1] ?? null, base, commit };
      return last;
    } catch {
      return null;
    }
  };
}
