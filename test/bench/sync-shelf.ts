/** What benchmarks of mirrors begin with: documents on a server, and processes that run mirrors of them. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { newId } from '#base/id.ts';
import { createAuth } from '#client/auth.ts';
import { createHttpClient, type HttpClient } from '#client/http.ts';
import type { DocumentId, ProjectId } from '#contract/ids.ts';
import { ROUTES } from '#contract/routes.ts';
import type { ScratchHome } from '../support/aachat.ts';
import type { InSync, Setup } from './sync-process.ts';

/** A team of its own on the server, with this many documents. */
export interface Shelf {
  readonly count: number;
  /** For whatever a measurement needs. */
  readonly dir: string;
  readonly http: HttpClient;
  readonly setup: Omit<Setup, 'roots'>;
}

export async function openShelf(home: ScratchHome, dir: string, count: number): Promise<Shelf> {
  const { url } = await home.json<{ url: string }>('server', 'status');
  const tokens = join(home.path, '.run', 'tokens');
  const auth = createAuth({ baseUrl: new URL(url), realm: 'embedded', dir: tokens });
  const http = createHttpClient({ baseUrl: new URL(url), token: (how) => auth.accessToken(how) });
  const shelf = { count, dir, http, setup: { url, tokens, team: `t${count}` } };
  mkdirSync(dir, { recursive: true });
  await seed(shelf);
  return shelf;
}

export const number = (value: number): string => value.toLocaleString('en');
export const textOf = (title: string): string => `# ${title}\n\n${`A line of some length in ${title}.\n`.repeat(50)}`;
const kindOf = (index: number): string => `k${Math.floor(index / 100) % 10}`;
export const pathOf = ({ setup }: Shelf, index: number): string =>
  join(setup.team, `p${Math.floor(index / 1_000)}`, kindOf(index), `d${index}.md`);

/** Texts of 2 KB, a hundred in a folder. */
async function seed({ count, http, setup }: Shelf): Promise<void> {
  const { team } = await http.call(ROUTES.createTeam, { body: { clientId: newId(), slug: setup.team } });
  const projects: ProjectId[] = [];
  for (let index = 0; index < count; index += 1_000) {
    const body = { clientId: newId(), name: `p${index / 1_000}` };
    projects.push((await http.call(ROUTES.createProject, { params: { teamId: team.id }, body })).project.id);
  }
  const indices = Array.from({ length: count }, (_, index) => index).values();
  const write = async () => {
    for (const index of indices) {
      const projectId = projects[Math.floor(index / 1_000)] as ProjectId;
      const text = textOf(`document ${index}`);
      const body = { clientId: newId(), kind: kindOf(index), name: `d${index}`, baseDigest: null, text };
      await http.call(ROUTES.pushDocument, { params: { projectId }, body });
    }
  };
  await Promise.all(Array.from({ length: 16 }, write));
}

export interface Started extends AsyncDisposable {
  readonly pid: number;
  /** Opens the mirrors. */
  start(): Promise<InSync>;
}

export async function startProcess(program: 'mirrors' | 'copier', setup: Setup): Promise<Started> {
  const child: ChildProcess = fork(join(import.meta.dirname, 'sync-process.ts'), [program, JSON.stringify(setup)]);
  await once(child, 'message');
  return {
    pid: Number(child.pid),
    async start() {
      child.send('open');
      const [answer] = (await once(child, 'message')) as [InSync];
      if (answer.problems.length > 0) throw new Error(`Mirrors have problems: ${answer.problems.join(' ')}`);
      return answer;
    },
    async [Symbol.asyncDispose]() {
      child.disconnect();
      await once(child, 'exit');
    },
  };
}

/** Of all documents. */
export async function countVersions({ http, setup }: Shelf): Promise<number> {
  let [count, after]: [number, DocumentId | undefined] = [0, undefined];
  for (let more = true; more; ) {
    const query = { team: setup.team, state: 'all', limit: 2_000, ...(after === undefined ? {} : { after }) } as const;
    const page: { documents: readonly { id: DocumentId; version: number }[]; hasMore: boolean } = await http.call(
      ROUTES.listDocuments,
      { query },
    );
    for (const { version } of page.documents) count += version;
    after = page.documents.at(-1)?.id;
    more = page.hasMore;
  }
  return count;
}
