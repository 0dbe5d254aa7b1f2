import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { LOG_VERSION, LogEvent } from '#runtime/log-events.ts';

test('L2 a changed schema asks for a decision about the version of the log', () => {
  const schema = z.toJSONSchema(LogEvent, { unrepresentable: 'any' });
  const fingerprint = createHash('sha256').update(JSON.stringify(schema)).digest('hex').slice(0, 12);
  // Changed on purpose? If an older program can still read it, update the fingerprint; if not, raise LOG_VERSION too.
  expect({ LOG_VERSION, fingerprint }).toEqual({ LOG_VERSION: 1, fingerprint: '5c73385d9971' });
});
