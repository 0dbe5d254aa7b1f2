/** What becomes of a submission: pure, and the only place that merges. */
import { AachatError } from '#base/errors.ts';
import { DOCUMENT_BYTES } from '#contract/documents.ts';
import { merge } from '#sync/core/merge.ts';

export interface Text {
  /** SHA-256 of `text`. */
  readonly digest: string;
  readonly text: string;
}

export interface Head {
  /** null: deleted, or never there. */
  readonly digest: string | null;
  /** The newest text that was not a deletion; undefined if there was none, or if it was purged. */
  readonly last: Text | undefined;
}

export interface Submission {
  /** What the author's edit began from; null: from nothing. */
  readonly base: {
    readonly digest: string /** undefined: nobody knows it. */;
    readonly text: string | undefined;
  } | null;
  /** null: deletes the document. */
  readonly text: Text | null;
  /** The document had this text before, or keeps it aside: nothing of it can be lost. */
  readonly known: boolean;
}

export type Decision =
  | { readonly outcome: 'unchanged' }
  | { readonly outcome: 'kept' }
  /** `text` is what the document says from now on. */
  | { readonly outcome: 'accepted' | 'merged' | 'overlap'; readonly text: string | null };

/**
 * Decides about a submission against the document as it is now. An edit beats a deletion; a base that nobody knows is
 * never guessed; at an overlap the document keeps its lines and the submission must be kept aside.
 */
export function decidePush({ digest, last }: Head, { base, text: submitted, known }: Submission): Decision {
  if (submitted === null) {
    if (digest === null) return { outcome: 'unchanged' };
    return base?.digest === digest ? { outcome: 'accepted', text: null } : { outcome: 'kept' };
  }
  if (submitted.digest === digest || submitted.digest === base?.digest) return { outcome: 'unchanged' };
  const isNews = last === undefined || base?.digest === last.digest;
  if (isNews || (digest === null && base?.text === undefined)) return { outcome: 'accepted', text: submitted.text };
  // A mirror that lost its journal hands in what it has: an old text is no edit, a strange one is not to be lost.
  if (base?.text === undefined) return known ? { outcome: 'unchanged' } : { outcome: 'overlap', text: last.text };
  const { text, overlaps } = merge(base.text, last.text, submitted.text);
  if (isTooLarge(text)) return { outcome: 'overlap', text: last.text };
  return { outcome: overlaps.length === 0 ? 'merged' : 'overlap', text };
}

/** Both sides of a merge may be documents, and together be too long for one. */
const isTooLarge = (text: string): boolean => Buffer.byteLength(text) > DOCUMENT_BYTES;

/** How a submission came to be kept aside; a text is undefined if it was purged, or never known. */
export interface KeptAside {
  readonly base: string | undefined;
  readonly submitted: string | undefined;
  /** What the document said before and after. */
  readonly before: string | undefined;
  readonly after: string | undefined;
}

/**
 * What the document says after somebody took in what was kept aside, as it is or edited: in the places where it had
 * lost, and where it was edited, `taken` wins; the rest of the document stays.
 *
 * @throws AachatError `VALIDATION_ERROR` if that is too long for a document
 */
export function takeIn({ digest, last }: Head, { base, submitted, before, after }: KeptAside, taken: string): string {
  if (digest === null || last === undefined || after === undefined) return taken;
  const wished =
    base === undefined || submitted === undefined || before === undefined
      ? taken
      : merge(submitted, taken, merge(base, submitted, before).text).text;
  const { text } = merge(after, wished, last.text);
  if (!isTooLarge(text)) return text;
  throw new AachatError('VALIDATION_ERROR', `The document would have more than ${DOCUMENT_BYTES / 1024} KiB with it.`, {
    hint: 'Shorten the document first, or move a part of it into another one.',
  });
}
