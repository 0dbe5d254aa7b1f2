/** Whether a machine is as it should be once nothing happens any more: what is still wrong, as sentences. */
import { readdir, stat } from 'node:fs/promises';
import { ROUTES } from '#contract/routes.ts';
import type { Finding } from '#runtime/doctor.ts';
import { scanLog } from '#runtime/event-log.ts';
import { listLeases } from '#runtime/lease.ts';
import { processesOf } from '../support/aachat.ts';
import type { FaultWorld } from './fault-world.ts';

/** Cheap questions first; `doctor` is asked when they are answered well. */
export async function wrongIn(world: FaultWorld): Promise<readonly string[]> {
  const checks = [checkMessages, checkSessions, checkProcesses, checkLogs, askDoctor];
  for (const check of checks) {
    try {
      const wrong = await check(world);
      if (wrong.length > 0) return wrong;
    } catch (thrown) {
      return [`${check.name}: ${String(thrown)}`];
    }
  }
  return [];
}

async function checkMessages(world: FaultWorld): Promise<readonly string[]> {
  const { mia, project, asked, answered } = world;
  const params = { projectId: project.id };
  for (let hasMore = true; hasMore; ) {
    const found = await mia.call(ROUTES.listMessages, { params, query: { after: world.seen, limit: 200 } });
    for (const { seq, author, body } of found.messages) {
      world.seen = seq;
      if (author.kind !== 'agent') continue;
      for (const [mark] of body.matchAll(/\bs\d+n\d+\b/g)) answered.set(mark, (answered.get(mark) ?? 0) + 1);
    }
    hasMore = found.hasMore;
  }
  return [...asked].flatMap((mark) => {
    const times = answered.get(mark) ?? 0;
    return times === 1 ? [] : [`${mark} was answered ${times} times`];
  });
}

/** Every row is ready, or stopped for a reason; the server and the machine say the same. */
async function checkSessions({ mia, sessions }: FaultWorld): Promise<readonly string[]> {
  const rows = (await mia.call(ROUTES.listSessions, { query: { limit: 200 } })).sessions;
  const live = await sessions();
  const wrong = live
    .filter(({ phase, activity, problem }) => phase !== 'running' || activity !== 'input_ready' || problem !== null)
    .map(
      ({ agent, phase, step, activity, problem }) => `${agent} is ${phase}, ${step}, ${activity}: ${problem?.message}`,
    );
  for (const { id, agent, state, activity, run } of rows) {
    const here = live.some(({ sessionId }) => sessionId === id);
    const isRight = here
      ? state === 'running' && activity === 'input_ready'
      : state === 'stopped' && (run?.reason ?? null) !== null;
    if (!isRight) wrong.push(`at the server ${agent} is ${state}, ${activity}, ${run?.reason}`);
  }
  if (rows.length < 3) wrong.push(`${rows.length} sessions`);
  return wrong;
}

/** Of everything that runs for this home, each process is known, and each lease has its owner. */
async function checkProcesses({ home, paths, identity, sessions }: FaultWorld): Promise<readonly string[]> {
  const agents = (await sessions()).map(({ pid }) => pid);
  const known = new Set([identity().pid, ...agents]);
  const running = processesOf(home.path);
  const guards = running.filter(({ command }) => command.includes('aachat-guard'));
  const strangers = running.filter(({ pid, command }) => !known.has(pid) && !command.includes('aachat-guard'));
  const leases = await listLeases(paths.leases);
  return [
    ...strangers.map(({ pid, command }) => `nobody knows process ${pid}: ${command}`),
    ...(guards.length === 1 ? [] : [`${guards.length} guards`]),
    ...leases.filter(({ ownerRuns }) => !ownerRuns).map(({ leaseId }) => `lease ${leaseId} has no owner`),
    ...(leases.length === agents.length + 1 ? [] : [`${leases.length} leases of ${agents.length} agents`]),
  ];
}

/** Read to the end, without damage. */
async function checkLogs({ paths }: FaultWorld): Promise<readonly string[]> {
  const wrong: string[] = [];
  for (const id of await readdir(paths.sessions)) {
    const { log } = paths.session(id);
    let good = 0;
    for await (const batch of scanLog(log)) good = batch.at(-1)?.end.bytes ?? good;
    const { size } = await stat(log);
    if (good !== size) wrong.push(`the log ${log} is good up to byte ${good} of ${size}`);
  }
  return wrong;
}

async function askDoctor({ home }: FaultWorld): Promise<readonly string[]> {
  const { stdout } = await home.run('doctor', '--json');
  const { data } = JSON.parse(stdout.split('\n')[0] ?? '') as { data: { findings: readonly Finding[] } };
  return data.findings
    .filter(({ state }) => state === 'wrong')
    .map(({ name, message }) => `doctor says of ${name}: ${message}`);
}
