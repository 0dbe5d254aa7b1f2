import { join } from 'node:path';
import { expect, test } from 'vitest';
import { newId } from '#base/id.ts';
import { silentLog } from '#base/log.ts';
import { ownIdentity } from '#base/process.ts';
import { attachSession } from '#contract/attachment.ts';
import type { SessionId } from '#contract/ids.ts';
import { openControlClient, openControlServer } from '#runtime/control.ts';
import { tempDir } from '../support/temp.ts';

test('what is said last comes to whoever looks on, though the end is there already', async () => {
  await using dir = await tempDir();
  const path = join(dir.path, 'run', 'up.sock');
  const last = Promise.withResolvers<void>();
  const event = (count: number) => ({ type: 'dropped', at: '2026-01-01T00:00:00.000Z', count }) as const;
  const unused = () => Promise.reject(new Error('Nobody asks for it.'));
  const handlers = {
    getStatus: unused,
    listPermissions: unused,
    answerPermission: unused,
    beatAttachment: unused,
    stopUp: unused,
    resumeMirror: unused,
    beginMirrors: unused,
    attachSession: async () =>
      (async function* () {
        yield event(1);
        await last.promise;
        yield event(2);
      })(),
  };
  const server = await openControlServer(path, handlers, silentLog);
  await using client = await openControlClient(path);
  const body = { interactive: false, holder: ownIdentity() };
  const input = { params: { sessionId: newId<SessionId>() }, body };
  const events = client.stream(attachSession, input, new AbortController().signal);
  expect((await events.next()).value).toEqual(event(1));
  const ended = server[Symbol.asyncDispose]();
  last.resolve();
  expect((await events.next()).value).toEqual(event(2));
  expect((await events.next()).done).toBe(true);
  await ended;
});
