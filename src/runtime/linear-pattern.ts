/**
 * Regular expressions that others wrote, matched in time that grows with the text only: everybody's program runs them,
 * and one that backtracks could stop it. What needs backtracking is refused: references and looking around.
 *
 * A pattern becomes a graph of states (Thompson), and the text is read once with all states at a time.
 */

/** Tells whether a text has the pattern anywhere, as `new RegExp(pattern, 'u').test(text)` does. */
export type Matcher = (text: string) => boolean;

const MOST_SOURCE = 500;
const MOST_STEPS = 2_000;

type Node =
  | { readonly kind: 'any'; readonly of: readonly Node[] }
  | { readonly kind: 'row'; readonly of: readonly Node[] }
  | { readonly kind: 'repeat'; readonly of: Node; readonly least: number; readonly most: number }
  | { readonly kind: 'edge'; readonly isStart: boolean }
  | { readonly kind: 'character'; readonly test: RegExp };

type State =
  | { readonly kind: 'end' }
  | { readonly kind: 'fork'; readonly to: State[] }
  | { readonly kind: 'edge'; readonly isStart: boolean; readonly next: State }
  | { readonly kind: 'character'; readonly test: RegExp; readonly next: State };

class Refusal extends Error {}

/** @returns the matcher, or why there is none, as a sentence */
export function linearPattern(source: string): Matcher | string {
  if (source.length > MOST_SOURCE) return `It is longer than ${MOST_SOURCE} characters.`;
  try {
    new RegExp(source, 'u');
    const start = graph(parse(source));
    return (text) => matches(start, text);
  } catch (thrown) {
    if (thrown instanceof Refusal) return thrown.message;
    return 'It is no regular expression.';
  }
}

/** `source` is known to be one, so that only what is refused has to be told apart. */
function parse(source: string): Node {
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(source) ?? undefined;
    at += found?.[0].length ?? 0;
    return found;
  };

  function choice(): Node {
    const of = [row()];
    while (take(/\|/y) !== undefined) of.push(row());
    return { kind: 'any', of };
  }

  function row(): Node {
    const of: Node[] = [];
    while (at < source.length && source[at] !== '|' && source[at] !== ')') of.push(repeated(atom()));
    return { kind: 'row', of };
  }

  function repeated(of: Node): Node {
    const found = take(/(?:([*+?])|\{(\d+)(,(\d*))?\})\??/y);
    if (found === undefined) return of;
    const [, sign, first, hasMore, last] = found;
    if (sign !== undefined)
      return { kind: 'repeat', of, least: sign === '+' ? 1 : 0, most: sign === '?' ? 1 : Infinity };
    const least = Number(first);
    return { kind: 'repeat', of, least, most: hasMore === undefined ? least : last ? Number(last) : Infinity };
  }

  function atom(): Node {
    if (take(/\(\?(?!:)/y) !== undefined) throw new Refusal('A group can be `(…)` or `(?:…)` only.');
    if (take(/\((?:\?:)?/y) !== undefined) {
      const inside = choice();
      at += 1;
      return inside;
    }
    const edge = take(/[$^]/y)?.[0];
    if (edge !== undefined) return { kind: 'edge', isStart: edge === '^' };
    const odd = take(/\\[bBk1-9]/y)?.[0];
    if (odd !== undefined) throw new Refusal(`It has \`${odd}\`, which is not matched here.`);
    const one = take(
      /\[(?:\\.|[^\\\]])*\]|\\(?:u\{|[pP]\{)[^}]*\}|\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u.{4}|\\x..|\\c.|\\?./suy,
    );
    return { kind: 'character', test: new RegExp(`^${one?.[0]}$`, 'u') };
  }

  return choice();
}

function graph(root: Node): State {
  let steps = 0;
  function build(node: Node, next: State): State {
    steps += 1;
    if (steps > MOST_STEPS) throw new Refusal('It is too large: it repeats too much.');
    switch (node.kind) {
      case 'any':
        return { kind: 'fork', to: node.of.map((one) => build(one, next)) };
      case 'row':
        return node.of.reduceRight((after, one) => build(one, after), next);
      case 'edge':
      case 'character':
        return { ...node, next };
      case 'repeat':
        return repeat(node, next);
    }
  }
  function repeat({ of, least, most }: Node & { kind: 'repeat' }, next: State): State {
    let state = next;
    if (most === Infinity) {
      const loop: State & { kind: 'fork' } = { kind: 'fork', to: [next] };
      loop.to.push(build(of, loop));
      state = loop;
    } else {
      for (let more = most - least; more > 0; more -= 1) state = { kind: 'fork', to: [next, build(of, state)] };
    }
    for (let times = least; times > 0; times -= 1) state = build(of, state);
    return state;
  }
  return build(root, { kind: 'end' });
}

function matches(start: State, text: string): boolean {
  const characters = [...text];
  let now = new Set<State>();
  for (let index = 0; index <= characters.length; index += 1) {
    // It may begin anywhere.
    const ready = reach([...now, start], index === 0, index === characters.length);
    if (ready === undefined) return true;
    const character = characters[index] ?? '';
    now = new Set();
    for (const state of ready) if (state.test.test(character)) now.add(state.next);
  }
  return false;
}

/** @returns states that wait for a character; undefined: the end is reached */
function reach(from: State[], isStart: boolean, isEnd: boolean): (State & { kind: 'character' })[] | undefined {
  const seen = new Set<State>();
  const ready: (State & { kind: 'character' })[] = [];
  for (let state = from.pop(); state !== undefined; state = from.pop()) {
    if (seen.has(state)) continue;
    seen.add(state);
    if (state.kind === 'end') return undefined;
    if (state.kind === 'fork') from.push(...state.to);
    else if (state.kind === 'character') ready.push(state);
    else if (state.isStart ? isStart : isEnd) from.push(state.next);
  }
  return ready;
}
