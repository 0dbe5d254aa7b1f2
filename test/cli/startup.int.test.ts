/** What a help text or a mistake costs: the grammar, and nothing that commands need. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const SHOW_LOADED = `
import { registerHooks } from 'node:module';
registerHooks({
  load(url, context, next) {
    console.log(url);
    return next(url, context);
  },
});
await import('#cli/exit.ts');
`;

test('the grammar loads no schemas and no library but commander and colours', async () => {
  const root = join(import.meta.dirname, '..', '..');
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', SHOW_LOADED], {
    cwd: root,
  });
  expect(stdout).toContain('/src/cli/grammar/talk.ts');
  const packages = new Set([...stdout.matchAll(/node_modules\/([^/]+)\//g)].map(([, name]) => name));
  expect(packages).toEqual(new Set(['commander', 'picocolors']));
});
