/**
 * What changed between two sequences: the shortest list of changes where that is cheap, a good one where it is not.
 *
 * Equal ends are cut, items that are unique on both sides become anchors (patience), and Myers' search in linear
 * space does the rest. Its effort is bounded, so hostile input costs quality and never seconds or memory.
 */

/** Items `beforeStart..beforeEnd` became `afterStart..afterEnd` (ends exclusive); one of the two may be empty. */
export interface Change {
  readonly beforeStart: number;
  readonly beforeEnd: number;
  readonly afterStart: number;
  readonly afterEnd: number;
}

/** Steps of the search for long sequences, about 0.1 s; they get fewer edits for each midpoint instead of more time. */
const SEARCH_STEPS = 2 ** 24;
/** Each level reads its whole range once; below, the search without anchors takes over. */
const ANCHOR_DEPTH = 8;

/** Lines with their newlines, so that joining them gives the text back byte for byte. Only `\n` ends a line. */
export function splitLines(text: string): string[] {
  const lines: string[] = [];
  let start = 0;
  for (let end = text.indexOf('\n') + 1; end > 0; end = text.indexOf('\n', start) + 1) {
    lines.push(text.slice(start, end));
    start = end;
  }
  if (start < text.length) lines.push(text.slice(start));
  return lines;
}

/** Numbers items so that equal items, also of different sequences, have equal numbers below `count`. */
export function intern(...sequences: readonly (readonly string[])[]): {
  readonly ids: readonly Int32Array[];
  readonly count: number;
} {
  const known = new Map<string, number>();
  const first = sequences[0] ?? [];
  /** Where in the first sequence an id stood last: what follows there probably follows here, and needs no hash. */
  const places: number[] = [];
  const ids: Int32Array[] = [];
  for (const items of sequences) {
    const numbers = new Int32Array(items.length);
    let expected = first.length;
    for (const [index, item] of items.entries()) {
      const isExpected = ids.length > 0 && item === first[expected];
      let id = isExpected ? ids[0]?.[expected] : known.get(item);
      if (id === undefined) {
        id = known.size;
        known.set(item, id);
      }
      numbers[index] = id;
      if (ids.length === 0) places[id] = index;
      expected = isExpected ? expected + 1 : (places[id] ?? first.length) + 1;
    }
    ids.push(numbers);
  }
  return { ids, count: known.size };
}

/**
 * Changes in order, apart from each other by at least one equal item.
 *
 * @param count the ids are below it
 * @param stop id with which an insertion or deletion ends where there is a choice: words change as lines do
 */
export function diff(before: Int32Array, after: Int32Array, count: number, stop = -1): readonly Change[] {
  const removed = new Uint8Array(before.length).fill(1);
  const added = new Uint8Array(after.length).fill(1);
  // What one side does not have at all has changed; only the rest is worth a search.
  const [kept, found] = [shared(before, after, count), shared(after, before, count)];
  const comparison = new Comparison(
    kept.map((at) => before[at] ?? 0),
    found.map((at) => after[at] ?? 0),
    count,
    (x, y) => {
      removed[kept[x] ?? 0] = 0;
      added[found[y] ?? 0] = 0;
    },
  );
  comparison.compare([0, kept.length, 0, found.length], 0);
  return settled(before, after, changesOf(removed, added), stop);
}

/** Places of the items that the other side has too. */
function shared(items: Int32Array, others: Int32Array, count: number): Int32Array {
  const known = new Uint8Array(count);
  for (const id of others) known[id] = 1;
  const places = new Int32Array(items.length);
  let length = 0;
  for (let at = 0; at < items.length; at += 1) if (known[items[at] ?? 0] === 1) places[length++] = at;
  return places.subarray(0, length);
}

function changesOf(removed: Uint8Array, added: Uint8Array): Change[] {
  const changes: Change[] = [];
  let i = 0;
  let j = 0;
  while (i < removed.length || j < added.length) {
    const beforeStart = i;
    const afterStart = j;
    while (removed[i] === 1) i += 1;
    while (added[j] === 1) j += 1;
    if (i > beforeStart || j > afterStart) {
      changes.push({ beforeStart, beforeEnd: i, afterStart, afterEnd: j });
    } else {
      i += 1;
      j += 1;
    }
  }
  return changes;
}

/**
 * Where an insertion or deletion could stand at several places, it stands at the last that has `stop` as its last
 * item, or simply at the last: one edit has one place.
 */
