/** Documents: finding and reading them, their history, and what is kept aside. */
import { AachatError } from '#base/errors.ts';
import { isoTime } from '#base/time.ts';
import type { Document, DocumentConflict, DocumentVersion } from '#contract/documents.ts';
import type { DocumentId, ProjectId } from '#contract/ids.ts';
import { foldName, formatDocumentPath } from '#contract/paths.ts';
import type { ROUTES } from '#contract/routes.ts';
import type { Actor } from './authorize.ts';
import type { ConflictRow, DocumentRow, VersionRow } from './database/schema.ts';
import type { View } from './database/store.ts';
import { type ProjectInTeam, projectFacts, readableProjects } from './facts.ts';
import { hidden, type Reading } from './request.ts';
import { partyOf } from './signals.ts';

const placeOf = (row: DocumentRow, project: ProjectInTeam) => ({
  projectId: project.id,
  team: project.team,
  project: project.name,
  kind: row.kind,
  name: row.name,
});

export const documentOf = (row: DocumentRow, project: ProjectInTeam): Document => ({
  id: row.id,
  ...placeOf(row, project),
  version: row.version,
  digest: row.digest,
  size: row.size,
  author: partyOf(row.author_kind, row.author_id, row.author_name),
  via: row.via,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
});

export const versionOf = (row: VersionRow): DocumentVersion => ({
  documentId: row.document_id,
  number: row.number,
  kind: row.kind,
  author: partyOf(row.author_kind, row.author_id, row.author_name),
  via: row.via,
  baseDigest: row.base_digest,
  submittedDigest: row.submitted_digest,
  digest: row.digest,
  size: row.size,
  createdAt: row.created_at,
  purgedAt: row.purged_at,
});

export const conflictOf = (row: ConflictRow, document: DocumentRow, project: ProjectInTeam): DocumentConflict => ({
  id: row.id,
  documentId: document.id,
  ...placeOf(document, project),
  number: row.number,
  author: partyOf(row.author_kind, row.author_id, row.author_name),
  baseDigest: row.base_digest,
  digest: row.digest,
  size: row.size,
  createdAt: row.created_at,
  settledAt: row.settled_at,
});

/**
 * A document, with what `authorize` needs to know of its project.
 *
 * @throws AachatError `NOT_FOUND`, in the words for a project that is not for the actor
 */
export async function documentFacts(view: View, actor: Actor, id: DocumentId) {
  const row = await view.q.selectFrom('documents').selectAll().where('id', '=', id).executeTakeFirst();
  if (row === undefined) throw hidden('project');
  return { document: row, ...(await projectFacts(view, actor, row.project_id)) };
}

/** The projects that the actor may read and that were asked for, by their ids. */
async function asked(
  view: View,
  actor: Actor,
  { project, team }: { readonly project?: ProjectId | undefined; readonly team?: string | undefined },
): Promise<ReadonlyMap<ProjectId, ProjectInTeam>> {
  const readable = await readableProjects(view, actor);
  const wanted = readable.filter(({ id, team: slug }) => id === (project ?? id) && slug === (team ?? slug));
  if (project !== undefined && wanted.length === 0) throw hidden('project');
  return new Map(wanted.map((one) => [one.id, one]));
}

/** Rows were read from these projects only. */
function projectIn(projects: ReadonlyMap<ProjectId, ProjectInTeam>, id: ProjectId): ProjectInTeam {
  const project = projects.get(id);
  if (project === undefined) throw new Error('A row of a project that was not asked for.');
  return project;
}

export const listDocuments: Reading<typeof ROUTES.listDocuments> = async (view, { actor, query, ask }) => {
  ask({ kind: 'own' });
  const projects = await asked(view, actor, query);
  if (projects.size === 0) return { documents: [], hasMore: false };
  const { state, after, limit } = query;
  const rows = await view.q
    .selectFrom('documents')
    .selectAll()
    .where('project_id', 'in', [...projects.keys()])
    .$if(state === 'living', (qb) => qb.where('digest', 'is not', null))
    .$if(after !== undefined, (qb) => qb.where('id', '>', after as DocumentId))
    .orderBy('id')
    .limit(limit + 1)
    .execute();
  return {
    documents: rows.slice(0, limit).map((row) => documentOf(row, projectIn(projects, row.project_id))),
    hasMore: rows.length > limit,
  };
};

export const resolveDocument: Reading<typeof ROUTES.resolveDocument> = async (view, { actor, query, ask }) => {
  ask({ kind: 'own' });
  const projects = await asked(view, actor, query);
  const parts = query.name.replace(/\.md$/, '').split('/').reverse();
  const [name = '', kind, project, team] = parts.map((part) => part.normalize('NFC'));
  const inProject = [...projects.values()].filter(
    (one) =>
      parts.length <= 4 &&
      (team === undefined || one.team === team) &&
      (project === undefined || one.name === project || one.name.replace(/^dm:/, 'dm.') === project),
  );
  const rows =
    inProject.length === 0
      ? []
      : await view.q
          .selectFrom('documents')
          .selectAll()
          .where('folded', '=', foldName(name))
          .where(
            'project_id',
            'in',
            inProject.map(({ id }) => id),
          )
          .$if(kind !== undefined, (qb) => qb.where('kind', '=', kind ?? ''))
          .orderBy('updated_at', 'desc')
          .execute();
  const living = rows.filter(({ digest }) => digest !== null);
  // Of those that are deleted a project may have both spellings.
  const spelled = rows.filter((row) => row.name === name);
  const matches = [living, spelled, rows].find(({ length }) => length > 0) ?? [];
  const documents = matches.map((row) => documentOf(row, projectIn(projects, row.project_id)));
  const [document, ...others] = documents;
  if (document === undefined) {
    throw new AachatError('NOT_FOUND', `You have no document "${query.name}"${query.project ? ' there' : ''}.`, {
      hint: 'Run `aachat doc list` to see yours.',
    });
  }
  if (others.length === 0) return { document };
  const list = documents.map(formatDocumentPath).slice(0, 10).join(', ');
  throw new AachatError('AMBIGUOUS_NAME', `"${query.name}" may be any of ${list}.`, { hint: 'Use the whole path.' });
};

