/** Cases by name; `merge.prop.test.ts` says what holds for all. */
import { describe, expect, test } from 'vitest';
import { merge, mergeBoth } from '#sync/core/merge.ts';

/** Merges without an overlap, whichever side is the head. */
function clean(base: string, head: string, submitted: string): string {
  const merged = merge(base, head, submitted);
  expect(merged.overlaps).toEqual([]);
  expect(merge(base, submitted, head)).toEqual(merged);
  return merged.text;
}

describe('lines', () => {
  test.for<readonly [string, string, string, string, string]>([
    ['other lines', 'a\nb\nc\n', 'A\nb\nc\n', 'a\nb\nC\n', 'A\nb\nC\n'],
    ['neighbouring lines', 'a\nb\n', 'A\nb\n', 'a\nB\n', 'A\nB\n'],
    ['identical changes go in once', 'a\nb\n', 'a\nx\nb\n', 'a\nx\nb\ny\n', 'a\nx\nb\ny\n'],
    ['an insertion beside a deletion', 'a\nb\nc\n', 'a\nc\n', 'a\nb\nnew\nc\n', 'a\nnew\nc\n'],
    ['an edit beside a deletion', 'a\nb\nc\n', 'a\nc\n', 'a\nb\nC\n', 'a\nC\n'],
    ['deletions that overlap', 'a\nb\nc\nd\n', 'a\nd\n', 'a\nb\n', 'a\n'],
    [
      'an edit outside a moved section',
      '# 1\na\n# 2\nb\n# 3\nc\n',
      '# 2\nb\n# 1\na\n# 3\nc\n',
      '# 1\na\n# 2\nb\n# 3\nC\n',
      '# 2\nb\n# 1\na\n# 3\nC\n',
    ],
    ['both in an empty text', '', 'one\n', 'two\n', 'one\ntwo\n'],
    ['one deletes everything that the other left alone', 'a\n', '', 'a\n', ''],
  ])('%s', ([, base, head, submitted, expected]) => {
    expect(clean(base, head, submitted)).toBe(expected);
  });
});

describe('insertions at one place keep both blocks whole', () => {
  test.for<readonly [string, string, string, string, string]>([
    ['two bullets', '- a\n', '- a\n- x\n', '- a\n- b\n', '- a\n- b\n- x\n'],
    [
      'code blocks that begin and end alike are not spliced',
      'a\n',
      'a\n```js\none\n```\n',
      'a\n```js\ntwo\n```\n',
      'a\n```js\none\n```\n```js\ntwo\n```\n',
    ],
    ['a block and its continuation', 'a\n', 'a\nx\n', 'a\nx\ny\n', 'a\nx\ny\n'],
    [
      'below a line that both changed',
      'one two\nend\n',
      'ONE two\nx\nend\n',
      'one TWO\ny\nend\n',
      'ONE TWO\nx\ny\nend\n',
    ],
  ])('%s', ([, base, head, submitted, expected]) => {
    expect(clean(base, head, submitted)).toBe(expected);
  });
});

describe('words', () => {
  test.for<readonly [string, string, string, string, string]>([
    ['of one line', 'one two three\n', 'ONE two three\n', 'one two THREE\n', 'ONE two THREE\n'],
    [
      'a task that is ticked and reworded',
      '- [ ] buy milk\n',
      '- [x] buy milk\n',
      '- [ ] buy oat milk\n',
      '- [x] buy oat milk\n',
    ],
    ['a wrapped line and a word of it', 'a b c d e\n', 'a b\nc d e\n', 'a b c d E\n', 'a b\nc d E\n'],
    [
      'a script without spaces',
      '今日は東京で会議です\n',
      '明日は東京で会議です\n',
      '今日は東京で会食です\n',
      '明日は東京で会食です\n',
    ],
    ['new newlines and a word', 'one two\nthree\n', 'one two\r\nthree\r\n', 'ONE two\nthree\n', 'ONE two\r\nthree\r\n'],
    ['combining marks and emoji stay whole', 'é 😀 z\n', 'é 😀 y\n', 'é 😁 z\n', 'é 😁 y\n'],
  ])('%s', ([, base, head, submitted, expected]) => {
    expect(clean(base, head, submitted)).toBe(expected);
  });
});

describe('overlaps', () => {
  test.for<readonly [string, string, string, string]>([
    ['one word, two ways', 'one two\n', 'one zwei\n', 'one deux\n'],
    ['a word beside a word that went', 'one two three\n', 'one three\n', 'one two 2 three\n'],
    ['an edit of a line that went', 'one two\n', '', 'one TWO\n'],
    ['two deletions whose rest would grow together', 'one two three\n', 'one three\n', 'one twothree\n'],
    ['two deletions that overlap, whose rest would grow together', 'x (a) y\n', 'x) y\n', 'x (y\n'],
    ['a line joined of two that were both edited', 'a b\nc d\n', 'a b c d\n', 'A b\nc D\n'],
  ])('%s', ([, base, head, submitted]) => {
    for (const [ours, theirs] of [
      [head, submitted],
      [submitted, head],
    ] as const) {
      const merged = merge(`top\n${base}end\n`, `top\n${ours}end\n`, `top\n${theirs}end\n`);
      expect(merged.text).toBe(`top\n${ours}end\n`);
      expect(merged.overlaps).toEqual([{ base, head: ours, submitted: theirs, line: 2 }]);
    }
  });

  test('the other changes of the submission go in, and the line is that of the merged text', () => {
    expect(merge('a\nb\nc\nd\ne\n', 'a\nB\nc\nd\ne\n', 'new\na\nbb\nc\nD\ne\n')).toEqual({
      text: 'new\na\nB\nc\nD\ne\n',
      overlaps: [{ base: 'b\n', head: 'B\n', submitted: 'bb\n', line: 3 }],
    });
  });

  test('neighbouring lines that both sides changed are one overlap, not a mixture', () => {
    const [base, head, submitted] = ['one two\nthree four\n', 'ONE two\nthree 4\n', 'one TWO\nthree vier\n'];
    expect(merge(base, head, submitted)).toEqual({ text: head, overlaps: [{ base, head, submitted, line: 1 }] });
  });
});