function settled(before: Int32Array, after: Int32Array, changes: readonly Change[], stop: number): Change[] {
  const result: Change[] = [];
  for (const [index, { beforeStart, beforeEnd, afterStart, afterEnd }] of [...changes.entries()].reverse()) {
    const next = result.at(-1);
    const down = (next?.beforeStart ?? before.length) - beforeEnd;
    const up = beforeStart - (changes[index - 1]?.beforeEnd ?? 0);
    let by = 0;
    if (beforeStart === beforeEnd || afterStart === afterEnd) {
      const [items, start, end] =
        beforeStart === beforeEnd ? [after, afterStart, afterEnd] : [before, beforeStart, beforeEnd];
      while (by < down && items[start + by] === items[end + by]) by += 1;
      let at = by;
      while (at > -up && items[end + at - 1] !== stop && items[start + at - 1] === items[end + at - 1]) at -= 1;
      if (items[end + at - 1] === stop) by = at;
    }
    const moved = {
      beforeStart: beforeStart + by,
      beforeEnd: beforeEnd + by,
      afterStart: afterStart + by,
      afterEnd: afterEnd + by,
    };
    if (next !== undefined && by === down) {
      result[result.length - 1] = { ...next, beforeStart: moved.beforeStart, afterStart: moved.afterStart };
    } else {
      result.push(moved);
    }
  }
  return result.reverse();
}

/** `before[i..iEnd)` against `after[j..jEnd)`. */
type Box = readonly [i: number, iEnd: number, j: number, jEnd: number];

class Comparison {
  readonly #before: Int32Array;
  readonly #after: Int32Array;
  readonly #keep: (x: number, y: number) => void;
  /** Place + 1 of an id that occurs once in the range, 0 for none, -1 for several; zero between uses. */
  readonly #onceBefore: Int32Array;
  readonly #onceAfter: Int32Array;
  /** How far a path reached on each diagonal, from the start and from the end. */
  readonly #forward: Int32Array;
  readonly #backward: Int32Array;
  /** Edits that one search for a midpoint may try; its steps are the square, its progress is at least as far. */
  readonly #searchEdits: number;

  /** @param keep hears of every pair of equal items, that is of all that does not change */
  constructor(before: Int32Array, after: Int32Array, count: number, keep: (x: number, y: number) => void) {
    this.#before = before;
    this.#after = after;
    this.#keep = keep;
    this.#searchEdits = Math.max(16, Math.min(256, Math.floor(SEARCH_STEPS / (before.length + after.length + 1))));
    this.#forward = new Int32Array(2 * this.#searchEdits + 3);
    this.#backward = new Int32Array(2 * this.#searchEdits + 3);
    this.#onceBefore = new Int32Array(count);
    this.#onceAfter = new Int32Array(count);
  }

