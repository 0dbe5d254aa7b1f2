/** Conversations of the real Claude Code that are copied: as a whole, or up to a message. */
import { expect, test } from 'vitest';
import { claudeScene } from '../support/claude.ts';
import { script } from '../support/fake-anthropic.ts';

test('a fork knows what was said, and goes its own way beside the source', async () => {
  await using scene = await claudeScene();
  await using source = await scene.open();
  const first = await source.agent.prompt(`The word is HORIZON. ${script({ text: 'Noted.' })}`);
  const messageId = first.kind === 'ended' ? first.lastMessageId : null;
  const conversation = source.agent.conversation;
  // While the source lives, and in another mode than the source's.
  await using forked = await scene.open({ policy: 'full', fork: { conversation, messageId, isWhole: true } });
  expect(forked.agent).toMatchObject({ opened: 'forked', warnings: [] });
  expect(forked.agent.conversation).not.toBe(conversation);
  expect(forked.updates.filter(({ sessionUpdate }) => sessionUpdate === 'user_message_chunk')).toEqual([]);
  const aside = await forked.agent.prompt(`The word is ASIDE. ${script({ text: 'I know both.' })}`);
  expect(aside).toMatchObject({ text: 'I know both.' });
  const [knows] = scene.api.turns().slice(-1);
  expect(knows?.raw).toContain('HORIZON');
  expect(knows?.raw).toContain('MANAGED-TEXT-OF-OURS');
  // What the past cost is not paid for again.
  if (first.kind === 'ended' && aside.kind === 'ended') {
    expect(aside.counters.costMicros).toBeLessThan(3 * first.counters.costMicros);
  }
  await source.agent.prompt(script({ text: 'Still here.' }));
  expect(scene.api.turns().at(-1)?.raw).not.toContain('ASIDE');
});

test('a cut leaves out what came after the message, and can be resumed', async () => {
  await using scene = await claudeScene();
  let conversation = '';
  let messageId: string | null = null;
  {
    await using claude = await scene.open();
    await claude.agent.prompt(`The word is ONE. ${script({ text: 'First.' })}`);
    const second = await claude.agent.prompt(
      `The word is TWO. ${script({ say: 'Looking.', tool: 'Bash', input: { command: 'pwd' } }, { text: 'Second.' })}`,
    );
    messageId = second.kind === 'ended' ? second.lastMessageId : null;
    await claude.agent.prompt(`The word is THREE. ${script({ text: 'Third.' })}`);
    conversation = claude.agent.conversation;
  }
  let cut = '';
  {
    await using claude = await scene.open({ fork: { conversation, messageId, isWhole: false } });
    expect(claude.agent.opened).toBe('forked');
    await claude.agent.prompt(`The word is FOUR. ${script({ text: 'Fourth.' })}`);
    cut = claude.agent.conversation;
  }
  const words = () =>
    ['ONE', 'TWO', 'THREE', 'FOUR'].filter((word) => scene.api.turns().at(-1)?.raw.includes(`The word is ${word}.`));
  expect(words()).toEqual(['ONE', 'TWO', 'FOUR']);
  await using claude = await scene.open({ conversation: cut });
  expect(claude.agent.opened).toBe('resumed');
  await claude.agent.prompt(script({ text: 'Fifth.' }));
  expect(words()).toEqual(['ONE', 'TWO', 'FOUR']);
});

test.for([
  ['no program knows', { conversation: '0b6c1f4e-94a5-4c5e-8d6e-3a1f5b7c9d10', messageId: null, isWhole: true }],
  ['has no place to cut at', { conversation: '0b6c1f4e-94a5-4c5e-8d6e-3a1f5b7c9d10', messageId: null, isWhole: false }],
] as const)('a copy of a conversation that %s is a new one, and said to be', async ([, fork]) => {
  await using scene = await claudeScene();
  await using claude = await scene.open({ fork });
  expect(claude.agent.opened).toBe('renewed');
  expect(await claude.agent.prompt(script({ text: 'New here.' }))).toMatchObject({ text: 'New here.' });
});
