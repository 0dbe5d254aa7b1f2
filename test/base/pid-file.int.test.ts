import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { claimPidFile, readPidFile } from '#base/pid-file.ts';
import { identityOf, isRunning, ownIdentity } from '#base/process.ts';
import { tempDir } from '../support/temp.ts';

const Facts = z.object({ port: z.int() });

async function sleeper(): Promise<{ pid: number; end(): Promise<void> }> {
  const child = spawn('sleep', ['600'], { stdio: 'ignore' });
  await once(child, 'spawn');
  return {
    pid: child.pid ?? 0,
    async end() {
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

describe('pid file', () => {
  test('one of many claimers wins, the others learn who', async () => {
    await using dir = await tempDir();
    const path = join(dir.path, 'x.json');
    const claims = await Promise.all([1, 2, 3, 4, 5].map((port) => claimPidFile(path, Facts, { port })));
    const won = claims.filter(({ claimed }) => claimed);
    expect(won).toHaveLength(1);
    for (const claim of claims) if (!claim.claimed) expect(claim.holder.pid).toBe(process.pid);
  });

  test('a file of a dead process does not block', async () => {
    await using dir = await tempDir();
    const path = join(dir.path, 'x.json');
    const child = await sleeper();
    const holder = { ...identityOf(child.pid), port: 1 };
    await writeFile(path, JSON.stringify(holder));
    expect(await readPidFile(path, Facts)).toEqual(holder);
    await child.end();
    expect(await readPidFile(path, Facts)).toBeUndefined();
    expect((await claimPidFile(path, Facts, { port: 2 })).claimed).toBe(true);
  });

  test('a reused pid is another process', async () => {
    await using dir = await tempDir();
    const path = join(dir.path, 'x.json');
    await writeFile(path, JSON.stringify({ pid: process.pid, startedAt: 'another time', port: 1 }));
    expect((await claimPidFile(path, Facts, { port: 2 })).claimed).toBe(true);
  });

  test.for(['', 'null', '{', '{"pid":-1}'])('a damaged file %j does not block', async (text) => {
    await using dir = await tempDir();
    const path = join(dir.path, 'x.json');
    await writeFile(path, text);
    expect((await claimPidFile(path, Facts, { port: 2 })).claimed).toBe(true);
  });

  test('release removes the file once', async () => {
    await using dir = await tempDir();
    const path = join(dir.path, 'x.json');
    const claim = await claimPidFile(path, Facts, { port: 1 });
    if (!claim.claimed) throw new Error('not claimed');
    expect(await readPidFile(path, Facts)).toEqual({ ...ownIdentity(), port: 1 });
    claim.file.release();
    expect(await readPidFile(path, Facts)).toBeUndefined();
    expect((await claimPidFile(path, Facts, { port: 3 })).claimed).toBe(true);
    claim.file.release();
    expect(await readPidFile(path, Facts)).toBeDefined();
  });

  test('release leaves a file that somebody else wrote meanwhile', async () => {
    await using dir = await tempDir();
    const path = join(dir.path, 'x.json');
    const claim = await claimPidFile(path, Facts, { port: 1 });
    if (!claim.claimed) throw new Error('not claimed');
    const child = await sleeper();
    const other = { ...identityOf(child.pid), port: 2 };
    await writeFile(path, JSON.stringify(other));
    claim.file.release();
    expect(await readPidFile(path, Facts)).toEqual(other);
    await child.end();
  });

  test('identity ends with the process', async () => {
    const child = await sleeper();
    const identity = identityOf(child.pid);
    if (identity === undefined) throw new Error('no identity');
    expect(isRunning(identity)).toBe(true);
    await child.end();
    expect(isRunning(identity)).toBe(false);
  });
});
