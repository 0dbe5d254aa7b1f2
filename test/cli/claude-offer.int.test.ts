/** What is shown while Claude Code is fetched. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { offerClaude } from '#cli/claude-offer.ts';
import { openHome } from '#runtime/home.ts';
import { testContext } from '../support/command.ts';
import { tempDir } from '../support/temp.ts';

test('progress is shown also on a terminal that reports no size, and nothing else is installed than what is pinned', async () => {
  await using dir = await tempDir();
  const registry = createServer((_, response) => response.end('not the package'));
  await new Promise<void>((resolve) => registry.listen(0, '127.0.0.1', resolve));
  const { port } = registry.address() as AddressInfo;
  const { context } = testContext({}, { env: { npm_config_registry: `http://127.0.0.1:${port}` } });
  const stderr = Object.assign(new PassThrough(), { isTTY: true, columns: 0, rows: 0 });
  const home = openHome(join(dir.path, 'home'));
  await expect(offerClaude({ ...context, home, stderr }, { yes: true })).rejects.toMatchObject({
    hint: expect.any(String),
  });
  expect(String(stderr.read())).toMatch(/Fetching \S+ \d+\.\d+\.\d+: \d/);
  await new Promise((resolve) => registry.close(resolve));
});
