/** What a mirror relies on of a file system (`sync/disk.ts`): the real one and the one in memory pass it. */
import { constants } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Disk, Stats } from '#sync/disk.ts';

export interface Scope extends AsyncDisposable {
  readonly disk: Disk;
  /** An empty folder. */
  readonly root: string;
  readonly symlink: (target: string, path: string) => void;
  readonly chmod: (path: string, mode: number) => void;
}

const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_APPEND, O_TRUNC, O_NOFOLLOW } = constants;
const bigint = { bigint: true } as const;

/** Longer than the steps of any clock of a file system. */
const later = () => sleep(25);

function tools({ disk, root }: Scope) {
  const at = (name: string) => `${root}/${name}`;
  return {
    at,
    put(name: string, text: string): void {
      const fd = disk.openSync(at(name), O_WRONLY | O_CREAT | O_TRUNC);
      disk.writeSync(fd, Buffer.from(text), 0);
      disk.closeSync(fd);
    },
    get(name: string): string {
      const fd = disk.openSync(at(name), O_RDONLY);
      const text = disk.readFileSync(fd).toString();
      disk.closeSync(fd);
      return text;
    },
    stats(name: string): Stats {
      const stats = disk.lstatSync(at(name), { ...bigint, throwIfNoEntry: false });
      if (stats === undefined) throw new Error(`There is no ${name}.`);
      return stats;
    },
    names: (name = '') =>
      Array.from(disk.readdirSync(at(name), { withFileTypes: true }), (one) => one.name).toSorted((a, b) =>
        a < b ? -1 : 1,
      ),
    folder: (name: string) => disk.mkdirSync(at(name), { recursive: false }),
  };
}

const codeOf = (work: () => unknown): unknown => {
  try {
    return work();
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code;
  }
};

