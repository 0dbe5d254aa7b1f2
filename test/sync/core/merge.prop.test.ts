/** What must hold for every merge. `MERGE_RUNS` asks for more runs by hand. */

import { expect, test } from 'vitest';
import { merge } from '#sync/core/merge.ts';
import fc from '../../support/property.ts';
import { longLine, type Pair, pairs } from './edits.ts';

const numRuns = Number(process.env['MERGE_RUNS'] ?? 300);
const holds = (check: (pair: Pair) => void) => fc.assert(fc.property(pairs(14), check), { numRuns });

const words = (text: string): string[] => text.match(/\w+/g) ?? [];
const lines = (text: string): string[] => text.split(/\r?\n/);
const without = (all: readonly string[], known: readonly string[]) => {
  const set = new Set(known);
  return all.filter((one) => !set.has(one));
};
const times = (all: readonly string[], one: string) => all.filter((other) => other === one).length;
/** Whether lines that both texts have once stand in another order: a line that one side moved stands again. */
function isMoved(before: readonly string[], after: readonly string[]): boolean {
  const once = (side: readonly string[], other: readonly string[]) =>
    side.filter((line) => times(side, line) === 1 && times(other, line) === 1);
  return once(before, after).join('\n') !== once(after, before).join('\n');
}

/** A new word of the head is in the text, one of the submission in the text or in an overlap. */
function losesNothing({ base, head, submitted }: Pair): void {
  const { text, overlaps } = merge(base, head, submitted);
  const kept = words(text);
  expect(without(without(words(head), words(base)), kept)).toEqual([]);
  const aside = overlaps.flatMap((overlap) => words(overlap.submitted));
  expect(without(without(words(submitted), words(base)), [...kept, ...aside])).toEqual([]);
}

test('no lost update', () => holds(losesNothing));

test('no lost update in lines of 100,000 characters', () => {
  fc.assert(fc.property(pairs(2, [longLine, longLine]), losesNothing), { numRuns: Math.ceil(numRuns / 30) });
});

test('without overlaps the new words of each side stand in the text once each, in the order of their side', () => {
  holds(({ base, head, submitted }) => {
    const { text, overlaps } = merge(base, head, submitted);
    fc.pre(overlaps.length === 0);
    const own = (writer: string, side: string) => words(side).filter((word) => word.startsWith(writer));
    expect(own('h', text)).toEqual(own('h', head));
    expect(own('s', text)).toEqual(own('s', submitted));
  });
});

test('no invention: a line is of one text, or has the words of one line of the head and one of the submission', () => {
  holds(({ base, head, submitted }) => {
    const whole = new Set([base, head, submitted].flatMap(lines));
    const combined = lines(merge(base, head, submitted).text).filter((line) => !whole.has(line));
    for (const line of combined) {
      const isCombined = lines(head).some((one) => {
        const rest = without(words(line), words(one));
        return lines(submitted).some((other) => without(rest, words(other)).length === 0);
      });
      expect([line, isCombined]).toEqual([line, true]);
    }
  });
});

test('no invention: every character is of one text, also where it is made of several', () => {
  const segmenter = new Intl.Segmenter();
  const characters = (text: string) => Array.from(segmenter.segment(text), ({ segment }) => segment);
  const part = fc.constantFrom(
    ...Array.from('👩👨👧👦🇩🇪🇫👍🏽🏿❤eaทก1 '),
    ...'\u200D\uFE0F\u20E3\u0301\u0300\u0E35\u0E48',
    '\n',
  );
  const edited = fc.array(part, { minLength: 1, maxLength: 12 }).chain((parts) => {
    const edit = fc
      .array(fc.tuple(fc.nat(parts.length - 1), fc.nat(1), part), { minLength: 1, maxLength: 3 })
      .map((edits) => edits.reduce((text, [at, gone, put]) => text.toSpliced(at, gone, put), parts).join(''));
    return fc.tuple(fc.constant(parts.join('')), edit, edit);
  });
  fc.assert(
    fc.property(edited, (texts) => {
      const known = texts.flatMap(characters);
      expect(without(characters(merge(...texts).text), known)).toEqual([]);
    }),
    { numRuns: numRuns * 10 },
  );
});

