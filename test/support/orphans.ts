/** What is left of an `up`: the proof is a sweep over all processes, not what the program says. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { processesOf, type ScratchHome } from './aachat.ts';
import { eventually } from './eventually.ts';

/** A tool that left its group and ignores what asks politely, and one that keeps the turn busy; `busy` is there then. */
export const BUSY = `setsid sh -c 'trap "" TERM HUP INT; touch busy; exec tail -f /dev/null' & exec tail -f /dev/null`;

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
