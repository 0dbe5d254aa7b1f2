import { expect, test } from 'vitest';
import { documentDetails, documentsLine, documentTroubles } from '#cli/documents-view.ts';
import { clockTime } from '#cli/output.ts';
import type { MirrorView } from '#contract/control.ts';

const view = (more: Partial<MirrorView> = {}): MirrorView => ({
  kind: 'home',
  root: '/home/mia/aachat/docs',
  state: 'in sync',
  pending: [],
  problems: [],
  faults: [],
  conflicts: [],
  kept: [],
  replacesBy: 'exchange',
  isWatched: true,
  ...more,
});
const repo = (more: Partial<MirrorView> = {}) => view({ kind: 'repo', root: '/code/aachat/docs', ...more });
const path = 'acme/launch/notes/plan.md';
/** A shell would take `~mia` for a folder of that person. */
const ASIDE = '~mia/launch/notes/plan.conflict-1-noa.md';
const SINCE = '2026-11-20T14:00:00.000Z';
const FAULT = { path, reason: 'due is missing.' };

test.each([
  ['all are well', [view(), repo()], 'documents  in sync  2 folders'],
  [
    'one waits',
    [view(), repo({ state: 'syncing', pending: [{ path, since: SINCE, why: '' }] })],
    'syncing  2 folders  waiting=1',
  ],
  ['the worst counts', [view({ state: 'offline' }), repo({ state: 'stopped' })], 'stopped  2 folders'],
  ['a file is not shared', [view({ problems: [{ path: 'x', reason: '' }] })], 'in sync but for 1 file  1 folder'],
  ['two show one fault', [view({ faults: [FAULT] }), repo({ faults: [FAULT] })], '2 folders  not as asked=1'],
  ['two show one conflict', [view({ conflicts: ['c'] }), repo({ conflicts: ['c'] })], '2 folders  conflicts=1'],
] as const)('one line says the state of all folders: %s', (_, mirrors, line) => {
  expect(documentsLine(mirrors)).toContain(line);
});

test('what a person has to see to has a line with the next step', () => {
  const lines = documentTroubles([
    view({ state: 'stopped', reason: 'Its folder was emptied.', kept: [{ path, file: '/kept/plan.md' }] }),
    repo({ state: 'failed', reason: 'A part of it is a link.', problems: [{ path: 'x', reason: 'It is a link.' }] }),
    view({ conflicts: [ASIDE] }),
    repo({ conflicts: [ASIDE] }),
  ]);
  expect(lines).toEqual([
    expect.stringMatching(/was emptied\. Should the files come back, or be deleted for everybody\?/),
    expect.stringMatching(/: aachat doc resume --restore \/home\/mia\/aachat\/docs$/),
    expect.stringMatching(/: aachat doc resume --delete \/home\/mia\/aachat\/docs$/),
    `! /home/mia/aachat/docs/${path} had to give way; its text is in /kept/plan.md`,
    '! /code/aachat/docs: A part of it is a link.',
    '! /code/aachat/docs/x: It is a link.',
    `! ${ASIDE} was kept aside: aachat doc conflicts '~mia/launch/notes/plan.md'`,
  ]);
});

test('details name what waits and why, but not without end', () => {
  const pending = Array.from({ length: 12 }, (_, index) => ({ path: `p${index}`, since: SINCE, why: 'No answer.' }));
  const lines = documentDetails([
    view({
      state: 'offline',
      reason: 'No server.',
      since: SINCE,
      pending,
      replacesBy: 'copy',
      isWatched: false,
      conflicts: ['c'],
    }),
  ]);
  const since = clockTime(SINCE);
  expect(lines).toContain(`  /home/mia/aachat/docs: offline since ${since} (No server.)  conflicts=1`);
  expect(lines).toContain(`    p9 waits since ${since}: No answer.`);
  expect(lines).toContain('    and 2 more');
  expect(lines.join('\n')).toContain('no hard links');
  expect(lines.join('\n')).toContain('raise fs.inotify.max_user_watches');
  expect(documentDetails([])).toEqual([]);
});

test('documents that are not as their template asks have a line each, once, and the first ones only', () => {
  const faults = Array.from({ length: 12 }, (_, n) => ({
    path: `acme/launch/tasks/n${n}.md`,
    reason: 'due is missing.',
  }));
  const lines = documentTroubles([view({ faults }), repo({ faults })]);
  expect(lines).toHaveLength(11);
  expect(lines[0]).toBe('! acme/launch/tasks/n0.md is shared, but not as its template asks: due is missing.');
  expect(lines[10]).toBe('! and 2 more: see _errors.md of their projects');
});

test('many files that are not shared, or were kept aside, have a line each up to a point', () => {
  const many = Array.from({ length: 12 }, (_, n) => `acme/launch/notes/n${n}`);
  const problems = many.map((name) => ({ path: `${name}.md`, reason: 'It is a link.' }));
  const mirrors = [view({ problems, conflicts: many.map((name) => `${name}.conflict-1-noa.md`) })];
  // `aachat up` says each of them when it comes.
  expect(documentTroubles(mirrors)).toHaveLength(24);
  const lines = documentDetails(mirrors).filter((line) => line.startsWith('!'));
  expect(lines).toHaveLength(22);
  expect(lines[10]).toMatch(/^! and 2 more in \/home\/mia\/aachat\/docs: .*aachat status --json$/);
  expect(lines[21]).toBe('! and 2 more were kept aside: aachat doc conflicts');
});
