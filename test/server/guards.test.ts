/** Strange hosts, foreign pages and other protocols are turned away. */
import { describe, expect, test } from 'vitest';
import { OLDEST_PROTOCOL, PROTOCOL_VERSION } from '#contract/version.ts';
import { isLoopback, protocolMismatch, strangeCaller } from '#server/guards.ts';

describe('strangeCaller', () => {
  test.for([
    ['127.0.0.1:4711', undefined, true],
    ['localhost:4711', undefined, true],
    ['[::1]:4711', undefined, true],
    ['localhost:4711', 'http://localhost:4711', true],
    ['localhost:4711', 'http://localhost:4712', false],
    ['localhost:4711', 'null', false],
    ['localhost:4711', 'https://evil.example', false],
    ['evil.example:4711', undefined, false],
    ['evil.example', 'http://evil.example', false],
    ['localhost.evil.example', undefined, false],
    ['127.0.0.1.evil.example', undefined, false],
    ['', undefined, false],
    [undefined, undefined, false],
  ] as const)('on loopback, host %j with origin %j is let in: %j', ([host, origin, welcome]) => {
    expect(strangeCaller({ host, origin }, true) === undefined).toBe(welcome);
  });

  test.for([
    ['chat.example', undefined, true],
    ['chat.example', 'https://chat.example', true],
    ['chat.example', 'https://evil.example', false],
  ] as const)('elsewhere, host %j with origin %j is let in: %j', ([host, origin, welcome]) => {
    expect(strangeCaller({ host, origin }, false) === undefined).toBe(welcome);
  });
});

test('only this machine reaches a loopback listener', () => {
  expect(['127.0.0.1', '::1', 'localhost', '0.0.0.0', '192.168.1.2'].map(isLoopback)).toEqual([
    true,
    true,
    true,
    false,
    false,
  ]);
});

test('another protocol is told which side to upgrade', () => {
  expect(protocolMismatch(undefined)).toBeUndefined();
  expect(protocolMismatch(PROTOCOL_VERSION)).toBeUndefined();
  expect(protocolMismatch(OLDEST_PROTOCOL - 1)).toMatchObject({
    code: 'PROTOCOL_MISMATCH',
    hint: expect.stringContaining('this aachat'),
  });
  expect(protocolMismatch(PROTOCOL_VERSION + 1)?.hint).toContain('where the server runs');
  expect(protocolMismatch('x')).toMatchObject({ code: 'PROTOCOL_MISMATCH' });
});
