import { closeSync, openSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { watchFolder } from '#sync/watcher.ts';
import { eventually } from '../support/eventually.ts';
import { tempDir } from '../support/temp.ts';

test('S15 what is made in a new folder right after a hint of it gives another hint', async () => {
  await using dir = await tempDir();
  const folders = ['team', 'team/project', 'team/project/notes'];
  const unseen = new Set<string>();
  const seen = new Set<string>();
  let made = 0;
  const onHint = (path: string) => {
    for (const file of unseen) if (file === path || file.startsWith(`${path}/`)) unseen.delete(file);
    if (!folders.includes(path)) return;
    // Whoever heard this hint has looked by now.
    made += 1;
    const file = `${path}/${made}.md`;
    seen.add(path);
    unseen.add(file);
    writeFileSync(join(dir.path, file), '');
  };
  const onTrouble = (error: unknown) => expect.unreachable(String(error));
  await using _ = await watchFolder(dir.path, { onHint, onTrouble });
  await mkdir(join(dir.path, 'team', 'project', 'notes'), { recursive: true });
  await eventually('every folder and every file has a hint', () => seen.size === folders.length && unseen.size === 0);
});

test.runIf(process.platform === 'linux')('S13 a new name is told from a write, and each write is told of', async () => {
  await using dir = await tempDir();
  const file = join(dir.path, 'plan.md');
  const heard: string[] = [];
  const onHint = (path: string, isNamed: boolean) => {
    if (path === 'plan.md') heard.push(isNamed ? 'named' : 'written');
  };
  const onTrouble = (error: unknown) => expect.unreachable(String(error));
  await using _ = await watchFolder(dir.path, { onHint, onTrouble });
  const fd = openSync(file, 'wx');
  writeSync(fd, 'a part, ');
  await eventually('the first part is heard of', () => heard.at(-1) === 'written');
  expect(heard[0]).toBe('named');
  heard.length = 0;
  writeSync(fd, 'the rest');
  closeSync(fd);
  await eventually('the second part is heard of', () => heard.length > 0);
  expect(heard).toEqual(['written']);
  heard.length = 0;
  writeFileSync(`${file}.tmp`, 'all of it');
  renameSync(`${file}.tmp`, file);
  await eventually('the rename is heard of', () => heard.length > 0);
  expect(heard).toEqual(['named']);
});
