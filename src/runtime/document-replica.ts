/**
 * The server's documents as a mirror needs them (`sync/replica.ts`), with the rights of whoever `http` speaks for.
 * Mirrors know paths, the server knows ids: this file is where they meet.
 */
import { hash } from 'node:crypto';
import { AachatError, toAachatError } from '#base/errors.ts';
import type { HttpClient } from '#client/http.ts';
import type { Document, DocumentConflict } from '#contract/documents.ts';
import type { DocumentId, ProjectId } from '#contract/ids.ts';
import {
  conflictWho,
  formatConflictPath,
  formatDocumentPath,
  parseConflictPath,
  parseDocumentPath,
} from '#contract/paths.ts';
import { ROUTES } from '#contract/routes.ts';
import type { Grammar } from '#sync/remote.ts';
import type { Accepted, RemoteConflict, RemoteDocument, Replica } from '#sync/replica.ts';
import type { DocumentNotice } from './event-log.ts';
import { TEMPLATES } from './kinds.ts';
import type { TextStore } from './text-store.ts';

export interface DocumentReplicaOptions {
  readonly http: HttpClient;
  /** Only the documents of this team; undefined: all that may be read. */
  readonly team: string | undefined;
  /** Shared by replicas; each is asked only for what the server has named to it. */
  readonly texts: TextStore;
}

const PAGE = 2_000;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The grammar of documents, for mirrors. */
export const GRAMMAR: Grammar = {
  classify(path) {
    if (/^[^/]+\/[^/]+\/_errors\.md$/.test(path)) return { kind: 'ours' };
    const conflict = parseConflictPath(path);
    if (conflict !== undefined) {
      const { document, number, who } = conflict;
      return { kind: 'conflict', of: formatDocumentPath(document), number, who };
    }
    try {
      parseDocumentPath(path);
      return { kind: 'document' };
    } catch (thrown) {
      return { kind: 'problem', reason: toAachatError(thrown).message };
    }
  },
  conflictPath: ({ path, number, who }) => formatConflictPath({ document: parseDocumentPath(path), number, who }),
  templates: TEMPLATES,
};

/** What an agent has to be told about the answer to an edit of its own. */
export function noticeOf({ document: { path }, outcome, conflict }: Accepted): DocumentNotice | undefined {
  if (outcome !== 'overlap' && outcome !== 'kept') return undefined;
  return { path, conflict: conflict === undefined ? null : GRAMMAR.conflictPath(conflict) };
}

export const remoteDocument = (document: Document): RemoteDocument => ({
  path: pathOf(document),
  version: document.version,
  digest: document.digest,
});

export const remoteConflict = (conflict: DocumentConflict): RemoteConflict => ({
  path: pathOf(conflict),
  number: conflict.number,
  who: conflictWho(conflict.author.name),
  digest: conflict.digest,
});

const pathOf = ({ team, project, kind, name }: Document | DocumentConflict): string =>
  formatDocumentPath({ team, project, kind, name });

function textOf(bytes: Uint8Array | null): string | null {
  if (bytes === null) return null;
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new AachatError('VALIDATION_ERROR', 'It is not text in UTF-8.', { hint: 'Save it as UTF-8.', cause });
  }
}

export function createDocumentReplica({ http, team, texts }: DocumentReplicaOptions): Replica {
  let documents = new Map<string, DocumentId>();
  const projects = new Map<string, ProjectId>();
  const only = team === undefined ? {} : { team };

  async function listAll(): Promise<readonly RemoteDocument[]> {
    const found: RemoteDocument[] = [];
    const ids = new Map<string, DocumentId>();
    let last: DocumentId | undefined;
    for (let more = true; more; ) {
      const query = { ...only, state: 'all', limit: PAGE, ...(last === undefined ? {} : { after: last }) } as const;
      const page = await http.call(ROUTES.listDocuments, { query });
      for (const document of page.documents) {
        const known = remoteDocument(document);
        found.push(known);
        ids.set(known.path, document.id);
      }
      last = page.documents.at(-1)?.id;
      more = page.hasMore;
    }
    // Ids of before may be those of another server, which was set up anew at this address.
    documents = ids;
    projects.clear();
    return found;
  }

  async function listConflicts(): Promise<readonly DocumentConflict[]> {
    const found: DocumentConflict[] = [];
    for (let more = true; more; ) {
      const last = found.at(-1)?.id;
      const query = { ...only, limit: 1_000, ...(last === undefined ? {} : { after: last }) };
      const page = await http.call(ROUTES.listConflicts, { query });
      found.push(...page.conflicts);
      more = page.hasMore;
    }
    return found;
  }

  async function idOf(path: string): Promise<DocumentId> {
    const known = documents.get(path);
    if (known !== undefined) return known;
    const { document } = await http.call(ROUTES.resolveDocument, { query: { name: path } });
    if (pathOf(document) === path) documents.set(path, document.id);
    // Of a deleted one the resolver may know a living one whose name differs in case only.
    else await listAll();
    const found = documents.get(path);
    if (found === undefined) throw new AachatError('NOT_FOUND', `There never was a document ${path}.`);
    return found;
  }

  async function projectOf(path: string): Promise<ProjectId> {
    const place = parseDocumentPath(path);
    if (team !== undefined && place.team !== team) {
      throw new AachatError('VALIDATION_ERROR', `Only documents of ${team} are shared from here.`, {
        hint: `Move it into ${team}/.`,
      });
    }
    const key = `${place.team}/${place.project}`;
    const known = projects.get(key);
    if (known !== undefined) return known;
    const { project } = await http.call(ROUTES.resolveProject, { query: { name: place.project, team: place.team } });
    // The resolver also takes the id of a project, but only its name is a path.
    if (project.name !== place.project) throw new AachatError('NOT_FOUND', `There is no project ${key}.`);
    projects.set(key, project.id);
    return project.id;
  }

  return {
    async list() {
      const [all, conflicts] = await Promise.all([listAll(), listConflicts()]);
      return { documents: all, conflicts: conflicts.map(remoteConflict) };
    },
    read: (path, digest) =>
      texts.read(digest, async () => {
        const { text } = await http.call(ROUTES.readDocument, { params: { documentId: await idOf(path), digest } });
        return new TextEncoder().encode(text);
      }),
    async push({ path, opId, baseDigest, bytes }) {
      const { kind, name } = parseDocumentPath(path);
      const body = { clientId: opId, kind, name, baseDigest, text: textOf(bytes) };
      const params = { projectId: await projectOf(path) };
      const { document, outcome, conflict } = await http.call(ROUTES.pushDocument, { params, body });
      documents.set(path, document.id);
      if (bytes !== null) texts.add(hash('sha256', bytes), bytes);
      const accepted = { document: remoteDocument(document), outcome };
      return conflict === undefined ? accepted : { ...accepted, conflict: remoteConflict(conflict) };
    },
    async settle({ path, number, opId, bytes }) {
      const body = { clientId: opId, text: textOf(bytes) };
      const params = { documentId: await idOf(path), number };
      await http.call(ROUTES.settleConflict, { params, body });
    },
  };
}
