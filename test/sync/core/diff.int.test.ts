/** The unified diff of two texts is one that git itself applies. */

import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { unifiedDiff } from '#sync/core/unified-diff.ts';
import fc from '../../support/property.ts';
import { tempDir } from '../../support/temp.ts';
import { pairs } from './edits.ts';

const run = promisify(execFile);

test('git applies the diff and gets the other text, byte for byte', async () => {
  await using dir = await tempDir();
  const file = join(dir.path, 'a.md');
  await fc.assert(
    fc.asyncProperty(pairs(14), fc.nat({ max: 4 }), async ({ base, head }, context) => {
      fc.pre(base !== head);
      await writeFile(file, base);
      await writeFile(join(dir.path, 'patch'), unifiedDiff(base, head, { context, names: ['a/a.md', 'b/a.md'] }));
      await run('git', ['apply', '--unidiff-zero', '--whitespace=nowarn', 'patch'], { cwd: dir.path });
      expect(await readFile(file, 'utf8')).toBe(head);
    }),
    { numRuns: 100 },
  );
});
