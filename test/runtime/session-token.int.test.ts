import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { AachatError } from '#base/errors.ts';
import { silentLog } from '#base/log.ts';
import type { HttpClient } from '#client/http.ts';
import type { RunId } from '#contract/ids.ts';
import { openSessionToken } from '#runtime/session-token.ts';
import { eventually } from '../support/eventually.ts';
import { tempDir } from '../support/temp.ts';

test('the file gets a new token in time, also after one could not be had', async () => {
  await using dir = await tempDir();
  const path = join(dir.path, 'token');
  let minted = 0;
  const http: HttpClient = {
    async call() {
      minted += 1;
      if (minted === 2) throw new AachatError('SERVER_UNREACHABLE', 'No answer.');
      // Due at once, but for the last.
      const expiresAt = new Date(Date.now() + (minted === 1 ? 0 : 3_600_000)).toISOString();
      return { token: `token-${minted}`, expiresAt } as never;
    },
  };
  const secrets = new Set<string>();
  const run = { id: 'run' as RunId };
  const token = await openSessionToken({ http, log: silentLog, secrets }, run, path, new AbortController().signal);
  expect(await token.value()).toBe('token-1');
  await expect(token.value('renew')).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' });
  await eventually('a new one', async () => (await readFile(path, 'utf8')) === 'token-3\n');
  expect([await token.value(), [...secrets]]).toEqual(['token-3', ['token-3']]);
  token.stop();
});
