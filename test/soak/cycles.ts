/** `up` started and ended again and again, in every way: what is there afterwards must not grow. */
import { existsSync, readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openHome } from '#runtime/home.ts';
import { agentsOf, nothingLeft } from '../support/orphans.ts';
import { team } from '../support/team.ts';

const WAYS = ['SIGINT', 'SIGTERM', 'down', 'SIGHUP', 'SIGKILL'] as const;

/** What is there after a cycle. */
export interface Sample {
  readonly way: (typeof WAYS)[number];
  readonly left: {
    readonly processes: number;
    readonly leases: number;
    readonly sockets: number;
    readonly workspaces: number;
    /** That clones know of, with the visible folders of agents. */
    readonly worktrees: number;
  };
  /** Everything in `.run`, but what a killed `up` leaves for the next one. */
  readonly files: number;
  /** Of the launcher, while its agents were ready; of the server, afterwards. */
  readonly megabytes: { readonly up: number; readonly server: number };
  readonly serverHandles: number;
}

/** @param onCycle called after each */
export async function runCycles(count: number, onCycle: (sample: Sample, cycle: number) => void): Promise<void> {
  await using t = await team(['ada', 'bob'], { AACHAT_AGENT: 'scripted' });
  await t.home.json('server', 'start');
  const { pid: server } = await t.home.json<{ pid: number }>('server', 'status');
  const { path } = t.home;
  const { leases, workspaces, controlSocket, cache, run } = openHome(path);
  for (let cycle = 1; cycle <= count; cycle += 1) {
    const up = await t.up();
    const megabytes = { up: residentOf(up.child.pid ?? 0), server: 0 };
    const way = WAYS[cycle % WAYS.length] ?? 'down';
    if (way === 'down') await t.home.json('down', '--yes');
    else up.child.kill(way);
    await up.ended;
    await nothingLeft(t.home);
    // Workspaces of a killed one are the next one's.
    if (way === 'SIGKILL') await t.home.run('doctor', '--fix');
    const names = await readdir(run, { recursive: true });
    const left = {
      processes: agentsOf(path).length,
      leases: (await readdir(leases)).length,
      sockets: Number(existsSync(controlSocket)),
      workspaces: (await readdir(workspaces)).length,
      worktrees: (await readdir(cache, { recursive: true })).filter((name) => name.endsWith('/gitdir')).length,
    };
    const files = names.filter((name) => !name.startsWith('code') && !name.startsWith('workspaces/')).length;
    const handles = (await readdir(join('/proc', String(server), 'fd'))).length;
    onCycle(
      { way, left, files, megabytes: { ...megabytes, server: residentOf(server) }, serverHandles: handles },
      cycle,
    );
  }
}

function residentOf(pid: number): number {
  const [, kilobytes = '0'] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Math.round(Number(kilobytes) / 1024);
}
