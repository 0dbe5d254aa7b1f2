/** Shared documents: reading, handing in edits, what was kept aside, history. */
import { z } from 'zod';
import { Digest, Document, DocumentConflict, DocumentText, DocumentVersion } from '#contract/documents.ts';
import { Via } from '#contract/entities.ts';
import { ClientId, ConflictId, DocumentId, ProjectId, TeamSlug } from '#contract/ids.ts';
import { DocumentKind, DocumentName } from '#contract/paths.ts';
import { route } from '#contract/route.ts';

const inDocument = z.object({ documentId: DocumentId });
const Ordinal = z.coerce.number().int().positive();
const limit = (most: number, usual: number) => z.coerce.number().int().min(1).max(most).default(usual);

/** Documents that the caller may read, in the order of their ids: go on with `after` while `hasMore`. */
export const listDocuments = route({
  method: 'GET',
  path: '/v1/documents',
  query: z.object({
    project: ProjectId.optional(),
    team: TeamSlug.optional(),
    /** `all` has the deleted ones too. */
    state: z.enum(['living', 'all']).default('living'),
    after: DocumentId.optional(),
    limit: limit(2000, 500),
  }),
  reply: z.object({ documents: z.array(Document), hasMore: z.boolean() }),
});

/**
 * The one resolver of document names: `<name>`, `<kind>/<name>`, `<project>/<kind>/<name>` or
 * `<team>/<project>/<kind>/<name>`, with or without `.md`. Living documents come before deleted ones. Several matches
 * are `AMBIGUOUS_NAME`.
 */
export const resolveDocument = route({
  method: 'GET',
  path: '/v1/documents/resolve',
  query: z.object({ name: z.string().min(1).max(500), project: ProjectId.optional(), team: TeamSlug.optional() }),
  reply: z.object({ document: Document }),
});

/** What is kept aside and not settled, oldest first: go on with `after` while `hasMore`. */
export const listConflicts = route({
  method: 'GET',
  path: '/v1/documents/conflicts',
  query: z.object({
    project: ProjectId.optional(),
    team: TeamSlug.optional(),
    document: DocumentId.optional(),
    after: ConflictId.optional(),
    limit: limit(1000, 200),
  }),
  reply: z.object({ conflicts: z.array(DocumentConflict), hasMore: z.boolean() }),
});

/**
 * Hands in what somebody wrote on top of `baseDigest` (null: a new document); `text: null` deletes. The answer says
 * what became of it:
 *
 *   unchanged  the document has this text already, or nothing was edited
 *   accepted   the document is now this text
 *   merged     others had edited elsewhere: both are in it
 *   overlap    others had edited the same lines: those stand, the submission is kept aside in `conflict`
 *   kept       nothing was deleted, because the document is not what the deleter saw
 */
export const pushDocument = route({
  method: 'POST',
  path: '/v1/projects/:projectId/documents',
  params: z.object({ projectId: ProjectId }),
  body: z.object({
    clientId: ClientId,
    kind: DocumentKind,
    name: DocumentName,
    baseDigest: Digest.nullable(),
    text: DocumentText.nullable(),
    via: Via.optional(),
  }),
  reply: z.object({
    document: Document,
    outcome: z.enum(['unchanged', 'accepted', 'merged', 'overlap', 'kept']),
    conflict: DocumentConflict.optional(),
  }),
});

/** A text of the document that was ever handed in or current, unless it was purged. */
export const readDocument = route({
  method: 'GET',
  path: '/v1/documents/:documentId/texts/:digest',
  params: inDocument.extend({ digest: Digest }),
  reply: z.object({ text: DocumentText }),
});

/** Newest first. */
export const listVersions = route({
  method: 'GET',
  path: '/v1/documents/:documentId/versions',
  params: inDocument,
  query: z.object({ before: Ordinal.optional(), limit: limit(1000, 50) }),
  reply: z.object({ document: Document, versions: z.array(DocumentVersion), hasMore: z.boolean() }),
});

/** Makes the text of an old version the newest one; also brings back a deleted document. */
export const restoreDocument = route({
  method: 'POST',
  path: '/v1/documents/:documentId/restore',
  params: inDocument,
  body: z.object({ clientId: ClientId, version: z.int().positive(), via: Via.optional() }),
  reply: z.object({ document: Document }),
});

/**
 * Every document that the project has or had, with its newest version of a past moment; `version: null`: it was not made
 * yet. In the order of their ids: go on with `after` while `hasMore`.
 */
export const listPast = route({
  method: 'GET',
  path: '/v1/projects/:projectId/documents/past',
  params: z.object({ projectId: ProjectId }),
  query: z.object({ at: z.iso.datetime(), after: DocumentId.optional(), limit: limit(2000, 500) }),
  reply: z.object({
    documents: z.array(
      z.object({ document: Document, version: z.object({ number: z.int(), digest: Digest.nullable() }).nullable() }),
    ),
    hasMore: z.boolean(),
  }),
});

/**
 * Settles a conflict for everybody. `text: null` leaves the document as it is; a text is what somebody made of the
 * submission, and goes into the document: where both sides differ it wins.
 */
export const settleConflict = route({
  method: 'POST',
  path: '/v1/documents/:documentId/conflicts/:number/settle',
  params: inDocument.extend({ number: Ordinal }),
  body: z.object({ clientId: ClientId, text: DocumentText.nullable(), via: Via.optional() }),
  reply: z.object({ document: Document, conflict: DocumentConflict }),
});

/** Removes the texts of old versions for ever. The newest text and those of open conflicts must be changed first. */
export const purgeVersions = route({
  method: 'POST',
  path: '/v1/documents/:documentId/purge',
  params: inDocument,
  body: z.object({ clientId: ClientId, versions: z.array(z.int().positive()).min(1).max(1000) }),
  reply: z.object({ versions: z.array(DocumentVersion) }),
});