export const listConflicts: Reading<typeof ROUTES.listConflicts> = async (view, { actor, query, ask }) => {
  ask({ kind: 'own' });
  const projects = await asked(view, actor, query);
  if (projects.size === 0) return { conflicts: [], hasMore: false };
  const { document, after, limit } = query;
  const rows = await view.q
    .selectFrom('conflicts')
    .innerJoin('documents', 'documents.id', 'conflicts.document_id')
    .selectAll('conflicts')
    .where('settled_at', 'is', null)
    .where('documents.project_id', 'in', [...projects.keys()])
    .$if(document !== undefined, (qb) => qb.where('document_id', '=', document as DocumentId))
    .$if(after !== undefined, (qb) => qb.where('conflicts.id', '>', after as ConflictRow['id']))
    .orderBy('conflicts.id')
    .limit(limit + 1)
    .execute();
  const page = rows.slice(0, limit);
  const documents = await documentsById(view, page);
  return {
    conflicts: page.flatMap((row) => {
      const of = documents.get(row.document_id);
      return of === undefined ? [] : [conflictOf(row, of, projectIn(projects, of.project_id))];
    }),
    hasMore: rows.length > limit,
  };
};

async function documentsById(
  { q }: View,
  conflicts: readonly ConflictRow[],
): Promise<ReadonlyMap<DocumentId, DocumentRow>> {
  if (conflicts.length === 0) return new Map();
  const ids = [...new Set(conflicts.map(({ document_id }) => document_id))];
  const rows = await q.selectFrom('documents').selectAll().where('id', 'in', ids).execute();
  return new Map(rows.map((row) => [row.id, row]));
}

export const readDocument: Reading<typeof ROUTES.readDocument> = async (view, { actor, params, ask }) => {
  const { document, project, resource } = await documentFacts(view, actor, params.documentId);
  ask(resource);
  const found = await textsOf(view, document.id, [params.digest]);
  const text = found.get(params.digest);
  if (text !== undefined) return { text };
  throw new AachatError('NOT_FOUND', 'The document never had this text, or it was purged.', {
    hint: `Run \`aachat doc history ${formatDocumentPath(documentOf(document, project))}\`.`,
  });
};

/** @returns what is there of the document's texts, by digest */
export async function textsOf(
  { q }: View,
  id: DocumentId,
  digests: readonly (string | null | undefined)[],
): Promise<ReadonlyMap<string, string>> {
  const wanted = digests.flatMap((digest) => digest ?? []);
  if (wanted.length === 0) return new Map();
  const rows = await q
    .selectFrom('texts')
    .select(['digest', 'text'])
    .where('document_id', '=', id)
    .where('digest', 'in', wanted)
    .execute();
  return new Map(rows.map(({ digest, text }) => [digest, text]));
}

export const listVersions: Reading<typeof ROUTES.listVersions> = async (view, { actor, params, query, ask }) => {
  const { document, project, resource } = await documentFacts(view, actor, params.documentId);
  ask(resource);
  const { before, limit } = query;
  const rows = await view.q
    .selectFrom('versions')
    .selectAll()
    .where('document_id', '=', document.id)
    .$if(before !== undefined, (qb) => qb.where('number', '<', before ?? 0))
    .orderBy('number', 'desc')
    .limit(limit + 1)
    .execute();
  return {
    document: documentOf(document, project),
    versions: rows.slice(0, limit).map(versionOf),
    hasMore: rows.length > limit,
  };
};

export const listPast: Reading<typeof ROUTES.listPast> = async (view, { actor, params, query, ask }) => {
  const { project, resource } = await projectFacts(view, actor, params.projectId);
  ask(resource);
  const { after, limit } = query;
  const at = isoTime(Date.parse(query.at));
  const rows = await view.q
    .selectFrom('documents')
    .leftJoin('versions', (join) =>
      join.onRef('versions.document_id', '=', 'documents.id').on('versions.number', '=', (eb) =>
        eb
          .selectFrom('versions as past')
          .select((of) => of.fn.max('past.number').as('number'))
          .whereRef('past.document_id', '=', 'documents.id')
          .where('past.created_at', '<=', at),
      ),
    )
    .selectAll('documents')
    .select(['versions.number as past_number', 'versions.digest as past_digest'])
    .where('project_id', '=', project.id)
    .$if(after !== undefined, (qb) => qb.where('documents.id', '>', after as DocumentId))
    .orderBy('documents.id')
    .limit(limit + 1)
    .execute();
  return {
    documents: rows.slice(0, limit).map(({ past_number, past_digest, ...row }) => ({
      document: documentOf(row, project),
      version: past_number === null ? null : { number: past_number, digest: past_digest },
    })),
    hasMore: rows.length > limit,
  };
};
