import { join } from 'node:path';
import { expect, test } from 'vitest';
import { resolveDeclared } from '#runtime/declared-environment.ts';
import { tempDir, writeFiles } from '../support/temp.ts';

const toml = 'GH_TOKEN = "all"\nPORT = 80\nOTHER = "not declared"\n[agents."ada.mia"]\nGH_TOKEN = "own"\n';

test('only declared names are given, those of the agent before those of all', async () => {
  await using dir = await tempDir();
  await writeFiles(dir.path, { 'env.toml': toml });
  expect(await resolveDeclared(join(dir.path, 'env.toml'), 'ada.mia', ['GH_TOKEN', 'PORT', 'MISSING'])).toEqual({
    values: { GH_TOKEN: 'own', PORT: '80' },
    missing: ['MISSING'],
    warnings: [],
  });
});

test('a missing file means missing values, never a failure', async () => {
  await using dir = await tempDir();
  expect((await resolveDeclared(join(dir.path, 'none.toml'), 'ada.mia', ['A'])).missing).toEqual(['A']);
});

test('a broken file is reported without a word of it', async () => {
  await using dir = await tempDir();
  await writeFiles(dir.path, { 'env.toml': 'TOKEN = CANARY' });
  const { warnings, missing } = await resolveDeclared(join(dir.path, 'env.toml'), 'ada.mia', ['TOKEN']);
  expect([missing, warnings.length, warnings.join().includes('CANARY')]).toEqual([['TOKEN'], 1, false]);
});
