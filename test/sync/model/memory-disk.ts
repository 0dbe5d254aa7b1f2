/**
 * A file system in memory that behaves as those of Linux do, as far as `disk-suite.ts` looks, which the real one passes
 * too. Times come from `Date` in coarse steps, as they do there. (memfs fails that suite: a rename leaves the change
 * time as it was and joins two names of one file, folders may have second names, and some errors are other ones.)
 */
import { constants } from 'node:fs';
import { basename, dirname, resolve } from 'node:path/posix';
import type { Disk, Name, Stats } from '#sync/disk.ts';

interface Inode {
  readonly ino: bigint;
  readonly kind: 'file' | 'folder' | 'link';
  mode: number;
  nlink: number;
  mtimeNs: bigint;
  ctimeNs: bigint;
  /** Of a file; of a link, where it leads. */
  bytes: Buffer;
  readonly names: Map<string, Inode>;
}

interface Opened {
  readonly inode: Inode;
  readonly path: string;
  readonly flags: number;
  position: number;
}

/** Times move in steps of the system's clock. */
const STEP_MS = 4;
const UMASK = 0o022;
const [READ, WRITE, ENTER] = [0o400, 0o200, 0o100];
const MOST_LINKS = 40;

const MESSAGES: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  ENOTDIR: 'not a directory',
  EISDIR: 'illegal operation on a directory',
  EEXIST: 'file already exists',
  ENOTEMPTY: 'directory not empty',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  ELOOP: 'too many symbolic links encountered',
  EBADF: 'bad file descriptor',
  ENOSPC: 'no space left on device',
};

function failure(code: string, syscall: string, path?: string): NodeJS.ErrnoException {
  const where = path === undefined ? '' : ` '${path}'`;
  return Object.assign(new Error(`${code}: ${MESSAGES[code]}, ${syscall}${where}`), {
    code,
    syscall,
    ...(path && { path }),
  });
}

export class MemoryDisk implements Disk {
  /** While true, nothing gets longer and nothing new is made. */
  isFull: boolean = false;
  /** Whether two names can change places in one step: not everywhere they can. */
  canExchange: boolean = true;
  /** Hears the path of each name that was made, changed or taken away. */
  onChange: (path: string, isNamed: boolean) => void = () => {};
  #inodes = 0n;
  #descriptors = 2;
  readonly #opened = new Map<number, Opened>();
  readonly #root: Inode = this.#make('folder', 0o755);

  /** Links are not followed. @throws as the system does */
  lstatSync(path: string): Stats | undefined {
    const inode = path === '/' ? this.#root : this.#parent(path, 'lstat')?.names.get(basename(path));
    return inode && statsOf(inode);
  }

  realpathSync(path: string): string {
    if (path === '/') return path;
    const parent = this.realpathSync(dirname(path));
    const at = parent === '/' ? `/${basename(path)}` : `${parent}/${basename(path)}`;
    const { folder, name } = this.#place(at, 'realpath');
    const inode = folder.names.get(name);
    if (inode === undefined) throw failure('ENOENT', 'realpath', path);
    return inode.kind === 'link' ? this.realpathSync(resolve(parent, inode.bytes.toString())) : at;
  }

  readdirSync(path: string): readonly Name[] {
    const folder = this.#find(path, 'scandir');
    if (folder === undefined) throw failure('ENOENT', 'scandir', path);
    if (folder.kind !== 'folder') throw failure('ENOTDIR', 'scandir', path);
    this.#check(folder, READ, 'scandir', path);
    return Array.from(folder.names, ([name, { kind }]) => ({ name, isDirectory: () => kind === 'folder' }));
  }

