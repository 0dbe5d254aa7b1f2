import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { openConfig } from '#cli/config.ts';
import { tempDir } from '../support/temp.ts';

describe('settings', () => {
  test('a program that runs hears what is set beside it, also where there was no file', async () => {
    await using dir = await tempDir();
    const path = join(dir.path, '.state', 'config.json');
    const running = await openConfig(path, {});
    expect(running.get('agents.ada.policy')).toBeUndefined();
    await (await openConfig(path, {})).set('agents.ada.policy', 'full');
    expect(running.get('agents.ada.policy')).toEqual({ value: 'full', origin: 'file' });
    await writeFile(path, '{ damaged');
    expect(running.get('agents.ada.policy')).toBeUndefined();
  });

  test('that several processes set at once are all kept', async () => {
    await using dir = await tempDir();
    const path = join(dir.path, 'config.json');
    const script = `import { openConfig } from '#cli/config.ts';
      const config = await openConfig(process.argv[1], {});
      for (let n = 0; n < 25; n += 1) await config.set('agents.' + process.argv[2] + n + '.policy', 'read-only');`;
    const writer = (name: string) =>
      promisify(execFile)(process.execPath, ['--input-type=module', '-e', script, path, name]);
    await Promise.all(['a', 'b', 'c', 'd'].map(writer));
    expect((await openConfig(path, {})).keys()).toHaveLength(100);
  });
});
