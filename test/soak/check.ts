/**
 * Whether all places agree and nothing was lost, once everything has come to rest. Pure.
 *
 * Each save brings a word that is nowhere else. It counts as saved when the call that wrote the file has returned (for
 * a push by HTTP, when the server has accepted it), and from then on it must be in a current text, in the history, in a
 * text that was kept aside, or in a file in `kept/`.
 *
 * One thing may be missing: what its own writer took out again, with the word before their eyes, before the next rest.
 * Nobody else need have seen it. A word that is gone without that, although it was overwritten later, was lost: the
 * writer had not seen it any more. What was found at one rest must be found at every later one.
 */

export interface SavedWord {
  /** With a digit in it, and nobody else's. */
  readonly word: string;
  /** What was done, for whoever looks for the reason. */
  readonly how: string;
  isSaved: boolean;
  /** Its own writer took it out again. */
  isTakenBack: boolean;
}

export interface Version {
  /** Digests. */
  readonly submitted: string | null;
  readonly digest: string | null;
}

export interface Found {
  /** What the server shows: documents, and the texts that were kept aside. Path → text. */
  readonly server: ReadonlyMap<string, string>;
  /** Name of a mirror → path → text. */
  readonly mirrors: ReadonlyMap<string, ReadonlyMap<string, string>>;
  /** Every text that is anywhere: now, in the history, kept aside, in `kept/`. */
  readonly texts: readonly string[];
  /** Of each document, oldest first: what was handed in, and what the document said then. null: nothing. */
  readonly histories: ReadonlyMap<string, readonly Version[]>;
}

/** @param words all that writers ever tried to save; what was found is marked. @returns what is wrong, as sentences */
export function complaints(words: readonly SavedWord[], { server, mirrors, texts, histories }: Found): string[] {
  const wrong: string[] = [];
  for (const [name, files] of mirrors) {
    for (const path of new Set([...server.keys(), ...files.keys()])) {
      const [wanted, found] = [server.get(path), files.get(path)];
      if (wanted === found) continue;
      const [ours, theirs] = [wanted, found].map((text) => (text === undefined ? 'nothing' : JSON.stringify(text)));
      wrong.push(`${path} in the mirror ${name} is not what the server has:\n  ${theirs}\n  ${ours}`);
    }
  }
  const present = new Set(texts.flatMap(wordsOf));
  for (const saved of words) {
    if (saved.isSaved && !saved.isTakenBack && !present.has(saved.word)) {
      wrong.push(`${saved.word} is lost: ${saved.how}`);
    }
  }
  const known = new Set(words.map(({ word }) => word));
  // Other words have no digit.
  for (const word of present) if (/\d/.test(word) && !known.has(word)) wrong.push(`${word} was written by nobody`);
  for (const [name, versions] of histories) {
    const before = new Set<string | null>();
    for (const [index, { submitted, digest }] of versions.entries()) {
      // Every save has a word of its own: an old text is one that was handed in twice, or that nobody saved.
      if (submitted !== null && before.has(submitted)) wrong.push(`version ${index + 1} of ${name} is an old text`);
      before.add(submitted).add(digest);
    }
  }
  return wrong;
}

/** What was found now may not be missing later, whoever took it out of the document. */
export function remember(words: readonly SavedWord[], { texts }: Found): void {
  const present = new Set(texts.flatMap(wordsOf));
  for (const saved of words) {
    if (!present.has(saved.word)) continue;
    saved.isSaved = true;
    saved.isTakenBack = false;
  }
}

export const wordsOf = (text: string): string[] => text.split(/\s+/);
