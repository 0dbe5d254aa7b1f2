import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { newId } from '#base/id.ts';
import type { LiveSession, MirrorView } from '#contract/control.ts';
import type { DocumentVersion } from '#contract/documents.ts';
import { execute, type ScratchHome, upIdentity } from './aachat.ts';
import { eventually } from './eventually.ts';
import { type Team, team } from './team.ts';
import { tempRepo } from './temp.ts';

export interface Status {
  readonly up: { readonly sessions: readonly LiveSession[]; readonly mirrors: readonly MirrorView[] } | null;
}

export interface DocumentScene extends Team {
  /** Of the connected repo. */
  readonly repo: string;
  /** The person's folder, and that of the connected repo. */
  readonly mine: string;
  readonly inRepo: string;
  mirrors(): Promise<readonly MirrorView[]>;
  /** The folder in the workspace of an agent. */
  workspaceOf(agent: string): Promise<string>;
  /** Waits until every folder has the text (undefined: no such file), and all say that they are in sync. */
  everywhere(path: string, text: string | undefined): Promise<void>;
  history(path: string): Promise<readonly DocumentVersion[]>;
}

export const NOTES = '~mia/launch/notes';

/** By a rename, as most editors do it: a save in place that is held up in the middle may be read as two. */
export async function writeDocument(root: string, path: string, text: string | Uint8Array): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  const whole = `${root}.${newId()}`;
  await writeFile(whole, text);
  await rename(whole, join(root, path));
}

/** Does it while `up` stands still, which sees all of it at once, however long it took. */
export async function atOnce<T>(home: Pick<ScratchHome, 'path'>, what: () => T | Promise<T>): Promise<T> {
  const { pid } = upIdentity(home.path);
  process.kill(pid, 'SIGSTOP');
  try {
    return await what();
  } finally {
    process.kill(pid, 'SIGCONT');
  }
}

export const readDocument = (root: string, path: string): Promise<string | undefined> =>
  readFile(join(root, path), 'utf8').catch(() => undefined);

export async function documentScene(
  agents: readonly string[],
  env?: Readonly<Record<string, string>>,
): Promise<DocumentScene> {
  const t = await team(agents, env);
  const repo = await tempRepo({ 'README.md': '# Launch\n' });
  await execute(['init'], { cwd: repo.path, env: t.home.env });
  const mirrors = async () => (await t.home.quick<Status>('status')).up?.mirrors ?? [];
  return {
    ...t,
    repo: repo.path,
    mine: join(t.home.path, 'docs'),
    inRepo: join(repo.path, 'aachat', 'docs'),
    mirrors,
    async workspaceOf(agent) {
      const { up } = await t.home.quick<Status>('status');
      const session = up?.sessions.find((one) => one.agent === `${agent}.mia`);
      return join(session?.workspace ?? '', 'aachat', 'docs');
    },
    async everywhere(path, text) {
      let last: unknown;
      const check = async () => {
        const all = await mirrors();
        const found = await Promise.all(all.map(({ root }) => readDocument(root, path)));
        last = all.map(({ root, state }, index) => [root, state, found[index]]);
        return all.length > 1 && all.every(({ state }) => state === 'in sync') && found.every((one) => one === text);
      };
      await eventually(`${path} is everywhere`, check).catch((thrown: unknown) => {
        throw new Error(`${(thrown as Error).message} ${JSON.stringify(last)}`);
      });
    },
    history: async (path) =>
      (await t.home.quick<{ versions: readonly DocumentVersion[] }>('doc', 'history', path)).versions,
    async [Symbol.asyncDispose]() {
      await t[Symbol.asyncDispose]();
      await repo[Symbol.asyncDispose]();
    },
  };
}
