import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { guardTracked } from '#runtime/tracked-documents.ts';
import { tempRepo } from '../support/temp.ts';

const path = 'acme/launch/notes/plan.md';

/** A repository that tracks a document. */
const tracking = () => tempRepo({ [`aachat/docs/${path}`]: 'tracked\n' });

afterEach(() => {
  vi.unstubAllEnvs();
});

test('what git tracks is not shared, also where git fails for a while', async () => {
  await using repo = await tracking();
  const guard = guardTracked(repo.path);
  vi.stubEnv('PATH', join(repo.path, 'nothing'));
  await expect(guard(path, true)).rejects.toMatchObject({ code: expect.not.stringMatching('FORBIDDEN') });
  vi.unstubAllEnvs();
  await expect(guard(path, true)).rejects.toMatchObject({ code: 'FORBIDDEN' });
  await guard('acme/launch/notes/other.md', true);
});

test('without a repository nothing is tracked, until it is back', async () => {
  await using repo = await tracking();
  const guard = guardTracked(repo.path);
  await expect(guard(path, false)).rejects.toMatchObject({ code: 'FORBIDDEN' });
  await rename(join(repo.path, '.git'), join(repo.path, 'away'));
  await guard('acme/launch/notes/other.md', true);
  await rename(join(repo.path, 'away'), join(repo.path, '.git'));
  await expect(guard(path, false)).rejects.toMatchObject({ code: 'FORBIDDEN' });
});
