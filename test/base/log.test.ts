import { describe, expect, test } from 'vitest';
import { AachatError } from '#base/errors.ts';
import { createLog } from '#base/log.ts';

function capture(secrets: readonly string[] = []) {
  const lines: string[] = [];
  const log = createLog({ write: (line) => lines.push(line), secrets: () => secrets });
  return { log, lines, last: () => JSON.parse(lines.at(-1) ?? '{}') as Record<string, unknown> };
}

describe('log', () => {
  test('a line has time, level, event and the fields of its parents', () => {
    const { log, last } = capture();
    log.child({ sid: '12345678' }).info('agent.started', { pid: 7 });
    expect(last()).toEqual({
      at: expect.stringMatching(/^\d{4}-.*Z$/),
      level: 'info',
      event: 'agent.started',
      sid: '12345678',
      pid: 7,
    });
  });

  test('a secret never appears, wherever it stands', () => {
    const { log, lines } = capture(['hunter2hunter2']);
    log
      .child({ a: 'hunter2hunter2' })
      .error('x.failed', { error: new Error('no hunter2hunter2'), deep: { b: ['hunter2hunter2'] } });
    expect(lines.join('')).not.toContain('hunter2');
  });

  test.for(['two\nlines', 'say "please"', 'C:\\secret\\path'])(
    'so does %j, which a line spells in another way',
    (secret) => {
      const { log, lines } = capture([secret]);
      log.info('x.started', { value: secret, error: new Error(`not ${secret}`) });
      expect(lines.join('')).not.toContain(JSON.stringify(secret).slice(1, -1));
      expect(lines.join('')).toContain('[redacted]');
    },
  );

  test('an expected error has no stack, a bug has one', () => {
    const { log, last } = capture();
    log.warn('x.refused', { error: new AachatError('NOT_FOUND', 'No x.', { details: { id: 'x' } }) });
    expect(last()['error']).toEqual({ code: 'NOT_FOUND', message: 'No x.', id: 'x' });
    log.error('x.failed', { error: new TypeError('bug') });
    expect(last()['error']).toMatchObject({ code: 'INTERNAL', stack: expect.stringContaining('bug') });
  });
});