  mkdirSync(path: string, { recursive, mode = 0o777 }: { readonly recursive: boolean; readonly mode?: number }): void {
    if (recursive && this.#find(dirname(path), 'mkdir') === undefined)
      this.mkdirSync(dirname(path), { recursive, mode });
    const { folder, name } = this.#place(path, 'mkdir');
    if (folder.names.has(name)) {
      if (recursive && this.#find(path, 'mkdir')?.kind === 'folder') return;
      throw failure('EEXIST', 'mkdir', path);
    }
    if (this.isFull) throw failure('ENOSPC', 'mkdir', path);
    this.#add(folder, name, this.#make('folder', mode), 'mkdir', path);
  }

  rmdirSync(path: string): void {
    const { folder, name, inode } = this.#named(path, 'rmdir');
    if (inode.kind !== 'folder') throw failure('ENOTDIR', 'rmdir', path);
    if (inode.names.size > 0) throw failure('ENOTEMPTY', 'rmdir', path);
    this.#drop(folder, name, inode, 'rmdir', path);
  }

  linkSync(from: string, to: string): void {
    const { inode } = this.#named(from, 'link');
    const { folder, name } = this.#place(to, 'link');
    if (folder.names.has(name)) throw failure('EEXIST', 'link', from);
    if (inode.kind === 'folder') throw failure('EPERM', 'link', from);
    this.#add(folder, name, inode, 'link', to);
    inode.nlink += 1;
    this.#touch(inode, 'changed');
  }

  /** Not a call of mirrors: a link to `target`. */
  symlink(target: string, path: string): void {
    const { folder, name } = this.#place(path, 'symlink');
    if (folder.names.has(name)) throw failure('EEXIST', 'symlink', path);
    const inode = this.#make('link', 0o777);
    inode.bytes = Buffer.from(target);
    this.#add(folder, name, inode, 'symlink', path);
  }

  renameSync(from: string, to: string): void {
    const old = this.#named(from, 'rename');
    const { folder, name } = this.#place(to, 'rename');
    const there = folder.names.get(name);
    // Two names of one file stay both.
    if (there === old.inode) return;
    if (there !== undefined && old.inode.kind === 'folder') {
      if (there.kind !== 'folder') throw failure('ENOTDIR', 'rename', from);
      if (there.names.size > 0) throw failure('ENOTEMPTY', 'rename', from);
    } else if (there?.kind === 'folder') throw failure('EISDIR', 'rename', from);
    this.#check(old.folder, WRITE | ENTER, 'rename', from);
    this.#check(folder, WRITE | ENTER, 'rename', to);
    if (there !== undefined) this.#drop(folder, name, there, 'rename', to);
    old.folder.names.delete(old.name);
    folder.names.set(name, old.inode);
    for (const one of [old.folder, folder]) this.#touch(one, 'modified');
    this.#touch(old.inode, 'changed');
    this.onChange(from, true);
    this.onChange(to, true);
  }

  /** Two names change places in one step. @returns false if nothing happened */
  exchange(one: string, other: string): boolean {
    if (!this.canExchange) return false;
    try {
      const [a, b] = [this.#named(one, 'rename'), this.#named(other, 'rename')];
      for (const { folder } of [a, b]) this.#check(folder, WRITE | ENTER, 'rename', one);
      a.folder.names.set(a.name, b.inode);
      b.folder.names.set(b.name, a.inode);
      for (const { folder, inode } of [a, b]) {
        this.#touch(folder, 'modified');
        this.#touch(inode, 'changed');
      }
    } catch {
      return false;
    }
    this.onChange(one, true);
    this.onChange(other, true);
    return true;
  }

  unlinkSync(path: string): void {
    const { folder, name, inode } = this.#named(path, 'unlink');
    if (inode.kind === 'folder') throw failure('EISDIR', 'unlink', path);
    this.#drop(folder, name, inode, 'unlink', path);
  }

  copyFileSync(from: string, to: string): void {
    const source = this.openSync(from, constants.O_RDONLY);
    const { inode } = this.#descriptor(source, 'copyfile');
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC;
    const target = this.openSync(to, flags, inode.mode);
    try {
      const bytes = this.readFileSync(source);
      for (let at = 0; at < bytes.length; ) at += this.writeSync(target, bytes, at);
    } finally {
      this.closeSync(source);
      this.closeSync(target);
    }
  }

  openSync(path: string, flags: number, mode = 0o666): number {
    const { O_CREAT, O_EXCL, O_TRUNC, O_NOFOLLOW } = constants;
    const { folder, name } = this.#place(path, 'open');
    let inode = folder.names.get(name);
    const isNew = (flags & O_CREAT) !== 0 && (flags & O_EXCL) !== 0;
    if (inode !== undefined && isNew) throw failure('EEXIST', 'open', path);
    if (inode?.kind === 'link') {
      if ((flags & O_NOFOLLOW) !== 0) throw failure('ELOOP', 'open', path);
      inode = this.#find(path, 'open');
    }
    const writes = isWriting(flags);
    if (inode === undefined) {
      if ((flags & O_CREAT) === 0) throw failure('ENOENT', 'open', path);
      if (this.isFull) throw failure('ENOSPC', 'open', path);
      inode = this.#make('file', mode);
      this.#add(folder, name, inode, 'open', path);
    } else {
      if (inode.kind === 'folder' && writes) throw failure('EISDIR', 'open', path);
      this.#check(inode, writes ? WRITE : READ, 'open', path);
      if ((flags & O_TRUNC) !== 0) this.#write(inode, Buffer.alloc(0), path);
    }
    this.#descriptors += 1;
    this.#opened.set(this.#descriptors, { inode, path, flags, position: 0 });
    return this.#descriptors;
  }

  fstatSync(fd: number): Stats {
    return statsOf(this.#descriptor(fd, 'fstat').inode);
  }

  readFileSync(fd: number): Buffer {
    const opened = this.#descriptor(fd, 'read');
    if (opened.inode.kind === 'folder') throw failure('EISDIR', 'read');
    const bytes = Buffer.from(opened.inode.bytes.subarray(opened.position));
    opened.position += bytes.length;
    return bytes;
  }

  writeSync(fd: number, bytes: Uint8Array, offset: number): number {
    const opened = this.#descriptor(fd, 'write');
    if (!isWriting(opened.flags)) throw failure('EBADF', 'write');
    const { inode, path, flags } = opened;
    const at = (flags & constants.O_APPEND) === 0 ? opened.position : inode.bytes.length;
    const part = bytes.subarray(offset);
    const length = Math.max(inode.bytes.length, at + part.length);
    if (this.isFull && length > inode.bytes.length) throw failure('ENOSPC', 'write');
    const all = Buffer.alloc(length);
    all.set(inode.bytes);
    all.set(part, at);
    opened.position = at + part.length;
    this.#write(inode, all, path);
    return part.length;
  }

  ftruncateSync(fd: number, length: number): void {
    const { inode, path } = this.#descriptor(fd, 'ftruncate');
    const all = Buffer.alloc(length);
    all.set(inode.bytes.subarray(0, length));
    this.#write(inode, all, path);
  }

  fchmodSync(fd: number, mode: number): void {
    const { inode, path } = this.#descriptor(fd, 'fchmod');
    this.#chmod(inode, mode, path);
  }

  /** Not a call of mirrors. */
  chmod(path: string, mode: number): void {
    this.#chmod(this.#named(path, 'chmod').inode, mode, path);
  }

  futimesSync(fd: number, _accessed: number, modified: number): void {
    const { inode, path } = this.#descriptor(fd, 'futime');
    this.#touch(inode, 'changed');
    inode.mtimeNs = BigInt(Math.round(modified * 1_000_000)) * 1_000n;
    this.#tell(inode, path);
  }

  fsyncSync(fd: number): void {
    this.#descriptor(fd, 'fsync');
  }

  async sync(fd: number): Promise<void> {
    this.#descriptor(fd, 'fdatasync');
    await new Promise((done) => setTimeout(done, 1));
  }

  closeSync(fd: number): void {
    this.#descriptor(fd, 'close');
    this.#opened.delete(fd);
  }

  #make(kind: Inode['kind'], mode: number): Inode {
    this.#inodes += 1n;
    const now = nowNs();
    return {
      ino: this.#inodes,
      kind,
      mode: kind === 'link' ? mode : mode & ~UMASK,
      nlink: kind === 'folder' ? 2 : 1,
      mtimeNs: now,
      ctimeNs: now,
      bytes: Buffer.alloc(0),
      names: new Map(),
    };
  }

  /** @returns the folder that has the path's last name, or undefined if it is missing */
  #parent(path: string, syscall: string, links = 0): Inode | undefined {
    const folder = this.#find(dirname(path), syscall, links);
    if (folder === undefined) return undefined;
    if (folder.kind !== 'folder') throw failure('ENOTDIR', syscall, path);
    this.#check(folder, ENTER, syscall, path);
    return folder;
  }

  /** Where a path ends, whether something is there or not; links on the way to it are followed. */
  #place(path: string, syscall: string): { readonly folder: Inode; readonly name: string } {
    const folder = this.#parent(path, syscall);
    if (folder === undefined) throw failure('ENOENT', syscall, path);
    return { folder, name: basename(path) };
  }

  /** Follows every link. @returns undefined if there is nothing, or if a folder above is missing */
  #find(path: string, syscall: string, links = 0): Inode | undefined {
    if (path === '/') return this.#root;
    if (links > MOST_LINKS) throw failure('ELOOP', syscall, path);
    const inode = this.#parent(path, syscall, links)?.names.get(basename(path));
    if (inode?.kind !== 'link') return inode;
    return this.#find(resolve(dirname(path), inode.bytes.toString()), syscall, links + 1);
  }

