import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { attachSession } from '#contract/attachment.ts';
import { CONTROL_ROUTES } from '#contract/control.ts';
import { DownFrame, UpFrame } from '#contract/frames.ts';
import { ROUTES } from '#contract/routes.ts';
import { PROTOCOL_VERSION } from '#contract/version.ts';

/** Short digest of everything that travels. */
function fingerprint(): string {
  const schema = (type: z.ZodType, io: 'input' | 'output') => z.toJSONSchema(type, { io, unrepresentable: 'any' });
  const routes = Object.entries({ ...ROUTES, ...CONTROL_ROUTES, attachSession }).map(
    ([name, { method, path, params, query, body, reply }]) => ({
      name,
      method,
      path,
      params: schema(params, 'input'),
      query: schema(query, 'input'),
      body: schema(body, 'input'),
      reply: schema(reply, 'output'),
    }),
  );
  const frames = [schema(UpFrame, 'input'), schema(DownFrame, 'output')];
  return createHash('sha256').update(JSON.stringify({ routes, frames })).digest('hex').slice(0, 12);
}

test('a changed schema asks for a decision about the protocol version', () => {
  // Changed on purpose? If an old peer can still read it, update the fingerprint; if not, raise PROTOCOL_VERSION too.
  expect({ PROTOCOL_VERSION, fingerprint: fingerprint() }).toEqual({
    PROTOCOL_VERSION: 5,
    fingerprint: '0159a837b04f',
  });
});

test('no two routes have the same method and path shape', () => {
  const shapes = Object.values(ROUTES).map(({ method, path }) => `${method} ${path.replace(/:\w+/g, ':')}`);
  expect(shapes.filter((shape, index) => shapes.indexOf(shape) !== index)).toEqual([]);
});
