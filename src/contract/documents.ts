/** Shared documents, as the server shows them: rows only, a text is read by its digest. */
import { z } from 'zod';
import { Party, Via } from './entities.ts';
import { ConflictId, DocumentId, ProjectId, ProjectName, TeamSlug } from './ids.ts';
import { DocumentKind, DocumentName } from './paths.ts';

const At = z.iso.datetime();

/** Largest text of a document, in bytes of UTF-8. */
export const DOCUMENT_BYTES = 1024 * 1024;

/** Every byte counts: line ends, a byte order mark and the last newline are kept as they are. */
export const DocumentText = z.string().superRefine((text, context) => {
  const problem = textProblem(text);
  if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
});

function textProblem(text: string): string | undefined {
  if (text.length > DOCUMENT_BYTES || new TextEncoder().encode(text).length > DOCUMENT_BYTES) {
    return `A document has at most ${DOCUMENT_BYTES / 1024} KiB.`;
  }
  if (text.includes('\0')) return 'A document is text; this has NUL bytes.';
  return text.isWellFormed() ? undefined : 'A document is text in UTF-8; this has half a character.';
}

/** SHA-256 of a text's bytes, in hex. */
export const Digest = z.string().regex(/^[0-9a-f]{64}$/, 'A digest has 64 hex digits.');

/** Where it lies: a `DocumentPath`. */
const place = { projectId: ProjectId, team: TeamSlug, project: ProjectName, kind: DocumentKind, name: DocumentName };

export const Document = z.object({
  id: DocumentId,
  ...place,
  /** Number of the newest version, from 1. */
  version: z.int().positive(),
  /** null: deleted. */
  digest: Digest.nullable(),
  /** In bytes. */
  size: z.int().nonnegative(),
  /** Of the newest version. */
  author: Party,
  via: Via.nullable(),
  createdAt: At,
  updatedAt: At,
});
export type Document = z.infer<typeof Document>;

/**
 * How a version came to be. `overlap`: what could be merged was, the rest of the submission was kept aside.
 * `settled`: a text that had been kept aside was taken in.
 */
export const VersionKind = z.enum(['edited', 'merged', 'overlap', 'deleted', 'restored', 'settled']);
export type VersionKind = z.infer<typeof VersionKind>;

export const DocumentVersion = z.object({
  documentId: DocumentId,
  number: z.int().positive(),
  kind: VersionKind,
  author: Party,
  via: Via.nullable(),
  /** What the author's edit began from, as they said. */
  baseDigest: Digest.nullable(),
  /** What the author handed in; null for a deletion. */
  submittedDigest: Digest.nullable(),
  /** The document afterwards; null: deleted. */
  digest: Digest.nullable(),
  size: z.int().nonnegative(),
  createdAt: At,
  /** Set when the texts of this version were removed. */
  purgedAt: At.nullable(),
});
export type DocumentVersion = z.infer<typeof DocumentVersion>;

/** A submission of which some lines are not in the document, because somebody else had changed the same ones. */
export const DocumentConflict = z.object({
  id: ConflictId,
  documentId: DocumentId,
  ...place,
  /** Counts from 1 in each document. */
  number: z.int().positive(),
  author: Party,
  baseDigest: Digest.nullable(),
  /** Of the whole submission. */
  digest: Digest,
  size: z.int().nonnegative(),
  createdAt: At,
  settledAt: At.nullable(),
});
export type DocumentConflict = z.infer<typeof DocumentConflict>;
