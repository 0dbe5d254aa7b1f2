/** Identifiers and names. Schema and type share a name, so one import serves both parsing and typing. */
import { z } from 'zod';

export const UserId = z.uuidv7().brand<'UserId'>();
export type UserId = z.infer<typeof UserId>;
export const TeamId = z.uuidv7().brand<'TeamId'>();
export type TeamId = z.infer<typeof TeamId>;
export const ProjectId = z.uuidv7().brand<'ProjectId'>();
export type ProjectId = z.infer<typeof ProjectId>;
export const AgentId = z.uuidv7().brand<'AgentId'>();
export type AgentId = z.infer<typeof AgentId>;
export const MessageId = z.uuidv7().brand<'MessageId'>();
export type MessageId = z.infer<typeof MessageId>;
export const SignalId = z.uuidv7().brand<'SignalId'>();
export type SignalId = z.infer<typeof SignalId>;
export const SessionId = z.uuidv7().brand<'SessionId'>();
export type SessionId = z.infer<typeof SessionId>;
export const RunId = z.uuidv7().brand<'RunId'>();
export type RunId = z.infer<typeof RunId>;
export const TurnId = z.uuidv7().brand<'TurnId'>();
export type TurnId = z.infer<typeof TurnId>;
export const MachineId = z.uuidv7().brand<'MachineId'>();
export type MachineId = z.infer<typeof MachineId>;
export const PermissionId = z.uuidv7().brand<'PermissionId'>();
export type PermissionId = z.infer<typeof PermissionId>;
export const DocumentId = z.uuidv7().brand<'DocumentId'>();
export type DocumentId = z.infer<typeof DocumentId>;
export const ConflictId = z.uuidv7().brand<'ConflictId'>();
export type ConflictId = z.infer<typeof ConflictId>;

/** A stream of events is named by the project or user that it belongs to. */
export const StreamId = z.union([ProjectId, UserId]);
export type StreamId = z.infer<typeof StreamId>;

/** Chosen by the sender, unique per author: the same id with the same content is the same command. */
export const ClientId = z.uuid();

/** Position in a stream: rises with gaps for a reader that may not see every event. */
export const Seq = z.int().nonnegative();

const BASE = '[a-z0-9][a-z0-9-]{0,38}';
const SLUG = '[a-z0-9][a-z0-9-]{0,62}';

/** Name of a person. No dot, so it can never look like an agent's. */
export const Login = z
  .string()
  .regex(new RegExp(`^${BASE}$`), 'A login has small letters, digits and `-`, at most 39 of them.');
export const TeamSlug = z
  .string()
  .regex(new RegExp(`^~?${SLUG}$`), 'A team name has small letters, digits and `-`, at most 63 of them.');
/** First half of an agent's name; the second is its owner's login. */
export const AgentBase = z
  .string()
  .regex(new RegExp(`^${BASE}$`), 'An agent name has small letters, digits and `-`, at most 39 of them.');
export const AgentName = z.string().regex(new RegExp(`^${BASE}\\.${BASE}$`), 'A full agent name is `<name>.<owner>`.');
/** A slug that a person chose, or `dm:<agent>`. */
export const ProjectName = z
  .string()
  .regex(
    new RegExp(`^(${SLUG}|dm:${BASE}\\.${BASE})$`),
    'A project name has small letters, digits and `-`, at most 63 of them.',
  );
export const ProjectSlug = z
  .string()
  .regex(new RegExp(`^${SLUG}$`), 'A project name has small letters, digits and `-`, at most 63 of them.');

/** What is left of a text in the form that logins and agents' names have; may be empty. */
export const toBase = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 39);

/** Short form for people: the last eight hex digits. The first ones of a UUIDv7 are a clock. */
export const shortId = (id: string): string => id.slice(-8);

/** Fewer digits would match by accident. */
const SHORTEST_ID_PART = 4;

/**
 * Finds what a person means by a full id, the short form, or any start or end of one.
 *
 * @param text what was typed; hex digits and `-`, in any case
 * @returns every match: one is an answer, several must be shown and never guessed
 */
export function matchId<T extends { readonly id: string }>(text: string, candidates: readonly T[]): readonly T[] {
  const part = text.toLowerCase();
  const digits = part.replaceAll('-', '');
  if (digits.length < SHORTEST_ID_PART || !/^[0-9a-f]+$/.test(digits)) return [];
  const exact = candidates.filter(({ id }) => id === part);
  if (exact.length > 0) return exact;
  return candidates.filter(({ id }) => {
    const plain = id.replaceAll('-', '');
    return plain.startsWith(digits) || plain.endsWith(digits);
  });
}
