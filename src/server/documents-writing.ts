/** Documents: every way in which one changes. Whoever changes one holds its row, so versions and conflicts count on. */
import { hash } from 'node:crypto';
import { AachatError } from '#base/errors.ts';
import { newId } from '#base/id.ts';
import type { Document, DocumentConflict, VersionKind } from '#contract/documents.ts';
import type { Party } from '#contract/entities.ts';
import type { ConflictId, DocumentId, ProjectId } from '#contract/ids.ts';
import { foldName, formatDocumentPath } from '#contract/paths.ts';
import type { ROUTES } from '#contract/routes.ts';
import type { Actor } from './authorize.ts';
import type { ConflictRow, DocumentRow, VersionRow } from './database/schema.ts';
import type { Tx } from './database/store.ts';
import { conflictOf, documentFacts, documentOf, textsOf, versionOf } from './documents.ts';
import { type Decision, decidePush, type Head, type Text, takeIn } from './documents-decision.ts';
import { type ProjectInTeam, projectFacts } from './facts.ts';
import { party, type Writing } from './request.ts';
import { partyOf } from './signals.ts';

const textOf = (text: string): Text => ({ text, digest: hash('sha256', text) });

/** A document whose row is held until the commit. */
interface Held {
  readonly project: ProjectInTeam;
  readonly row: DocumentRow;
  readonly author: Party;
  /** Only a person's tool needs naming: an agent speaks for itself. */
  readonly via: string | null;
}

function held(actor: Actor, project: ProjectInTeam, row: DocumentRow, via: string | undefined): Held {
  const { kind, id, name } = party(actor);
  const author = partyOf(kind === 'user' ? 'user' : 'agent', id, name);
  return { project, row, author, via: kind === 'user' ? (via ?? null) : null };
}

/** Holds a document and reads it as it is then. */
async function lockedRow(tx: Tx, id: DocumentId): Promise<DocumentRow> {
  const [, row] = await Promise.all([
    tx.engine.lock(tx.q, 'documents', [id]),
    tx.q.selectFrom('documents').selectAll().where('id', '=', id).executeTakeFirstOrThrow(),
  ]);
  return row;
}

async function headOf(tx: Tx, row: DocumentRow): Promise<Head> {
  if (row.version === 0) return { digest: null, last: undefined };
  const digest = row.digest ?? (await livingBefore(tx, row, row.version));
  const text = digest === null ? undefined : (await textsOf(tx, row.id, [digest])).get(digest);
  return { digest: row.digest, last: digest === null || text === undefined ? undefined : { digest, text } };
}

/** What the document said before version `number`, without deletions. */
async function livingBefore({ q }: Tx, { id }: DocumentRow, number: number): Promise<string | null> {
  const version = await q
    .selectFrom('versions')
    .select('digest')
    .where('document_id', '=', id)
    .where('number', '<', number)
    .where('digest', 'is not', null)
    .orderBy('number', 'desc')
    .executeTakeFirst();
  return version?.digest ?? null;
}

export const pushDocument: Writing<typeof ROUTES.pushDocument> = async (tx, { actor, params, body, ask }) => {
  const { project, resource } = await projectFacts(tx, actor, params.projectId);
  ask(resource);
  const { kind, name, baseDigest } = body;
  const known = await tx.q
    .selectFrom('documents')
    .select('id')
    .where('project_id', '=', project.id)
    .where('kind', '=', kind)
    .where('name', '=', name)
    .executeTakeFirst();
  if (known === undefined && body.text === null) throw nothingToDelete(project, kind, name);
  const row = known === undefined ? newRow(tx, project.id, kind, name) : await lockedRow(tx, known.id);
  const document = held(actor, project, row, body.via);

  const submitted = body.text === null ? null : textOf(body.text);
  const texts = await textsOf(tx, row.id, known === undefined ? [] : [baseDigest, submitted?.digest]);
  const decision: Decision = decidePush(await headOf(tx, row), {
    // Whatever never was has no past: the text is new even if its author took it from somewhere.
    base: baseDigest === null || known === undefined ? null : { digest: baseDigest, text: texts.get(baseDigest) },
    text: submitted,
    known: submitted !== null && texts.has(submitted.digest),
  });
  const { outcome } = decision;
  if (outcome === 'unchanged' || outcome === 'kept') return { document: documentOf(row, project), outcome };

  const aside = outcome === 'overlap' ? submitted : null;
  const already = aside === null ? undefined : await openConflict(tx, row, aside.digest);
  if (already !== undefined) {
    return { document: documentOf(row, project), outcome, conflict: conflictOf(already, row, project) };
  }
  const change = { kind: kindOf(outcome, submitted), baseDigest, submitted, text: decision.text };
  const changed = await addVersion(tx, document, change);
  if (aside === null) return { document: changed, outcome };
  const how = { baseDigest, version: changed.version };
  return { document: changed, outcome, conflict: await keepAside(tx, document, aside, how) };
};

