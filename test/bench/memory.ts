/** What `up` keeps of the turns that are over: its heap after many of them, against the same one after the first. */
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { newId } from '#base/id.ts';
import { ROUTES } from '#contract/routes.ts';
import type { RunningCommand } from '../support/aachat.ts';
import { PROGRAM, upIdentity } from '../support/aachat.ts';
import { team } from '../support/team.ts';
import { median, type Row, residentMb } from './measure.ts';
import { ownerHttp, watch } from './up.ts';

/** Side by side, to be done sooner; each in a dm of its own. */
const AGENTS = 4;
/** Of which the middle one counts, a turn apart each: memory goes up and down between collections. */
const SAMPLES = 40;

/** @param quick a tenth of the turns */
export async function memory(quick: boolean): Promise<readonly Row[]> {
  const [warm, total] = quick ? [100, 1_000] : [1_000, 10_000];
  const names = Array.from({ length: AGENTS }, (_, index) => `a${index}`);
  // The port is chosen only when the heap is asked for.
  await using t = await team(names, { AACHAT_AGENT: 'scripted', NODE_OPTIONS: '--inspect-port=0' });
  for (const name of names) await t.home.json('agent', 'budget', name, '--turns-per-hour', 'unlimited');
  const up = await t.up();
  const { pid } = upIdentity(t.home.path);
  const { pid: server } = await t.home.json<{ pid: number }>('server', 'status');
  await using heap = PROGRAM.length === 1 ? undefined : await heapOf(up, pid);
  const http = await ownerHttp(t.home);

  let done = 0;
  const resident: number[] = [];
  const talk = async (name: string, until: number) => {
    const { project } = await http.call(ROUTES.resolveProject, { query: { name: `dm:${name}` } });
    const watched = await watch(t.home, project);
    while (done < until) {
      done += 1;
      const answered = watched.next();
      const body = { clientId: newId(), body: `turn ${done}` };
      await http.call(ROUTES.sendMessage, { params: { projectId: project.id }, body });
      await answered;
      resident.push(residentMb(pid));
    }
    await watched.close();
  };
  const measure = async (until: number) => {
    await Promise.all(names.map((name) => talk(name, until)));
    const used = {
      resident: median(resident.splice(0).slice(-SAMPLES)),
      heap: await heap?.used(),
      server: residentMb(server),
    };
    process.stderr.write(`  ${done} turns: ${JSON.stringify(used)}\n`);
    return used;
  };
  const before = await measure(warm);
  let after = before;
  for (let until = warm * 2; until <= total; until += warm) after = await measure(until);
  const row = (what: string, from: number, to: number): Row => ({
    what: `${what} after ${total.toLocaleString('en')} turns`,
    measured: `${to.toFixed(1)} MB`,
    floor: `${from.toFixed(1)} MB after ${warm.toLocaleString('en')}`,
    ratio: `${to < from ? '−' : '+'}${Math.abs((to / from - 1) * 100).toFixed(1)} %`,
    aim: 'under +10 %',
  });
  return [
    row('memory of `up`', before.resident, after.resident),
    ...(before.heap === undefined || after.heap === undefined ? [] : [row('heap of `up`', before.heap, after.heap)]),
    { ...row('memory of the server', before.server, after.server), aim: '–' },
  ];
}

/** Asks a process by its inspector what lives in its heap. */
async function heapOf(up: RunningCommand, pid: number) {
  process.kill(pid, 'SIGUSR1');
  const [, url = ''] = await up.until(/Debugger listening on (\S+)/);
  const socket = new WebSocket(url);
  await once(socket, 'open');
  let asked = 0;
  const ask = async (method: string, params: object = {}) => {
    asked += 1;
    socket.send(JSON.stringify({ id: asked, method, params }));
    for (;;) {
      const [message] = (await once(socket, 'message')) as [Buffer];
      const answer = JSON.parse(message.toString()) as { id?: number; result?: { usedSize?: number } };
      if (answer.id === asked) return answer.result;
    }
  };
  return {
    /** In MB, of what is still in use. */
    async used() {
      for (let round = 0; round < 3; round += 1) await ask('HeapProfiler.collectGarbage');
      return ((await ask('Runtime.getHeapUsage'))?.usedSize ?? Number.NaN) / 2 ** 20;
    },
    [Symbol.asyncDispose]: async () => {
      socket.close();
      await once(socket, 'close');
    },
  };
}
