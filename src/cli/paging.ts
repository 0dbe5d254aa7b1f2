/** Lists come in pages, so that a long one neither floods a terminal nor is cut off in silence. */
import { table } from './output.ts';

export interface Page {
  readonly limit: number;
  /** How many of the first ones were seen already. */
  readonly offset: number;
}

/** A page of a list that came as a whole. */
export function pageOf<T>(all: readonly T[], { limit, offset }: Page) {
  return { items: all.slice(offset, offset + limit), hasMore: all.length > offset + limit };
}

/**
 * A page as text, with how to see the next one below it.
 *
 * @param empty what a list says that has nothing at all
 */
export function pageText(
  rows: readonly (readonly string[])[],
  { limit, offset }: Page,
  hasMore: boolean,
  empty: string,
): string {
  if (rows.length === 0) return offset === 0 ? empty : 'There are no more.';
  return `${table(rows)}${hasMore ? `\n(more: --offset ${offset + limit})` : ''}`;
}
