/** Why a file cannot be read or written, in a sentence for the person who can mend it. */
import { toAachatError } from '#base/errors.ts';

/** Thrown with that sentence. */
export class CannotShare extends Error {}

export function reasonOf(thrown: unknown): string {
  if (thrown instanceof CannotShare) return thrown.message;
  const { message, hint = '' } = toAachatError(thrown);
  return `${message} ${hint}`.trim();
}

/** @returns undefined for everything that is not for a person to mend */
export const localProblem = (thrown: unknown): string | undefined =>
  thrown instanceof CannotShare || (thrown instanceof Error && 'syscall' in thrown) ? reasonOf(thrown) : undefined;
