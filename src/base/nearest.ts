/** What somebody may have meant who typed a name that does not exist. */

/** One mistake in three letters is still the same word. */
const LETTERS_PER_MISTAKE = 3;

/** @returns the most similar of `names`, or undefined if none is similar enough */
export function nearest(typed: string, names: Iterable<string>): string | undefined {
  let best: { readonly name: string; readonly mistakes: number } | undefined;
  for (const name of names) {
    const mistakes = distance(typed.toLowerCase(), name.toLowerCase());
    const most = Math.floor(Math.max(typed.length, name.length) / LETTERS_PER_MISTAKE);
    if (mistakes <= most && mistakes < (best?.mistakes ?? Number.POSITIVE_INFINITY)) best = { name, mistakes };
  }
  return best?.name;
}

/** Letters that are missing, too many, wrong, or swapped with their neighbour (optimal string alignment). */
function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  const at = (i: number, j: number) => rows[i]?.[j] ?? 0;
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= b.length; j++) {
      const changed = a[i - 1] === b[j - 1] ? 0 : 1;
      let mistakes = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + changed);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        mistakes = Math.min(mistakes, at(i - 2, j - 2) + 1);
      }
      row.push(mistakes);
    }
  }
  return at(a.length, b.length);
}
