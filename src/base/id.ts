/** New identifiers. UUIDv7: sortable by time, so an index on it stays dense. */
import { v7 } from 'uuid';

/** @returns a fresh UUIDv7, typed as the branded id that the caller needs */
export const newId = <Id extends string = string>(): Id => v7() as Id;
