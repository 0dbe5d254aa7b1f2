/** The entry of a guard whose launcher was killed (`runtime/guard.ts`): a program of its own, which loads nothing else. */
import { reapAfter } from '#runtime/guard.ts';

const [leasesDir = '', pid = '', startedAt = ''] = process.argv.slice(3);
await reapAfter(leasesDir, { pid: Number(pid), startedAt });
