/**
 * Three-way merge of texts: by lines, and by words where lines overlap.
 *
 * It invents nothing: a line of the result is a line of one of the three texts, or combines the words of one line of
 * the head and one line of the submission. What cannot be combined is an overlap, and the head keeps its lines there.
 */
import { type Change, diff, intern, splitLines } from './diff.ts';

/** Lines that both sides changed, each its own way. */
export interface Overlap {
  readonly base: string;
  readonly head: string;
  readonly submitted: string;
  /** Line of the merged text where the head's lines stand, from 1. */
  readonly line: number;
}

export interface Merged {
  readonly text: string;
  readonly overlaps: readonly Overlap[];
}

/**
 * Three-way merge; at a true overlap the head keeps its lines. Without overlaps `merge(o, a, b)` equals
 * `merge(o, b, a)`. Every byte of a line stays as it was written; only the newline at the very end is decided apart:
 * whoever changed it wins.
 */
export function merge(base: string, head: string, submitted: string): Merged {
  return mergeTexts(base, head, submitted, (overlap) => overlap.head);
}

/**
 * Three-way merge that leaves nothing out: at an overlap both texts stand below each other, the head's first.
 *
 * @param base undefined: nobody knows it, so what both have in common is taken for it
 */
export function mergeBoth(base: string | undefined, head: string, submitted: string): string {
  const from = base ?? commonLines(head, submitted);
  return mergeTexts(from, head, submitted, (overlap) => overlap.head + overlap.submitted).text;
}

function commonLines(one: string, other: string): string {
  const lines = [splitLines(one), splitLines(other)] as const;
  const { ids, count } = intern(...lines);
  const common: string[] = [];
  let at = 0;
  for (const { beforeStart, beforeEnd } of diff(ids[0] ?? new Int32Array(), ids[1] ?? new Int32Array(), count)) {
    common.push(...lines[0].slice(at, beforeStart));
    at = beforeEnd;
  }
  return [...common, ...lines[0].slice(at)].join('');
}

function mergeTexts(
  base: string,
  head: string,
  submitted: string,
  resolve: (overlap: Omit<Overlap, 'line'>) => string,
): Merged {
  if (submitted === head || submitted === base) return { text: head, overlaps: [] };
  if (head === base) return { text: submitted, overlaps: [] };

  const newline = [base, head, submitted].some((text) => /^[^\n]*\r\n/.test(text)) ? '\r\n' : '\n';
  const whole = (text: string) => (endsLine(text) ? text : text + newline);
  const lines = [splitLines(whole(base)), splitLines(whole(head)), splitLines(whole(submitted))] as const;

  const parts: Part[] = align(lines, false).flatMap((chunk) => {
    const texts = slices(lines, chunk);
    if (chunk.changed === 'deleted') return [];
    if (chunk.changed !== 'both') return [{ text: texts[chunk.changed === 'submitted' ? 2 : 1] }];
    if (isInsertion(chunk)) return [{ text: bothBlocks(texts[1], texts[2]) }];
    return refine(texts, resolve);
  });

  const overlaps: Overlap[] = [];
  let line = 1;
  for (const { text, overlap } of parts) {
    if (overlap !== undefined) overlaps.push({ ...overlap, line });
    line += countLines(text);
  }
  const text = parts.map((part) => part.text).join('');
  const ends = endsLine(head) === endsLine(base) ? endsLine(submitted) : endsLine(head);
  return { text: ends ? text : text.replace(/\r?\n$/, ''), overlaps };
}

/** An empty text has no line that could lack its end. */
const endsLine = (text: string) => text === '' || text.endsWith('\n');
const countLines = (text: string) => splitLines(text).length;
/**
 * Both blocks whole, in an order that does not depend on which side is the head; of a block and its continuation only
 * the longer. Blocks that merely begin alike share nothing: that would splice two code blocks into one.
 */
function bothBlocks(one: string, other: string): string {
  const [first, second] = one < other ? [one, other] : [other, one];
  return second.startsWith(first) ? second : first + second;
}

type Three<T> = readonly [base: T, head: T, submitted: T];
type Range = readonly [start: number, end: number];

interface Part {
  readonly text: string;
  readonly overlap?: Omit<Overlap, 'line'>;
}

/** A stretch of the three sequences. `same`: both sides made the same change; `deleted`: both only deleted. */
interface Chunk {
  readonly changed: 'none' | 'head' | 'submitted' | 'same' | 'deleted' | 'both';
  readonly ranges: Three<Range>;
}