function kindOf(outcome: 'accepted' | 'merged' | 'overlap', submitted: Text | null): VersionKind {
  if (outcome !== 'accepted') return outcome;
  return submitted === null ? 'deleted' : 'edited';
}

const nothingToDelete = (project: ProjectInTeam, kind: string, name: string): AachatError =>
  new AachatError(
    'VALIDATION_ERROR',
    `There is no ${formatDocumentPath({ team: project.team, project: project.name, kind, name })} to delete.`,
    { hint: 'Run `aachat doc list` to see the documents.' },
  );

/** Not in the table until its first version. */
const newRow = (tx: Tx, projectId: ProjectId, kind: string, name: string): DocumentRow => ({
  id: newId<DocumentId>(),
  project_id: projectId,
  kind,
  name,
  folded: foldName(name),
  version: 0,
  digest: null,
  size: 0,
  author_kind: 'user',
  author_id: '' as DocumentRow['author_id'],
  author_name: '',
  via: null,
  created_at: tx.now,
  updated_at: tx.now,
});

interface Change {
  readonly kind: VersionKind;
  readonly baseDigest: string | null;
  readonly submitted: Text | null;
  /** What the document says afterwards. */
  readonly text: string | null;
}

/** Writes the next version and tells the project. */
async function addVersion(tx: Tx, { project, row, author, via }: Held, change: Change): Promise<Document> {
  if (row.digest === null && change.text !== null) await refuseTwin(tx, row, project);
  const after = change.text === null ? null : textOf(change.text);
  const size = after === null ? 0 : Buffer.byteLength(after.text);
  const facts = {
    digest: after?.digest ?? null,
    size,
    author_kind: author.kind,
    author_id: author.id,
    author_name: author.name,
    via,
  };
  const next: DocumentRow = { ...row, ...facts, version: row.version + 1, updated_at: tx.now };
  if (row.version === 0) await tx.q.insertInto('documents').values(next).execute();
  else await tx.q.updateTable('documents').set(next).where('id', '=', row.id).execute();
  const texts = [change.submitted, after].flatMap((text) => (text === null ? [] : [{ document_id: row.id, ...text }]));
  if (texts.length > 0) {
    await tx.q
      .insertInto('texts')
      .values(texts)
      .onConflict((on) => on.columns(['document_id', 'digest']).doNothing())
      .execute();
  }
  const version: VersionRow = {
    document_id: row.id,
    number: next.version,
    kind: change.kind,
    ...facts,
    base_digest: change.baseDigest,
    submitted_digest: change.submitted?.digest ?? null,
    created_at: tx.now,
    purged_at: null,
  };
  await tx.q.insertInto('versions').values(version).execute();
  const document = documentOf(next, project);
  tx.emit({ stream: project.id, type: 'document.changed', entityId: document.id, data: { document } });
  return document;
}

