import { AachatError } from '#base/errors.ts';
import { matchId, type SessionId, shortId } from '#contract/ids.ts';

/**
 * The one thing that a person means by a full id, the short form, or a part of one.
 *
 * @param what.many what they are called, for the list of several
 * @param what.none the sentence and the next step when there is none
 * @param what.label shown beside an id in the list of several
 * @throws AachatError `NOT_FOUND`, or `AMBIGUOUS_NAME` with the matches
 */
export const pickById = <T extends { readonly id: string }>(text: string, candidates: readonly T[], what: What<T>): T =>
  pick(text, matchId(text, candidates), what);

interface What<T> {
  readonly many: string;
  readonly none: { readonly message: string; readonly hint: string };
  readonly label?: (one: T) => string;
}

function pick<T extends { readonly id: string }>(text: string, matches: readonly T[], what: What<T>): T {
  const { many, none, label } = what;
  const [found, ...others] = matches;
  if (found === undefined) throw new AachatError('NOT_FOUND', none.message, { hint: none.hint });
  if (others.length === 0) return found;
  const all = [found, ...others].map((one) => `${shortId(one.id)}${label === undefined ? '' : ` (${label(one)})`}`);
  throw new AachatError('AMBIGUOUS_NAME', `Several ${many} match ${text}: ${all.join(', ')}.`, {
    hint: 'Give more of it, or the id.',
  });
}

/** What sessions are found by. */
export interface NamedSession {
  readonly id: SessionId;
  readonly agent: string | null;
  readonly name: string | null;
}

/**
 * The sessions that a person may mean: by full or short id, else by the whole name, else by a part of the id or the
 * beginning of the name.
 */
export function matchSession<T extends NamedSession>(text: string, candidates: readonly T[]): readonly T[] {
  const plain = text.toLowerCase();
  const ways = [
    candidates.filter(({ id }) => id === plain || shortId(id) === plain),
    candidates.filter(({ name }) => name === text),
    [...new Set([...matchId(text, candidates), ...candidates.filter(({ name }) => name?.startsWith(text))])],
  ];
  return ways.find(({ length }) => length > 0) ?? [];
}

/** @throws AachatError `NOT_FOUND`, or `AMBIGUOUS_NAME` with the matches */
export const pickSession = <T extends NamedSession>(
  text: string,
  candidates: readonly T[],
  none: { readonly message: string; readonly hint: string },
): T =>
  pick(text, matchSession(text, candidates), {
    many: 'sessions',
    none,
    label: ({ agent, name }) => [agent, name].filter((word) => word !== null).join(', '),
  });