const isInsertion = ({ ranges: [[start, end]] }: Chunk) => start === end;

const slices = ([base, head, submitted]: Three<readonly string[]>, { ranges }: Chunk): Three<string> => [
  base.slice(...ranges[0]).join(''),
  head.slice(...ranges[1]).join(''),
  submitted.slice(...ranges[2]).join(''),
];

/** Cuts the sequences into chunks. @param touching changes that touch count as overlapping */
function align(sequences: Three<readonly string[]>, touching: boolean): Chunk[] {
  const { ids, count } = intern(...sequences);
  const [base, head, submitted] = ids as unknown as Three<Int32Array>;
  // Among lines a blank one, among words the end of a line.
  const stop = base[sequences[0].indexOf('\n')] ?? -1;
  const sides = [diff(base, head, count, stop), diff(base, submitted, count, stop)] as const;
  const next = [0, 0] as [number, number];
  /** How much longer each side is so far than the base. */
  const shift = [0, 0] as [number, number];
  const chunks: Chunk[] = [];
  let done = 0;

  const earlier = (): { readonly side: 0 | 1; readonly change: Change } | undefined => {
    const [left, right] = [sides[0][next[0]], sides[1][next[1]]];
    if (left === undefined) return right && { side: 1, change: right };
    if (right === undefined) return { side: 0, change: left };
    const order = left.beforeStart - right.beforeStart || left.beforeEnd - right.beforeEnd;
    return order <= 0 ? { side: 0, change: left } : { side: 1, change: right };
  };
  const push = (changed: Chunk['changed'], end: number, before: readonly [number, number]) => {
    const ranges: Three<Range> = [
      [done, end],
      [done + before[0], end + shift[0]],
      [done + before[1], end + shift[1]],
    ];
    const agree = changed === 'both' && isEqual(head.subarray(...ranges[1]), submitted.subarray(...ranges[2]));
    chunks.push({ changed: agree ? 'same' : changed, ranges });
    done = end;
  };

  for (let first = earlier(); first !== undefined; first = earlier()) {
    const start = first.change.beforeStart;
    if (start > done) push('none', start, shift);
    const before = [...shift] as const;
    const sidesChanged = new Set<0 | 1>();
    let end = start;
    let onlyDeletes = true;
    for (let one: typeof first | undefined = first; one !== undefined; one = earlier()) {
      const { beforeStart, beforeEnd, afterStart, afterEnd } = one.change;
      const overlaps = beforeStart < end || (beforeStart === end && (touching || beforeEnd === start));
      if (one !== first && !overlaps) break;
      end = Math.max(end, beforeEnd);
      shift[one.side] += afterEnd - afterStart - (beforeEnd - beforeStart);
      sidesChanged.add(one.side);
      onlyDeletes &&= afterStart === afterEnd;
      next[one.side] += 1;
    }
    if (sidesChanged.size === 1) push(sidesChanged.has(0) ? 'head' : 'submitted', end, before);
    // Words around two deletions that only touch or overlap would meet although nobody put them side by side.
    else push(onlyDeletes && !touching ? 'deleted' : 'both', end, before);
  }
  if (base.length > done) push('none', base.length, shift);
  return chunks;
}

const isEqual = (one: Int32Array, other: Int32Array) =>
  one.length === other.length && one.every((id, index) => id === other[index]);

/**
 * A newline, a run of space, a word, or one other character. Characters of scripts that write no spaces stand alone:
 * a sentence must not count as one word. A run of emoji is a word: half a flag and half of another one are a third one.
 * Whatever joins a character belongs to it.
 */
const TOKEN =
  /\n|(?:[^\S\n]+|[[\p{L}\p{M}\p{N}_\p{RI}\p{ExtPict}\p{EMod}\u200D]--[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}]]+|[\s\S])[\p{M}\p{EMod}\u200C\u200D\u{E0020}-\u{E007F}]*/gv;

/** Lines of a hunk up to a newline that is the same in all three texts. */
interface Segment {
  readonly merged: string;
  readonly texts: Three<string>;
  readonly changed: 'none' | 'one' | 'both';
  readonly conflict: boolean;
}

