/**
 * Installs one npm package with all it needs, exactly as a lock file pins it: every archive is checked against its
 * digest before anything of it is unpacked, and no script of any package runs. Needs neither npm nor a Node.
 */
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { extract } from 'tar';
import { z } from 'zod';
import { AachatError, isSystemError } from '#base/errors.ts';
import { ensureDir, removeAll } from '#base/fs.ts';
import { withFileLock } from '#base/pid-file.ts';

const Names = z.record(z.string(), z.string()).default({});
const List = z.array(z.string()).optional();
const Locked = z.object({
  version: z.string().optional(),
  integrity: z.string().optional(),
  dependencies: Names,
  optionalDependencies: Names,
  os: List,
  cpu: List,
  libc: List,
});
/** The part of `package-lock.json` that counts here. */
export const PackageLock = z.object({ packages: z.record(z.string(), Locked) });
export type PackageLock = z.infer<typeof PackageLock>;

/** One archive to be fetched. */
export interface Pinned {
  /** Folder below the installation: `node_modules/<name>`, or nested. */
  readonly path: string;
  readonly name: string;
  readonly version: string;
  readonly integrity: string;
}

/** In the words of package.json. */
export interface Platform {
  readonly os: string;
  readonly cpu: string;
  /** undefined: the question does not arise. */
  readonly libc: 'glibc' | 'musl' | undefined;
}

export function thisPlatform(): Platform {
  // `@types/node` knows no fields of the report.
  const { header } = process.report.getReport() as { readonly header: { readonly glibcVersionRuntime?: string } };
  const libc = header.glibcVersionRuntime === undefined ? 'musl' : 'glibc';
  return { os: process.platform, cpu: process.arch, libc: process.platform === 'linux' ? libc : undefined };
}

/**
 * What has to be fetched for a package. Peers are left out: whoever needs one at run time also depends on it.
 *
 * @throws Error if the lock file does not pin something that is needed
 */
export function pinnedPackages(lock: PackageLock, name: string, platform: Platform): readonly Pinned[] {
  const found = new Map<string, Pinned>();
  const visit = (wanted: string, from: string, isOptional: boolean): void => {
    const path = resolveLocked(lock, wanted, from);
    const entry = path === undefined ? undefined : lock.packages[path];
    if (isOptional && (entry === undefined || !fits(entry, platform))) return;
    if (path === undefined || entry?.version === undefined || entry.integrity === undefined) {
      throw new Error(`The lock file does not pin ${wanted}.`);
    }
    if (found.has(path)) return;
    found.set(path, { path, name: wanted, version: entry.version, integrity: entry.integrity });
    for (const next of Object.keys(entry.optionalDependencies)) visit(next, path, true);
    for (const next of Object.keys(entry.dependencies)) {
      if (!(next in entry.optionalDependencies)) visit(next, path, false);
    }
  };
  visit(name, '', false);
  return [...found.values()];
}

/** As Node looks for a package: in the asking one's own folder first, then further out. */
function resolveLocked(lock: PackageLock, name: string, from: string): string | undefined {
  for (let folder: string | undefined = from; folder !== undefined; folder = outer(folder)) {
    const path = `${folder === '' ? '' : `${folder}/`}node_modules/${name}`;
    if (path in lock.packages) return path;
  }
  return undefined;
}

/** `node_modules/a/node_modules/b` lies in `node_modules/a`, and that in the installation itself, ''. */
const outer = (folder: string): string | undefined =>
  folder === '' ? undefined : folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')));

function fits(entry: z.infer<typeof Locked>, { os, cpu, libc }: Platform): boolean {
  const allows = (list: readonly string[] | undefined, own: string | undefined) =>
    list === undefined || own === undefined || list.includes(own);
  return allows(entry.os, os) && allows(entry.cpu, cpu) && allows(entry.libc, libc);
}

export interface InstallProgress {
  readonly name: string;
  readonly version: string;
  readonly fetchedBytes: number;
  /** undefined: the registry does not say. */
  readonly totalBytes: number | undefined;
}

/**
 * Makes `dir` hold the packages, or leaves it as it was.
 *
 * @param registry its address
 * @throws AachatError `SERVER_UNREACHABLE` if the registry cannot be reached, `CONFLICT` if what it sends is not what
 *   is pinned
 */
export async function installPackages(options: {
  readonly packages: readonly Pinned[];
  readonly registry: string;
  readonly dir: string;
  readonly onProgress: (progress: InstallProgress) => void;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { packages, dir, signal } = options;
  await withFileLock(dir, async () => {
    const fresh = `${dir}.new`;
    try {
      await removeAll(fresh);
      for (const pinned of packages) {
        const target = await ensureDir(join(fresh, pinned.path));
        const archive = join(fresh, 'archive.tgz');
        await fetchArchive(pinned, archive, options);
        await extract({
          file: archive,
          cwd: target,
          strip: 1,
          preserveOwner: false,
          // A link could lead out of the folder.
          filter: (_, entry) => !('type' in entry) || entry.type === 'File' || entry.type === 'Directory',
        });
        await removeAll(archive);
        signal.throwIfAborted();
      }
      await removeAll(dir);
      await rename(fresh, dir);
    } finally {
      await removeAll(fresh);
    }
  });
}

/** Longer than a registry takes to begin, or to go on, with an answer. */
const SILENT_MS = 30_000;

async function fetchArchive(
  { name, version, integrity }: Pinned,
  file: string,
  { registry, onProgress, signal }: Parameters<typeof installPackages>[0],
): Promise<void> {
  const { EnvHttpProxyAgent, interceptors, request } = (await import('undici')).default;
  const base = `${registry.replace(/\/+$/, '')}/${name}/-/${name.split('/').at(-1)}-${version}.tgz`;
  const agent = new EnvHttpProxyAgent({ headersTimeout: SILENT_MS, bodyTimeout: SILENT_MS });
  const hash = createHash('sha512');
  try {
    const { statusCode, headers, body } = await request(base, {
      signal,
      dispatcher: agent.compose(interceptors.redirect({ maxRedirections: 5 }), interceptors.retry({ maxRetries: 3 })),
    });
    if (statusCode !== 200) throw new Error(`it answers with status ${statusCode}`);
    const totalBytes = Number(headers['content-length']) || undefined;
    let fetchedBytes = 0;
    await pipeline(
      body,
      async function* (chunks: AsyncIterable<Buffer>) {
        for await (const chunk of chunks) {
          hash.update(chunk);
          fetchedBytes += chunk.length;
          onProgress({ name, version, fetchedBytes, totalBytes });
          yield chunk;
        }
      },
      createWriteStream(file),
      { signal },
    );
  } catch (thrown) {
    signal.throwIfAborted();
    // The disk, not the network.
    if (isSystemError(thrown, 'ENOSPC', 'EDQUOT', 'EACCES', 'EROFS')) throw thrown;
    throw new AachatError('SERVER_UNREACHABLE', `${base} could not be fetched: ${(thrown as Error).message}.`, {
      hint: 'Look at the network (HTTPS_PROXY is respected, npm_config_registry names another registry), then try again.',
      cause: thrown,
    });
  } finally {
    await agent.destroy();
  }
  const digest = `sha512-${hash.digest('base64')}`;
  if (!integrity.split(/\s+/).includes(digest)) {
    throw new AachatError('CONFLICT', `What ${base} sends is not the package that was chosen: its digest differs.`, {
      hint: 'Nothing was installed. Try another network or registry (npm_config_registry).',
    });
  }
}
