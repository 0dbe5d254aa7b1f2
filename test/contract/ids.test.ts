import { describe, expect, test } from 'vitest';
import { newId } from '#base/id.ts';
import { AgentName, Login, matchId, ProjectName, shortId } from '#contract/ids.ts';
import fc from '../support/property.ts';

describe('ids', () => {
  const rows = Array.from({ length: 40 }, () => ({ id: newId() }));
  const row = fc.constantFrom(...rows);

  test('the full id and the short form find exactly what they name', () => {
    fc.assert(
      fc.property(row, (wanted) => {
        expect(matchId(wanted.id, rows)).toEqual([wanted]);
        expect(matchId(shortId(wanted.id).toUpperCase(), rows)).toEqual([wanted]);
      }),
    );
  });

  test('any start or end of at least four digits finds it among others, never nothing', () => {
    fc.assert(
      fc.property(row, fc.integer({ min: 4, max: 31 }), fc.boolean(), (wanted, length, fromStart) => {
        const digits = wanted.id.replaceAll('-', '');
        const part = fromStart ? digits.slice(0, length) : digits.slice(-length);
        expect(matchId(part, rows)).toContain(wanted);
      }),
    );
  });

  test('ids of one moment share their start, so several matches are shown', () => {
    expect(matchId(rows[0]?.id.slice(0, 8) ?? '', rows).length).toBeGreaterThan(1);
  });

  test.for(['abc', '', 'hello', '------', 'zzzz'])('%j names no id', (text) => {
    expect(matchId(text, rows)).toEqual([]);
  });

  test.for([
    [Login, 'mia', true],
    [Login, 'mia.x', false],
    [Login, '-mia', false],
    [Login, 'Mia', false],
    [AgentName, 'ada.mia', true],
    [AgentName, 'ada', false],
    [ProjectName, 'dm:ada.mia', true],
    [ProjectName, 'site-2', true],
    [ProjectName, '../x', false],
  ] as const)('name %#', ([schema, text, ok]) => {
    expect(schema.safeParse(text).success).toBe(ok);
  });
});
