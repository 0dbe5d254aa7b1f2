/**
 * Version of the wire, sent in the header `aachat-protocol` and in the `hello` frame.
 *
 * History
 *   1  first version
 *   2  documents; a reader of 1 does not know their events
 *   3  budgets; a reader of 2 does not know their events
 *   4  `_template` is the name of a document; a reader of 3 refuses the listing that has it
 *   5  turns count what was read from a cache and what was written to it by themselves; a reader of 4 refuses both;
 *      projects have cooldowns of pairs of agents; a turn can stop because of its agent's budget;
 *      requests of agents are seen and answered on other machines, their titles told past the server;
 *      who sends a message is told which agents it does not wake
 */
export const PROTOCOL_VERSION = 5;

/** The oldest peer that this one can talk to. */
export const OLDEST_PROTOCOL = 5;

export const PROTOCOL_HEADER = 'aachat-protocol';