test('deleted lines do not come back, unless in an overlap', () => {
  holds(({ base, head, submitted }) => {
    const { text, overlaps } = merge(base, head, submitted);
    const [b, h, s, kept] = [base, head, submitted, text].map(lines) as [string[], string[], string[], string[]];
    const stay = overlaps.flatMap((overlap) => lines(overlap.head));
    for (const line of b.filter((one) => /w\d/.test(one) && times(b, one) === 1)) {
      if (!isMoved(b, s) && !h.includes(line)) expect(kept).not.toContain(line);
      if (!isMoved(b, h) && !s.includes(line) && !stay.includes(line)) expect(kept).not.toContain(line);
    }
  });
});

test('order-independent: without overlaps it makes no difference which side is the head', () => {
  holds(({ base, head, submitted }) => {
    const [one, other] = [merge(base, head, submitted), merge(base, submitted, head)];
    expect(one.overlaps.length).toBe(other.overlaps.length);
    if (one.overlaps.length === 0) expect(one.text).toBe(other.text);
  });
});

test('an overlap names the text of all sides, and the head stands at its line', () => {
  holds(({ base, head, submitted }) => {
    const { text, overlaps } = merge(base, head, submitted);
    const ended = (one: string) => `${one.replaceAll('\r\n', '\n')}\n`;
    for (const overlap of overlaps) {
      expect(ended(base)).toContain(ended(overlap.base).slice(0, -1));
      expect(ended(submitted)).toContain(ended(overlap.submitted).slice(0, -1));
      const from = ended(text)
        .split('\n')
        .slice(overlap.line - 1)
        .join('\n');
      expect(from.startsWith(ended(overlap.head).slice(0, -1))).toBe(true);
    }
  });
});

test('merge(o, o, b) = b, merge(o, a, o) = a, merge(o, a, a) = a', () => {
  holds(({ base, head, submitted }) => {
    expect(merge(base, base, submitted)).toEqual({ text: submitted, overlaps: [] });
    expect(merge(base, head, base)).toEqual({ text: head, overlaps: [] });
    expect(merge(base, head, head)).toEqual({ text: head, overlaps: [] });
  });
});

test('merged again with what it came from, the result stays', () => {
  holds(({ base, head, submitted }) => {
    const { text } = merge(base, head, submitted);
    expect(merge(head, text, head).text).toBe(text);
    expect(merge(head, head, text).text).toBe(text);
  });
});

test('byte fidelity: newlines stay as they are, and the last one is of the side that changed it', () => {
  holds(({ base, head, submitted }) => {
    const { text } = merge(base, head, submitted);
    const all = [base, head, submitted];
    if (all.every((one) => !one.includes('\r'))) expect(text).not.toContain('\r');
    if (all.every((one) => !/(?<!\r)\n/.test(one))) expect(text).not.toMatch(/(?<!\r)\n/);
    const ends = (one: string) => one === '' || one.endsWith('\n');
    const expected = ends(head) === ends(base) ? ends(submitted) : ends(head);
    if (text !== '' && expected) expect(ends(text)).toBe(true);
  });
});

test('any three texts: it ends, and one-sided changes go in', () => {
  const piece = fc.constantFrom('a', 'b', ' ', '\n', '\r\n', '\r', '-', '東', '\u{FEFF}', '\u{D800}', '😀', '\n\n');
  const text = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(''));
  fc.assert(
    fc.property(text, text, text, (base, head, submitted) => {
      const one = merge(base, head, submitted);
      const other = merge(base, submitted, head);
      expect(one.overlaps.length).toBe(other.overlaps.length);
      if (one.overlaps.length === 0) expect(one.text).toBe(other.text);
      expect(merge(base, base, submitted).text).toBe(submitted);
    }),
    { numRuns: numRuns * 10 },
  );
});
