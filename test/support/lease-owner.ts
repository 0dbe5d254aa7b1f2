/** A launcher that starts a leased program and waits to be killed. */
import { spawn } from 'node:child_process';
import { leaseChildren, spawnLeased } from '#runtime/lease.ts';

const [leasesDir = '', command = ''] = process.argv.slice(2);
await leaseChildren(leasesDir);
// As git is started: in a group of its own.
const child = spawn('/bin/sh', ['-c', 'sleep 600 & wait'], { detached: true, stdio: 'ignore' });
const program = await spawnLeased({
  leasesDir,
  sessionId: 's',
  command: ['/bin/sh', '-c', command],
  cwd: '/',
  env: { PATH: process.env['PATH'] ?? '' },
});
process.stdout.write(`${program.leaseId} ${program.pid} ${child.pid}\n`);
await new Promise(() => setInterval(() => {}, 1_000));
