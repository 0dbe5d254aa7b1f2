import { join } from 'node:path';
import { expect, test } from 'vitest';
import { exists } from '#base/fs.ts';
import { newId } from '#base/id.ts';
import type { Session } from '#contract/entities.ts';
import type { SessionId } from '#contract/ids.ts';
import { type Clone, withClone } from '#runtime/clone.ts';
import { createClonePool } from '#runtime/clone-pool.ts';
import { agentRemote, openWorkspace } from '#runtime/workspace.ts';
import { eventually } from '../support/eventually.ts';
import { upScene } from '../support/up.ts';

test('a session that is stopped while somebody else is at the clone of its agent does not wait for them', async () => {
  await using scene = await upScene('ada');
  const { home } = scene;
  const stop = new AbortController();
  const pool = createClonePool(home.cache, { exclude: [], signal: stop.signal });
  const done = Promise.withResolvers<void>();
  let theirs: Promise<void> | undefined;
  let team: Clone | undefined;
  const sessionId = newId<SessionId>();
  const opening = openWorkspace({
    home,
    clones: {
      async open(remote, signal) {
        const clone = await pool.open(remote, signal);
        if (remote !== agentRemote(home, { name: 'ada.mia', repo: null })) {
          team = clone;
          return clone;
        }
        await new Promise<void>((inside) => {
          theirs = withClone(clone, async () => {
            inside();
            await done.promise;
          });
        });
        return clone;
      },
    },
    session: { id: sessionId, agent: 'ada.mia', team: '~mia', projects: [] } as unknown as Session,
    teamRepo: null,
    agentRepo: null,
    builtinSkills: '/nowhere',
    onStep: () => {},
    onLoss: () => {},
    signal: stop.signal,
  });
  opening.catch(() => {});
  const made = join(home.workspace('ada.mia', sessionId), '.git');
  await eventually('the worktree of the team is made', async () => team !== undefined && (await exists(made)));
  if (team !== undefined) await withClone(team, async () => {});
  stop.abort();
  await expect(opening).rejects.toMatchObject({ name: 'AbortError' });
  done.resolve();
  await theirs;
});