/** Two living documents whose names differ in case only could not lie in one folder everywhere. */
async function refuseTwin({ q }: Tx, row: DocumentRow, project: ProjectInTeam): Promise<void> {
  const twin = await q
    .selectFrom('documents')
    .selectAll()
    .where('project_id', '=', row.project_id)
    .where('kind', '=', row.kind)
    .where('folded', '=', row.folded)
    .where('digest', 'is not', null)
    // One of the very same name was made this moment by somebody else: the insert will find that out.
    .where('name', '!=', row.name)
    .executeTakeFirst();
  if (twin === undefined) return;
  throw new AachatError(
    'VALIDATION_ERROR',
    `There is a ${formatDocumentPath(documentOf(twin, project))} already, and "${row.name}" is the same name on some systems.`,
    { hint: 'Choose a name that differs in more than case.' },
  );
}

const openConflict = ({ q }: Tx, { id }: DocumentRow, digest: string): Promise<ConflictRow | undefined> =>
  q
    .selectFrom('conflicts')
    .selectAll()
    .where('document_id', '=', id)
    .where('digest', '=', digest)
    .where('settled_at', 'is', null)
    .executeTakeFirst();

async function keepAside(
  tx: Tx,
  { project, row, author }: Held,
  submitted: Text,
  { baseDigest, version }: { readonly baseDigest: string | null; readonly version: number },
): Promise<DocumentConflict> {
  const { most } = await tx.q
    .selectFrom('conflicts')
    .select((eb) => eb.fn.max('number').as('most'))
    .where('document_id', '=', row.id)
    .executeTakeFirstOrThrow();
  const kept: ConflictRow = {
    id: newId<ConflictId>(),
    document_id: row.id,
    number: (most ?? 0) + 1,
    version,
    author_kind: author.kind,
    author_id: author.id,
    author_name: author.name,
    base_digest: baseDigest,
    digest: submitted.digest,
    size: Buffer.byteLength(submitted.text),
    created_at: tx.now,
    settled_at: null,
  };
  await tx.q.insertInto('conflicts').values(kept).execute();
  return announceConflict(tx, kept, row, project);
}

function announceConflict(tx: Tx, kept: ConflictRow, row: DocumentRow, project: ProjectInTeam): DocumentConflict {
  const conflict = conflictOf(kept, row, project);
  tx.emit({ stream: project.id, type: 'document.conflict', entityId: row.id, data: { conflict } });
  return conflict;
}

export const settleConflict: Writing<typeof ROUTES.settleConflict> = async (tx, { actor, params, body, ask }) => {
  const { project, resource } = await documentFacts(tx, actor, params.documentId);
  ask(resource);
  const row = await lockedRow(tx, params.documentId);
  const document = held(actor, project, row, body.via);
  const kept = await tx.q
    .selectFrom('conflicts')
    .selectAll()
    .where('document_id', '=', row.id)
    .where('number', '=', params.number)
    .executeTakeFirst();
  if (kept === undefined) {
    throw new AachatError('NOT_FOUND', `The document has no conflict ${params.number}.`, {
      hint: 'Run `aachat doc conflicts` to see those that are open.',
    });
  }
  const changed = body.text === null ? undefined : await takeInText(tx, document, kept, textOf(body.text));
  const now = changed ?? documentOf(row, project);
  if (kept.settled_at !== null) return { document: now, conflict: conflictOf(kept, row, project) };
  await tx.q.updateTable('conflicts').set({ settled_at: tx.now }).where('id', '=', kept.id).execute();
  const settled = { ...kept, settled_at: tx.now };
  return { document: now, conflict: announceConflict(tx, settled, row, project) };
};

/** Also when somebody else settled it meanwhile: their text is then the version before. */
async function takeInText(tx: Tx, document: Held, kept: ConflictRow, taken: Text): Promise<Document | undefined> {
  const { row } = document;
  if (taken.digest === row.digest) return undefined;
  const [before, [version], head] = await Promise.all([
    livingBefore(tx, row, kept.version),
    versionsOf(tx, row, [kept.version]),
    headOf(tx, row),
  ]);
  const digests = { base: kept.base_digest, submitted: kept.digest, before, after: version?.digest ?? null };
  const texts = await textsOf(tx, row.id, Object.values(digests));
  const textBy = (digest: string | null) => (digest === null ? undefined : texts.get(digest));
  const how = {
    base: textBy(digests.base),
    submitted: textBy(digests.submitted),
    before: textBy(digests.before),
    after: textBy(digests.after),
  };
  const text = takeIn(head, how, taken.text);
  return addVersion(tx, document, { kind: 'settled', baseDigest: kept.base_digest, submitted: taken, text });
}

