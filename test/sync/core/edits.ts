/** Markdown documents, and what two writers do to them at the same time. Every word that a writer writes is unique. */
import fc from 'fast-check';

export interface Pair {
  readonly base: string;
  readonly head: string;
  readonly submitted: string;
}

const KINDS = [
  'word',
  'bullet',
  'append',
  'rewrite',
  'reword',
  'delete',
  'tick',
  'section',
  'code',
  'move',
  'wrap',
  'cut',
  'put',
] as const;

interface Edit {
  readonly kind: (typeof KINDS)[number];
  /** Where, as a part of 10,000 of the document. */
  readonly at: number;
  readonly pick: number;
}

/** Beside plain ones: accents that combine, families, flags and skins of emoji, right to left, no spaces, tones. */
const DRESS = ['', '', '', 'e\u0301', '👩‍👩‍👧', '🇩🇪', '👍🏽❤️', 'שלום', 'مرحبا', '東京', 'ที่นี่', '1️⃣'];
const dressed = (writer: string, n: number): string => `${writer}${n}${DRESS[n % DRESS.length]}`;

const sentence = (length: number) =>
  fc
    .array(fc.nat({ max: 400 }), { minLength: 2, maxLength: length })
    .map((words) => words.map((n) => dressed('w', n)).join(' '));

const block: fc.Arbitrary<readonly string[]> = fc.oneof(
  sentence(4).map((text) => [`## ${text}`, '']),
  sentence(60).map((text) => [`${text}.`, '']),
  fc.array(sentence(12), { minLength: 1, maxLength: 4 }).map((lines) => [...lines, '']),
  fc.array(sentence(8), { minLength: 1, maxLength: 5 }).map((items) => [...items.map((item) => `- ${item}`), '']),
  fc.array(sentence(5), { minLength: 1, maxLength: 4 }).map((items) => [...items.map((item) => `- [ ] ${item}`), '']),
  fc.array(sentence(3), { minLength: 1, maxLength: 3 }).map((rows) => [...rows.map((row) => `| ${row} | 1 |`), '']),
  sentence(4).map((code) => ['```js', `${code};`, '```', '']),
  fc.constant(['---', '']),
  sentence(2).map((text) => ['👩‍👩‍👧🇩🇪👍🏽', `  ${text}`, '']),
);

const document = (blocks: number) =>
  fc
    .record({ blocks: fc.array(block, { maxLength: blocks }), fields: fc.array(sentence(3), { maxLength: 3 }) })
    .map(({ blocks: found, fields }) => [
      ...(fields.length > 0 ? ['---', ...fields.map((field, index) => `f${index}: ${field}`), '---'] : []),
      '# Plan',
      '',
      ...found.flat(),
    ]);

const edits = (range: readonly [number, number]) =>
  fc.array(
    fc.record<Edit>({
      kind: fc.constantFrom(...KINDS),
      at: fc.integer({ min: range[0], max: range[1] }),
      pick: fc.nat({ max: 1000 }),
    }),
    { minLength: 1, maxLength: 6 },
  );

function apply(lines: readonly string[], list: readonly Edit[], writer: string): string[] {
  let written = 0;
  const word = () => dressed(writer, ++written);
  const text = [...lines];
  for (const { kind, at, pick } of list) {
    const line = Math.min(text.length - 1, Math.floor((at / 10_000) * text.length));
    const words = (text[line] ?? '').split(' ');
    const heading = (from: number) => {
      const found = text.findIndex((one, index) => index >= from && one.startsWith('## '));
      return found < 0 ? text.length : found;
    };
    const blank = text.indexOf('', line);
    const after = blank < 0 ? text.length : blank + 1;
    if (kind === 'word' || kind === 'reword') {
      const step = kind === 'word' ? words.length : 4;
      for (let i = pick % words.length; i < words.length; i += step) if (/\w/.test(words[i] ?? '')) words[i] = word();
      text[line] = words.join(' ');
    } else if (kind === 'bullet') text.splice(line + 1, 0, `- ${word()} ${word()}`);
    else if (kind === 'append') text.push(`${word()} ${word()}`, '');
    else if (kind === 'rewrite') text.splice(line, Math.max(1, after - 1 - line), `${word()} ${word()}`, word());
    else if (kind === 'cut') text[line] = words.toSpliced(pick % words.length, 1 + (pick % 2)).join(' ');
    else if (kind === 'put') text[line] = words.toSpliced(pick % words.length, 0, word()).join(' ');
    else if (kind === 'delete') text.splice(line, 1 + (pick % 3));
    else if (kind === 'tick') text[line] = (text[line] ?? '').replace('[ ]', '[x]');
    else if (kind === 'section') text.splice(heading(line), 0, `## ${word()}`, '', `${word()} ${word()}`, '');
    else if (kind === 'code') text.splice(after, 0, '```js', `${word()};`, '```', '');
    else if (kind === 'move') {
      const start = heading(line);
      const section = text.splice(start, heading(start + 1) - start);
      text.splice(heading(pick % (text.length + 1)), 0, ...section);
    } else if (words.length > 3) {
      text.splice(line, 1, words.slice(0, 1 + (pick % 3)).join(' '), words.slice(1 + (pick % 3)).join(' '));
    }
    if (text.length === 0) text.push('');
  }
  return text;
}

/** About 100,000 characters without a newline. */
export const longLine = Array.from({ length: 10_000 }, (_, n) => dressed('w', n)).join(' ');

/** Half of the pairs work in the same place; some begin with edits that both sides have. */
export const pairs = (blocks: number, first: readonly string[] = []): fc.Arbitrary<Pair> =>
  fc
    .record({
      lines: document(blocks).map((lines) => [...first, ...lines]),
      place: fc.option(fc.nat({ max: 9000 })),
      shared: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, edits([0, 9999])),
    })
    .chain(({ lines, place, shared }) => {
      const range = place === null ? ([0, 9999] as const) : ([place, place + 999] as const);
      return fc.record({
        lines: fc.constant(lines),
        shared: fc.constant(shared),
        head: edits(range),
        submitted: edits(range),
        newline: fc.constantFrom('\n', '\n', '\r\n'),
        unended: fc.record({ base: fc.boolean(), head: fc.boolean(), submitted: fc.boolean() }),
      });
    })
    .map(({ lines, shared, head, submitted, newline, unended }) => {
      const common = apply(lines, shared, 'c');
      const text = (one: readonly string[], isUnended: boolean) => one.join(newline) + (isUnended ? '' : newline);
      return {
        base: text(lines, unended.base),
        head: text(apply(common, head, 'h'), unended.head),
        submitted: text(apply(common, submitted, 's'), unended.submitted),
      };
    });
