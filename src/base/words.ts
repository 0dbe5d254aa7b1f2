/**
 * Words of a text, for search. One reading for every database engine, so that all find the same: they only ever see
 * words that were made here.
 */

/** Scripts that write without spaces between words. */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}ー]/u;

/** Whether the character belongs to a word that a space would end. */
export const isWordCharacter = (character: string): boolean =>
  /[\p{L}\p{N}\p{M}_]/u.test(character) && !UNSPACED.test(character);

/** Nobody types more; the engines have limits of their own for longer ones. */
const LONGEST_WORD = 64;

interface Run {
  readonly text: string;
  readonly unspaced: boolean;
}

/** Runs of letters and digits, folded to one case and one form; a run changes where spacing changes. */
function runsOf(text: string): readonly Run[] {
  const folded = text.normalize('NFKC').toLowerCase();
  const words = folded.match(/[\p{L}\p{N}\p{M}ー]+/gu) ?? [];
  if (!UNSPACED.test(folded)) return words.map((word) => ({ text: word, unspaced: false }));
  const runs: { text: string; unspaced: boolean }[] = [];
  for (const word of words) {
    if (!UNSPACED.test(word)) {
      runs.push({ text: word, unspaced: false });
      continue;
    }
    let last: { text: string; unspaced: boolean } | undefined;
    for (const character of word) {
      const unspaced = UNSPACED.test(character);
      if (last?.unspaced === unspaced) last.text += character;
      else {
        last = { text: character, unspaced };
        runs.push(last);
      }
    }
  }
  return runs;
}

const cut = (word: string): string =>
  word.length <= LONGEST_WORD ? word : Array.from(word).slice(0, LONGEST_WORD).join('');

/** Without spaces nobody knows where a word begins, so each character and each pair of neighbours is one. */
function pairs(text: string): readonly string[] {
  const characters = Array.from(text);
  return characters.slice(1).map((character, index) => `${characters[index]}${character}`);
}

/** What to index of a text: each word once. */
export function indexedWords(text: string): readonly string[] {
  const words = new Set<string>();
  for (const { text: word, unspaced } of runsOf(text)) {
    if (!unspaced) words.add(cut(word));
    else for (const part of [...word, ...pairs(word)]) words.add(part);
  }
  return [...words];
}

export interface WordQuery {
  /** Every one must occur. */
  readonly words: readonly string[];
  /** Something must begin with it. */
  readonly prefix: string | undefined;
}

/** @returns undefined if there is nothing to look for in what was typed */
export function wordQuery(typed: string): WordQuery | undefined {
  const runs = runsOf(typed);
  const last = runs.at(-1);
  if (last === undefined) return undefined;
  // What follows a typed end of a word, such as a space, says that the word is complete.
  const open = !last.unspaced && isWordCharacter(Array.from(typed.normalize('NFKC')).at(-1) ?? ' ');
  const whole = open ? runs.slice(0, -1) : runs;
  const words = whole.flatMap((run) => {
    if (!run.unspaced) return [cut(run.text)];
    return Array.from(run.text).length === 1 ? [run.text] : pairs(run.text);
  });
  return { words: [...new Set(words)], prefix: open ? cut(last.text) : undefined };
}
