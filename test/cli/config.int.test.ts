import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
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
      console.log('ready');
      for await (const _ of process.stdin);
      for (let n = 0; n < 10; n += 1) await config.set('agents.' + process.argv[2] + n + '.policy', 'read-only');`;
    const writer = (name: string) =>
      promisify(execFile)(process.execPath, ['--input-type=module', '-e', script, path, name]);
    const writers = ['a', 'b', 'c', 'd'].map(writer);
    await Promise.all(
      writers.map((running) => Promise.race([running, once(running.child.stdout as Readable, 'data')])),
    );
    for (const { child } of writers) child.stdin?.end();
    await Promise.all(writers);
    expect((await openConfig(path, {})).keys()).toHaveLength(40);
  });
});