describe('what belongs together stays together', () => {
  test('a line that is unique in the text counts more than a fence that is unique in its part', () => {
    const fence = '```';
    const base = `${fence}js\none\n${fence}\n\nkeep this\n\n${fence}js\ntwo\n${fence}\n\nend\n`;
    const submitted = `${fence}js\none\n${fence}\n\nnew\n${fence}\n\nkeep this\nmore\n\nend\n`;
    expect(clean(base, base.replace('keep this', 'KEEP this'), submitted)).toBe(submitted.replace('keep', 'KEEP'));
  });

  test('a word of a line does not move to a line that was inserted above', () => {
    expect(merge('- a b\n- c d\n', '- a b\n- x y\n- c d\n', '- A b\n* c d\n')).toEqual({
      text: '- A b\n- x y\n- c d\n',
      overlaps: [{ base: '- c d\n', head: '- x y\n- c d\n', submitted: '* c d\n', line: 2 }],
    });
  });
});

describe('the end of the text', () => {
  test.for<readonly [string, string, string, string, string]>([
    ['two additions without a newline do not grow together', 'a', 'a\nx', 'a\ny', 'a\nx\ny'],
    ['the side that added the newline wins', 'a\nb', 'A\nb', 'a\nb\n', 'A\nb\n'],
    ['the side that took it away wins', 'a\nb\n', 'A\nb\n', 'a\nb', 'A\nb'],
    ['a line added below a last line without newline', 'a\r\nb', 'A\r\nb', 'a\r\nb\r\nc', 'A\r\nb\r\nc'],
  ])('%s', ([, base, head, submitted, expected]) => {
    expect(clean(base, head, submitted)).toBe(expected);
  });

  test('a byte order mark, odd newlines and halves of characters stay', () => {
    expect(
      clean('\u{FEFF}a\r\rb\u{2028}c\n\n\nd\n', '\u{FEFF}a\r\rb\u{2028}c\n\n\nD\n', '\u{FEFF}A\r\rb\u{2028}c\n\n\nd\n'),
    ).toBe('\u{FEFF}A\r\rb\u{2028}c\n\n\nD\n');
    expect(clean('\u{D800} a\n', '\u{D800} A\n', '\u{D800} a\nb\n')).toBe('\u{D800} A\nb\n');
  });

  test('words of Object.prototype are words', () => {
    expect(clean('constructor\n__proto__\n', 'constructor\n__proto__\ntoString\n', 'x\n__proto__\n')).toBe(
      'x\n__proto__\ntoString\n',
    );
  });
});

describe('hostile text comes to an end', () => {
  const numbered = (name: string, count: number) => Array.from({ length: count }, (_, index) => `${name}${index}`);

  test('64,000 lines, all of them different', () => {
    const [base, head, submitted] = ['o', 'h', 's'].map((name) => `${numbered(name, 64_000).join('\n')}\n`) as [
      string,
      string,
      string,
    ];
    expect(merge(base, head, submitted)).toEqual({ text: head, overlaps: [{ base, head, submitted, line: 1 }] });
  });

  test('every other line blank', () => {
    const lines = numbered('o', 32_000);
    const text = (all: readonly string[]) => `${all.join('\n\n')}\n`;
    const merged = clean(text(lines), text(lines.with(7, 'head')), text(lines.toSpliced(20_000, 2, 'new')));
    expect(merged).toBe(text(lines.with(7, 'head').toSpliced(20_000, 2, 'new')));
  });

  test('one line of 1 MB, of two words', () => {
    const words = (seed: number) =>
      Array.from({ length: 250_000 }, (_, index) => ((index * index * seed) % 7 < 3 ? 'a' : 'bcd'));
    const base = `${words(1).join(' ')}\n`;
    const head = `first ${base}`;
    const submitted = `${base.trimEnd()} last\n`;
    expect(clean(base, head, submitted)).toBe(`first ${submitted}`);
    expect(merge(base, `${words(2).join(' ')}\n`, `${words(3).join(' ')}\n`).overlaps.length).toBe(1);
  });
});

describe('keeping both', () => {
  test.each([
    ['an overlap has both texts below each other', 'a\nb\nc\n', 'a\nX\nc\n', 'a\nY\nc\n', 'a\nX\nY\nc\n'],
    ['what merges is merged', 'a\nb\nc\n', 'A\nb\nX\n', 'a\nb\nY\nd\n', 'A\nb\nX\nY\nd\n'],
    ['a last line without its end stays two lines', 'a\nb', 'a\nX', 'a\nY', 'a\nX\nY'],
    ['what one side deleted and the other changed stays', 'a\nb\nc\n', 'a\nc\n', 'a\nB!\nc\n', 'a\nB!\nc\n'],
    ['without a base what both have stands once', undefined, 'a\nX\nc\n', 'a\nY\nc\nd\n', 'a\nX\nY\nc\nd\n'],
    ['without a base and nothing in common', undefined, 'x\n', 'y\n', 'x\ny\n'],
  ])('%s', (_, base, head, submitted, text) => {
    expect(mergeBoth(base, head, submitted)).toBe(text);
  });
});
