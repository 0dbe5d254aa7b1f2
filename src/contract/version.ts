/**
 * Version of the wire, sent in the header `aachat-protocol` and in the `hello` frame.
 *
 * History
 *   1  first version
 *   2  documents; a reader of 1 does not know their events
 */
export const PROTOCOL_VERSION = 2;

/** The oldest peer that this one can talk to. */
export const OLDEST_PROTOCOL = 2;

export const PROTOCOL_HEADER = 'aachat-protocol';
