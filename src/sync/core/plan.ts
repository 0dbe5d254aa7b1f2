/**
 * What to do about one path of a mirror: pure, total, and asked again from scratch on every hint.
 *
 * Only the server merges, so there are few answers: a text that was edited here goes to the server with what it began
 * from; a text that was not gives way to what the server has.
 */

/** Digest of a text; null: there is none. */
export type Digest = string | null;

export interface Facts {
  /** What the text on disk began from. The server knows every base. */
  readonly base: Digest;
  /** undefined: something lies there that cannot be read or shared. */
  readonly disk: Digest | undefined;
  /** null: deleted; undefined: not listed, because it never was there or because it may no longer be read. */
  readonly remote: Digest | undefined;
  /** What lay on disk when the server refused it; undefined: nothing was refused. */
  readonly refused: Digest | undefined;
}

export type Step =
  | { readonly do: 'nothing' }
  /** Left alone until somebody acts. */
  | { readonly do: 'wait' }
  /** Both have the same: remember that. */
  | { readonly do: 'adopt' }
  /** Hand in what lies on disk, or its deletion. */
  | { readonly do: 'submit' }
  /** Replace what lies on disk. `keep`: copy it to a safe place first, nobody else has it. */
  | { readonly do: 'write'; readonly digest: string; readonly keep: boolean }
  | { readonly do: 'remove'; readonly keep: boolean };

export function plan({ base, disk, remote, refused }: Facts): Step {
  const goal = remote ?? null;
  if (disk === undefined) return { do: 'wait' };
  if (disk === goal) return { do: disk === base ? 'nothing' : 'adopt' };
  if (disk === base) return replace(goal, false);
  const isLost = remote === undefined && base !== null;
  if (isLost) return replace(null, true);
  if (disk !== refused) return { do: 'submit' };
  // A refused deletion gives the file back; a refused text stays until something has to take its place.
  if (disk === null) return replace(goal, false);
  return goal === base ? { do: 'wait' } : replace(goal, true);
}

const replace = (goal: Digest, keep: boolean): Step =>
  goal === null ? { do: 'remove', keep } : { do: 'write', digest: goal, keep };

/** What a mirror's folder looks like, compared with what its journal remembers. */
export interface Census {
  /** Files that should be there. */
  readonly known: number;
  /** Those of them that are not. */
  readonly missing: number;
  readonly hasMarker: boolean;
  /** Nothing is left in the folder, not even a folder. */
  readonly isEmpty: boolean;
}

const FEW = 20;
const MUCH = 0.3;

/** @returns why the mirror must stop and ask; undefined if what is missing may count as deleted by hand */
export function massChange({ known, missing, hasMarker, isEmpty }: Census): string | undefined {
  if (!hasMarker) return 'Its folder, or the marker in it, is gone or cannot be looked at.';
  if (isEmpty && known > 0) return 'Its folder was emptied.';
  if (missing > Math.max(FEW, known * MUCH)) return `${missing} of its ${known} files are gone at once.`;
  return undefined;
}
