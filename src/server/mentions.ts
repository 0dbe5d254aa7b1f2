/** Whom a text mentions. Pure: the names that can be meant are passed in. */

import { isWordCharacter } from '#base/words.ts';
import type { Party } from '#contract/entities.ts';

/**
 * Finds mentions: the longest known name after an `@`.
 *
 * People are known by their login, agents by their full name, and by their bare name where exactly one of `members`
 * has it and no person is called so. Unknown names are ignored, and so is the author.
 *
 * @param members of the project, each once
 * @returns each mentioned party once, in order of appearance
 */
export function findMentions(body: string, members: readonly Party[], author: Pick<Party, 'id'>): readonly Party[] {
  const names = namesOf(members);
  const longest = Math.max(0, ...[...names.keys()].map((name) => name.length));
  const found = new Set<Party>();
  for (let at = body.indexOf('@'); at !== -1; at = body.indexOf('@', at + 1)) {
    const before = characterBefore(body, at);
    // In the middle of a word it is an e-mail address.
    if (before !== undefined && isWordCharacter(before)) continue;
    const named = longestName(body.slice(at + 1, at + 1 + longest + 2).toLowerCase(), names);
    if (named !== undefined && named.id !== author.id) found.add(named);
  }
  return [...found];
}

function namesOf(members: readonly Party[]): ReadonlyMap<string, Party> {
  const names = new Map<string, Party>();
  const bases = Map.groupBy(
    members.filter(({ kind }) => kind === 'agent'),
    ({ name }) => name.slice(0, name.indexOf('.')),
  );
  for (const [base, [only, ...others]] of bases) if (only !== undefined && others.length === 0) names.set(base, only);
  for (const member of members) names.set(member.name, member);
  return names;
}

function longestName(text: string, names: ReadonlyMap<string, Party>): Party | undefined {
  const run = /^[a-z0-9.-]+/.exec(text)?.[0] ?? '';
  for (let length = run.length; length > 0; length -= 1) {
    const party = names.get(run.slice(0, length));
    // `@annabel` does not mention `anna`; `@anna.` does, and so does `@annaさん`.
    if (party !== undefined && !isWordCharacter(characterAt(text, length) ?? ' ')) return party;
  }
  return undefined;
}

const characterAt = (text: string, index: number): string | undefined => {
  const code = text.codePointAt(index);
  return code === undefined ? undefined : String.fromCodePoint(code);
};

const characterBefore = (text: string, index: number): string | undefined => {
  if (index === 0) return undefined;
  const low = text.charCodeAt(index - 1);
  return low >= 0xdc00 && low <= 0xdfff && index > 1 ? text.slice(index - 2, index) : text[index - 1];
};
