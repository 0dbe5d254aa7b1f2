/** Ports that stay free until they are used, however long that takes, and between two uses. */
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Below those that systems hand out by themselves: any connection of another test could be given one of them. Above
 * 10080, the last one that `fetch` refuses to ask.
 */
const [FIRST, COUNT] = [10_081, 20_000];
/** Test files that run at once have ports of their own. */
const EACH = 31;
let asked = 0;

export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + ((process.pid * EACH + asked) % COUNT);
    asked += 1;
    if (await isFree(port)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer().listen(port, '127.0.0.1');
  try {
    await once(probe, 'listening');
  } catch {
    return false;
  }
  probe.close();
  await once(probe, 'close');
  return true;
}
