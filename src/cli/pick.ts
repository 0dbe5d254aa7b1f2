import { AachatError } from '#base/errors.ts';
import { matchId, shortId } from '#contract/ids.ts';

/**
 * The one thing that a person means by a full id, the short form, or a part of one.
 *
 * @param what.many what they are called, for the list of several
 * @param what.none the sentence and the next step when there is none
 * @param what.label shown beside an id in the list of several
 * @throws AachatError `NOT_FOUND`, or `AMBIGUOUS_NAME` with the matches
 */
export function pickById<T extends { readonly id: string }>(
  text: string,
  candidates: readonly T[],
  what: {
    readonly many: string;
    readonly none: { readonly message: string; readonly hint: string };
    readonly label?: (one: T) => string;
  },
): T {
  const { many, none, label } = what;
  const [found, ...others] = matchId(text, candidates);
  if (found === undefined) throw new AachatError('NOT_FOUND', none.message, { hint: none.hint });
  if (others.length === 0) return found;
  const all = [found, ...others].map((one) => `${shortId(one.id)}${label === undefined ? '' : ` (${label(one)})`}`);
  throw new AachatError('AMBIGUOUS_NAME', `Several ${many} match ${text}: ${all.join(', ')}.`, {
    hint: 'Give more digits.',
  });
}
