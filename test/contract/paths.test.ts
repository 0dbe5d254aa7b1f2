import { describe, expect, test } from 'vitest';
import {
  conflictWho,
  DocumentName,
  foldName,
  formatConflictPath,
  formatDocumentPath,
  parseConflictPath,
  parseDocumentPath,
} from '#contract/paths.ts';

describe('a document path', () => {
  test.for([
    ['acme/launch/notes/plan.md', { team: 'acme', project: 'launch', kind: 'notes', name: 'plan' }],
    ['~mia/dm.ada.mia/notes/a.b.md', { team: '~mia', project: 'dm:ada.mia', kind: 'notes', name: 'a.b' }],
    ['acme/launch/notes/Übersicht 東京 हिन्दी.md', { name: 'Übersicht 東京 हिन्दी' }],
    ['acme/launch/notes/read.md.md', { name: 'read.md' }],
    ['acme/launch/notes/_template.md', { name: '_template' }],
  ] as const)('%s is read, and written the same', ([text, parts]) => {
    expect(parseDocumentPath(text)).toMatchObject(parts);
    expect(formatDocumentPath(parseDocumentPath(text))).toBe(text);
  });

  test.for([
    ['acme/launch/plan.md', /<team>\/<project>\/<kind>/],
    ['acme/launch/notes/more/plan.md', /<team>\/<project>\/<kind>/],
    ['/acme/launch/notes/plan.md', /<team>/],
    ['../launch/notes/plan.md', /team name/],
    ['acme/../notes/plan.md', /project name/],
    ['acme/dm:ada.mia/notes/plan.md', /dm\.<agent>/],
    ['acme/launch/../plan.md', /kind/],
    ['acme/launch/Notes/plan.md', /kind/],
    ['acme/launch/nul/plan.md', /device/],
    ['acme/launch/notes/plan.txt', /\.md/],
    ['acme/launch/notes/.md', /needs a name/],
    ['acme/launch/notes/..md', /begins and ends/],
    ['acme/launch/notes/_errors.md', /belong to aachat/],
    ['acme/launch/notes/_Template.md', /belong to aachat/],
    ['acme/launch/_template.md', /<team>\/<project>\/<kind>/],
    ['acme/launch/notes/plan.CONFLICT-1-mia.md', /belong to aachat/],
    ['acme/launch/notes/a\\b.md', /not "\\\\"/],
    ['acme/launch/notes/a\u0000b.md', /letters, digits/],
    ['acme/launch/notes/a\u200db.md', /letters, digits/],
    ['acme/launch/notes/\u3164a.md', /letters, digits/],
    ['acme/launch/notes/plan .md', /begins and ends/],
    ['acme/launch/notes/cafe\u0301.md', /accents/],
    ['acme/launch/notes/Con.md', /device/],
    ['acme/launch/notes/com¹.x.md', /device/],
    [`acme/launch/notes/${'a'.repeat(65)}.md`, /at most 64/],
    [`acme/launch/notes/${'𠀀'.repeat(46)}.md`, /180 bytes/],
  ] as const)('%j is refused with a reason', ([text, reason]) => {
    expect(() => parseDocumentPath(text)).toThrow(expect.objectContaining({ code: 'VALIDATION_ERROR' }));
    expect(() => parseDocumentPath(text)).toThrow(reason);
  });

  test('a device is only a whole first part', () => {
    expect(DocumentName.safeParse('console').success).toBe(true);
    expect(DocumentName.safeParse('a.con').success).toBe(true);
  });
});

describe('foldName', () => {
  test.for([
    ['Plan', 'pLAN'],
    ['É', 'e\u0301'],
    ['Straße', 'STRASSE'],
    ['STRAẞE', 'strasse'],
    ['ΟΔΟΣ', 'οδος'],
    ['K', '\u212a'],
  ] as const)('%s and %s are one name', ([a, b]) => {
    expect(foldName(a)).toBe(foldName(b));
  });
});

describe('a conflict path', () => {
  const document = { team: 'acme', project: 'launch', kind: 'notes', name: 'plan' };

  test('names the document, the number and the author, and is read back', () => {
    const conflict = { document, number: 2, who: conflictWho('ada.mia') };
    expect(formatConflictPath(conflict)).toBe('acme/launch/notes/plan.conflict-2-ada.md');
    expect(parseConflictPath(formatConflictPath(conflict))).toEqual(conflict);
  });

  test.for([
    'acme/launch/notes/plan.md',
    'acme/launch/notes/plan.conflict-0-ada.md',
    'acme/launch/notes/plan.conflict-1-.md',
    'acme/launch/notes/plan.conflict-1-Ada.md',
    'acme/launch/notes/plan.conflict-1-ada.conflict-2-mia.md',
    'acme/launch/notes/_x.conflict-1-ada.md',
  ])('%s is none', (text) => {
    expect(parseConflictPath(text)).toBeUndefined();
  });
});
