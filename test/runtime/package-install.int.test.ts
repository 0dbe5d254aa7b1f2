import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { mkdir, readFile, stat, symlink } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { create } from 'tar';
import { describe, expect, test } from 'vitest';
import { planClaudeInstall } from '#runtime/claude-install.ts';
import {
  type InstallProgress,
  installPackages,
  PackageLock,
  type Pinned,
  pinnedPackages,
} from '#runtime/package-install.ts';
import { freePort } from '../support/port.ts';
import { tempDir, writeFiles } from '../support/temp.ts';

const LINUX = { os: 'linux', cpu: 'x64', libc: 'glibc' } as const;

const lock = PackageLock.parse({
  packages: {
    '': { dependencies: { other: '1' } },
    'node_modules/top': {
      version: '1.0.0',
      integrity: 'sha512-top',
      dependencies: { inner: '2' },
      optionalDependencies: { 'for-linux': '1', 'for-musl': '1', 'for-windows': '1', unknown: '1' },
    },
    'node_modules/top/node_modules/inner': {
      version: '2.0.0',
      integrity: 'sha512-inner2',
      dependencies: { shared: '1', top: '1' },
    },
    'node_modules/inner': { version: '1.0.0', integrity: 'sha512-inner1' },
    'node_modules/shared': { version: '1.0.0', integrity: 'sha512-shared' },
    'node_modules/other': { version: '1.0.0', integrity: 'sha512-other' },
    'node_modules/for-linux': { version: '1.0.0', integrity: 'sha512-l', os: ['linux'], cpu: ['x64'], libc: ['glibc'] },
    'node_modules/for-musl': { version: '1.0.0', integrity: 'sha512-m', os: ['linux'], libc: ['musl'] },
    'node_modules/for-windows': { version: '1.0.0', integrity: 'sha512-w', os: ['win32'] },
  },
});
const paths = (platform: Parameters<typeof pinnedPackages>[2]) =>
  pinnedPackages(lock, 'top', platform)
    .map(({ path }) => path)
    .toSorted();

describe('what has to be fetched', () => {
  test('is what the lock file pins for this platform, found as Node finds it', () => {
    const common = ['node_modules/shared', 'node_modules/top', 'node_modules/top/node_modules/inner'];
    expect(paths(LINUX)).toEqual(['node_modules/for-linux', ...common]);
    expect(paths({ ...LINUX, libc: 'musl' })).toEqual(['node_modules/for-musl', ...common]);
    expect(paths({ os: 'win32', cpu: 'x64', libc: undefined })).toEqual(['node_modules/for-windows', ...common]);
  });

  test('must be pinned, whole', () => {
    expect(() => pinnedPackages(lock, 'unknown', LINUX)).toThrow('does not pin unknown');
  });

  test('for Claude Code is the adapter, and the program of this platform', async () => {
    const { adapter, packages } = await planClaudeInstall();
    expect(adapter).toMatchObject({
      name: '@agentclientprotocol/claude-agent-acp',
      version: expect.stringMatching(/^\d/),
    });
    const names = packages.map(({ name }) => name);
    expect(names).toContain('@anthropic-ai/claude-agent-sdk');
    expect(names.filter((name) => name.startsWith('@anthropic-ai/claude-agent-sdk-'))).toEqual([
      expect.stringContaining(`${process.platform}-${process.arch}`),
    ]);
    expect(new Set(packages.map(({ integrity }) => integrity.slice(0, 7)))).toEqual(new Set(['sha512-']));
  });
});

/** A registry on loopback with archives made of files. */
async function registry(packages: Readonly<Record<string, Readonly<Record<string, string>>>>) {
  const dir = await tempDir();
  const archives = new Map<string, Buffer>();
  const pinned: Pinned[] = [];
  for (const [name, files] of Object.entries(packages)) {
    const folder = join(dir.path, name.replace('/', '_'));
    await writeFiles(join(folder, 'package'), files);
    await symlink('/etc', join(folder, 'package', 'link'));
    const file = `${folder}.tgz`;
    await create({ gzip: true, file, cwd: folder }, ['package']);
    const bytes = await readFile(file);
    archives.set(`/${name}/-/${name.split('/').at(-1)}-1.0.0.tgz`, bytes);
    const integrity = `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
    pinned.push({ path: `node_modules/${name}`, name, version: '1.0.0', integrity });
  }
  const server = createServer(({ url = '' }, response) => {
    const bytes = archives.get(url);
    if (bytes === undefined) response.writeHead(404).end();
    else response.writeHead(200, { 'content-length': bytes.length }).end(bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const target = join(dir.path, 'programs', 'one');
  const progress: InstallProgress[] = [];
  return {
    pinned,
    archives,
    dir: target,
    progress,
    install: (wanted: readonly Pinned[] = pinned, address?: string) =>
      installPackages({
        packages: wanted,
        registry: address ?? `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
        dir: target,
        onProgress: (step) => progress.push(step),
        signal: new AbortController().signal,
      }),
    left: () => readdirSync(join(dir.path, 'programs')),
    [Symbol.asyncDispose]: async () => {
      await new Promise((resolve) => server.close(resolve));
      await dir[Symbol.asyncDispose]();
    },
  };
}

describe('an install', () => {
  test('has the files of every package, without their links, in place of what was there', async () => {
    await using it = await registry({
      '@scope/top': { 'package.json': '{"name":"@scope/top"}', 'dist/index.js': 'top' },
      inner: { 'index.js': 'inner' },
    });
    await writeFiles(it.dir, { 'node_modules/old/index.js': 'old' });
    await it.install();
    expect(await readFile(join(it.dir, 'node_modules/@scope/top/dist/index.js'), 'utf8')).toBe('top');
    expect(await readFile(join(it.dir, 'node_modules/inner/index.js'), 'utf8')).toBe('inner');
    for (const gone of ['node_modules/old', 'node_modules/inner/link', 'archive.tgz']) {
      await expect(stat(join(it.dir, gone))).rejects.toThrow('ENOENT');
    }
    expect(it.left()).toEqual(['one']);
    const bytes = it.archives.get('/inner/-/inner-1.0.0.tgz')?.length;
    expect(it.progress.at(-1)).toEqual({ name: 'inner', version: '1.0.0', fetchedBytes: bytes, totalBytes: bytes });
  });

  test('leaves everything as it was when a package is not what was pinned', async () => {
    await using it = await registry({ top: { 'index.js': 'top' }, evil: { 'index.js': 'good' } });
    await writeFiles(it.dir, { 'node_modules/old/index.js': 'old' });
    it.archives.set('/evil/-/evil-1.0.0.tgz', it.archives.get('/top/-/top-1.0.0.tgz') ?? Buffer.from(''));
    await expect(it.install()).rejects.toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('digest') });
    expect(await readFile(join(it.dir, 'node_modules/old/index.js'), 'utf8')).toBe('old');
    expect(it.left()).toEqual(['one']);
  });

  test('says which registry does not answer, or does not have it', async () => {
    await using it = await registry({ top: { 'index.js': 'top' } });
    await mkdir(it.dir, { recursive: true });
    const missing = it.pinned.map((pinned) => ({ ...pinned, version: '2.0.0' }));
    await expect(it.install(missing)).rejects.toMatchObject({
      code: 'SERVER_UNREACHABLE',
      message: expect.stringContaining('404'),
    });
    const nobody = `http://127.0.0.1:${await freePort()}`;
    await expect(it.install(it.pinned, nobody)).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' });
    expect(it.left()).toEqual(['one']);
  });
});