/** Merges a hunk by words. Neighbouring lines that both sides changed are merged all or not at all. */
function refine(hunk: Three<string>, resolve: (overlap: Omit<Overlap, 'line'>) => string): Part[] {
  const parts: Part[] = [];
  let run: Segment[] = [];
  const flush = () => {
    const [base, head, submitted] = ([0, 1, 2] as const).map((side) => run.map(({ texts }) => texts[side]).join(''));
    if (run.some(({ conflict }) => conflict) && base !== undefined && head !== undefined && submitted !== undefined) {
      const overlap = { base, head, submitted };
      parts.push({ text: resolve(overlap), overlap });
    } else {
      parts.push({ text: run.map(({ merged }) => merged).join('') });
    }
    run = [];
  };
  for (const segment of segments(hunk)) {
    if (segment.changed !== 'both') flush();
    run.push(segment);
    if (segment.changed !== 'both') flush();
  }
  flush();
  return parts;
}

/** A token of a merged line, with the line of each side that it stands in. */
interface Placed {
  readonly token: string;
  readonly head: number | undefined;
  readonly submitted: number | undefined;
}

function segments(hunk: Three<string>): Segment[] {
  const [base, head, submitted] = hunk.map((text) => text.match(TOKEN) ?? []) as unknown as Three<string[]>;
  const tokens = [base, head, submitted] as const;
  const [headLine, submittedLine] = [lineNumbers(head), lineNumbers(submitted)];
  const found: Segment[] = [];
  let from: Three<number> = [0, 0, 0];
  let placed: Placed[] = [];
  const changed = new Set<Chunk['changed']>();

  const place = (token: string, h: number | undefined, s: number | undefined) =>
    placed.push({ token, head: headLine[h ?? -1], submitted: submittedLine[s ?? -1] });
  const close = (to: Three<number>) => {
    const sides = ([0, 1, 2] as const).map((side) => tokens[side].slice(from[side], to[side]).join(''));
    found.push({
      merged: placed.map(({ token }) => token).join(''),
      texts: sides as unknown as Three<string>,
      changed: changed.size === 0 ? 'none' : changed.size === 1 && !changed.has('both') ? 'one' : 'both',
      conflict: changed.has('both') || !isOneLineOfEach(placed),
    });
    from = to;
    placed = [];
    changed.clear();
  };

  for (const chunk of align(tokens, true)) {
    const [[b, bEnd], [h, hEnd], [s, sEnd]] = chunk.ranges;
    const blocks = slices(tokens, chunk);
    if (chunk.changed === 'deleted') continue;
    if (chunk.changed !== 'none' && chunk.changed !== 'same') {
      const isLines = placed.length === 0 && blocks[1].endsWith('\n') && blocks[2].endsWith('\n');
      if (chunk.changed === 'both' && isInsertion(chunk) && isLines) {
        found.push({ merged: bothBlocks(blocks[1], blocks[2]), texts: blocks, changed: 'none', conflict: false });
        from = [bEnd, hEnd, sEnd];
        continue;
      }
      changed.add(chunk.changed);
      if (chunk.changed === 'head') for (let at = h; at < hEnd; at += 1) place(head[at] ?? '', at, undefined);
      if (chunk.changed === 'submitted') for (let at = s; at < sEnd; at += 1) place(submitted[at] ?? '', undefined, at);
      continue;
    }
    for (let at = 0; at < hEnd - h; at += 1) {
      place(head[h + at] ?? '', h + at, s + at);
      if (chunk.changed === 'none' && head[h + at] === '\n') close([b + at + 1, h + at + 1, s + at + 1]);
    }
  }
  close([base.length, head.length, submitted.length]);
  return found;
}

/** The line of each token. */
function lineNumbers(tokens: readonly string[]): number[] {
  let line = 0;
  return tokens.map((token) => (token === '\n' ? line++ : line));
}

/** Whether each line holds the words of at most one line of each side. */
function isOneLineOfEach(placed: readonly Placed[]): boolean {
  let words: Placed[] = [];
  for (const one of [...placed, undefined]) {
    if (one !== undefined && one.token !== '\n') {
      if (/\S/.test(one.token)) words.push(one);
      continue;
    }
    if (!isCovered(words, 'head', 'submitted') && !isCovered(words, 'submitted', 'head')) return false;
    words = [];
  }
  return true;
}

/** Whether the first word's line of one side, and one line of the other side, hold all the words. */
function isCovered(words: readonly Placed[], one: 'head' | 'submitted', other: 'head' | 'submitted'): boolean {
  const first = words[0]?.[one];
  const rest = words.filter((word) => first === undefined || word[one] !== first);
  const line = rest[0]?.[other];
  return rest.length === 0 || (line !== undefined && rest.every((word) => word[other] === line));
}
