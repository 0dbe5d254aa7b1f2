/** What is left of an `up`: the proof is a sweep over all processes, not what the program says. */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { processesOf, type RunningCommand, type ScratchHome } from './aachat.ts';
import { eventually } from './eventually.ts';
import { steps, type Team, workspaceOf } from './team.ts';

/**
 * Starts `up` and a turn of ada's with a tool that left its group and ignores what asks politely, and one that never ends.
 * Done again, the turn ends with "again".
 */
export async function busyUp(t: Team): Promise<RunningCommand> {
  const up = await t.up();
  await t.send(`@ada ${steps({ bash: `test -e again && echo again || { touch again; ${BUSY}; }` })}`);
  const workspace = await workspaceOf(t);
  await eventually('the tools run', () => existsSync(join(workspace, 'busy')));
  return up;
}

const BUSY = `setsid sh -c 'trap "" TERM HUP INT; touch busy; exec tail -f /dev/null' & exec tail -f /dev/null`;

/** Everything of this home that runs, but its server. */
export const agentsOf = (home: string) => processesOf(home).filter(({ command }) => !command.includes(' server '));

/** Waits until nothing of this home runs but its server, and no lease is left. */
export async function nothingLeft({ path }: Pick<ScratchHome, 'path'>): Promise<void> {
  let left: readonly unknown[] = [];
  try {
    await eventually('nothing is left', async () => {
      const leases = await readdir(join(path, '.run', 'leases')).catch(() => []);
      left = [...agentsOf(path), ...leases];
      return left.length === 0;
    });
  } catch (thrown) {
    throw new Error(`Left over: ${JSON.stringify(left)}`, { cause: thrown });
  }
}
