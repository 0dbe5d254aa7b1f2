/** What a caller sees of a failure: exit status, words, and never a stack. The server is one loopback socket. */

import { once } from 'node:events';
import { chmod, chown, mkdir, readdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ERROR_CODES, ERROR_STATUS, type ErrorCode } from '#base/errors.ts';
import { run } from '../support/command.ts';
import { freePort } from '../support/port.ts';
import { tempDir } from '../support/temp.ts';

/** Exit statuses are what scripts rely on: written out, so that a change is seen. */
const EXIT: Record<ErrorCode, number> = {
  INTERNAL: 70,
  USAGE: 2,
  VALIDATION_ERROR: 2,
  AMBIGUOUS_PROJECT: 2,
  AMBIGUOUS_NAME: 2,
  UNAUTHORIZED: 3,
  FORBIDDEN: 3,
  NOT_FOUND: 4,
  CONFLICT: 5,
  STALE_RUN: 5,
  RATE_LIMITED: 6,
  BUDGET_EXCEEDED: 6,
  SERVER_UNREACHABLE: 6,
  TIMEOUT: 6,
  PROTOCOL_MISMATCH: 7,
  AGENT_FAILED: 8,
  GIT_FAILED: 8,
  CANCELLED: 130,
};

async function answering(status: number, body: string) {
  const server = createServer((_, response) => response.writeHead(status).end(body));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function against(url: string, argv: readonly string[] = ['project', 'list']) {
  await using dir = await tempDir();
  const env = { AACHAT_HOME: join(dir.path, 'home'), AACHAT_SERVER: url, AACHAT_TOKEN: 'token' };
  return [await run([...argv, '--json'], { env }), await run(argv, { env, isTerminal: true })] as const;
}

test.each(ERROR_CODES)('%s of the server is told with its exit status', async (code) => {
  const error = { code, message: 'It went wrong.', hint: 'Do this.' };
  await using server = await answering(ERROR_STATUS[code].http, JSON.stringify({ error }));
  const [json, text] = await against(server.url);
  expect([json.status, text.status]).toEqual([EXIT[code], EXIT[code]]);
  // The refusal of a token given from outside has words of our own.
  const shown = code === 'UNAUTHORIZED' ? { code } : error;
  expect(JSON.parse(json.stdout)).toMatchObject({ error: shown });
  expect(text.stdout).toBe('');
  expect(text.stderr).toContain(code === 'UNAUTHORIZED' ? 'AACHAT_TOKEN' : 'It went wrong.\nDo this.\n');
  expect(text.stderr).not.toMatch(/^\s+at /m);
});

describe('a server', () => {
  test('that is not there', async () => {
    const [json, text] = await against(`http://127.0.0.1:${await freePort()}`);
    expect(json.status).toBe(6);
    expect(text.stderr).toMatch(/No answer from http.*\n.*aachat server status/);
  });

  test('that is something else', async () => {
    await using server = await answering(404, '<html>');
    const [, text] = await against(server.url);
    expect(text.stderr).toContain('it is not an aachat server');
  });

  test('that speaks another protocol', async () => {
    await using server = await answering(200, '{"items":[]}');
    const [json, text] = await against(server.url);
    expect(json.status).toBe(7);
    expect(text.stderr).toMatch(/unknown shape.*\n.*aachat --version/);
  });

  test.each(['chat.example.org', 'ftp://example.org', 'https://mia:secret@example.org'])(
    'whose address is %s',
    async (url) => {
      const [json, text] = await against(url);
      expect(json.status).toBe(2);
      expect(text.stderr).toContain('is no address of a server');
    },
  );
});

describe('a home', () => {
  test.each([
    ['is a file', '/dev/null'],
    ['is below a file', '/dev/null/home'],
    ['takes no folders', '/proc/home/aachat'],
  ])('that %s', async (_, path) => {
    const { status, stderr } = await run(['inbox'], { env: { AACHAT_HOME: path }, isTerminal: true });
    expect(status).toBe(3);
    expect(stderr).toMatch(new RegExp(`cannot write into its home ${path}\\..*\n.*AACHAT_HOME`));
  });

  test('that cannot be used is said before anything is written', async () => {
    await using dir = await tempDir();
    const home = join(dir.path, 'home');
    await mkdir(home);
    // Root may write everywhere, but not into the home of somebody else.
    const isRoot = process.getuid?.() === 0;
    await (isRoot ? chown(home, 65_534, 65_534) : chmod(home, 0o500));
    const { status, stderr } = await run(['inbox'], { env: { AACHAT_HOME: home }, isTerminal: true });
    expect(await readdir(home)).toEqual([]);
    await (isRoot ? chown(home, 0, 0) : chmod(home, 0o700));
    expect(status).toBe(3);
    expect(stderr).toMatch(isRoot ? /belongs to another user/ : /cannot write into its home/);
    expect(stderr).toContain('AACHAT_HOME');
  });
});
