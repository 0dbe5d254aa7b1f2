/** New identifiers. UUIDv7: sortable by time, so an index on it stays dense. */
import { v7 } from 'uuid';

/** @returns a fresh UUIDv7, typed as the branded id that the caller needs */
export const newId = <Id extends string = string>(): Id => v7() as Id;

/** @returns when `newId` made it, in milliseconds since the epoch; undefined if it did not */
export function timeOfId(id: string): number | undefined {
  const [, high, low] = /^([0-9a-f]{8})-([0-9a-f]{4})-7/.exec(id) ?? [];
  return high === undefined || low === undefined ? undefined : Number.parseInt(high + low, 16);
}
