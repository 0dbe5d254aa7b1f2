import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { AachatError } from '#base/errors.ts';
import { newId } from '#base/id.ts';
import { answer, errorFromBody, matchPath, route, routePath } from '#contract/route.ts';
import { ROUTES } from '#contract/routes.ts';

const echo = route({
  method: 'POST',
  path: '/v1/things/:thing',
  params: z.object({ thing: z.string() }),
  query: z.object({ times: z.coerce.number().int().default(1) }),
  body: z.object({ text: z.string().min(1, 'It needs a text.') }),
  reply: z.object({ said: z.string() }),
});
const raw = (body: unknown) => ({ params: { thing: 'a' }, query: {}, body: async () => body });
const ignore = () => {};

describe('route', () => {
  test('a path survives building and matching, whatever the name holds', () => {
    const thing = '~mia/50%?#ü';
    expect(matchPath(echo, routePath(echo, { thing }))).toEqual({ thing });
    expect(matchPath(echo, '/v1/things')).toBeUndefined();
    expect(matchPath(echo, '/v1/other/x')).toBeUndefined();
  });

  test('parses what comes in and what goes out', async () => {
    const reply = await answer(
      echo,
      raw({ text: 'hi' }),
      async ({ params, query, body }) => ({ said: `${params.thing}${query.times}${body.text}` }),
      ignore,
    );
    expect([reply.status, await reply.json()]).toEqual([200, { said: 'a1hi' }]);
  });

  test('bad input names the problem', async () => {
    const reply = await answer(echo, raw({ text: '' }), async () => ({ said: '' }), ignore);
    expect(reply.status).toBe(400);
    expect(await reply.json()).toMatchObject({ error: { code: 'VALIDATION_ERROR', message: 'It needs a text.' } });
  });

  test('an expected error keeps code, message and hint over the wire', async () => {
    const thrown = new AachatError('NOT_FOUND', 'No thing a.', { hint: 'Run `aachat thing list`.' });
    const reply = await answer(echo, raw({ text: 'x' }), () => Promise.reject(thrown), ignore);
    const again = errorFromBody(reply.status, await reply.json());
    expect([reply.status, again.code, again.message, again.hint]).toEqual([
      404,
      'NOT_FOUND',
      'No thing a.',
      'Run `aachat thing list`.',
    ]);
  });

  test('a bug stays opaque, and so does a reply that breaks the contract', async () => {
    const heard: string[] = [];
    const hear = (error: AachatError, requestId: string) => heard.push(`${error.code} ${requestId}`);
    const bug = await answer(echo, raw({ text: 'x' }), () => Promise.reject(new Error('password=1')), hear);
    const broken = await answer(echo, raw({ text: 'x' }), async () => ({ said: 5 }) as never, hear);
    for (const reply of [bug, broken]) {
      const { error } = (await reply.json()) as { error: { message: string; requestId: string } };
      expect([reply.status, error.message]).toEqual([500, 'The server failed.']);
      expect(heard).toContain(`INTERNAL ${error.requestId}`);
    }
  });

  test('an answer that is no error body of ours says that nothing of ours is there', () => {
    expect(errorFromBody(502, '<html>').code).toBe('SERVER_UNREACHABLE');
    expect(errorFromBody(500, { error: { code: 'FROM_THE_FUTURE', message: 'new' } })).toMatchObject({
      code: 'INTERNAL',
      message: 'new',
    });
  });
});

test('a session has a name that can be seen and typed, or none', () => {
  const isTaken = (name: string) => ROUTES.forkSession.body.safeParse({ clientId: newId(), name }).success;
  expect(['poem', ' a poem ', 'Gedicht über 詩', 'x'].map(isTaken)).toEqual([true, true, true, true]);
  expect(['', '  ', '\u200b', 'two\nlines', 'red \u001b[31m', 'x'.repeat(101)].map(isTaken)).toEqual(
    Array(6).fill(false),
  );
});
