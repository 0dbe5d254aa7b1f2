/** A launcher that starts a leased program and waits to be killed. */
import { spawnLeased } from '#runtime/lease.ts';

const [leasesDir = '', command = ''] = process.argv.slice(2);
const program = await spawnLeased({
  leasesDir,
  sessionId: 's',
  command: ['/bin/sh', '-c', command],
  cwd: '/',
  env: { PATH: process.env['PATH'] ?? '' },
});
process.stdout.write(`${program.leaseId} ${program.pid}\n`);
await new Promise(() => setInterval(() => {}, 1_000));
