/** Questions to the server that take more than one request. */
import type { Project } from '#contract/entities.ts';
import { ROUTES } from '#contract/routes.ts';
import type { HttpClient } from './http.ts';

const PAGE = 200;

/** All projects that the caller can read, archived ones too. */
export async function listReadableProjects(http: HttpClient, signal?: AbortSignal): Promise<readonly Project[]> {
  const found: Project[] = [];
  for (let more = true; more; ) {
    const query = { status: 'all', limit: PAGE, offset: found.length } as const;
    const page = await http.call(ROUTES.listProjects, { query }, signal);
    found.push(...page.projects);
    more = page.hasMore;
  }
  return found;
}
