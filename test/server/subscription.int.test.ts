/** One reader of one stream: order, lost rights, and being behind. */
import { expect, test } from 'vitest';
import { newId } from '#base/id.ts';
import { DownFrame } from '#contract/frames.ts';
import type { ProjectId, TeamId, UserId } from '#contract/ids.ts';
import { openSubscription } from '#server/subscription.ts';
import { eventually } from '../support/eventually.ts';
import { testStore } from '../support/store.ts';

async function stage() {
  const own = await testStore();
  const { hub, store } = own;
  const stream = newId<ProjectId>();
  const party = { kind: 'user' as const, id: newId<UserId>(), name: 'bob' };
  const frames: DownFrame[] = [];
  const reader = { may: true, behind: false, denied: false };
  const subscription = openSubscription({
    stream,
    after: null,
    store,
    hub,
    allowed: () => true,
    reload: async () => reader.may,
    concerns: ({ type }) => type === 'member.removed',
    send: (frame) => void frames.push(DownFrame.parse(JSON.parse(String(frame)))),
    congested: () => reader.behind,
    onDenied: () => {
      reader.denied = true;
    },
    onError: (thrown) => {
      throw thrown;
    },
  });
  await eventually('it is live', () => frames.some(({ type }) => type === 'live'));
  return {
    frames,
    reader,
    subscription,
    /** Events of the batches that were sent. */
    types: () => frames.flatMap((frame) => (frame.type === 'batch' ? frame.events.map(({ type }) => type) : [])),
    joined: () =>
      store.transact(async (tx) => tx.emit({ stream, type: 'member.added', entityId: party.id, data: { party } })),
    removed: () =>
      store.transact(async (tx) => tx.emit({ stream, type: 'member.removed', entityId: party.id, data: { party } })),
    later: () =>
      store.transact(async (tx) =>
        tx.emit({
          stream,
          type: 'membership.changed',
          entityId: stream,
          data: { teamId: newId<TeamId>(), projectId: null },
        }),
      ),
    async [Symbol.asyncDispose]() {
      subscription.end();
      await own[Symbol.asyncDispose]();
    },
  };
}

test('nothing after the event that takes the right away is delivered, nor that event', async () => {
  await using it = await stage();
  await it.joined();
  await eventually('it is delivered', () => it.types().length === 1);
  it.reader.may = false;
  await Promise.all([it.removed(), it.later()]);
  await eventually('the reader is denied', () => it.reader.denied);
  await it.later();
  expect(it.types()).toEqual(['member.added']);
});

test('a reader that is behind gets nothing until it has caught up, then everything in order', async () => {
  await using it = await stage();
  it.reader.behind = true;
  for (let n = 0; n < 20; n += 1) await it.joined();
  expect(it.types()).toEqual([]);
  it.reader.behind = false;
  it.subscription.resume();
  await eventually('everything arrives', () => it.types().length === 20);
  await it.joined();
  await eventually('what follows is live again', () => it.types().length === 21);
  const batches = it.frames.flatMap((frame) => (frame.type === 'batch' ? [frame] : []));
  expect(batches.slice(1).map(({ from }) => from)).toEqual(batches.slice(0, -1).map(({ to }) => to));
});

test('asking again after a change elsewhere takes the right away without any event', async () => {
  await using it = await stage();
  it.reader.may = false;
  it.subscription.recheck();
  await eventually('the reader is denied', () => it.reader.denied);
  await it.joined();
  expect(it.types()).toEqual([]);
});
