import { expect, test } from 'vitest';
import { nearest } from '#base/nearest.ts';

const NAMES = ['launch', 'lunch', 'website', 'ada.mia', 'x'];

test.each([
  ['lauch', 'launch'],
  ['lauhcn', 'launch'],
  ['launhc', 'launch'],
  ['Website', 'website'],
  ['webiste', 'website'],
  ['adda.mia', 'ada.mia'],
  ['release', undefined],
  ['y', undefined],
  ['', undefined],
])('for %j somebody may have meant %j', (typed, name) => {
  expect(nearest(typed, NAMES)).toBe(name);
});

test('of two that are as near the first one', () => {
  expect(nearest('lanch', ['launch', 'lunch'])).toBe('launch');
});
