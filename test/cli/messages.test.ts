import { describe, expect, test } from 'vitest';
import { messageText, resolveMessageId, showMessages } from '#cli/messages.ts';
import { MESSAGE_LIMIT, type Message } from '#contract/entities.ts';
import type { ProjectId } from '#contract/ids.ts';
import { commandFacts, testContext } from '../support/command.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const stdin = (...chunks: readonly Uint8Array[]) => commandFacts([], { stdin: chunks }).facts;

describe('the text of a message', () => {
  test('is the words of the command line', async () => {
    expect(await messageText(stdin(), ['hello', '@ada'], false)).toBe('hello @ada');
  });

  test('is standard input, for --stdin and for `-`, without the line end that shells add', async () => {
    expect(await messageText(stdin(bytes('line 1\n'), bytes('line 2\n\n')), [], true)).toBe('line 1\nline 2');
    expect(await messageText(stdin(bytes('text')), ['-'], false)).toBe('text');
  });

  test('keeps letters that a chunk of input cuts in two', async () => {
    const all = bytes('Grüße');
    expect(await messageText(stdin(all.slice(0, 3), all.slice(3)), ['-'], false)).toBe('Grüße');
  });

  test('cannot come from both', async () => {
    await expect(messageText(stdin(), ['hello'], true)).rejects.toMatchObject({ code: 'USAGE' });
  });

  test.each([
    ['nothing', bytes(''), /needs some text/],
    ['blanks', bytes(' \n\t\n'), /needs some text/],
    ['a picture', new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]), /no text in UTF-8/],
    ['text of another encoding', new Uint8Array([0x47, 0x72, 0xfc, 0xdf, 0x65]), /no text in UTF-8/],
    ['NUL bytes', bytes('a\0b'), /NUL bytes/],
    ['more than fits', bytes('x'.repeat(MESSAGE_LIMIT + 1)), /at most 32000 characters/],
  ])('%s is refused', async (_, input, message) => {
    await expect(messageText(stdin(input), [], true)).rejects.toMatchObject({
      code: 'VALIDATION_ERROR',
      exitStatus: 2,
      message: expect.stringMatching(message),
    });
  });

  test('the longest one is taken', async () => {
    expect(await messageText(stdin(bytes('x'.repeat(MESSAGE_LIMIT))), [], true)).toHaveLength(MESSAGE_LIMIT);
  });

  test('input without end is not waited for', async () => {
    let read = 0;
    const endless = {
      *[Symbol.iterator]() {
        for (;;) {
          read += 1;
          yield new Uint8Array(65_536).fill(120);
        }
      },
    };
    const { facts } = commandFacts([], { stdin: endless });
    await expect(messageText(facts, [], true)).rejects.toMatchObject({ code: 'VALIDATION_ERROR' });
    expect(read).toBeLessThan(50);
  });
});

const PROJECT = '019a1b2c-3d4e-7f60-8a9b-0c1d2e3f4a5b' as ProjectId;
const message = (id: string, more: Partial<Message> = {}): Message =>
  ({
    id,
    projectId: PROJECT,
    seq: 1,
    author: { kind: 'user', id: '019a1b2c-3d4e-7f60-8a9b-0c1d2e3f4a51', name: 'mia' },
    via: null,
    body: 'hello',
    mentions: [],
    replyTo: null,
    turnId: null,
    hop: 0,
    createdAt: '2026-01-01T00:00:00.000Z',
    ...more,
  }) as Message;

describe('a message is named by', () => {
  const recent = [
    message('019a1b2c-3d4e-7f60-8a9b-00000000aaaa'),
    message('019a1b2c-3d4e-7f60-8a9b-00000001aaaa'),
    message('019a1b2c-3d4e-7f60-8a9b-00000002bbbb'),
  ];
  const world = () =>
    testContext({ [`GET /v1/projects/${PROJECT}/messages`]: { messages: recent, hasMore: false, readSeq: 0 } });

  test('its id, the short form, or any part that only it has', async () => {
    const { context } = world();
    const { http } = await context.connect();
    for (const text of ['019a1b2c-3d4e-7f60-8a9b-00000002bbbb', '0002BBBB', 'bbbb']) {
      expect(await resolveMessageId(context, http, PROJECT, text)).toBe(recent[2]?.id);
    }
  });

  test('a part that several have lists them', async () => {
    const { context } = world();
    const { http } = await context.connect();
    await expect(resolveMessageId(context, http, PROJECT, 'aaaa')).rejects.toMatchObject({
      code: 'AMBIGUOUS_NAME',
      message: expect.stringMatching(/0000aaaa \(\S+\), 0001aaaa/),
    });
  });

  test('too few digits, or something else, is not found', async () => {
    const { context } = world();
    const { http } = await context.connect();
    for (const text of ['bbb', 'hello', '']) {
      await expect(resolveMessageId(context, http, PROJECT, text)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    }
  });
});

test('a message is shown with its author, its facts, and a clean body with a margin', () => {
  const { context } = testContext({});
  const shown = showMessages(context, [
    message('019a1b2c-3d4e-7f60-8a9b-00000000aaaa', {
      via: 'claude-code',
      replyTo: '019a1b2c-3d4e-7f60-8a9b-00000002bbbb' as Message['id'],
      body: 'one\u001b[2J\ntwo',
    }),
  ]);
  expect(shown).toMatch(/^mia .* · via claude-code · re 0002bbbb · 0000aaaa\n {2}one\n {2}two$/);
});
