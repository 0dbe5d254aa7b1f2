/** Lists come in pages, so that a long one neither floods a terminal nor is cut off in silence. */

export interface Page {
  readonly limit: number;
  /** How many of the first ones were seen already. */
  readonly offset: number;
}

/** A page of a list that came as a whole. */
export function pageOf<T>(all: readonly T[], { limit, offset }: Page) {
  return { items: all.slice(offset, offset + limit), hasMore: all.length > offset + limit };
}

/** Stands below a page: how to see the next one. */
export const moreLine = ({ limit, offset }: Page, hasMore: boolean): string =>
  hasMore ? `\n(more: --offset ${offset + limit})` : '';