  #named(path: string, syscall: string): { readonly folder: Inode; readonly name: string; readonly inode: Inode } {
    const { folder, name } = this.#place(path, syscall);
    const inode = folder.names.get(name);
    if (inode === undefined) throw failure('ENOENT', syscall, path);
    return { folder, name, inode };
  }

  #descriptor(fd: number, syscall: string): Opened {
    const opened = this.#opened.get(fd);
    if (opened === undefined) throw failure('EBADF', syscall);
    return opened;
  }

  #check({ mode }: Inode, right: number, syscall: string, path: string): void {
    if ((mode & right) !== right) throw failure('EACCES', syscall, path);
  }

  #add(folder: Inode, name: string, inode: Inode, syscall: string, path: string): void {
    this.#check(folder, WRITE | ENTER, syscall, path);
    folder.names.set(name, inode);
    this.#touch(folder, 'modified');
    this.onChange(path, true);
  }

  #drop(folder: Inode, name: string, inode: Inode, syscall: string, path: string): void {
    this.#check(folder, WRITE | ENTER, syscall, path);
    folder.names.delete(name);
    inode.nlink -= inode.kind === 'folder' ? 2 : 1;
    this.#touch(folder, 'modified');
    this.#touch(inode, 'changed');
    this.onChange(path, true);
  }

  #write(inode: Inode, bytes: Buffer, path: string): void {
    inode.bytes = bytes;
    this.#touch(inode, 'modified');
    this.#tell(inode, path);
  }

  #chmod(inode: Inode, mode: number, path: string): void {
    inode.mode = mode & 0o7777;
    this.#touch(inode, 'changed');
    this.#tell(inode, path);
  }

  /** Whoever watches a folder hears of what is in it, not of a file that has left it. */
  #tell(inode: Inode, path: string): void {
    try {
      if (this.#find(path, 'stat') === inode) this.onChange(path, false);
    } catch {
      // Nobody can look there any more.
    }
  }

  #touch(inode: Inode, how: 'modified' | 'changed'): void {
    inode.ctimeNs = nowNs();
    if (how === 'modified') inode.mtimeNs = inode.ctimeNs;
  }
}

const nowNs = (): bigint => BigInt(Math.floor(Date.now() / STEP_MS) * STEP_MS) * 1_000_000n;
const isWriting = (flags: number): boolean => (flags & (constants.O_WRONLY | constants.O_RDWR)) !== 0;

const statsOf = ({ ino, kind, mode, nlink, mtimeNs, ctimeNs, bytes }: Inode): Stats => ({
  dev: 1n,
  ino,
  mode: BigInt(mode),
  nlink: BigInt(nlink),
  size: BigInt(bytes.length),
  mtimeMs: mtimeNs / 1_000_000n,
  mtimeNs,
  ctimeNs,
  isFile: () => kind === 'file',
  isDirectory: () => kind === 'folder',
  isSymbolicLink: () => kind === 'link',
});