export function diskSuite(name: string, open: () => Promise<Scope>): void {
  const withScope = async (check: (scope: Scope, use: ReturnType<typeof tools>) => void | Promise<void>) => {
    await using scope = await open();
    await check(scope, tools(scope));
  };

  describe(name, () => {
    test('a file keeps its number when it moves, and a new one in its place has another', () =>
      withScope(({ disk }, { at, put, get, stats }) => {
        put('a', 'one');
        const { ino, dev } = stats('a');
        disk.renameSync(at('a'), at('b'));
        expect([stats('b').ino, stats('b').dev]).toEqual([ino, dev]);
        put('a', 'two');
        expect(stats('a').ino).not.toBe(ino);
        disk.renameSync(at('a'), at('b'));
        expect([get('b'), stats('b').ino === ino]).toEqual(['two', false]);
      }));

    test('two names of one file: counted, same text, and a rename of one to the other does nothing', () =>
      withScope(({ disk }, { at, put, get, stats, names }) => {
        put('a', 'one');
        disk.linkSync(at('a'), at('b'));
        put('b', 'changed');
        expect([stats('a').nlink, stats('b').nlink, stats('a').ino === stats('b').ino]).toEqual([2n, 2n, true]);
        expect(get('a')).toBe('changed');
        disk.renameSync(at('a'), at('b'));
        expect(names()).toEqual(['a', 'b']);
        disk.unlinkSync(at('a'));
        expect([names(), stats('b').nlink]).toEqual([['b'], 1n]);
      }));

    test('two names change places in one step, if both are there', () =>
      withScope(async ({ disk }, { at, put, get, stats, names, folder }) => {
        folder('x');
        put('a', 'one');
        put('x/b', 'two');
        const before = [stats('a'), stats('x/b')];
        await later();
        expect(disk.exchange(at('a'), at('x/b'))).toBe(true);
        const after = [stats('x/b'), stats('a')];
        expect([get('a'), get('x/b'), ...after.map(({ ino }) => ino)]).toEqual([
          'two',
          'one',
          ...before.map(({ ino }) => ino),
        ]);
        expect(after.map(({ mtimeNs }) => mtimeNs)).toEqual(before.map(({ mtimeNs }) => mtimeNs));
        expect(after.every(({ ctimeNs }, index) => ctimeNs > (before[index]?.ctimeNs ?? 0n))).toBe(true);
        expect([disk.exchange(at('a'), at('none')), disk.exchange(at('none'), at('a'))]).toEqual([false, false]);
        expect(names()).toEqual(['a', 'x']);
      }));

    test('times: a text moves both; a name, a mode and a second name move that of the change only', () =>
      withScope(async ({ disk, chmod }, { at, put, stats }) => {
        put('a', 'one');
        const steps: Record<string, () => void> = {
          rename: () => disk.renameSync(at('a'), at('b')),
          link: () => disk.linkSync(at('b'), at('a')),
          unlink: () => disk.unlinkSync(at('b')),
          chmod: () => chmod(at('a'), 0o600),
        };
        const where: Record<string, string> = { rename: 'b' };
        let before = stats('a');
        for (const [step, run] of Object.entries(steps)) {
          await later();
          run();
          const after = stats(where[step] ?? 'a');
          expect([step, after.mtimeNs === before.mtimeNs, after.ctimeNs > before.ctimeNs]).toEqual([step, true, true]);
          before = after;
        }
        await later();
        put('a', 'one');
        expect(stats('a').mtimeNs).toBeGreaterThan(before.mtimeNs);
        expect(stats('a').ctimeNs).toBeGreaterThan(before.ctimeNs);
      }));

    test('a time that is set is the time of the text, and the change has its own', () =>
      withScope(async ({ disk }, { at, put, stats }) => {
        put('a', 'one');
        const before = stats('a');
        await later();
        const fd = disk.openSync(at('a'), O_RDWR);
        disk.futimesSync(fd, 1_000, 1_000.25);
        disk.fchmodSync(fd, 0o640);
        expect(disk.fstatSync(fd, bigint).mtimeNs).toBe(1_000_250_000_000n);
        disk.closeSync(fd);
        expect([stats('a').mtimeMs, stats('a').mode & 0o777n]).toEqual([1_000_250n, 0o640n]);
        expect(stats('a').ctimeNs).toBeGreaterThan(before.ctimeNs);
      }));

    test('an open file is read and written under whatever name, and under none', () =>
      withScope(({ disk }, { at, put, get, names }) => {
        put('a', 'one');
        const reader = disk.openSync(at('a'), O_RDONLY);
        const writer = disk.openSync(at('a'), O_RDWR);
        disk.renameSync(at('a'), at('b'));
        disk.writeSync(writer, Buffer.from('ONE and'), 0);
        expect(get('b')).toBe('ONE and');
        put('c', 'new');
        disk.renameSync(at('c'), at('b'));
        disk.writeSync(writer, Buffer.from('..more'), 2);
        expect(disk.fstatSync(reader, bigint).nlink).toBe(0n);
        expect(disk.readFileSync(reader).toString()).toBe('ONE andmore');
        expect([get('b'), names()]).toEqual(['new', ['b']]);
        for (const fd of [reader, writer]) disk.closeSync(fd);
        expect(codeOf(() => disk.fstatSync(writer, bigint))).toBe('EBADF');
      }));

    test('ways to open: new only, at the end, emptied, cut', () =>
      withScope(async ({ disk }, { at, put, get, stats }) => {
        put('a', 'one');
        expect(codeOf(() => disk.openSync(at('a'), O_WRONLY | O_CREAT | O_EXCL))).toBe('EEXIST');
        const end = disk.openSync(at('a'), O_RDWR | O_CREAT | O_APPEND, 0o600);
        expect(disk.readFileSync(end).toString()).toBe('one');
        put('a', 'longer than before');
        expect(disk.writeSync(end, Buffer.from('+two'), 0)).toBe(4);
        expect(get('a')).toBe('longer than before+two');
        disk.ftruncateSync(end, 3);
        disk.writeSync(end, Buffer.from('!'), 0);
        await disk.sync(end);
        disk.fsyncSync(end);
        disk.closeSync(end);
        expect(get('a')).toBe('lon!');
        disk.closeSync(disk.openSync(at('a'), O_WRONLY | O_TRUNC));
        expect(stats('a').size).toBe(0n);
        disk.closeSync(disk.openSync(at('b'), O_WRONLY | O_CREAT | O_EXCL, 0o600));
        expect(stats('b').mode & 0o777n).toBe(0o600n);
        const reader = disk.openSync(at('a'), O_RDONLY);
        expect(codeOf(() => disk.writeSync(reader, Buffer.from('no'), 0))).toBe('EBADF');
        disk.closeSync(reader);
      }));

    test('a copy is another file with the same text', () =>
      withScope(({ disk }, { at, put, get, stats }) => {
        put('a', 'one');
        put('b', 'something longer');
        disk.copyFileSync(at('a'), at('b'));
        disk.copyFileSync(at('a'), at('c'));
        put('a', 'changed');
        expect([get('b'), get('c'), stats('c').nlink]).toEqual(['one', 'one', 1n]);
        expect(codeOf(() => disk.copyFileSync(at('none'), at('d')))).toBe('ENOENT');
      }));

    test('folders: made with those above, listed, removed when empty, moved with what is in them', () =>
      withScope(({ disk, root }, { at, put, get, stats, names, folder }) => {
        disk.mkdirSync(at('x/y'), { recursive: true, mode: 0o700 });
        disk.mkdirSync(at('x/y'), { recursive: true });
        put('x/y/a', 'one');
        expect([stats('x/y').isDirectory(), stats('x/y').mode & 0o777n]).toEqual([true, 0o700n]);
        expect(Array.from(disk.readdirSync(at('x'), { withFileTypes: true }), (one) => one.isDirectory())).toEqual([
          true,
        ]);
        expect(codeOf(() => disk.rmdirSync(at('x/y')))).toBe('ENOTEMPTY');
        disk.renameSync(at('x/y'), at('z'));
        expect([get('z/a'), names(), names('x')]).toEqual(['one', ['x', 'z'], []]);
        disk.renameSync(at('z'), at('x'));
        expect([get('x/a'), names()]).toEqual(['one', ['x']]);
        folder('w');
        disk.rmdirSync(at('w'));
        expect([names(), disk.realpathSync(at('x'))]).toEqual([['x'], `${root}/x`]);
      }));

    test('links to elsewhere: seen as such, followed above a name, and not opened where that is asked', () =>
      withScope(({ disk, root, symlink }, { at, put, get, stats, folder }) => {
        folder('x');
        put('x/a', 'one');
        symlink('x', at('y'));
        symlink(at('x/a'), at('b'));
        symlink(at('none'), at('c'));
        expect([stats('y'), stats('b'), stats('c')].map((one) => [one.isSymbolicLink(), one.isFile()])).toEqual(
          Array.from({ length: 3 }, () => [true, false]),
        );
        put('y/new', 'two');
        expect([get('y/a'), get('b'), get('x/new')]).toEqual(['one', 'one', 'two']);
        expect([disk.realpathSync(at('y/a')), disk.realpathSync(at('b'))]).toEqual([`${root}/x/a`, `${root}/x/a`]);
        expect(codeOf(() => disk.openSync(at('b'), O_RDONLY | O_NOFOLLOW))).toBe('ELOOP');
        expect(codeOf(() => disk.openSync(at('c'), O_RDONLY))).toBe('ENOENT');
        expect(codeOf(() => disk.openSync(at('c'), O_WRONLY | O_CREAT | O_EXCL))).toBe('EEXIST');
        disk.renameSync(at('b'), at('d'));
        disk.unlinkSync(at('d'));
        expect(get('x/a')).toBe('one');
      }));

    test('what is refused, and how', () =>
      withScope(({ disk }, { at, put, names, folder }) => {
        put('file', 'one');
        put('other', 'two');
        folder('folder');
        put('folder/a', 'one');
        folder('empty');
        const fd = disk.openSync(at('folder'), O_RDONLY);
        const refused: readonly (readonly [string, unknown, () => unknown])[] = [
          ['lstat of nothing', undefined, () => disk.lstatSync(at('none'), { ...bigint, throwIfNoEntry: false })],
          ['lstat below nothing', undefined, () => disk.lstatSync(at('none/a'), { ...bigint, throwIfNoEntry: false })],
          ['open of nothing', 'ENOENT', () => disk.openSync(at('none'), O_RDONLY)],
          ['open below a file', 'ENOTDIR', () => disk.openSync(at('file/a'), O_RDONLY)],
          ['open of a folder, to write', 'EISDIR', () => disk.openSync(at('folder'), O_WRONLY)],
          ['read of a folder', 'EISDIR', () => disk.readFileSync(fd)],
          ['list of nothing', 'ENOENT', () => disk.readdirSync(at('none'), { withFileTypes: true })],
          ['list of a file', 'ENOTDIR', () => disk.readdirSync(at('file'), { withFileTypes: true })],
          ['real path of nothing', 'ENOENT', () => disk.realpathSync(at('none'))],
          ['folder in the place of a file', 'EEXIST', () => disk.mkdirSync(at('file'), { recursive: false })],
          ['folder below nothing', 'ENOENT', () => disk.mkdirSync(at('none/a'), { recursive: false })],
          ['link to what is there', 'EEXIST', () => disk.linkSync(at('file'), at('other'))],
          ['link of nothing', 'ENOENT', () => disk.linkSync(at('none'), at('b'))],
          ['link of a folder', 'EPERM', () => disk.linkSync(at('folder'), at('b'))],
          ['link below nothing', 'ENOENT', () => disk.linkSync(at('file'), at('none/b'))],
          ['unlink of nothing', 'ENOENT', () => disk.unlinkSync(at('none'))],
          ['unlink below a file', 'ENOTDIR', () => disk.unlinkSync(at('file/a'))],
          ['rmdir of a file', 'ENOTDIR', () => disk.rmdirSync(at('file'))],
          ['rename of nothing', 'ENOENT', () => disk.renameSync(at('none'), at('file'))],
          ['rename below nothing', 'ENOENT', () => disk.renameSync(at('file'), at('none/a'))],
          ['rename of a file to a folder', 'EISDIR', () => disk.renameSync(at('file'), at('empty'))],
          ['rename of a folder to a file', 'ENOTDIR', () => disk.renameSync(at('folder'), at('file'))],
          ['rename of a folder to a full one', 'ENOTEMPTY', () => disk.renameSync(at('empty'), at('folder'))],
        ];
        for (const [what, code, work] of refused) expect([what, codeOf(work)]).toEqual([what, code]);
        disk.closeSync(fd);
        // Depends on the version of Node.
        const below = codeOf(() => disk.lstatSync(at('file/a'), { ...bigint, throwIfNoEntry: false }));
        expect([undefined, 'ENOTDIR']).toContain(below);
        expect(names()).toEqual(['empty', 'file', 'folder', 'other']);
      }));

    test('a folder that may not be entered, listed or changed', async (context) => {
      await withScope(({ disk, chmod }, { at, put, get, stats, names, folder }) => {
        folder('x');
        put('x/a', 'one');
        chmod(at('x'), 0o000);
        // The super user of a real system may do everything.
        context.skip(codeOf(() => names('x')) !== 'EACCES', 'this user may read everything');
        expect(codeOf(() => stats('x/a'))).toBe('EACCES');
        expect(codeOf(() => get('x/a'))).toBe('EACCES');
        chmod(at('x'), 0o500);
        expect([get('x/a'), names('x')]).toEqual(['one', ['a']]);
        for (const work of [
          () => put('x/b', 'two'),
          () => disk.unlinkSync(at('x/a')),
          () => disk.renameSync(at('x/a'), at('a')),
          () => disk.linkSync(at('x/a'), at('x/b')),
          () => folder('x/y'),
        ]) {
          expect(codeOf(work)).toBe('EACCES');
        }
        put('x/a', 'changed');
        chmod(at('x/a'), 0o000);
        expect(codeOf(() => get('x/a'))).toBe('EACCES');
        chmod(at('x'), 0o700);
      });
    });
  });
}
