/** What a session that has ended left on this machine, and taking it away without losing anybody's work. */
import { hash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { isAachatError } from '#base/errors.ts';
import { exists } from '#base/fs.ts';
import type { HttpClient } from '#client/http.ts';
import { type SessionId, shortId } from '#contract/ids.ts';
import { ROUTES } from '#contract/routes.ts';
import { isForeign, OURS } from '#sync/names.ts';
import { GRAMMAR } from './document-replica.ts';
import { DOCUMENTS, type Home } from './home.ts';
import { removeWorkspace } from './workspace.ts';

/**
 * Removes the workspaces of a session that does not run, if nothing in them would be lost: all is committed and
 * published, and the server has every text of its documents.
 *
 * @param http acts as the owner
 * @returns one line for each folder that stays, with the reason
 */
export async function removeLeftWorkspaces(
  { home, http, signal }: { readonly home: Home; readonly http: HttpClient; readonly signal: AbortSignal },
  sessionId: SessionId,
): Promise<readonly string[]> {
  if (!(await exists(home.workspaces))) return [];
  const kept: string[] = [];
  for (const name of await readdir(home.workspaces)) {
    const [agent, end, ...more] = name.split('--');
    if (agent === undefined || end !== shortId(sessionId) || more.length > 0) continue;
    const path = join(home.workspaces, name);
    const unshared = await unsharedDocuments(http, join(path, DOCUMENTS), signal);
    const stays = unshared.length === 0 ? undefined : `${path} stays: the server does not have ${some(unshared)}`;
    kept.push(...(await removeWorkspace(home, agent, path, stays)));
  }
  return kept;
}

const some = (paths: readonly string[]): string =>
  `${paths.slice(0, 3).join(', ')}${paths.length > 3 ? ` and ${paths.length - 3} more` : ''}`;

/** Files of a mirror at rest whose text is in no version at the server; those that nobody may read count too. */
async function unsharedDocuments(http: HttpClient, root: string, signal: AbortSignal): Promise<readonly string[]> {
  if (!(await exists(root))) return [];
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter(isText);
  const known = new Map<string, Promise<ReadonlySet<string>>>();
  const unshared: string[] = [];
  for (const path of files) {
    const found = GRAMMAR.classify(path);
    if (found.kind === 'ours') continue;
    const document = found.kind === 'conflict' ? found.of : path;
    if (found.kind === 'document' || found.kind === 'conflict') {
      const texts = known.get(document) ?? digestsOf(http, document, signal);
      known.set(document, texts);
      if ((await texts).has(hash('sha256', await readFile(join(root, path))))) continue;
    }
    unshared.push(path);
  }
  return unshared;
}

/** What programs leave beside files is nobody's work; an old file that lies aside may have been written to. */
const isText = (path: string): boolean =>
  path.startsWith(`${OURS}/aside/`) || !path.split('/').some((name) => isForeign(name));

const MOST_VERSIONS = 1000;

/** Every text that the server has of a document: those that were handed in, and what became of them. */
async function digestsOf(http: HttpClient, path: string, signal: AbortSignal): Promise<ReadonlySet<string>> {
  try {
    const { document } = await http.call(ROUTES.resolveDocument, { query: { name: path } }, signal);
    const { versions } = await http.call(
      ROUTES.listVersions,
      { params: { documentId: document.id }, query: { limit: MOST_VERSIONS } },
      signal,
    );
    return new Set(versions.flatMap(({ digest, submittedDigest }) => [digest ?? [], submittedDigest ?? []].flat()));
  } catch (thrown) {
    if (isAachatError(thrown, 'NOT_FOUND', 'FORBIDDEN', 'VALIDATION_ERROR')) return new Set();
    throw thrown;
  }
}
