/** What of a document stays in the files of the embedded database. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROUTES } from '#contract/routes.ts';
import { createProject, createTeam, push } from '../support/company.ts';
import { clientId, testServer } from '../support/server.ts';
import { tempDir } from '../support/temp.ts';

test('a purged text is in no file of the server', async () => {
  await using dir = await tempDir();
  const dataDir = join(dir.path, 'server');
  const stored = async () => {
    const files = await Promise.all((await readdir(dataDir)).map((name) => readFile(join(dataDir, name))));
    return Buffer.concat(files);
  };
  {
    await using server = await testServer({ dataDir });
    const alice = await server.login('alice');
    const project = await createProject(alice, await createTeam(alice, 'acme'), 'launch');
    // One text that fits into a page of the file, and one that does not.
    const small = await push(alice, project, 'small', null, 'purged-secret\n');
    const large = await push(alice, project, 'large', null, `${'x'.repeat(100_000)}purged-secret\n`);
    expect(await stored()).toSatisfy((bytes: Buffer) => bytes.includes('purged-secret'));
    for (const { document } of [small, large]) {
      await push(alice, project, document.name, document, 'kept-text\n');
      await alice.call(ROUTES.purgeVersions, {
        params: { documentId: document.id },
        body: { clientId: clientId(), versions: [1] },
      });
    }
  }
  expect(await stored()).toSatisfy((bytes: Buffer) => bytes.includes('kept-text') && !bytes.includes('purged-secret'));
});
