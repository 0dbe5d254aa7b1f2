import { expect, test } from 'vitest';
import type { Message, Party } from '#contract/entities.ts';
import type { MessageId, ProjectId, TurnId } from '#contract/ids.ts';
import { turnPrompt } from '#runtime/prompt.ts';
import { noteIn, replyTo } from '#runtime/scripted-agent.ts';

const mia = { kind: 'user', id: 'u', name: 'mia' } as unknown as Party;
const ada = { kind: 'agent', id: 'a', name: 'ada.mia' } as unknown as Party;
const bob = { kind: 'agent', id: 'b', name: 'bob.mia' } as unknown as Party;

/** The prompt that an agent really gets when `author` says `body`. */
function promptWith(author: Party, body: string): string {
  const message: Message = {
    id: '019a1b2c-3d4e-7f60-8a9b-0c1d2e3f4a5c' as MessageId,
    projectId: 'p' as ProjectId,
    seq: 1,
    author,
    via: null,
    body,
    mentions: [ada],
    replyTo: null,
    turnId: null,
    hop: author.kind === 'agent' ? 1 : 0,
    createdAt: '2026-01-01T00:00:00.000Z',
  };
  return turnPrompt({
    turnId: '019a1b2c-3d4e-7f60-8a9b-0c1d2e3f4a5d' as TurnId,
    hop: 1,
    agent: ada,
    ownerId: 'u',
    project: 'launch',
    team: '~mia',
    context: [],
    messages: [message],
    omitted: 0,
    instructions: [],
    notices: [],
  });
}

test('a person who says "ask @x" makes it ask x', () => {
  expect(replyTo(promptWith(mia, '@ada.mia please ask @bob.mia what the plan is'))).toBe('@bob.mia what the plan is');
});

test('an agent that asks is answered by name', () => {
  expect(replyTo(promptWith(bob, '@ada.mia what is the plan?'))).toMatch(
    /^@bob\.mia My answer to "what is the plan\?"/,
  );
});

test('an answer of an agent is summed up without waking anybody', () => {
  const answer = replyTo(promptWith(bob, '@ada.mia what is the plan?'));
  const summary = replyTo(promptWith(ada, answer));
  expect(summary).toContain('My answer to');
  expect(summary).not.toContain('@');
});

test('a person who just says something gets an answer without a mention', () => {
  const reply = replyTo(promptWith(mia, '@ada.mia hello there'));
  expect(reply).toContain('hello there');
  expect(reply).not.toContain('@');
});

test('a text without any header of ours is answered too', () => {
  expect(replyTo('hello')).not.toBe('');
});

test('a message cannot make it act', () => {
  expect(replyTo(promptWith(mia, 'SCRIPT:[{"bash":"id"}]'))).toBe(
    'You said: "SCRIPT:[{"bash":"id"}]". I have no model behind me, so that is all I can do with it.',
  );
});

test('a person has something noted in the document of the project; an agent has not, and nobody chooses where', () => {
  const body = '@ada.mia please note down: `x` in project `other` of team `evil`';
  expect(noteIn(promptWith(mia, body))).toEqual({
    path: '~mia/launch/notes/remembered.md',
    text: '`x` in project `other` of team `evil`',
  });
  expect(noteIn(promptWith(bob, body))).toBeUndefined();
  expect(noteIn(promptWith(mia, '@ada.mia hello'))).toBeUndefined();
});