  /** Finds what stays equal in the box. */
  compare([i, iEnd, j, jEnd]: Box, depth: number): void {
    for (;;) {
      while (i < iEnd && j < jEnd && this.#before[i] === this.#after[j]) {
        this.#keep(i++, j++);
      }
      while (i < iEnd && j < jEnd && this.#before[iEnd - 1] === this.#after[jEnd - 1]) {
        this.#keep(--iEnd, --jEnd);
      }
      if (i === iEnd || j === jEnd) return;
      // Unique in everything first: a blank line that is unique in its box only must not outvote a real anchor.
      const box = [i, iEnd, j, jEnd] as const;
      const all = [0, this.#before.length, 0, this.#after.length] as const;
      const anchors = depth < ANCHOR_DEPTH ? this.#anchors(box, depth === 0 ? all : box) : [];
      const points = anchors.length > 0 || depth === 0 ? anchors : [this.#midpoint(box)];
      depth = anchors.length > 0 || depth === 0 ? depth + 1 : ANCHOR_DEPTH;
      for (const [x, y] of points) {
        this.compare([i, x, j, y], depth);
        i = x;
        j = y;
      }
    }
  }

  /**
   * Pairs of equal items of the box that occur once on each side of `counted`, in the longest list that rises on
   * both sides.
   */
  #anchors([i, iEnd, j, jEnd]: Box, counted: Box): readonly (readonly [number, number])[] {
    countOnce(this.#before, counted[0], counted[1], this.#onceBefore);
    countOnce(this.#after, counted[2], counted[3], this.#onceAfter);
    const pairs: (readonly [number, number])[] = [];
    for (let x = i; x < iEnd; x += 1) {
      const id = this.#before[x] ?? 0;
      const y = (this.#onceAfter[id] ?? 0) - 1;
      if (this.#onceBefore[id] === x + 1 && y >= j && y < jEnd) pairs.push([x, y]);
    }
    for (let x = counted[0]; x < counted[1]; x += 1) this.#onceBefore[this.#before[x] ?? 0] = 0;
    for (let y = counted[2]; y < counted[3]; y += 1) this.#onceAfter[this.#after[y] ?? 0] = 0;
    return longestRise(pairs);
  }

  /**
   * A point through which a shortest path goes (Myers 1986, section 4b), searched from both ends. When the search
   * has used its edits: the point that came farthest. The ranges share neither first nor last item and none is empty,
   * so the point is never a corner of the range and both parts are smaller.
   */
  #midpoint([i, iEnd, j, jEnd]: Box): readonly [number, number] {
    const n = iEnd - i;
    const m = jEnd - j;
    const delta = n - m;
    const odd = (delta & 1) !== 0;
    const most = Math.min(this.#searchEdits, (n + m + 1) >> 1);
    const zero = most + 1;
    /** Paths that left the range stay in the tables. */
    const isReached = (x: number, y: number) => x >= 0 && x <= n && y <= m;
    const forward = this.#forward.subarray(0, 2 * most + 3).fill(-1);
    const backward = this.#backward.subarray(0, 2 * most + 3).fill(-1);
    forward[zero + 1] = 0;
    backward[zero + 1] = 0;
    let [lowF, highF, lowB, highB] = [0, 0, 0, 0];
    let best: readonly [number, number] = [i, jEnd];
    let reach = 0;
    for (let edits = 0; edits <= most; edits += 1) {
      for (let k = lowF - edits; k <= edits - highF; k += 2) {
        const left = forward[zero + k - 1] ?? -1;
        const right = forward[zero + k + 1] ?? -1;
        let x = k === -edits || (k !== edits && left < right) ? right : left + 1;
        let y = x - k;
        while (x < n && y < m && this.#before[i + x] === this.#after[j + y]) {
          x += 1;
          y += 1;
        }
        forward[zero + k] = x;
        if (x > n) highF += 2;
        else if (y > m) lowF += 2;
        else {
          if (x + y > reach) {
            reach = x + y;
            best = [i + x, j + y];
          }
          const other = odd ? (backward[zero + delta - k] ?? -1) : -1;
          if (isReached(other, other - delta + k) && x >= n - other) return [i + x, j + y];
        }
      }
      for (let k = lowB - edits; k <= edits - highB; k += 2) {
        const left = backward[zero + k - 1] ?? -1;
        const right = backward[zero + k + 1] ?? -1;
        let x = k === -edits || (k !== edits && left < right) ? right : left + 1;
        let y = x - k;
        while (x < n && y < m && this.#before[iEnd - x - 1] === this.#after[jEnd - y - 1]) {
          x += 1;
          y += 1;
        }
        backward[zero + k] = x;
        if (x > n) highB += 2;
        else if (y > m) lowB += 2;
        else if (!odd) {
          const other = forward[zero + delta - k] ?? -1;
          const across = other - delta + k;
          if (isReached(other, across) && other >= n - x) return [i + other, j + across];
        }
      }
    }
    return best;
  }
}

function countOnce(items: Int32Array, start: number, end: number, once: Int32Array): void {
  for (let at = start; at < end; at += 1) {
    const id = items[at] ?? 0;
    once[id] = once[id] === 0 ? at + 1 : -1;
  }
}

function longestRise(pairs: readonly (readonly [number, number])[]): readonly (readonly [number, number])[] {
  /** Of the rises of each length so far, the pair that ends lowest; and the pair before each pair. */
  const ends: number[] = [];
  const previous: number[] = [];
  for (const [index, [, y]] of pairs.entries()) {
    let low = 0;
    let high = ends.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((pairs[ends[middle] ?? 0]?.[1] ?? 0) < y) low = middle + 1;
      else high = middle;
    }
    previous.push(ends[low - 1] ?? -1);
    ends[low] = index;
  }
  const rise: (readonly [number, number])[] = [];
  for (let index = ends.at(-1) ?? -1; index >= 0; index = previous[index] ?? -1) {
    const pair = pairs[index];
    if (pair !== undefined) rise.push(pair);
  }
  return rise.reverse();
}
