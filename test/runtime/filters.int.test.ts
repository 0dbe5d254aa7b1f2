/** In a file of its own: what the user's settings say is read once. */
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { exists } from '#base/fs.ts';
import { openClone } from '#runtime/clone.ts';
import { saveRepo } from '#runtime/save.ts';
import { addWorktree, checkoutVisible, removeWorktree } from '#runtime/worktree.ts';
import { gitIn, tempDir, tempRepo, writeFiles } from '../support/temp.ts';

test("a repo's attributes call no filter of the user", async () => {
  await using dir = await tempDir();
  await using repo = await tempRepo({ 'a.md': 'text\n', '.gitattributes': '*.md filter=lfs\n' });
  await gitIn(repo.path, 'config', 'receive.denyCurrentBranch', 'ignore');
  const canary = join(dir.path, 'canary');
  const filter = join(dir.path, 'filter.sh');
  await writeFile(filter, `#!/bin/sh\necho ran >> ${canary}\ncat\n`);
  await chmod(filter, 0o755);
  const settings = `[filter "lfs"]\n\tclean = ${filter}\n\tsmudge = ${filter}\n\trequired = true\n`;
  await writeFiles(dir.path, { gitconfig: settings });
  process.env['GIT_CONFIG_GLOBAL'] = join(dir.path, 'gitconfig');
  const cacheDir = join(dir.path, 'cache');
  const clone = await openClone(cacheDir, repo.path, { exclude: [] });
  const path = join(dir.path, 'ws');
  await addWorktree(clone, path);
  await checkoutVisible(clone, join(dir.path, 'visible'));
  await writeFiles(path, { 'a.md': 'changed\n', 'b.md': 'new\n' });
  const saved = await saveRepo(path, { cacheDir, message: 'm', author: { name: 'ada.mia', email: 'noreply@aachat' } });
  expect(saved.files).toEqual(['a.md', 'b.md']);
  expect(await removeWorktree(clone, path)).toEqual({ removed: true });
  expect(await exists(canary)).toBe(false);
});
