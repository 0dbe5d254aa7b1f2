/**
 * Version of the wire, sent in the header `aachat-protocol` and in the `hello` frame.
 *
 * History
 *   1  first version
 */
export const PROTOCOL_VERSION = 1;

/** The oldest peer that this one can talk to. */
export const OLDEST_PROTOCOL = 1;

export const PROTOCOL_HEADER = 'aachat-protocol';
