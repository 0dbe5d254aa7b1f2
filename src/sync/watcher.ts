/** Hints that something below a folder changed. They may be late, doubled or missing: nothing is decided by them. */
import { basename, join, relative, sep } from 'node:path';
import { watch } from 'chokidar';
import { OURS } from './names.ts';

/** Others make one hint of a new file and of what is written to it. */
const TELLS_WRITES = process.platform === 'linux';

export interface WatcherOptions {
  /**
   * Something happened to this path or, if it is a folder, below it; empty: to the watched folder itself.
   *
   * @param isNamed it was made, renamed or removed, and each write to it is another hint
   */
  readonly onHint: (path: string, isNamed: boolean) => void;
  /** From now on hints may be missing, for example because the system has no watches left. */
  readonly onTrouble: (error: unknown) => void;
}

/** Watches folders only: one watch for each, however many files. Resolves when all of them are watched. */
export async function watchFolder(root: string, options: WatcherOptions): Promise<AsyncDisposable> {
  const ours = join(root, OURS);
  const toPath = (file: string) => relative(root, file).split(sep).join('/');
  const watcher = watch(root, {
    ignored: (path, stats) => path === ours || stats?.isFile() === true,
    followSymlinks: false,
    ignorePermissionErrors: true,
  });
  let isReady = false as boolean;
  watcher.on('raw', (event, name, details) => {
    const { watchedPath } = details as { readonly watchedPath?: string };
    if (watchedPath === undefined || typeof name !== 'string') return;
    // What happens to the watched folder itself comes with its own name; no document has the name of its folder.
    const path = toPath(name === basename(watchedPath) ? watchedPath : join(watchedPath, name));
    if (path !== OURS) options.onHint(path, event === 'rename' && TELLS_WRITES);
  });
  // What was made in a new folder before that was watched gave no hint, so the folder is the hint: once it is watched,
  // which is right after this event. Whoever looks earlier may miss what is made in between.
  watcher.on('addDir', (folder) => {
    if (isReady) setImmediate(() => options.onHint(toPath(folder), false));
  });
  watcher.on('error', options.onTrouble);
  await new Promise<void>((resolve) => watcher.once('ready', resolve));
  isReady = true;
  return { [Symbol.asyncDispose]: () => watcher.close() };
}
