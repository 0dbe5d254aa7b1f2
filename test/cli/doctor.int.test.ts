import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { PROTOCOL_VERSION } from '#contract/version.ts';
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
