import { expect, test } from 'vitest';
import { runCycles, type Sample } from './cycles.ts';

test('up, ended in every way, leaves as little after the last time as after the second', async () => {
  const samples: Sample[] = [];
  await runCycles(7, (sample) => samples.push(sample));
  const after = samples.slice(1).filter(({ way }) => way !== 'SIGKILL');
  const rest = { processes: 0, leases: 0, sockets: 0, workspaces: 0, worktrees: 2 };
  expect(after.map(({ left }) => left)).toEqual(after.map(() => rest));
  expect(new Set(after.map(({ files }) => files)).size).toBe(1);
  expect(samples.find(({ way }) => way === 'SIGKILL')?.left).toMatchObject({ processes: 0, leases: 0, sockets: 0 });
});
