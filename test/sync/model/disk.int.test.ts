/** The file system in memory and the real one behave alike, as far as a mirror looks. */
import { chmodSync, symlinkSync } from 'node:fs';
import { expect, test } from 'vitest';
import { realDisk } from '#sync/disk.ts';
import { tempDir } from '../../support/temp.ts';
import { diskSuite } from './disk-suite.ts';
import { MemoryDisk } from './memory-disk.ts';

diskSuite('real', async () => {
  const dir = await tempDir();
  return {
    disk: realDisk,
    root: dir.path,
    symlink: symlinkSync,
    chmod: chmodSync,
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
});

diskSuite('memory', async () => {
  const disk = new MemoryDisk();
  disk.mkdirSync('/a/root', { recursive: true });
  return {
    disk,
    root: '/a/root',
    symlink: (target, path) => disk.symlink(target, path),
    chmod: (path, mode) => disk.chmod(path, mode),
    [Symbol.asyncDispose]: async () => {},
  };
});

test('a full disk takes no more bytes and no new names, but gives what it has', () => {
  const disk = new MemoryDisk();
  const fd = disk.openSync('/a', 0o102);
  disk.writeSync(fd, Buffer.from('one'), 0);
  disk.isFull = true;
  expect(() => disk.writeSync(fd, Buffer.from('two'), 0)).toThrow('ENOSPC');
  expect(() => disk.mkdirSync('/b', { recursive: false })).toThrow('ENOSPC');
  expect(() => disk.openSync('/b', 0o102)).toThrow('ENOSPC');
  disk.renameSync('/a', '/b');
  expect(disk.fstatSync(fd).size).toBe(3n);
});
