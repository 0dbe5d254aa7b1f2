import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { decide, resolvePaths } from '#runtime/permissions.ts';
import { tempDir, writeFiles } from '../support/temp.ts';

test('a link does not make a foreign file look like one of the agent', async () => {
  await using dir = await tempDir();
  const workspace = join(dir.path, 'ws');
  const docs = join(workspace, 'aachat/docs');
  await mkdir(docs, { recursive: true });
  await writeFiles(dir.path, { 'tokens/refresh': 'secret', 'ws/.git': 'gitdir: x' });
  await symlink(join(dir.path, 'tokens'), join(docs, 'notes'));
  await symlink(join(dir.path, 'tokens/new'), join(docs, 'dangling.md'));
  await symlink(dir.path, join(docs, 'up'));
  await symlink('../../.git', join(docs, 'pointer.md'));
  const scope = { workspace, own: [docs], denied: [join(dir.path, 'tokens')], exempt: [] };
  const ruling = async (path: string) => {
    const asked = { title: 'x', toolKind: 'edit', paths: [path], options: [], digest: '' };
    return decide('ask', await resolvePaths(asked, workspace), scope);
  };
  expect(await ruling('aachat/docs/notes/refresh')).toBe('reject');
  expect(await ruling(join(docs, 'notes/not-there-yet'))).toBe('reject');
  expect(await ruling(join(docs, 'dangling.md'))).toBe('reject');
  expect(await ruling(join(docs, 'up/elsewhere.txt'))).toBe('ask');
  expect(await ruling(join(docs, 'pointer.md'))).toBe('ask');
  expect(await ruling(join(docs, 'plan/new.md'))).toBe('allow');
});
