/** Guards the guard: the linter must refuse one forbidden import per floor, and allow a permitted one. */
import { execFile } from 'node:child_process';
import { cp, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { tempDir, writeFiles } from './support/temp.ts';

const root = join(import.meta.dirname, '..');
const run = promisify(execFile);

/** Lints files in a copy of the project that has only the linter's settings. */
async function lint(
  files: Readonly<Record<string, string>>,
): Promise<{ readonly ok: boolean; readonly output: string }> {
  await using dir = await tempDir();
  await cp(join(root, '.biome.json'), join(dir.path, '.biome.json'));
  await writeFile(join(dir.path, '.gitignore'), 'node_modules\n');
  await symlink(join(root, 'node_modules'), join(dir.path, 'node_modules'));
  await writeFiles(dir.path, files);
  try {
    const { stdout, stderr } = await run(join(root, 'node_modules/.bin/biome'), ['lint', '.'], { cwd: dir.path });
    return { ok: true, output: stdout + stderr };
  } catch (thrown) {
    const { stdout, stderr } = thrown as { stdout: string; stderr: string };
    return { ok: false, output: stdout + stderr };
  }
}

const forbidden: readonly (readonly [file: string, what: string, text: string])[] = [
  ['src/base/a.ts', 'another floor', "import { x } from '#contract/ids.ts';\nexport const y = x;\n"],
  ['src/contract/a.ts', 'another floor', "import { x } from '#base/fs.ts';\nexport const y = x;\n"],
  ['src/contract/a.ts', 'Node', "import { readFileSync } from 'node:fs';\nexport const y = readFileSync;\n"],
  ['src/contract/a.ts', 'a package', "import { x } from 'uuid';\nexport const y = x;\n"],
  ['src/sync/core/a.ts', 'another floor', "import { x } from '#base/time.ts';\nexport const y = x;\n"],
  ['src/sync/core/a.ts', 'Node', "import { join } from 'node:path';\nexport const y = join;\n"],
  ['src/sync/a.ts', 'the contract', "import { x } from '#contract/ids.ts';\nexport const y = x;\n"],
  ['src/client/a.ts', 'runtime', "import { x } from '#runtime/home.ts';\nexport const y = x;\n"],
  ['src/client/a.ts', 'runtime as a type', "import type { X } from '#runtime/home.ts';\nexport type Y = X;\n"],
  ['src/runtime/a.ts', 'server', "import { x } from '#server/main.ts';\nexport const y = x;\n"],
  ['src/runtime/a.ts', 'cli, lazily', "export const y = () => import('#cli/program.ts');\n"],
  ['src/server/a.ts', 'client', "import { x } from '#client/http.ts';\nexport const y = x;\n"],
  ['src/cli/a.ts', 'server', "import { x } from '#server/main.ts';\nexport const y = x;\n"],
  ['src/cli/commands/talk.ts', 'server, lazily', "export const y = () => import('#server/main.ts');\n"],
  ['src/cli/a.ts', 'a parent folder', "import { x } from '../base/time.ts';\nexport const y = x;\n"],
];

const allowed: readonly (readonly [file: string, text: string])[] = [
  [
    'src/contract/a.ts',
    "import { z } from 'zod';\nimport { AachatError } from '#base/errors.ts';\nexport const y = [z, AachatError];\n",
  ],
  [
    'src/client/a.ts',
    "import WebSocket from 'ws';\nimport { x } from '#contract/ids.ts';\nexport const y = [WebSocket, x];\n",
  ],
  ['src/server/a.ts', "import { x } from '#sync/core/merge.ts';\nexport const y = x;\n"],
  ['src/cli/commands/server.ts', "export const y = () => import('#server/main.ts');\n"],
  ['src/main.ts', "export const y = () => import('#cli/program.ts');\n"],
];

describe('import table', () => {
  test.for(forbidden)('%s may not import %s', async ([file, , text]) => {
    const { ok, output } = await lint({ [file]: text });
    expect(output).toMatch(/noRestrictedImports|noNodejsModules/);
    expect(ok).toBe(false);
  });

  test.for(allowed)('%s may import what the table lists', async ([file, text]) => {
    const { output } = await lint({ [file]: text });
    expect(output).not.toMatch(/noRestrictedImports|noNodejsModules/);
  });

  test('a floating promise, a cycle of types and console are refused', async () => {
    const floating = { 'src/base/a.ts': 'async function f() {}\nexport function g() {\n  f();\n}\n' };
    expect((await lint(floating)).output).toMatch(/noFloatingPromises/);
    const cycle = {
      'src/base/a.ts': "import type { B } from './b.ts';\nexport type A = B;\n",
      'src/base/b.ts': "import type { A } from './a.ts';\nexport type B = A;\n",
    };
    expect((await lint(cycle)).output).toMatch(/noImportCycles/);
    expect((await lint({ 'src/base/a.ts': "console.log('x');\n" })).output).toMatch(/noConsole/);
  });
});
