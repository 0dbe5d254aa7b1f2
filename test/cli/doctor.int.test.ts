import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { withFileLock } from '#base/pid-file.ts';
import { PROTOCOL_VERSION } from '#contract/version.ts';
import { openHome } from '#runtime/home.ts';
import { run } from '../support/command.ts';
import { tempDir } from '../support/temp.ts';

test('a server of another age is found wrong, with the side that has to follow', async () => {
  await using dir = await tempDir();
  const info = { product: 'aachat', version: '9.0.0', protocol: PROTOCOL_VERSION + 1, fresh: false };
  const server = createServer((_, response) => {
    response.setHeader('content-type', 'application/json').end(JSON.stringify(info));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const env = {
    AACHAT_HOME: join(dir.path, 'home'),
    AACHAT_SERVER: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    NO_COLOR: '1',
  };
  try {
    const { status, stdout } = await run(['doctor', '--text'], { env });
    expect(status).toBe(5);
    expect(stdout).toMatch(/wrong +server .*speaks protocol \d+ \(version 9\.0\.0\)[\s\S]*newer aachat here/);
  } finally {
    server.close();
  }
});

test('a file of a dead process is not taken away while somebody may be claiming it', async () => {
  await using dir = await tempDir();
  const { root, upFile } = openHome(join(dir.path, 'home'));
  const fixing = await withFileLock(upFile, async () => {
    await writeFile(upFile, JSON.stringify({ pid: process.pid, startedAt: 'another boot' }));
    const done = run(['doctor', '--fix'], { env: { AACHAT_HOME: root } });
    for (let waited = 0; waited < 500 && existsSync(upFile); waited += 25) await sleep(25);
    expect(existsSync(upFile)).toBe(true);
    return { done };
  });
  await fixing.done;
  expect(existsSync(upFile)).toBe(false);
});