export const restoreDocument: Writing<typeof ROUTES.restoreDocument> = async (tx, { actor, params, body, ask }) => {
  const { project, resource } = await documentFacts(tx, actor, params.documentId);
  ask(resource);
  const row = await lockedRow(tx, params.documentId);
  const [version] = await versionsOf(tx, row, [body.version]);
  const text = (await textsOf(tx, row.id, [version?.digest])).get(version?.digest ?? '');
  if (version === undefined || text === undefined) {
    throw new AachatError('VALIDATION_ERROR', `Version ${body.version} has no text: ${reasonOf(version)}.`, {
      hint: `Run \`aachat doc history ${formatDocumentPath(documentOf(row, project))}\` and choose another.`,
    });
  }
  if (version.digest === row.digest) return { document: documentOf(row, project) };
  const change = { kind: 'restored', baseDigest: row.digest, submitted: textOf(text), text } as const;
  return { document: await addVersion(tx, held(actor, project, row, body.via), change) };
};

function reasonOf(version: VersionRow | undefined): string {
  if (version === undefined) return 'there is none of that number';
  return version.digest === null ? 'it is a deletion' : 'it was purged';
}

const versionsOf = ({ q }: Tx, { id }: DocumentRow, numbers: readonly number[]): Promise<VersionRow[]> =>
  q.selectFrom('versions').selectAll().where('document_id', '=', id).where('number', 'in', numbers).execute();

/** Says nothing to anybody: an event would point at what shall be forgotten. */
export const purgeVersions: Writing<typeof ROUTES.purgeVersions> = async (tx, { actor, params, body, ask }) => {
  const { resource } = await documentFacts(tx, actor, params.documentId);
  ask(resource);
  const row = await lockedRow(tx, params.documentId);
  const wanted = new Set(body.versions);
  const versions = await versionsOf(tx, row, [...wanted, ...[...wanted].map((number) => number - 1)]);
  const digests = textsMadeBy(versions, wanted);
  await refuseNeeded(tx, row, digests);
  const removed = [...digests];
  if (removed.length > 0) {
    await tx.engine.erase(tx.q, row.id, removed);
    await tx.q
      .updateTable('versions')
      .set({ purged_at: tx.now })
      .where('document_id', '=', row.id)
      .where((eb) => eb.or([eb('digest', 'in', removed), eb('submitted_digest', 'in', removed)]))
      .execute();
  }
  const after = await versionsOf(tx, row, [...wanted]);
  return { versions: after.toSorted((a, b) => b.number - a.number).map(versionOf) };
};

/** What came with these versions. A version that left the document as it was did not make the text that it shows. */
function textsMadeBy(versions: readonly VersionRow[], wanted: ReadonlySet<number>): ReadonlySet<string> {
  const before = new Map(versions.map(({ number, digest }) => [number + 1, digest]));
  const made = versions
    .filter(({ number }) => wanted.has(number))
    .flatMap(({ number, digest, submitted_digest }) => [
      submitted_digest,
      digest === before.get(number) ? null : digest,
    ]);
  return new Set(made.flatMap((digest) => digest ?? []));
}

async function refuseNeeded({ q }: Tx, row: DocumentRow, digests: ReadonlySet<string>): Promise<void> {
  if (row.digest !== null && digests.has(row.digest)) {
    throw new AachatError('CONFLICT', 'The document still says what that version says.', {
      hint: 'Take it out of the document first, then purge.',
    });
  }
  const open = await q
    .selectFrom('conflicts')
    .select(['number', 'digest'])
    .where('document_id', '=', row.id)
    .where('settled_at', 'is', null)
    .execute();
  const needed = open.find(({ digest }) => digests.has(digest));
  if (needed === undefined) return;
  throw new AachatError('CONFLICT', `Conflict ${needed.number} keeps a text of that version aside.`, {
    hint: 'Settle it first, then purge.',
  });
}
